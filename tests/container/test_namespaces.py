"""Namespaces of services inside a container: refused by name where the engine forbids them, else whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.conftest import RunContainer
from tests.container.engine import Container
from tests.support import wait_until

SAYS = (
    """type = "oneshot"\ncommand = ["sh", "-c", "echo $0 runs as $(hostname) with $(ls -d /proc/[0-9]* | wc -l)"]\n"""
)
KINDS = {
    "net": '[namespaces]\nnet = "private"\n',
    "pid": '[namespaces]\npid = "private"\n',
    "user": '[namespaces]\nuser = "private"\n',
    "name": '[namespaces]\nuts = "private"\nhostname = "inner"\n',
}


@pytest.fixture
def serve(single: str, run: RunContainer, tmp_path: Path) -> object:
    """Run one service for each kind of namespace: serve(*options)."""

    def start(*options: str) -> Container:
        folder = tmp_path / "services.d"
        folder.mkdir(mode=0o755)
        for name, table in KINDS.items():
            (folder / f"{name}.toml").write_text(SAYS.replace("$0", name) + table)
        mount = ["--volume", f"{folder}:/etc/asyncinit/services.d:ro", "--entrypoint", "asyncinit"]
        return run(single, "run", options=[*mount, *options])

    return start


def test_what_the_engine_forbids_is_named(serve: object) -> None:
    """Without more rights each fails with the step, the reason and what gives the right; none runs with less."""
    container = serve()  # type: ignore[operator]
    container.wait()
    logs = container.logs()
    for kind in KINDS:
        assert f"{kind} runs" not in logs
    assert "cannot make a namespace (net): operation not permitted" in logs
    assert "cannot make a user namespace: operation not permitted" in logs
    assert "docker: --privileged" in logs


def test_a_container_with_the_rights_has_all(serve: object) -> None:
    """Every kind is there, of asyncinit as root and without."""
    more = ("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "apparmor=unconfined")
    rights = ("--user", "0", *more)
    container = serve(*rights)  # type: ignore[operator]
    wait_until(lambda: "down after" in container.logs(), 60)
    logs = container.logs()
    for kind in KINDS:
        assert f"{kind} runs" in logs
    assert "name runs as inner" in logs
