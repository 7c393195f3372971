"""Making processes, by posix_spawn and by fork, on both loops."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import os
import pty
import resource
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncinit.config.spec import SpawnMethod
from asyncinit.errors import SpawnError
from asyncinit.linux.mounts import MountTable
from asyncinit.runtime.process import child
from asyncinit.runtime.process.plan import Credentials, ExecPlan, Session
from tests.linux.running import FORKING, Outcome, Running, descriptors
from tests.support import PYTHON, ROOT

pytestmark = pytest.mark.filterwarnings(FORKING)
METHODS = [SpawnMethod.POSIX_SPAWN, SpawnMethod.FORK]
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "MARK": "here"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop that makes processes; nothing may be left of it."""
    running = Running(loop)
    yield running
    assert running.reaper.pids() == frozenset()
    assert not running.spawner.births


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> SpawnMethod:
    return SpawnMethod(request.param)


def plan(*argv: str, **changes: Any) -> ExecPlan:
    return replace(ExecPlan(argv, ENVIRONMENT), **changes)


def shell(text: str, **changes: Any) -> ExecPlan:
    return plan("/bin/sh", "-c", text, **changes)


@pytest.mark.parametrize("code", [0, 1, 255])
def test_exit_code(running: Running, method: SpawnMethod, code: int) -> None:
    """First it is told that the program runs, then how it ended."""
    outcome = running.run(shell(f"exit {code}", method=method))
    assert outcome.calls == ["executed", "exited"]
    assert outcome.failure is None
    assert outcome.status is not None
    assert outcome.status.code == code


def test_signal(running: Running, method: SpawnMethod) -> None:
    """A death by signal is told as such."""
    outcome = running.start(shell("kill -TERM $$; exec sleep 600", method=method))
    running.until(lambda: outcome.status)
    assert outcome.status is not None
    assert outcome.status.signal == signal.SIGTERM


def test_executed_comes_first_when_all_happens_in_one_turn(running: Running, method: SpawnMethod) -> None:
    """The end of a process that is reaped before the loop turns is told after its execution."""
    outcome = running.start(plan("true", method=method))
    os.waitid(os.P_PID, outcome.pid, os.WEXITED | os.WNOWAIT)
    running.reaper.reap()
    assert outcome.calls == ["executed", "exited"]
    running.until(lambda: True)
    assert outcome.calls == ["executed", "exited"]


def test_environment_and_arguments_arrive(running: Running, method: SpawnMethod) -> None:
    """They are given as they are: empty words, spaces, newlines, bytes that are not UTF-8."""
    words = ("", " ", "two words", "a\nb", "\udcff", "ü", "$MARK", "*")
    script = "import os, sys; print([os.fsencode(word) for word in sys.argv[1:]], sorted(os.environb))"
    text = running.output(plan(PYTHON, "-I", "-c", script, *words, method=method))
    assert text.startswith(repr([os.fsencode(word) for word in words]))
    assert {name for name in ("MARK", "PATH") if f"b'{name}'" in text} == {"MARK", "PATH"}


def test_clean_signals(running: Running, method: SpawnMethod) -> None:
    """Whatever we block and ignore, and what Python ignores, a program starts with nothing blocked or ignored."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMIN])
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        text = running.output(plan("grep", "^Sig[BI]", "/proc/self/status", method=method))
        assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, hangup)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    # glibc's posix_spawn leaves its own two signals, 32 and 33, ignored; programs of glibc take them back.
    assert [int(line.split()[1], 16) & ~(3 << 31) for line in text.splitlines()] == [0, 0]


def test_only_its_own_descriptors(running: Running, method: SpawnMethod) -> None:
    """Descriptors that somebody opened without close-on-exec are not passed on."""
    with open("/dev/null") as file:
        os.dup2(file.fileno(), 444, inheritable=True)
        try:
            text = running.output(shell("ls /proc/self/fd", method=method))
        finally:
            os.close(444)
    assert set(text.split()) <= {"0", "1", "2", "3"}  # 3 is the folder that ls reads


def test_variables_that_hold_its_own_pid(running: Running, method: SpawnMethod) -> None:
    """They have the pid of the very process that runs the program, over what the environment says."""
    variables = ("WATCHDOG_PID", "MARK")
    text = running.output(shell('echo $$ "$WATCHDOG_PID" "$MARK"', method=method, pid_variables=variables))
    assert len(text.split()) == 3
    assert len(set(text.split())) == 1


def test_missing_standard_descriptors_are_dev_null(running: Running, method: SpawnMethod) -> None:
    """-1 is /dev/null, which can be read and written."""
    text = running.output(shell("readlink /proc/self/fd/0 /proc/self/fd/2; cat; echo x >&2", method=method))
    assert text.split() == ["/dev/null", "/dev/null"]


@contextmanager
def files(tmp_path: Path, numbers: list[int]) -> Iterator[None]:
    """Open a file of its own on each number."""
    for number in numbers:
        fd = os.open(tmp_path / f"file{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        if fd != number:
            os.dup2(fd, number, inheritable=False)
            os.close(fd)
    try:
        yield
    finally:
        for number in numbers:
            os.close(number)


@pytest.mark.parametrize("order", list(itertools.permutations((300, 301, 302))))
def test_descriptors_may_change_places(
    running: Running, method: SpawnMethod, order: tuple[int, ...], tmp_path: Path
) -> None:
    """Every permutation of numbers, with one used twice and one left in its place, is carried out."""
    with files(tmp_path, [300, 301, 302]):
        extra = tuple(zip((300, 301, 302), order, strict=True))
        text = running.output(
            shell(
                "for n in 0 2 300 301 302; do readlink /proc/$$/fd/$n; done",
                stdin=300,
                stderr=301,
                extra=extra,
                method=method,
            )
        )
        assert os.readlink("/proc/self/fd/300").endswith("file300")
    targets = {number: str(tmp_path / f"file{source}") for source, number in extra}
    expected = [str(tmp_path / "file300"), str(tmp_path / "file301"), *(targets[number] for number in (300, 301, 302))]
    assert text.split() == expected


def test_standard_descriptors_may_change_places(tmp_path: Path) -> None:
    """Our own 0, 1 and 2 can be given in another order."""
    script = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT)!r})
from asyncinit.config.spec import SpawnMethod
from asyncinit.runtime.process.plan import ExecPlan
from tests.linux.running import Running
for n in (0, 1, 2):
    fd = os.open(f"{tmp_path}/f{{n}}", os.O_RDWR | os.O_CREAT)
    os.dup2(fd, n)
    os.close(fd)
out = os.open("{tmp_path}/out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
running = Running(asyncio.new_event_loop())
for method in (SpawnMethod.POSIX_SPAWN, SpawnMethod.FORK):
    text = "import os; [os.write(4, os.readlink('/proc/self/fd/%d' % n).encode() + bytes([10])) for n in (0, 1, 2, 3)]"
    plan = ExecPlan((sys.executable, "-Ic", text), os.environ, 2, 0, 1, extra=((1, 3), (out, 4)), method=method)
    assert running.run(plan).status.code == 0
"""
    pid = os.posix_spawn(PYTHON, [PYTHON, "-c", script], os.environ)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    expected = [str(tmp_path / name) for name in ("f2", "f0", "f1", "f1")]
    assert (tmp_path / "out").read_text().split() == expected * 2


def test_numbers_may_be_those_of_our_pipe(running: Running, tmp_path: Path) -> None:
    """The child's numbers may be the ones that our own pipe to it would get."""
    with files(tmp_path, [300]):
        lowest = os.dup(300)
        os.close(lowest)
        extra = tuple((300, number) for number in range(max(lowest, 3), max(lowest, 3) + 12))
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            outcome = running.run(
                shell("ls /proc/self/fd | wc -l", stdout=writer, extra=extra, method=SpawnMethod.FORK)
            )
        finally:
            os.close(writer)
        with open(reader) as file:
            assert int(file.read()) == 3 + 12 + 1
    assert outcome.calls == ["executed", "exited"]


@pytest.mark.parametrize(
    ("session", "expected"),
    [(Session.NEW, (True, True)), (Session.GROUP, (True, False)), (Session.FOREGROUND, (True, False))],
)
def test_session(running: Running, method: SpawnMethod, session: Session, expected: tuple[bool, bool]) -> None:
    """A process leads its own group, and with NEW its own session."""
    outcome = running.start(plan("sleep", "600", session=session, method=method))
    running.until(lambda: outcome.calls)
    group, own_session = os.getpgid(outcome.pid), os.getsid(outcome.pid)
    os.killpg(group, signal.SIGKILL)
    running.until(lambda: outcome.status)
    assert (group == outcome.pid, own_session == outcome.pid) == expected


def test_a_group_can_be_signalled_at_once(running: Running, method: SpawnMethod) -> None:
    """When spawn returns, the process leads its group already."""
    outcome = running.start(plan("sleep", "600", session=Session.GROUP, method=method))
    os.killpg(outcome.pid, signal.SIGKILL)
    running.until(lambda: not running.reaper.known(outcome.pid))


def write(path: Path, data: bytes, mode: int = 0o755) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


BAD = [
    *("directory", "empty", "nothing", "absent", "not in PATH", "no x", "no #!", "no interpreter", "long word"),
    *("many words", "NUL", "not a folder", "long path"),
]


def bad_commands(folder: Path) -> dict[str, tuple[tuple[str, ...], int, str]]:
    """Return commands that can't be executed: argv, errno, and what the message has to name."""
    return {
        "directory": ((str(folder),), errno.EACCES, "directory"),
        "empty": (("",), errno.ENOENT, "empty"),
        "nothing": ((), errno.EINVAL, "empty"),
        "absent": (("/no/such/program",), errno.ENOENT, "/no/such/program"),
        "not in PATH": (("no-such-program",), errno.ENOENT, "/usr/local/bin:/usr/bin:/bin"),
        "no x": ((write(folder / "a", b"#!/bin/sh\n", 0o644),), errno.EACCES, "0644"),
        "no #!": ((write(folder / "b", b"exit 0\n"),), errno.ENOEXEC, "#!"),
        "no interpreter": ((write(folder / "c", b"#!/no/such/interpreter\n"),), errno.ENOENT, "/no/such/interpreter"),
        "long word": (("true", "x" * 200_000), errno.E2BIG, "too long"),
        "many words": (("true", *("x" * 1000,) * 4000), errno.E2BIG, "too long"),
        "NUL": (("true", "a\0b"), errno.EINVAL, "NUL"),
        "not a folder": (("/etc/passwd/x",), errno.ENOTDIR, "/etc/passwd/x"),
        "long path": (("/" + "x" * 5000,), errno.ENAMETOOLONG, "too long"),
    }


@pytest.mark.parametrize("case", BAD)
def test_bad_command(running: Running, method: SpawnMethod, case: str, tmp_path: Path) -> None:
    """Both ways tell the same errno and name the same cause, and no exit is told of a program that never ran."""
    argv, number, words = bad_commands(tmp_path)[case]
    outcome = running.run(plan(*argv, method=method))
    assert outcome.failure is not None
    assert outcome.failure.errno == number
    assert words in str(outcome.failure)
    assert str(outcome.failure).startswith("cannot execute ")
    assert "exited" not in outcome.calls


@pytest.mark.parametrize("environment", [{"A=B": "c"}, {"": "x"}, {"A": "b\0c"}, {"A\0": "b"}])
def test_bad_environment(running: Running, method: SpawnMethod, environment: dict[str, str]) -> None:
    """A name or value that no environment can hold is an error."""
    with pytest.raises(SpawnError, match="environment variable"):
        running.spawner.spawn(plan("true", environment=environment, method=method), lambda _: None, lambda _: None)


def test_empty_entries_of_path_are_skipped(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the current directory is not found by an empty entry in PATH."""
    write(tmp_path / "tool", b"#!/bin/sh\nexit 0\n")
    monkeypatch.chdir(tmp_path)
    outcome = running.run(plan("tool", environment={"PATH": ":/usr/bin::/bin:"}))
    assert outcome.failure is not None
    assert outcome.failure.errno == errno.ENOENT


def test_removed_current_directory(
    running: Running, method: SpawnMethod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That our own current directory is gone stops nobody."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert running.run(plan("true", method=method)).calls == ["executed", "exited"]


def test_working_directory_and_umask(running: Running, tmp_path: Path) -> None:
    """They are the child's alone, and a relative program counts from the new directory."""
    write(tmp_path / "tool", b"#!/bin/sh\npwd; umask\n")
    before = os.getcwd()
    text = running.output(plan("./tool", working_directory=str(tmp_path), umask=0o027, method=SpawnMethod.POSIX_SPAWN))
    assert text.split() == [str(tmp_path), "0027"]
    assert os.getcwd() == before


def test_bad_working_directory(running: Running) -> None:
    """The failing step and its directory are named."""
    outcome = running.run(plan("true", working_directory="/no/such"))
    assert outcome.calls == ["executed"]
    assert str(outcome.failure) == "cannot change directory to /no/such: no such file or directory"


@as_root
def test_user_without_passwd_entry(running: Running) -> None:
    """A number is enough, and the groups are those that were given."""
    credentials = Credentials(12345, 23456, (23456, 7))
    assert running.output(shell("id -u; id -g; id -G", credentials=credentials)).split() == [
        *("12345", "23456", "23456", "7"),
    ]


@as_root
def test_directories_are_entered_as_the_user(running: Running, tmp_path: Path) -> None:
    """A directory that only root may enter is refused to the user, by name."""
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o700)
    outcome = running.run(plan("true", credentials=Credentials(12345, 12345, ()), working_directory=str(folder)))
    assert str(outcome.failure) == f"cannot change directory to {folder}: permission denied"


def test_our_own_user_needs_no_right(running: Running, method: SpawnMethod) -> None:
    """To stay who we are is no step at all: posix_spawn can do it."""
    same = Credentials(os.getuid(), os.getgid(), None)
    assert running.output(plan("id", "-u", credentials=same, method=method)).strip() == str(os.getuid())


def test_a_user_without_the_right_is_named() -> None:
    """Who is not root is told which step failed, and that root could."""
    script = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT)!r})
from asyncinit.runtime.process.plan import Credentials, ExecPlan
from tests.linux.running import Running
running = Running(asyncio.new_event_loop())
if os.geteuid() == 0:  # as late as this, for our Python may be where only root can read it
    os.setgroups([]); os.setresgid(54321, 54321, 54321); os.setresuid(54321, 54321, 54321)
for groups in ((), None):
    failure = running.run(ExecPlan(("true",), {{}}, credentials=Credentials(33, 33, groups, "web", "www"))).failure
    print(failure)
"""
    reader, writer = os.pipe()
    pid = os.posix_spawn(PYTHON, [PYTHON, "-c", script], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])
    os.close(writer)
    with open(reader) as file:
        lines = file.read().splitlines()
    assert os.waitpid(pid, 0)[1] == 0
    assert lines[0].startswith(
        "cannot set user web (its supplementary groups): operation not permitted; asyncinit runs"
    )
    assert lines[1].startswith("cannot set group www: operation not permitted; asyncinit runs as uid ")


def delayed(monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> None:
    """Have every forked child take a first step of ours."""
    real = child.steps
    monkeypatch.setattr(child, "steps", lambda *args: [child.Step("wait for the test", call), *real(*args)])


def test_killed_before_execution(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is killed between fork and exec is a spawn that failed, and says so."""
    delayed(monkeypatch, signal.pause)
    outcome = running.start(plan("true", method=SpawnMethod.FORK))
    os.kill(outcome.pid, signal.SIGKILL)
    running.until(lambda: not running.reaper.known(outcome.pid))
    assert outcome.calls == ["executed"]
    assert "killed by SIGKILL before its program ran" in str(outcome.failure)


def test_signal_before_execution_is_not_lost(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TERM that comes between fork and exec ends the child as soon as its mask is empty."""
    reader, writer = os.pipe()
    delayed(monkeypatch, lambda: os.read(reader, 1))
    outcome = running.start(plan("sleep", "600", method=SpawnMethod.FORK))
    os.kill(outcome.pid, signal.SIGTERM)
    os.write(writer, b"x")
    running.until(lambda: not running.reaper.known(outcome.pid))
    os.close(reader)
    os.close(writer)
    assert "SIGTERM" in str(outcome.failure or outcome.status)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(0), MemoryError(), ValueError("odd"), OSError("odd")]
)
def test_any_exception_in_the_child_is_told(
    running: Running, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens in the child, it ends there, and the step is named."""

    def fail() -> None:
        raise error

    delayed(monkeypatch, fail)
    outcome = running.run(plan("true", method=SpawnMethod.FORK))
    assert outcome.calls == ["executed"]
    assert str(outcome.failure).startswith("cannot wait for the test: ")


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_no_process_can_be_made(
    running: Running, method: SpawnMethod, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is named, and no descriptor is left."""

    def refuse(*_args: object, **_kwargs: object) -> int:
        raise OSError(number, os.strerror(number))

    before = descriptors()
    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(os, "posix_spawn", refuse)
    with pytest.raises(SpawnError) as caught:
        running.spawner.spawn(plan("true", stdin=1, method=method), lambda _: None, lambda _: None)
    assert (caught.value.step, caught.value.errno) == ("make a process", number)
    assert descriptors() == before


@pytest.mark.parametrize(
    ("free", "stdin", "step"), [(0, -1, "make a pipe"), (1, -1, "make a pipe"), (0, 1, "duplicate descriptors")]
)
def test_no_descriptor_can_be_made(running: Running, free: int, stdin: int, step: str) -> None:
    """EMFILE names the step, and no descriptor is left."""
    before = descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    lowest = os.dup(0)
    os.close(lowest)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    while (fd := os.dup(0)) < highest + 1:
        taken.append(fd)
    taken.append(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1 + free, hard))
    try:
        with pytest.raises(SpawnError) as caught:
            running.spawner.spawn(plan("true", stdin=stdin, method=SpawnMethod.FORK), lambda _: None, lambda _: None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)
    assert caught.value.errno in (errno.EMFILE, errno.EINVAL)  # F_DUPFD above the limit is EINVAL
    assert caught.value.step == step
    assert descriptors() == before


def test_extra_above_the_limit(running: Running, method: SpawnMethod) -> None:
    """A child's number above RLIMIT_NOFILE is an error of the descriptors, not of the program."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    outcome = running.run(plan("true", extra=((1, soft + 10),), method=method))
    assert outcome.failure is not None
    assert "descriptor" in outcome.failure.step


@pytest.mark.parametrize("extra", [((1, 2),), ((-1, 3),)])
def test_bad_extra(running: Running, method: SpawnMethod, extra: tuple[tuple[int, int], ...]) -> None:
    """Extra descriptors must be open, and not the standard ones."""
    outcome = running.run(plan("true", extra=extra, method=method))
    assert outcome.failure is not None
    assert outcome.failure.errno == errno.EBADF


def test_many_open_descriptors_and_a_high_limit(running: Running, method: SpawnMethod) -> None:
    """Thousands of open descriptors under a limit of millions are all kept back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(min(3000, hard - 500))]
    for fd in opened[::7]:
        os.set_inheritable(fd, True)
    try:
        text = running.output(shell("ls /proc/self/fd | wc -l", method=method))
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert int(text) == 4


def test_loop_stopped_right_after_a_spawn(loop: asyncio.AbstractEventLoop, method: SpawnMethod) -> None:
    """Nothing is left of a process that was being made, and nobody is called."""
    before = descriptors()
    running = Running(loop)
    outcome = running.start(plan("true", working_directory="/" if method is SpawnMethod.FORK else None, method=method))
    running.spawner.close()
    running.until(lambda: not running.reaper.known(outcome.pid))
    assert outcome.calls == []
    assert descriptors() == before


def test_a_callback_that_fails_does_not_hide_the_exit(running: Running, method: SpawnMethod) -> None:
    """The status is told although the callback before it raised."""
    told: list[object] = []
    running.loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    statuses: list[object] = []

    def fail(_failure: SpawnError | None) -> None:
        raise ValueError("a bug")

    running.spawner.spawn(plan("true", method=method), fail, statuses.append)
    running.until(lambda: statuses)
    assert isinstance(told[0], ValueError)


@pytest.mark.slow
def test_500_spawns_leave_nothing(loop: asyncio.AbstractEventLoop) -> None:
    """Spawns in a row, good and bad, by both ways, leave no descriptor and no process."""
    running = Running(loop)
    running.run(plan("true"))
    gc.collect()
    before = descriptors()
    outcomes = []
    for index in range(500):
        argv = ("true",) if index % 5 else ("/no/such",)
        outcomes.append(running.start(plan(*argv, method=METHODS[index % 2], stdin=1, extra=((0, 3),))))
        if index % 50 == 0:
            running.until(lambda: not running.reaper.pids())
    running.until(lambda: not running.reaper.pids())
    assert [outcome.status is not None for outcome in outcomes] == [bool(index % 5) for index in range(500)]
    assert [outcome.failure is None for outcome in outcomes] == [bool(index % 5) for index in range(500)]
    assert descriptors() == before
    assert running.reaper.spawned == running.reaper.reaped


def test_slow_file_systems_are_left_to_a_child(loop: asyncio.AbstractEventLoop) -> None:
    """With a file system that may hang nothing is looked up or executed by us, unless posix_spawn is asked for."""
    running = Running(loop, slow=True)
    outcome = running.run(plan("/no/such"))
    assert outcome.calls == ["executed"]
    assert running.run(plan("/no/such", method=SpawnMethod.POSIX_SPAWN)).calls == []


@pytest.mark.parametrize("wanted", [*METHODS, SpawnMethod.AUTO])
def test_pseudo_terminal_becomes_the_controlling_one(running: Running, wanted: SpawnMethod) -> None:
    """On 0, 1 and 2, and openable as /dev/tty."""
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    path = os.ttyname(theirs)
    outcome = running.run(shell("tty; echo two >&2; echo three > /dev/tty", terminal=path, method=wanted))
    text = b""
    while b"three" not in text:  # the kernel hands over what was written to a terminal in its own time
        text += os.read(ours, 1000)
    os.close(ours)
    os.close(theirs)
    assert outcome.status is not None
    assert outcome.status.code == 0
    assert text.decode().split() == [path, "two", "three"]


def test_a_terminal_that_is_none(running: Running, method: SpawnMethod) -> None:
    """A path that is no terminal, or not there, is named."""
    outcome = running.run(plan("true", terminal="/dev/null", method=method))
    assert str(outcome.failure).startswith("cannot open terminal /dev/null: ")
    outcome = running.run(plan("true", terminal="/dev/pts/no", method=method))
    assert str(outcome.failure).startswith(
        "cannot open /dev/pts/no" if method is METHODS[0] else "cannot open terminal"
    )


def test_foreground(running: Running) -> None:
    """FOREGROUND makes the process's group the foreground group of our terminal, if ours had it before."""
    ours, theirs = pty.openpty()
    path = os.ttyname(theirs)
    script = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT)!r})
from asyncinit.runtime.process.plan import ExecPlan, Session
from tests.linux.running import Running
running = Running(asyncio.new_event_loop())
ask = "import os, sys; sys.exit(os.tcgetpgrp(0) == os.getpgrp() == os.getpid())"
plan = ExecPlan((sys.executable, "-I", "-c", ask), os.environ, 0, 1, 2, session=Session.FOREGROUND)
first = running.run(plan).status
second = running.run(plan).status  # the first one's group has it, and is dead
sys.exit(100 + 10 * first.code + second.code)
"""
    outcome = running.run(plan(PYTHON, "-c", script, terminal=path, environment=dict(os.environ)))
    os.close(ours)
    os.close(theirs)
    assert outcome.status is not None
    assert outcome.status.code == 111


def test_mount_table(tmp_path: Path) -> None:
    """Where the mount table can't be read nobody knows, so it may be slow; ours is read and kept."""
    unknown = MountTable(str(tmp_path / "none"))
    assert unknown.has_slow()
    before = descriptors()
    table = MountTable()
    assert table.has_slow() == table.has_slow()
    table.close()
    assert descriptors() == before


def test_no_thread_is_started(running: Running) -> None:
    """Spawning is done by the one thread that there is."""
    before = len(os.listdir("/proc/self/task"))
    running.run(plan("true", method=SpawnMethod.FORK))
    running.run(plan("true", method=SpawnMethod.POSIX_SPAWN))
    assert len(os.listdir("/proc/self/task")) <= before  # one of an earlier test may just be ending


def test_spawning_inside_a_turning_loop(running: Running, method: SpawnMethod) -> None:
    """A fork inside a callback leaves the loop as it was: its readers and timers go on."""
    reader, writer = os.pipe()
    outcomes: list[Outcome] = []
    seen: list[bytes] = []
    running.loop.add_reader(reader, lambda: seen.append(os.read(reader, 1)))

    def make() -> None:
        outcomes.append(running.start(plan("true", method=method)))
        os.write(writer, b"x")
        if len(outcomes) < 20:
            running.loop.call_later(0.001, make)

    running.loop.call_soon(make)
    running.until(lambda: len(outcomes) == 20 and all(outcome.status for outcome in outcomes) and len(seen) == 20)
    running.loop.remove_reader(reader)
    os.close(reader)
    os.close(writer)
