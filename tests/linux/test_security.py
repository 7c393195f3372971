"""[security] as the kernel has it: what processes hold, what a program tries in vain, and what is refused by name."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncinit.config.spec import Command, Landlock, Namespaces, Seccomp, Security, ServiceSpec
from asyncinit.config.spec.capabilities import DOCKER_DEFAULT, bits
from asyncinit.errors import SpawnError
from asyncinit.linux import capabilities, landlock, seccomp
from asyncinit.runtime.process import preferences, securing
from asyncinit.runtime.process.plan import Credentials, ExecPlan
from tests.linux.running import FORKING, Running
from tests.support import PYTHON

pytestmark = pytest.mark.filterwarnings(FORKING)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
with_landlock = pytest.mark.skipif(bool(landlock.why_not()), reason=landlock.why_not() or "has it")
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
NOBODY = Credentials(65534, 65534, (65534,))
EVERYBODYS = ("/usr", "/bin", "/lib", "-/lib64", "/etc", "/dev", os.path.dirname(PYTHON), "/proc", "/root")


def library_missing() -> bool:
    try:
        seccomp.library()
    except seccomp.MissingLibraryError:
        return True
    return False


with_seccomp = pytest.mark.skipif(library_missing(), reason="libseccomp is not installed")


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop that makes processes; nothing may be left of it."""
    running = Running(loop)
    yield running
    assert running.reaper.pids() == frozenset()


def plan(*argv: str, security: Security, **changes: Any) -> ExecPlan:
    program = securing.make_filter(security.seccomp) if security.seccomp else b""
    return replace(ExecPlan(argv, ENVIRONMENT), security=security, system_call_filter=program, **changes)


def tried(running: Running, text: str, security: Security, **changes: Any) -> str:
    """What comes of some Python: its output, or the name of the errno that it fails with."""
    script = "import ctypes, errno, os, socket, sys\ntry:\n"
    script += textwrap.indent(textwrap.dedent(text), "    ")
    script += "\nexcept OSError as error:\n    print(errno.errorcode[error.errno])\nelse:\n    print('done')\n"
    return running.said(plan(PYTHON, "-I", "-S", "-c", script, security=security, **changes))


def status(running: Running, security: Security, **changes: Any) -> dict[str, str]:
    """What /proc/self/status says of a program."""
    text = running.said(plan("cat", "/proc/self/status", security=security, **changes))
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def held(running: Running, security: Security, **changes: Any) -> dict[str, int]:
    """What capabilities a program has, by the name of the set."""
    return {name: int(text, 16) for name, text in status(running, security, **changes).items() if name[:3] == "Cap"}


def test_no_new_privileges(running: Running) -> None:
    """The kernel has the flag if it was asked for, and not without."""
    assert status(running, Security())["NoNewPrivs"] == "0"
    assert status(running, Security(no_new_privileges=True))["NoNewPrivs"] == "1"
    assert status(running, Security(no_new_privileges=False))["NoNewPrivs"] == "0"


@as_root
def test_a_set_user_id_program_gains_nothing(running: Running, tmp_path: Path) -> None:
    """With no_new_privileges it runs as whoever calls it."""
    program = f"/tmp/asyncinit-set-user-id-{os.getpid()}"  # tests run beside each other
    shutil.copy("/usr/bin/id", program)
    try:
        os.chmod(program, 0o755 | stat.S_ISUID)
        arguments: dict[str, Any] = {"credentials": NOBODY, "working_directory": "/"}
        with_it = running.said(plan(program, security=Security(no_new_privileges=True), **arguments))
        without = running.said(plan(program, security=Security(), **arguments))
    finally:
        os.unlink(program)
    assert "euid=0" not in with_it
    assert "euid=0" in without or "nosuid" in Path("/proc/mounts").read_text()


@as_root
def test_a_root_service_is_bounded(running: Running) -> None:
    """It has the declared capabilities, no other, and can get no other."""
    most = bits(("CAP_KILL", "CAP_CHOWN"))
    found = held(running, Security(capabilities=("CAP_KILL", "CAP_CHOWN")))
    assert found == {"CapInh": 0, "CapPrm": most, "CapEff": most, "CapBnd": most, "CapAmb": 0}


@as_root
def test_dockers_set_by_name(running: Running) -> None:
    """It is what Docker documents, less what is taken out."""
    found = held(running, Security(capabilities=("docker-default", "~CAP_NET_RAW")))
    assert found["CapBnd"] == bits(f"CAP_{name}" for name in DOCKER_DEFAULT - {"NET_RAW"})
    assert found["CapEff"] == found["CapBnd"]


@as_root
def test_no_capability_at_all(running: Running) -> None:
    """A root without any is refused what root may: to make a device, to mount, to look into another's process."""
    nothing = Security(capabilities=())
    assert set(held(running, nothing).values()) == {0}
    assert tried(running, "os.mknod('/tmp/asyncinit-device', 0o20666, os.makedev(1, 3))", nothing) == "EPERM"
    mount = """
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", b"/mnt", b"tmpfs", 0, None):
            raise OSError(ctypes.get_errno(), "")
    """
    assert tried(running, mount, nothing) == "EPERM"
    assert tried(running, "os.setuid(65534)", nothing) == "EPERM"
    assert tried(running, "os.chroot('/')", nothing) == "EPERM"


@as_root
def test_a_process_of_another_user_is_not_traced(running: Running) -> None:
    """Without CAP_SYS_PTRACE, which Docker's set does not have."""
    victim = running.start(plan("sleep", "1000", security=Security(), credentials=NOBODY, working_directory="/"))
    running.until(lambda: victim.calls)
    attack = f"""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(16, {victim.pid}, 0, 0):
            raise OSError(ctypes.get_errno(), "")
    """
    try:
        assert tried(running, attack, Security(capabilities=("docker-default",))) == "EPERM"
        assert tried(running, attack, Security()) == "done"
    finally:
        running.reaper.kill_group(victim.pid)
        running.until(lambda: victim.status)


@as_root
def test_ambient_capabilities(running: Running) -> None:
    """An ordinary user has them and nothing else, and the bounding set stays what it was said to be."""
    security = Security(
        capabilities=("CAP_NET_BIND_SERVICE", "CAP_CHOWN"), ambient_capabilities=("CAP_NET_BIND_SERVICE",)
    )
    ambient = bits(("CAP_NET_BIND_SERVICE",))
    found = held(running, security, credentials=NOBODY)
    assert found == {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), ambient),
        "CapBnd": bits(security.capabilities or ()),
    }


def attempt(security: Security, credentials: Credentials, step: securing.Step) -> str:
    """What comes of a step, taken after all others in the place of the program; interpreters may be root's alone."""
    way = securing.Securing(security, credentials)
    return preferences._try([*way.become(), *way.close_off(), step])


@as_root
def test_a_low_port_by_an_ambient_capability() -> None:
    """Without it an ordinary user is refused; with it the port opens."""
    if Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip() != "1024":
        pytest.skip("low ports are everybody's here")
    step = securing.Step("listen", _listen, (1023,))
    assert attempt(Security(no_new_privileges=True), NOBODY, step) == "cannot listen: permission denied"
    assert attempt(Security(ambient_capabilities=("CAP_NET_BIND_SERVICE",)), NOBODY, step) == ""


@as_root
def test_another_user_has_no_way_back(running: Running) -> None:
    """All its ids and groups are its own, it holds nothing, and no call makes it root."""
    found = status(running, Security(), credentials=NOBODY, working_directory="/")
    assert found["Uid"].split() == ["65534"] * 4
    assert found["Gid"].split() == ["65534"] * 4
    assert found["Groups"].split() == ["65534"]
    assert int(found["CapPrm"], 16) == 0
    for step in (
        securing.Step("go back", os.setresuid, (0, 0, 0)),
        securing.Step("go back", os.setresgid, (0, 0, 0)),
        securing.Step("go back", os.setgroups, ([0],)),
    ):
        assert attempt(Security(), NOBODY, step) == "cannot go back: operation not permitted"


@as_root
def test_the_way_back_is_tried(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who could become root again never gets to its program."""
    monkeypatch.setattr(securing.capabilities, "set_held", lambda _sets: None)
    monkeypatch.setattr(securing, "_change_of_user", _only_the_effective_user)
    outcome = running.run(plan("true", security=Security(), credentials=NOBODY))
    assert str(outcome.failure) == "cannot set user 65534: the kernel has not changed all of its ids"


def _only_the_effective_user(credentials: Credentials) -> list[securing.Step]:
    return [securing.Step("set user", os.setresuid, (credentials.uid, credentials.uid, 0))]


@as_root
def test_a_capability_that_asyncinit_lacks_is_named(running: Running) -> None:
    """An ambient capability can only be passed on."""
    way = securing.Securing(Security(ambient_capabilities=("CAP_SYS_ADMIN", "CAP_KILL")), None)
    missing = [securing.Step("give it up", _hold, (bits(("CAP_KILL", "CAP_SETPCAP")),)), *way.become()]
    text = preferences._try(missing)
    assert text == "cannot set security.ambient_capabilities: asyncinit does not have CAP_SYS_ADMIN"


def _listen(port: int) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", port))


def _hold(permitted: int) -> None:
    capabilities.set_held(capabilities.Sets(permitted, permitted, 0))


@as_root
def test_an_ordinary_asyncinit_is_refused_by_name() -> None:
    """To bound what may be had takes root; but who has nothing and gains nothing is within every bound."""

    def become_ordinary() -> None:
        os.setgroups([])
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)

    first = securing.Step("become ordinary", become_ordinary)
    bounded = securing.Securing(Security(capabilities=()), None)
    text = preferences._try([first, *bounded.become(), *bounded.close_off()])
    assert text.startswith("cannot set security.capabilities: operation not permitted; asyncinit runs as uid 1000")
    closed = securing.Securing(Security(capabilities=(), no_new_privileges=True), None)
    assert preferences._try([first, *closed.become(), *closed.close_off()]) == ""


# ---------------------------------------------------------------------------------------------------------------------
# System calls


@with_seccomp
def test_a_filter_is_in_force(running: Running) -> None:
    """The kernel says so, with no_new_privileges; an ordinary program runs under the set for services."""
    found = status(running, Security(seccomp=Seccomp(("@system-service",))))
    assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "1")


@with_seccomp
def test_calls_that_are_refused(running: Running) -> None:
    """By set, by name, and with the errno that was asked for; what is allowed works."""
    unshare = "libc = ctypes.CDLL(None, use_errno=True)\nif libc.umount2(b'/nowhere', 0):\n"
    unshare += "    raise OSError(ctypes.get_errno(), '')"
    assert tried(running, unshare, Security(seccomp=Seccomp(("@system-service",)))) == "EPERM"
    assert tried(running, unshare, Security(seccomp=Seccomp(deny=("@mount",), action="ENOTSUP"))) in (
        "EOPNOTSUPP",
        "ENOTSUP",
    )
    assert tried(running, "os.sched_yield(); os.getpid()", Security(seccomp=Seccomp(deny=("@default",)))) == "done"
    assert tried(running, "os.mkdir('/nowhere/at/all')", Security(seccomp=Seccomp(deny=("mkdir",)))) == "EPERM"


@with_seccomp
def test_what_no_set_knows_does_not_exist(running: Running) -> None:
    """A call newer than the sets fails as on an older kernel, so that programs use what was before it."""
    call = (
        "libc = ctypes.CDLL(None, use_errno=True)\nif libc.syscall(499) < 0:\n    raise OSError(ctypes.get_errno(), '')"
    )
    assert tried(running, call, Security(seccomp=Seccomp(("@system-service",), action="EACCES"))) == "ENOSYS"


@with_seccomp
def test_a_call_that_kills(running: Running) -> None:
    """The process ends by SIGSYS."""
    outcome = running.run(
        plan("mkdir", "/nowhere/at/all", security=Security(seccomp=Seccomp(deny=("mkdir",), action="kill")))
    )
    assert outcome.failure is None
    assert outcome.status is not None
    assert outcome.status.signal == 31  # SIGSYS


@with_seccomp
def test_a_tight_filter_lets_a_program_begin(running: Running) -> None:
    """Even one that allows next to nothing: the failure is the program's own."""
    outcome = running.run(plan("/bin/true", security=Security(seccomp=Seccomp(("exit_group",)))))
    assert outcome.calls == ["executed", "exited"]


@with_seccomp
def test_a_call_that_does_not_exist() -> None:
    """It is an error by name; within a set it is one of another architecture."""
    with pytest.raises(SpawnError, match=r"^cannot set security.seccomp: no such system call: mkdri$"):
        securing.make_filter(Seccomp(deny=("mkdri",)))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key fails by name and says what to install; where it is preferred it is left out."""
    monkeypatch.setattr(seccomp, "_LIBRARY", "libseccomp-not-here.so.2")
    with pytest.raises(SpawnError, match=r"cannot set security.seccomp: libseccomp-not-here.so.2 is not installed"):
        securing.make_filter(Seccomp(("@system-service",)))
    spec = preferring(Security(seccomp=Seccomp(("@system-service",))), "security.seccomp")
    granted, left_out = preferences.try_security(spec.security, spec.prefer, None, Namespaces(), "")
    assert granted == Security(no_new_privileges=True)
    assert [key for key, _ in left_out] == ["security.seccomp"]


@with_seccomp
def test_a_preferred_filter_is_kept_where_it_can_be_had() -> None:
    """However little it allows."""
    security = Security(seccomp=Seccomp(("exit",)))
    assert preferences.try_security(security, frozenset({"security"}), None, Namespaces(), "") == (security, [])


# ---------------------------------------------------------------------------------------------------------------------
# Landlock


@with_landlock
def test_files_beyond_the_rules(running: Running, tmp_path: Path) -> None:
    """What is not listed can't be read, written or executed; what is listed can, as far as it is."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "file").write_text("text")
    rules = Landlock(read=(str(inside),), execute=EVERYBODYS)
    attempts = {
        f"open('{inside}/file').read()": "done",
        f"open('{outside}/file').read()": "EACCES",
        f"open('{inside}/file', 'w')": "EACCES",
        f"os.truncate('{inside}/file', 0)": "EACCES" if landlock.version() >= 3 else "done",
        f"os.mkdir('{inside}/more')": "EACCES",
        f"os.unlink('{inside}/file')": "EACCES",
        f"os.rename('{inside}/file', '{outside}/other')": "EACCES",
        f"os.listdir('{outside}')": "EACCES",
        f"os.execv('{outside}/file', ['file'])": "EACCES",
    }
    assert {text: tried(running, text, Security(landlock=rules)) for text in attempts} == attempts
    writing = Security(landlock=Landlock(write=(str(inside),), execute=EVERYBODYS))
    assert tried(running, f"open('{inside}/new', 'w'); os.mkdir('{inside}/more')", writing) == "done"
    assert tried(running, f"open('{outside}/new', 'w')", writing) == "EACCES"


@as_root
@with_landlock
def test_landlock_takes_no_right(running: Running, tmp_path: Path) -> None:
    """An ordinary asyncinit puts it into force, and the program is held by it."""
    (tmp_path / "file").write_text("text")
    os.chmod(tmp_path, 0o755)
    way = securing.Securing(Security(landlock=Landlock(read=("/usr",))), None)
    ordinary = securing.Step("become ordinary", os.setresuid, (1000, 1000, 1000))
    look = securing.Step("read a file", _read, ("/etc/passwd",))
    text = preferences._try([ordinary, *way.become(), *way.close_off(), look])
    assert text == "cannot read a file: permission denied"
    allowed = securing.Step("read a folder", os.listdir, ("/usr",))
    way = securing.Securing(Security(landlock=Landlock(read=("/usr",))), None)
    assert preferences._try([ordinary, *way.become(), *way.close_off(), allowed]) == ""


def _read(path: str) -> None:
    with open(path) as file:
        file.read()


@with_landlock
def test_ports_beyond_the_rules(running: Running) -> None:
    """Only the listed ones are listened on and connected to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"socket.create_connection(('127.0.0.1', {port})).close()"
        none = Security(landlock=Landlock(bind_tcp=(), connect_tcp=()))
        wanted = plan(PYTHON, "-c", "pass", security=none)
        if landlock.version() < 4:
            failure = running.run(wanted).failure
            assert "cannot refuse ports" in str(failure)
            return
        assert tried(running, connect, none) == "EACCES"
        assert tried(running, connect, Security(landlock=Landlock(connect_tcp=(port,)))) == "done"
        assert tried(running, "socket.socket().bind(('127.0.0.1', 0))", none) == "EACCES"
        assert (
            tried(running, "socket.socket().bind(('127.0.0.1', 0))", Security(landlock=Landlock(bind_tcp=(0,))))
            == "done"
        )


@with_landlock
@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (Landlock(read=("/nowhere",)), "cannot set security.landlock.read: /nowhere: no such file or directory"),
        (Landlock(write=("usr",)), "cannot set security.landlock.write: usr is not an absolute path"),
    ],
)
def test_rules_that_cannot_be_made(running: Running, rules: Landlock, text: str) -> None:
    """The key, the path and the reason are told."""
    assert str(running.run(plan("true", security=Security(landlock=rules))).failure) == text


@with_landlock
def test_a_path_that_may_be_absent(running: Running) -> None:
    """A dash before it says so."""
    rules = Landlock(read=("-/nowhere",), execute=EVERYBODYS)
    assert tried(running, "pass", Security(landlock=rules)) == "done"


# ---------------------------------------------------------------------------------------------------------------------
# What can be done without


def preferring(security: Security, *names: str) -> ServiceSpec:
    return ServiceSpec("web", command=Command(("true",)), security=security, prefer=frozenset(names))


@with_landlock
@pytest.mark.parametrize("preferred", ["security", "security.landlock"])
def test_what_is_preferred_is_tried(preferred: str) -> None:
    """What can't be had is left out, with why; the rest stays, and so does what the key took along."""
    spec = preferring(Security(landlock=Landlock(read=("/nowhere",)), capabilities=("all",)), preferred)
    assert preferences.to_be_tried(spec)
    granted, left_out = preferences.try_security(spec.security, spec.prefer, None, Namespaces(), "")
    assert granted == Security(capabilities=("all",), no_new_privileges=True)
    reason = "cannot set security.landlock.read: /nowhere: no such file or directory"
    assert left_out == [("security.landlock", reason)]


def test_what_fails_without_security_too_is_not_its_fault() -> None:
    """A root that is not there fails the start by its own name; no key of security is left out for it."""
    spec = preferring(Security(no_new_privileges=True, capabilities=("all",)), "security")
    missing = Namespaces(root="/nowhere")
    assert preferences.try_security(spec.security, spec.prefer, None, missing, "") == (spec.security, [])


def test_what_is_not_preferred_is_not_tried() -> None:
    """It fails by name when it is spawned, not before."""
    spec = preferring(Security(landlock=Landlock(read=("/nowhere",))), "user")
    assert not preferences.to_be_tried(spec)
    assert preferences.try_security(spec.security, spec.prefer, None, Namespaces(), "") == (spec.security, [])
