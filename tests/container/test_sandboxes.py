"""Namespaces, pods and security inside a container: with the rights that they take, and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.container.conftest import RunContainer
from tests.container.engine import Container, docker
from tests.support import wait_until

CONFINED = ["--user=0"]
PRIVILEGED = ["--user=0", "--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN"]
WITHOUT_ROOT = ["--user=12345", "--security-opt=seccomp=unconfined", "--security-opt=systempaths=unconfined"]

STAYS = 'command = ["sh", "-c", "echo runs; exec sleep 1000"]\nrestart = "never"\n'
ALL_PRIVATE = 'pid = "private"\nnet = "private"\nipc = "private"\nuts = "private"\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for /etc/asyncinit that any user may read."""
    tmp_path.chmod(0o755)
    return tmp_path


def start(run: RunContainer, image: str, files: Path, options: list[str], **services: str) -> Container:
    """Start asyncinit with `services`, and the pods that are among them as `pod_NAME`."""
    for folder in ("services.d", "pods.d"):
        (files / folder).mkdir()
    for name, text in services.items():
        pod = name.startswith("pod_")
        (files / ("pods.d" if pod else "services.d") / f"{name.removeprefix('pod_')}.toml").write_text(text)
    volume = f"--volume={files}:/etc/asyncinit:ro"
    return run(image, "run", options=[*options, volume, "--entrypoint", "asyncinit"])


def status(container: Container) -> dict[str, Any]:
    """Return what `status` says, by name."""
    done = container.exec("asyncinit", "status", "--json", check=False)
    return {one["name"]: one for one in json.loads(done.stdout)["services"]} if done.returncode == 0 else {}


def is_ready(container: Container, *names: str) -> bool:
    """Whether these services are ready; fails when one has failed."""
    found = status(container)
    states = {name: found[name]["state"] for name in names} if found else {}
    assert "failed" not in states.values(), (states, container.logs())
    return set(states.values()) == {"ready"}


def namespace(container: Container, pid: int, kind: str) -> str:
    """Return which namespace a process of the container is in."""
    return container.exec("readlink", f"/proc/{pid}/ns/{kind}").stdout.strip()


@pytest.mark.parametrize(("options", "more"), [(PRIVILEGED, ""), (WITHOUT_ROOT, 'user = "private"\n')])
def test_with_the_rights(single: str, run: RunContainer, files: Path, options: list[str], more: str) -> None:
    """A service in namespaces of its own and a pod run, as root and as any user with a user namespace."""
    share = ["pid", "net", "ipc", "uts", *(["user"] if more else [])]
    services = {
        "lone": f"{STAYS}[namespaces]\n{ALL_PRIVATE}{more}",
        "pod_shop": f"share = {json.dumps(share)}\n",
        "one": f'pod = "shop"\n{STAYS}',
        "two": 'pod = "shop"\ncommand = ["sh", "-c", "sleep 0.2; exit 7"]\nrestart = "never"\n',
    }
    container = start(run, single, files, options, **services)
    wait_until(lambda: is_ready(container, "lone", "pod:shop", "one"), timeout=60)
    wait_until(lambda: status(container)["two"]["last_exit"])
    assert status(container)["two"]["last_exit"]["code"] == 7
    found = status(container)
    # Not even root looks into the pod's init without CAP_SYS_PTRACE, so it is asyncinit that tells its namespaces.
    pod = json.loads(container.exec("asyncinit", "pod", "show", "--json", "shop").stdout)
    shared = {one["kind"]: one["number"] for one in pod["namespaces"]}
    for kind in ("pid", "net", "ipc", "uts"):
        own, member = (namespace(container, found[name]["pid"], kind) for name in ("lone", "one"))
        assert member == f"{kind}:[{shared[kind]}]"
        assert len({own, member, namespace(container, 1, kind)}) == 3
    docker("stop", container.id)
    assert container.state()["ExitCode"] == 0


@pytest.mark.parametrize("options", [CONFINED, ["--user=12345"]])
def test_without_the_rights(single: str, run: RunContainer, files: Path, options: list[str]) -> None:
    """What the kernel refuses fails by name with what would give the right, and nothing of it has run."""
    services = {
        "lone": f"{STAYS}[namespaces]\n{ALL_PRIVATE}",
        "pod_shop": '[restart]\npolicy = "never"\n',
        "one": f'pod = "shop"\n{STAYS}',
    }
    container = start(run, single, files, options, **services)
    assert container.wait() == 69
    said = container.logs()
    assert "| runs" not in said
    for name in ("lone", "pod:shop"):
        (line,) = [line for line in said.splitlines() if f" {name} * failed: cannot make " in line]
        assert "operation not permitted" in line and "CAP_SYS_ADMIN" in line and "--privileged" in line


def test_what_is_preferred_alone_is_left_out(single: str, run: RunContainer, files: Path) -> None:
    """With `prefer` the service runs without what cannot be had, and `status` and `doctor` name that."""
    lone = f'prefer = ["namespaces.net", "namespaces.uts"]\n{STAYS}[namespaces]\nnet = "private"\nuts = "private"\n'
    container = start(run, single, files, CONFINED, lone=lone)
    wait_until(lambda: is_ready(container, "lone"), timeout=60)
    assert set(status(container)["lone"]["not_applied"]) == {"namespaces.net", "namespaces.uts"}
    assert "namespaces.net" in container.exec("asyncinit", "doctor", check=False).stdout


def test_a_strict_service_needs_no_right_for_the_most(single: str, run: RunContainer, files: Path) -> None:
    """Capabilities, new privileges and landlock are given up in a plain container, by any user."""
    service = (
        f'{STAYS}[security]\nno_new_privileges = true\n[security.landlock]\nread = ["/"]\nexecute = ["/usr", "/bin"]\n'
    )
    container = start(run, single, files, ["--user=12345"], web=service)
    wait_until(lambda: is_ready(container, "web"), timeout=60)
    pid = status(container)["web"]["pid"]
    text = container.exec("cat", f"/proc/{pid}/status").stdout
    assert "NoNewPrivs:\t1" in text
