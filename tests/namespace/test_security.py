"""[security] in a running asyncinit: the kernel's view of services, hooks and probes, a re-exec, `prefer`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from asyncinit.config.spec import capabilities
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


@pytest.mark.skipif(not has_library(), reason="libseccomp is not installed")
@on_both_loops
def test_what_a_strict_service_sees(tmp_path: Path, kind: str) -> None:
    """It can write to its own directory and /tmp and to nothing else, sees nobody's home, and has few devices."""
    script = (
        "for place in $STATE_DIRECTORY /tmp /etc /usr /var /run; do"
        " (: > $place/asyncinit-x) 2>/dev/null && rm $place/asyncinit-x && echo $place; done;"
        " ls -A /root 2>/dev/null; test -e /dev/kmsg && echo kmsg;"
        " (echo x > /proc/sys/kernel/domainname) 2>/dev/null && echo tuned; echo end"
    )
    text = f'command = ["sh", "-c", "{script}"]\ntype = "oneshot"\nsecurity = "strict"\n'
    text += '[directories]\nstate = ["asyncinit-test-strict"]\n'
    with Init(tmp_path, {"web": text}, loop=kind, environment={"HOME": str(tmp_path)}) as init:
        assert init.wait() == 0
        folder = "/var/lib/asyncinit-test-strict" if os.geteuid() == 0 else f"{tmp_path}/.local/state"
        lines = init.lines("web")
        assert lines[0].startswith(folder)
        assert lines[1:] == ["/tmp", "end"]
    shutil.rmtree(lines[0])


@as_root
@on_both_loops
def test_credentials_of_a_service(tmp_path: Path, kind: str) -> None:
    """Main process, hook and probe find them; no other service does, no environment has them, and they end with it."""
    secret = tmp_path / "secret"
    secret.write_text("geheim")
    secret.chmod(0o600)
    check = "grep -qx geheim $CREDENTIALS_DIRECTORY/key"
    web = (
        'user = "65534"\n'
        f'command = ["sh", "-c", "{check} && exec sleep 1000"]\n'
        f'hooks.pre_start = [["sh", "-c", "{check}"]]\nready.command = ["sh", "-c", "{check}"]\n'
        f'security.credentials = {{ key = "{secret}" }}\n'
    )
    name = f"asyncinit-test-{kind}"
    place = f"/run/credentials/{name}"
    other = f'command = ["sh", "-c", "ls -A {place} | wc -l; id -u; exec sleep 1000"]\nrequires = ["{name}"]\n'
    other += 'user = "65534"\n'
    with Init(tmp_path, {name: web, "other": other}, loop=kind, settings="keep_running = true") as init:
        init.wait_state(name, "ready")
        wait_until(lambda: len(init.lines("other")) == 2)
        assert init.lines("other") == ["0", "65534"]
        pid = init.status()[name]["pid"]
        assert b"geheim" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert (Path(f"/proc/{pid}/root{place}/key")).read_text() == "geheim"
        assert init.call("stop", name).returncode == 0
        assert os.listdir(place) == []
    os.rmdir(place)


@on_both_loops
def test_an_absent_credential_fails_its_service_by_name(tmp_path: Path, kind: str) -> None:
    """Nothing of it runs."""
    text = 'command = ["sleep", "1000"]\nrestart = "never"\nsecurity.credentials = { key = "/nowhere" }\n'
    with Init(tmp_path, {"web": text, "b": 'command = ["sleep", "1000"]\n'}, loop=kind) as init:
        init.wait_state("web", "failed")
        reason = init.status()["web"]["reason"]["text"]
        assert reason.endswith("cannot provide security.credentials.key: /nowhere: no such file or directory")


@pytest.mark.skipif(not has_library(), reason="libseccomp is not installed")
@on_both_loops
def test_what_is_prepared_goes_over_a_re_exec(tmp_path: Path, kind: str) -> None:
    """The last hook of a life that began before is held as all of it were, and has its secrets."""
    secret, told = tmp_path / "secret", tmp_path / "told"
    secret.write_text("geheim")
    look = "cat $CREDENTIALS_DIRECTORY/key; grep Seccomp: /proc/self/status; ls -A /tmp | wc -l"
    text = 'command = ["sleep", "1000"]\n'
    text += f'hooks.post_stop = [["sh", "-c", "({look}) > {told} 2>&1"]]\n'
    text += f'[security]\nprofile = "strict"\nwrite_paths = ["{tmp_path}"]\nprivate_tmp = false\n'
    text += f'credentials = {{ key = "{secret}" }}\n'
    with Init(tmp_path, {f"asyncinit-test-{kind}-2": text}, loop=kind, settings="keep_running = true") as init:
        init.wait_state(f"asyncinit-test-{kind}-2", "ready")
        assert init.call("reexec").returncode == 0
        assert init.call("stop", f"asyncinit-test-{kind}-2").returncode == 0
        assert told.read_text().split()[:3] == ["geheimSeccomp:", "2", str(len(os.listdir("/tmp")))]
    shutil.rmtree(f"/run/credentials/asyncinit-test-{kind}-2", ignore_errors=True)


@on_both_loops
def test_a_member_of_a_pod(tmp_path: Path, kind: str) -> None:
    """Without a word it has what Docker gives, without devices; what it declares holds in the pod too, and secrets."""
    secret = tmp_path / "secret"
    secret.write_text("geheim")
    look = "grep CapBnd /proc/self/status; cat $CREDENTIALS_DIRECTORY/key; ls -A /tmp | wc -l"
    declared = 'pod = "shop"\n[security]\nprivate_tmp = true\ncapabilities = ["CAP_KILL"]\n'
    declared += f'credentials = {{ key = "{secret}" }}\n'
    services = {
        "plain": 'command = ["sh", "-c", "grep CapBnd /proc/self/status; exec sleep 1000"]\npod = "shop"\n',
        f"asyncinit-test-{kind}-3": f'command = ["sh", "-c", "{look}; exec sleep 1000"]\n' + declared,
    }
    with Init(tmp_path, services, pods={"shop": ""}, loop=kind) as init:
        held = wait_until(lambda: init.lines("plain"))
        assert int(held[0].split()[1], 16) == capabilities.bits(("docker-default", "~MKNOD"))
        told = wait_until(lambda: init.lines(f"asyncinit-test-{kind}-3")[1:])
        assert told[0].removesuffix("0") == "geheim"
        assert int(init.lines(f"asyncinit-test-{kind}-3")[0].split()[1], 16) == capabilities.bits(("CAP_KILL",))
    shutil.rmtree(f"/run/credentials/asyncinit-test-{kind}-3", ignore_errors=True)
