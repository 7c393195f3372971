"""Services with a PID namespace of their own, under asyncinit as PID 1 and as a subreaper: ends, inits, re-exec."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from asyncinit.linux import proc
from tests.namespace.init import Init
from tests.support import wait_until

pytestmark = [
    pytest.mark.namespace,
    pytest.mark.parametrize("kind", ["asyncio", "uvloop"]),
    pytest.mark.parametrize("pid1", [True, False]),
]
KEEP = "keep_running = true"
USER = "" if os.geteuid() == 0 else 'user = "private"\n'
PRIVATE = f'[namespaces]\n{USER}pid = "private"\n'
NEVER = 'restart = "never"\n'
LEAVES = "(trap '' TERM; setsid sleep 1000 &);"


def service(text: str, more: str = "") -> str:
    return f'command = ["/bin/sh", "-c", """{text}"""]\n{more}{PRIVATE}'


def outer(init: Init, name: str) -> int:
    """Return the pid of a service's main process as the test sees it."""
    return int(init.status()[name]["pid"])


def init_of(pid: int) -> int:
    stat = proc.stat(pid)
    assert stat is not None
    return stat.ppid


def last_exit(init: Init, name: str) -> tuple[int | None, int | None]:
    ended = init.status()[name]["last_exit"]
    return ended["code"], ended["signal"]


def test_statuses_are_exact(tmp_path: Path, kind: str, pid1: bool) -> None:
    """A code, a signal, and a code that looks like one: each is told as what it was."""
    services = {
        "three": service("exit 3", NEVER),
        "killed": service("kill -9 $$$$", NEVER),
        "looks": service("exit 137", NEVER),
        "alone": service("exit 5", NEVER) + "init = false\n",
    }
    with Init(tmp_path, services, loop=kind, pid1=pid1, settings=KEEP) as init:
        for name in services:
            init.wait_state(name, "failed")
        assert [last_exit(init, name) for name in services] == [
            (3, None),
            (None, signal.SIGKILL),
            (137, None),
            (5, None),
        ]
        wait_until(lambda: not proc.children(init.pid))


def test_a_stop_ends_all_that_is_left_in_there(tmp_path: Path, kind: str, pid1: bool) -> None:
    """What ignores the stop in a session of its own is killed with the namespace, and nothing remains."""
    web = service(f"{LEAVES} exec sleep 1000", 'stop = { timeout = "300ms" }\n')
    with Init(tmp_path, {"web": web}, loop=kind, pid1=pid1, settings=KEEP) as init:
        init.wait_state("web", "ready")
        pid = outer(init, "web")
        wait_until(lambda: len(proc.children(init_of(pid))) == 2)
        assert init.call("stop", "web").returncode == 0
        assert last_exit(init, "web") == (None, signal.SIGTERM)
        wait_until(lambda: not proc.children(init.pid))


def test_a_killed_init_is_the_services_end(tmp_path: Path, kind: str, pid1: bool) -> None:
    """The kernel kills the service then, which is told, and it is started again with another init."""
    web = service("exec sleep 1000", 'restart = { delay = "50ms" }\n')
    with Init(tmp_path, {"web": web}, loop=kind, pid1=pid1, settings=KEEP) as init:
        init.wait_state("web", "ready")
        first = init_of(outer(init, "web"))
        os.kill(first, signal.SIGKILL)
        init.wait_state("web", "ready", 2)
        assert last_exit(init, "web") in ((None, signal.SIGKILL), (None, None))
        assert init_of(outer(init, "web")) != first


def test_an_end_during_a_reexec_is_not_lost(tmp_path: Path, kind: str, pid1: bool) -> None:
    """What has ended when the new program takes over is told by that, exactly; what has not goes on."""
    web = service("trap 'exit 42' TERM; while :; do sleep 0.05; done", NEVER)
    other = service("exec sleep 1000")
    with Init(tmp_path, {"web": web, "other": other}, loop=kind, pid1=pid1, settings=KEEP) as init:
        init.wait_state("web", "ready")
        init.wait_state("other", "ready")
        pid, before = outer(init, "web"), outer(init, "other")
        init.kill(signal.SIGSTOP)  # it reads nothing until it is told to replace itself
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: proc.stat(pid) is None)
        os.kill(init.pid, signal.SIGCONT)
        assert init.call("reexec").returncode == 0
        init.wait_state("web", "failed")
        assert last_exit(init, "web") == (42, None)
        assert outer(init, "other") == before
        assert init.call("stop", "other").returncode == 0
        wait_until(lambda: not proc.children(init.pid))
