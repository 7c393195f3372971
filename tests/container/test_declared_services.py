"""Services of one's own in a container: mounted, on an image that has nothing but Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.container.conftest import RunContainer
from tests.container.engine import Container, docker
from tests.support import wait_until

Serve = Callable[..., Container]
IMMUNE = """command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"]\n"""


@pytest.fixture
def serve(single: str, run: RunContainer, tmp_path: Path) -> Serve:
    """Run services: serve({"web": "command = ..."}, *arguments, options=[...])."""

    def start(services: dict[str, str], *arguments: str, options: tuple[str, ...] = ()) -> Container:
        folder = tmp_path / "services.d"
        folder.mkdir(mode=0o755)
        for name, text in services.items():
            (folder / f"{name}.toml").write_text(text)
        # The command of the image would run beside the services.
        words = arguments or ("run",)
        mount = ["--volume", f"{folder}:/etc/asyncinit/services.d:ro", "--entrypoint", "asyncinit"]
        return run(single, *words, options=[*mount, *options])

    return start


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("exit 0", 0), ("kill -SEGV $$$$", 128 + 11)])
def test_an_essential_services_status_is_the_containers(serve: Serve, script: str, code: int) -> None:
    """Whatever an essential service ends with, its exit code or 128 and the signal, the container ends with."""
    services = {
        "main": f'command = ["sh", "-c", "sleep 0.2; {script}"]\nessential = true\n',
        "other": """command = ["sh", "-c", "trap 'echo goodbye; exit 0' TERM; while :; do sleep 0.1; done"]\n""",
    }
    container = serve(services)
    assert container.wait() == code, container.logs()
    assert "goodbye" in container.logs()


def test_docker_stop_never_has_to_kill(serve: Serve) -> None:
    """Services that ignore SIGTERM and ask for a minute are killed in time, in order: 124, not the engine's 137."""
    services = {
        "db": f'{IMMUNE}stop.timeout = "60s"\n',
        "web": f'{IMMUNE}requires = ["db"]\nstop.timeout = "60s"\n',
    }
    container = serve(services, options=("--stop-timeout", "10"))
    container.wait_ready()
    docker("stop", container.id)
    assert container.state()["ExitCode"] == 124, container.logs()


def test_a_wrong_file_ends_the_container_with_its_line_and_78(serve: Serve) -> None:
    """A typo starts nothing, and the log says where it is and what was meant."""
    container = serve({"web": 'command = "true"\n', "db": 'description = "x"\ncomand = "true"\n'})
    assert container.wait() == 78
    assert "/etc/asyncinit/services.d/db.toml:2" in container.logs()
    assert "command" in container.logs()


def test_status_answers_where_nothing_can_be_written(serve: Serve) -> None:
    """Any uid, read-only, no capability, no tmpfs: the control socket has a name that is no file."""
    options = ("--user", "12345", "--read-only", "--cap-drop", "ALL")
    container = serve({"web": 'command = ["sleep", "1000"]\n'}, options=options)
    container.wait_ready()
    status = container.exec("asyncinit", "status").stdout
    assert "web" in status
    assert "ready" in status
    docker("stop", "--time", "30", container.id)
    assert container.state()["ExitCode"] == 0, container.logs()


def test_a_service_of_another_user_opens_dev_stdout(serve: Serve) -> None:
    """As root with `user`: the service may open /dev/stdout and /dev/stderr by their names."""
    script = "id -un; echo out >/dev/stdout; echo err >/dev/stderr; sleep 1000"
    services = {"web": f'command = ["sh", "-c", "{script}"]\nuser = "www-data"\n'}
    container = serve(services, options=("--user", "root"))
    wait_until(lambda: "err" in container.logs())
    lines = [line.split(" | ")[1] for line in container.logs().splitlines() if " web | " in line]
    assert sorted(lines) == ["err", "out", "www-data"]
