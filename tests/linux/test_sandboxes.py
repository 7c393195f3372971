"""Processes in PID namespaces: who their parent is, how their ends are told, and what their init may; on both loops."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from asyncinit import simple_init
from asyncinit.core.status import ExitStatus
from asyncinit.linux import proc
from asyncinit.linux.capabilities import Sets, set_held
from asyncinit.runtime.process.plan import ExecPlan, JoinedPids, NewPids, Pid1
from asyncinit.runtime.process.reaper import Reaper, ReaperState
from asyncinit.runtime.process.spawner import Spawner, SpawnerState
from asyncinit.runtime.process.step import Step
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept
from asyncinit.runtime.sandbox import handshake
from tests.linux.running import FORKING, Outcome, Running, descriptors
from tests.stage import alive
from tests.support import PYTHON, ROOT, wait_until

pytestmark = [
    pytest.mark.filterwarnings(FORKING),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop that makes processes; nothing may be left of it, neither a process nor a descriptor."""
    running = Running(loop)
    running.turn()  # uvloop opens its own when it first runs
    before = descriptors()
    yield running
    for pid in running.reaper.inits:
        os.kill(pid, signal.SIGKILL)
    running.until(lambda: not running.reaper.pids())
    running.turn()
    assert descriptors() == before
    assert running.reaper.inits == {}
    assert running.reaper.spawned == running.reaper.reaped


def shell(text: str, **changes: Any) -> ExecPlan:
    return replace(ExecPlan(("/bin/sh", "-c", text), ENVIRONMENT), **changes)


def pod(running: Running, **changes: Any) -> Outcome:
    """Make a pod and wait until its init is ready."""
    outcome = running.start(shell("", placement=NewPids(Pid1.POD, **changes)))
    running.until(lambda: outcome.calls)
    assert outcome.failure is None, outcome.failure
    return outcome


INSIDE = [True, False]
STATUSES = [("exit 3", 3, None), ("kill -9 $$", None, 9), ("exit 137", 137, None), ("kill -TERM $$", None, 15)]


def told(outcome: Outcome) -> tuple[int | None, int | None]:
    assert outcome.failure is None, outcome.failure
    assert outcome.calls == ["executed", "exited"]
    assert outcome.status is not None
    return outcome.status.code, outcome.status.signal


@pytest.mark.parametrize("end", STATUSES)
def test_a_program_can_be_pid_1(running: Running, end: tuple[str, int | None, int | None]) -> None:
    """Without an init it is PID 1 itself, our own child, and its status is the kernel's own word."""
    text, code, number = end
    outcome = running.start(shell(f"test $$ = 1 || exit 99; {text}; exit 7", placement=NewPids(Pid1.PROGRAM)))
    running.until(lambda: outcome.status)
    # A signal that it has no handler for does not reach PID 1 from inside.
    assert told(outcome) == ((code, None) if number is None else (7, None))


@pytest.mark.parametrize("end", STATUSES)
def test_with_an_init_the_program_is_pid_2(running: Running, end: tuple[str, int | None, int | None]) -> None:
    """Its init is PID 1; the exact status comes from that one's report."""
    text, code, number = end
    outcome = running.start(shell(f'test "$$ $PPID" = "2 1" || exit 99; {text}', placement=NewPids()))
    running.until(lambda: outcome.status)
    assert told(outcome) == (code, number)
    running.until(lambda: not running.reaper.pids())


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("end", STATUSES)
def test_a_member_of_a_pod(running: Running, inside: bool, end: tuple[str, int | None, int | None]) -> None:
    """Inside, its parent is the pod's init, outside it has none that it sees; its status is exact either way."""
    text, code, number = end
    home = pod(running)
    reader, writer = os.pipe()
    outcome = running.start(shell(f"read x; {text}", placement=JoinedPids(home.pid, inside), stdin=reader))
    os.close(reader)
    running.until(lambda: outcome.calls)
    stat = proc.stat(outcome.pid)
    assert stat is not None
    assert stat.ppid == (home.pid if inside else os.getpid())
    assert proc.status_field(outcome.pid, "NSpid").split()[0] == str(outcome.pid)
    os.close(writer)
    running.until(lambda: outcome.status)
    assert told(outcome) == (code, number)


# ---------------------------------------------------------------------------------------------------------------------
# What an init may, and what others may with it


def field(pid: int, name: str) -> str:
    return proc.status_field(pid, name)


def capability_sets(pid: int) -> dict[str, int]:
    return {name: int(field(pid, f"Cap{name}"), 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


def test_the_init_of_a_pod_is_without_power(running: Running) -> None:
    """No capability, no way to one, a user of its own, no descriptor but its report, and nothing in its root."""
    home = pod(running)
    assert set(capability_sets(home.pid).values()) == {0}
    assert field(home.pid, "NoNewPrivs") == "1"
    assert field(home.pid, "Uid").split() == field(home.pid, "Gid").split() == [str(simple_init.UID)] * 4
    assert field(home.pid, "Groups") == ""
    assert os.listdir(f"/proc/{home.pid}/fd") == ["3"]
    assert os.listdir(f"/proc/{home.pid}/root/") == []
    with open(f"/proc/{home.pid}/mountinfo") as file:
        (mount,) = file.read().splitlines()
    assert mount.split()[5].split(",")[0] == "ro"
    with open(f"/proc/{home.pid}/environ", "rb") as file:
        assert b"PATH" not in file.read()


def test_the_init_of_one_service_may_signal_alone(running: Running) -> None:
    """Of all capabilities it has CAP_KILL, to forward signals; and it does forward them, to the main process alone."""
    reader, writer = os.pipe()
    ends = "trap 'exit 4' USR1; echo ready; while :; do sleep 0.05; done"
    outcome = running.start(shell(ends, placement=NewPids(), stdout=writer))
    os.close(writer)
    running.until(lambda: outcome.calls)
    (init,) = running.reaper.inits
    kill = 1 << 5
    assert capability_sets(init) == {"Inh": 0, "Prm": kill, "Eff": kill, "Bnd": kill, "Amb": 0}
    assert os.listdir(f"/proc/{init}/fd") == ["3"]
    assert os.read(reader, 6) == b"ready\n"
    os.close(reader)
    os.kill(init, signal.SIGUSR1)
    running.until(lambda: outcome.status)
    assert told(outcome) == (4, None)
    running.until(lambda: not running.reaper.pids())


# Docker's default set. CAP_PERFMON and CAP_SYS_ADMIN, which are not in it, let read the maps of anybody (6.18).
DEFAULTS = (
    "chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,"
    "+mknod,+audit_write,+setfcap"
)
WITH_PROC = (
    *("unshare", "--mount", "sh", "-c", 'mount -t proc proc /proc; exec "$@"', "sh"),
    *("setpriv", f"--bounding-set=-all,+{DEFAULTS}", "--", "sh", "-c"),
)
SPIES = """
grep -q 'CapEff:.*00000000a80425fb' /proc/self/status || exit 90
for name in exe root cwd; do readlink /proc/1/$name && exit 91; done
readlink /proc/1/fd/3 && exit 92
true > /proc/1/fd/3 && exit 92
ls /proc/1/root/ && exit 93
for name in environ maps mem auxv io syscall stack; do cat /proc/1/$name && exit 94; done
nsenter --target 1 --mount true && exit 95
kill -KILL 1; kill -TERM 1; kill -INT 1; kill -STOP 1
test -d /proc/1 || exit 96
exit 0
"""


def test_a_root_member_reads_nothing_of_the_init_and_cannot_end_it(running: Running) -> None:
    """With Docker's capabilities root in the pod sees of PID 1 only that it is there; its signals do nothing."""
    home = pod(running)
    outcome = running.run(ExecPlan((*WITH_PROC, SPIES), ENVIRONMENT, placement=JoinedPids(home.pid)))
    assert told(outcome) == (0, None)
    assert field(home.pid, "State")[0] in "RS"
    assert running.run(shell("exit 5", placement=JoinedPids(home.pid))).status == ExitStatus(5)


def test_a_process_of_a_pod_cannot_be_looked_into_before_its_program_runs(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is a copy of us, with our memory, it is not dumpable, and another member may not look into it."""
    home = pod(running)
    spy = "ls /proc; for p in /proc/[0-9]*; do cat $p/maps $p/environ; readlink $p/exe; done 2> /dev/null; exit 0"
    plan = ExecPlan((*WITH_PROC, spy), ENVIRONMENT, placement=JoinedPids(home.pid))
    seen: list[str] = []
    place = running.spawner.sandboxes.place

    def look(*arguments: Any) -> Any:
        placed = place(*arguments)
        monkeypatch.undo()
        seen.append(running.output(plan))
        return placed

    monkeypatch.setattr(running.spawner.sandboxes, "place", look)
    outcome = running.run(shell("exit 0", placement=JoinedPids(home.pid)))
    assert told(outcome) == (0, None)
    assert "/bin/" in seen[0]  # it sees itself
    assert "python" not in seen[0]


# ---------------------------------------------------------------------------------------------------------------------
# The ledger


def test_orphans_in_a_pod_are_reaped(running: Running) -> None:
    """What members leave behind is adopted and reaped by the init, and counted as nobody's."""
    home = pod(running)
    outcome = running.run(shell("for i in 1 2 3 4 5; do (sh -c 'exit 9' &); done", placement=JoinedPids(home.pid)))
    assert told(outcome) == (0, None)
    running.until(lambda: not proc.children(home.pid))
    assert running.reaper.orphans >= 5


@pytest.mark.slow
def test_a_thousand_members_lose_no_status(running: Running) -> None:
    """1,000 members born and dead as fast as they can be made: each one's own status is told, once."""
    home = pod(running)
    codes = [number % 251 for number in range(1000)]
    outcomes = [
        running.start(ExecPlan(("/bin/sh", "-c", f"exit {code}"), ENVIRONMENT, placement=JoinedPids(home.pid)))
        for code in codes
    ]
    running.until(lambda: all(one.status is not None for one in outcomes), timeout=300)
    assert [told(one) for one in outcomes] == [(code, None) for code in codes]
    sandbox = running.spawner.sandboxes.of(home.pid)
    assert sandbox is not None
    assert sandbox.members == []
    assert running.complaints == []


def test_a_number_that_is_used_again_is_told_apart(running: Running) -> None:
    """Members that all have the same pid inside, while nobody reads what is reported, keep their own statuses."""
    home = pod(running)
    outcomes, inner = [], set()
    for code in range(30):
        running.run(shell("echo 100 > /proc/sys/kernel/ns_last_pid", placement=JoinedPids(home.pid)))
        reader, writer = os.pipe()
        outcome = running.start(shell(f"echo $$; exit {code}", placement=JoinedPids(home.pid), stdout=writer))
        os.close(writer)
        with open(reader) as file:
            inner.add(file.read())  # until it has ended
        outcomes.append(outcome)
        wait_until(lambda pid=outcome.pid: not os.path.exists(f"/proc/{pid}"))
    running.until(lambda: all(one.status for one in outcomes))
    assert [told(one) for one in outcomes] == [(code, None) for code in range(30)]
    assert len(inner) < 5


def test_what_is_reported_before_a_registration_is_anothers(running: Running) -> None:
    """An orphan that had the same number, whose end nobody has read yet, does not end the new member."""
    home = pod(running)
    again = "echo 200 > /proc/sys/kernel/ns_last_pid"
    for _ in range(10):
        leaves = running.start(shell(f"{again}; (sh -c 'exit 77' &)", placement=JoinedPids(home.pid)))
        wait_until(lambda pid=leaves.pid: not os.path.exists(f"/proc/{pid}"))
        wait_until(lambda: not proc.children(home.pid))
        running.run(shell(again, placement=JoinedPids(home.pid)))
        outcome = running.start(shell("read x; exit 1", placement=JoinedPids(home.pid)))
        running.until(lambda one=outcome: one.status)
        assert told(outcome) == (1, None)


def test_the_end_of_the_init_is_that_of_all(running: Running) -> None:
    """When PID 1 is killed its members are told as killed, where the kernel knows, else as unknown: never made up."""
    home = pod(running)
    members = [running.start(shell("sleep 100", placement=JoinedPids(home.pid, inside))) for inside in (True, False)]
    running.until(lambda: all(one.calls for one in members))
    os.kill(home.pid, signal.SIGKILL)
    running.until(lambda: all(one.status for one in (home, *members)))
    assert told(home) == (None, 9)
    inside, outside = (one.status for one in members)
    assert inside in (ExitStatus(signal=9), ExitStatus())
    assert outside == ExitStatus(signal=9)


def test_sandboxes_go_on_over_a_reexec(running: Running) -> None:
    """Whose end was not told before is told after, exactly; half a line that was read is not lost."""
    home = pod(running)
    private = running.start(shell("exec sleep 100", placement=NewPids()))
    early, late, outer = (
        running.start(shell("exec sleep 100", placement=JoinedPids(home.pid, inside))) for inside in (True, True, False)
    )
    running.until(lambda: all(one.calls for one in (private, early, late, outer)))
    os.kill(early.pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists(f"/proc/{early.pid}"))
    kept = Kept()
    reaper, spawner = running.reaper.freeze(kept), running.spawner.freeze(kept)
    assert decode(encode(spawner), SpawnerState) == spawner
    for pid in (home.pid, *(pid for pid in running.reaper.inits)):
        sandbox = running.spawner.sandboxes.of(pid)
        assert sandbox is not None
        running.loop.remove_reader(sandbox.freeze(Kept()).report)
    running.spawner, running.reaper = Spawner(running.loop, Reaper(running.loop)), None  # type: ignore[assignment]
    running.reaper = running.spawner.reaper
    running.reaper.thaw(decode(encode(reaper), ReaperState))
    running.spawner.thaw(decode(encode(spawner), SpawnerState))
    for one in (home, private, early, late, outer):
        running.spawner.adopt(one.pid, one.executed, one.exited)
    running.until(lambda: early.status)
    assert told(early) == (None, signal.SIGTERM)
    again = running.run(shell("exit 8", placement=JoinedPids(home.pid)))
    assert told(again) == (8, None)
    for one, number in ((late, signal.SIGINT), (outer, signal.SIGHUP), (private, signal.SIGQUIT)):
        os.kill(one.pid, number)
        running.until(lambda one=one: one.status)
        assert told(one) == (None, number)
    running.until(lambda: len(running.reaper.inits) == 1)


def test_nothing_outlives_us_in_a_sandbox() -> None:
    """When the process that reads the reports is killed, the inits end, and with them all that is in there."""
    program = (
        "import asyncio, os, sys\n"
        "from asyncinit.runtime.process.plan import ExecPlan, JoinedPids, NewPids, Pid1\n"
        "from tests.linux.running import Running\n"
        "running = Running(asyncio.new_event_loop())\n"
        "def make(placement):\n"
        "    one = running.start(ExecPlan(('/bin/sleep', '1000'), {}, placement=placement))\n"
        "    running.until(lambda: one.calls)\n"
        "    return one.pid\n"
        "home = make(NewPids(Pid1.POD))\n"
        "print(home, make(JoinedPids(home)), make(JoinedPids(home, False)), make(NewPids()), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([PYTHON, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 4
        process.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids))


IN_USER_NAMESPACES = """
import asyncio, os, sys
from asyncinit.config.spec import NamespaceKind
from asyncinit.linux import proc
from asyncinit.linux.capabilities import held
from asyncinit.linux.process import set_dumpable
from asyncinit.runtime.process.isolating import user_step
from asyncinit.runtime.process.plan import ExecPlan, Isolation, JoinedPids, NewPids, Pid1
from tests.linux.running import Running
from tests.support import wait_until

held()  # what calls C is for root alone, too
os.setgroups([])
os.setresgid(1000, 1000, 1000)
os.setresuid(1000, 1000, 1000)
set_dumpable(True)
for sys.executable in (sys.executable, "/usr/bin/python3"):  # root's own may be for root alone
    if os.access(sys.executable, os.X_OK):
        break
else:
    sys.exit("no Python for ordinary users")
running = Running(asyncio.new_event_loop())
user = user_step(Isolation(own=frozenset({NamespaceKind.USER})))

def start(text, placement):
    one = running.start(ExecPlan(("/bin/sh", "-c", text), {"PATH": "/usr/bin:/bin"}, placement=placement))
    running.until(lambda: one.calls or one.failure)
    assert one.failure is None, one.failure
    return one

def check_powerless(init, kept):
    for name in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert int(proc.status_field(init, "Cap" + name), 16) & ~kept == 0, name
    assert proc.status_field(init, "NoNewPrivs") == "1"

home = start("", NewPids(Pid1.POD, user=user))
check_powerless(home.pid, 0)
statuses = []
own = NewPids(user=user), NewPids(Pid1.PROGRAM, user=user)
for placement in (JoinedPids(home.pid), JoinedPids(home.pid, False), *own):
    one = start("test $(id -u) = 0 && exit 3", placement)
    running.until(lambda: one.status)
    statuses.append(one.status.code)
private = start("exec sleep 100", NewPids(user=user))
(init,) = set(running.reaper.inits) - {home.pid}
check_powerless(init, 1 << 5)
os.kill(init, 15)  # is forwarded
running.until(lambda: private.status)
os.kill(home.pid, 9)
running.until(lambda: not running.reaper.pids())
refused = running.start(ExecPlan(("true",), {}, placement=NewPids()))
print(os.geteuid(), statuses, private.status.signal, refused.failure)
"""


def test_all_of_it_works_without_root() -> None:
    """An ordinary user has pods and PID namespaces in a user namespace; without that it is told what is missing."""
    words = [PYTHON, "-c", IN_USER_NAMESPACES]
    done = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    for reason in ("user namespaces are forbidden", "no Python for ordinary users"):
        if reason in done.stderr:
            pytest.skip(reason)
    assert done.stdout.startswith("1000 [3, 3, 3, 3] 15 cannot make a PID namespace: operation not permitted"), done


# ---------------------------------------------------------------------------------------------------------------------
# What fails is named, and leaves nothing


def test_a_program_that_is_not_there_is_told_as_ever(running: Running) -> None:
    """The program's own failure is told for every kind of placement."""
    home = pod(running)
    for placement in (NewPids(Pid1.PROGRAM), NewPids(), JoinedPids(home.pid), JoinedPids(home.pid, inside=False)):
        outcome = running.run(ExecPlan(("/not/there",), ENVIRONMENT, placement=placement))
        assert outcome.calls == ["executed"]
        assert str(outcome.failure) == "cannot execute /not/there: no such file or directory"
    running.until(lambda: running.reaper.pids() == {home.pid})


def test_a_pod_that_is_ending_cannot_be_joined(running: Running) -> None:
    """Between the end of its init and the moment when that is known, nothing can be made in a pod."""
    home = pod(running)
    os.kill(home.pid, signal.SIGKILL)
    wait_until(lambda: not alive(home.pid))
    for inside in (True, False):
        failure = running.start(shell("exit 0", placement=JoinedPids(home.pid, inside))).failure
        assert str(failure) == "cannot make a process in its pod: its PID 1 has ended"
    running.until(lambda: home.status)
    failure = running.start(shell("exit 0", placement=JoinedPids(home.pid))).failure
    assert str(failure) == "cannot join its pod: it is not there"
    running.until(lambda: not running.reaper.pids())


def test_without_the_right_it_is_told_what_is_missing(running: Running) -> None:
    """Without CAP_SYS_ADMIN no PID namespace is made, and nothing of it is left."""
    refused = [
        Step("drop rights", set_held, (Sets(0, 0, 0),)),
        Step("limit", os.setresuid, (65532, 65532, 65532)),
    ]
    for first in refused:
        failure = running.start(shell("exit 0", placement=NewPids(user=first))).failure
        assert failure is not None
        assert failure.errno == errno.EPERM
        assert "CAP_SYS_ADMIN" in str(failure)
        assert 'user = "private"' in str(failure)
    running.until(lambda: not running.reaper.pids())


def test_an_init_that_cannot_be_executed_fails_the_service(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps the init from being what it must be is told, and the service does not run without it."""
    monkeypatch.setattr(simple_init, "command", lambda _mode: ("/not/python",))
    for pid1 in (Pid1.INIT, Pid1.POD):
        outcome = running.run(shell("exit 0", placement=NewPids(pid1)))
        assert outcome.calls == ["executed"]
        assert "/not/python" in str(outcome.failure)
    running.until(lambda: not running.reaper.pids())


def test_nobody_waits_for_ever_for_a_helper(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that is killed, or hangs, is a failure by name."""
    placement = NewPids(Pid1.PROGRAM, user=Step("hang", os.kill, (0, 0)))
    monkeypatch.setattr(handshake, "PATIENCE", 0.1)
    hangs = Step("hang", signal.pause)
    failure = running.start(shell("exit 0", placement=replace(placement, user=hangs))).failure
    assert str(failure) == "cannot place the process: nothing was heard for 0.1 s"
    killed = Step("be killed", lambda: os.kill(os.getpid(), signal.SIGKILL))
    failure = running.start(shell("exit 0", placement=replace(placement, user=killed))).failure
    assert str(failure) == "cannot place the process: who should do it was killed"
    for pid in running.reaper.pids():
        os.kill(pid, signal.SIGKILL)
    running.until(lambda: not running.reaper.pids())


def test_a_pod_says_what_it_lacks(running: Running) -> None:
    """A kind of namespace that the pod shares with us cannot be joined; inside a program's own, statuses are lost."""
    home = pod(running, namespaces=frozenset({"uts"}))
    outcome = running.run(shell("hostname elsewhere", placement=JoinedPids(home.pid, namespaces=frozenset({"uts"}))))
    assert told(outcome) == (0, None)
    assert os.uname().nodename != "elsewhere"
    failure = running.start(shell("", placement=JoinedPids(home.pid, namespaces=frozenset({"net"})))).failure
    assert str(failure) == "cannot join its pod: it has no net namespace of its own"
    first = running.start(shell("sleep 100", placement=NewPids(Pid1.PROGRAM, shared=True)))
    failure = running.start(shell("", placement=JoinedPids(first.pid))).failure
    assert 'use tree = "outside"' in str(failure)
    assert told(running.run(shell("exit 6", placement=JoinedPids(first.pid, inside=False)))) == (6, None)


def test_a_storm_of_orphans_in_a_pod_does_not_hold_us_up(running: Running) -> None:
    """While a member forks orphans for ever, others can be made, end, and are told."""
    home = pod(running)
    storm = running.start(shell("while :; do (sh -c : &); done", placement=JoinedPids(home.pid)))
    running.until(lambda: running.reaper.orphans > 100)
    for code in range(5):
        assert told(running.run(shell(f"exit {code}", placement=JoinedPids(home.pid)))) == (code, None)
    assert storm.status is None
    os.kill(home.pid, signal.SIGKILL)
    running.until(lambda: storm.status)
    assert running.complaints == []
