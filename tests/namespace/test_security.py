"""[security] in a running asyncinit: the kernel's view of services, hooks and probes, a re-exec, `prefer`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncinit.linux import landlock, seccomp
from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a service as another user")
LOOKS = 'command = ["sh", "-c", "grep -E \'^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):\' /proc/self/status"]\n'


def seen(init: Init, name: str) -> dict[str, str]:
    """What a service wrote of its /proc/self/status."""
    wait_until(lambda: len(init.lines(name)) >= 5)
    return dict(line.split(":\t", 1) for line in init.lines(name) if ":\t" in line)


def has_library() -> bool:
    try:
        seccomp.library()
    except seccomp.MissingLibraryError:
        return False
    return True


@pytest.mark.skipif(not has_library(), reason="libseccomp is not installed")
@on_both_loops
def test_a_strict_service(tmp_path: Path, kind: str) -> None:
    """It holds nothing, can gain nothing, and is filtered."""
    with Init(tmp_path, {"web": 'type = "oneshot"\nsecurity = "strict"\n' + LOOKS}, loop=kind) as init:
        assert init.wait() == 0
        found = seen(init, "web")
        assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 0
        assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")


@on_both_loops
def test_hooks_and_probes_are_held_too(tmp_path: Path, kind: str) -> None:
    """What a hook and a probe command can do is what their service can."""
    look = f"grep CapEff /proc/self/status > {tmp_path}"
    text = (
        'command = ["sleep", "1000"]\nsecurity.capabilities = ["CAP_KILL"]\n'
        f'hooks.pre_start = [["sh", "-c", "{look}/hook"]]\n'
        f'ready.command = ["sh", "-c", "{look}/probe"]\n'
    )
    with Init(tmp_path, {"web": text}, loop=kind) as init:
        init.wait_state("web", "ready")
        for name in ("hook", "probe"):
            assert int((tmp_path / name).read_text().split()[1], 16) == 1 << 5


@pytest.mark.skipif(bool(landlock.why_not()), reason=landlock.why_not() or "has it")
@on_both_loops
def test_what_is_refused_is_named_or_left_out(tmp_path: Path, kind: str) -> None:
    """Without `prefer` the service fails with the key; with it, it runs, and status and doctor tell."""
    text = 'command = ["sleep", "1000"]\nrestart = "never"\nsecurity.landlock.read = ["/nowhere"]\n'
    services = {"hard": text, "fond": 'prefer = ["security.landlock"]\n' + text}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("fond", "ready")
        init.wait_state("hard", "failed")
        status = init.status()
        reason = "cannot set security.landlock.read: /nowhere: no such file or directory"
        assert status["hard"]["reason"]["text"].endswith(reason)
        assert status["fond"]["not_applied"] == ["security.landlock"]
        assert "security.landlock" in init.call("doctor").stdout
        assert Path(f"/proc/{status['fond']['pid']}/status").read_text().find("NoNewPrivs:\t1") > 0


@as_root
@on_both_loops
def test_a_re_exec_changes_nothing(tmp_path: Path, kind: str) -> None:
    """The service goes on with what it has, and its next life has the same."""
    text = 'command = ["sleep", "1000"]\nuser = "65534"\n'
    text += '[security]\ncapabilities = ["CAP_KILL"]\nambient_capabilities = ["CAP_KILL"]\n'
    with Init(tmp_path, {"web": text}, loop=kind) as init:

        def kernel() -> tuple[int, list[str]]:
            pid = init.status()["web"]["pid"]
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            return pid, [line.split(":\t")[1] for line in lines if line.startswith(("Cap", "Uid", "NoNew"))]

        init.wait_state("web", "ready")
        before = kernel()
        assert init.call("reexec").returncode == 0
        assert kernel() == before
        assert init.call("restart", "web").returncode == 0
        after = kernel()
        assert after[0] != before[0]
        assert after[1] == before[1]
