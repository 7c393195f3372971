"""examples/container: nginx, an ASGI application and redis in one container."""

from __future__ import annotations

import json

import pytest

from tests.container.conftest import RunContainer
from tests.container.engine import Container, docker
from tests.support import wait_until

RESTRICTED = ["--user", "12345", "--read-only", "--cap-drop", "ALL", "--tmpfs", "/tmp"]
FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"


def fetch(container: Container, path: str) -> str:
    """GET a path of nginx's, from within the container: it has no network."""
    return container.exec("python3", "-c", FETCH, f"http://127.0.0.1:8080{path}").stdout


def status(container: Container) -> dict[str, dict[str, object]]:
    """Return what `asyncinit status --json` says of each service."""
    document = json.loads(container.exec("asyncinit", "status", "--json").stdout)
    return {service["name"]: service for service in document["services"]}


@pytest.mark.parametrize("options", [[], RESTRICTED], ids=["as built", "restricted"])
def test_requests_reach_redis_and_docker_stop_takes_all_down_in_order(
    shop: str, run: RunContainer, options: list[str]
) -> None:
    """nginx asks the application, which counts in redis; on `docker stop` each says goodbye in order; the end is 0."""
    container = run(shop, options=options)
    container.wait_ready()
    assert json.loads(fetch(container, "/")) == {"visits": 1}
    assert json.loads(fetch(container, "/")) == {"visits": 2}
    counted = container.exec("redis-cli", "-s", "/tmp/redis.sock", "get", "visits").stdout
    assert counted.strip().strip('"') == "2"
    assert {service["state"] for service in status(container).values()} == {"ready"}

    docker("stop", "--time", "30", container.id)
    state = container.state()
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False), container.logs()
    logs = container.logs()
    goodbyes = ["(SIGQUIT) received from", "application: last count is 2", "Redis is now ready to exit, bye bye"]
    places = [logs.find(text) for text in goodbyes]
    assert -1 not in places, logs
    assert places == sorted(places), logs


def test_what_docker_exec_leaves_behind_is_reaped(shop: str, run: RunContainer) -> None:
    """Processes whose `docker exec` ended before they did leave no zombie."""
    container = run(shop)
    container.wait_ready()
    for _ in range(5):
        container.exec("sh", "-c", "for n in 1 2 3 4 5; do (sleep 0.1 &) ; done; sleep 0.05 & exit 0")
    wait_until(lambda: not [row for row in container.processes() if row[1] == "sleep" or row[2] == "Z"])
    assert container.exec("asyncinit", "status", "--ready").returncode == 0


def test_the_end_of_an_essential_service_is_the_end_of_the_container(shop: str, run: RunContainer) -> None:
    """nginx, killed, ends the container with its status; the others are stopped in order first."""
    container = run(shop)
    container.wait_ready()
    pid = status(container)["nginx"]["pid"]
    container.exec("sh", "-c", f"kill -KILL {pid}", check=False)
    assert container.wait() == 128 + 9, container.logs()
    assert "bye bye" in container.logs()


def test_a_service_that_is_not_essential_is_restarted(shop: str, run: RunContainer) -> None:
    """redis, killed, comes back by itself, and the application finds it again."""
    container = run(shop)
    container.wait_ready()
    before = status(container)["redis"]["pid"]
    container.exec("sh", "-c", f"kill -KILL {before}")

    def back() -> bool:
        redis = status(container)["redis"]
        return redis["state"] == "ready" and redis["pid"] != before and redis["restarts"] == 1

    wait_until(back)
    assert json.loads(fetch(container, "/")) == {"visits": 1}


def test_the_health_check_of_the_image_turns_healthy(shop: str, run: RunContainer) -> None:
    """The engine's own view of the container becomes healthy."""
    container = run(shop, options=["--health-interval", "1s"])
    wait_until(lambda: container.state()["Health"]["Status"] == "healthy", timeout=60)


def test_a_command_runs_beside_the_services_and_its_status_is_the_containers(shop: str, run: RunContainer) -> None:
    """`docker run shop CMD` starts CMD when all services are ready, and ends with its exit status."""
    container = run(shop, "python3", "-c", f"{FETCH}; sys.exit(7)", "http://127.0.0.1:8080/")
    assert container.wait() == 7, container.logs()
    assert '{"visits": 1}' in container.logs()
    assert "bye bye" in container.logs()


def test_asyncinit_need_not_be_pid_1(shop: str, run: RunContainer) -> None:
    """With another program as PID 1 (`docker run --init`), everything works: asyncinit is a subreaper."""
    script = "asyncinit -- & child=$!; trap 'kill -TERM $child' TERM; wait; wait; wait $child; exit $?"
    container = run(shop, "-c", script, options=["--entrypoint", "sh"])
    container.wait_ready()
    assert json.loads(fetch(container, "/")) == {"visits": 1}
    rows = container.processes()
    asyncinit = next(pid for pid, name, _, parent in rows if parent == 1 and name == "asyncinit")
    assert {name for _, name, _, parent in rows if parent == asyncinit} == {"nginx", "uvicorn", "redis-server"}
    docker("stop", "--time", "30", container.id)
    assert container.state()["ExitCode"] == 0, container.logs()
    assert "bye bye" in container.logs()
