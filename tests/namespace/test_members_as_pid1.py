"""Members, pid reuse and the sweep, as real PID 1 of a PID namespace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

from asyncinit.config.spec import Scope
from asyncinit.linux import proc
from asyncinit.runtime.tree.delivery import Outcome, deliver, deliver_to_group
from asyncinit.runtime.tree.listing import Member
from tests.stage import FAMILY, Stage, alive, skip, staged


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def become(uid: int) -> None:
    """Take on a user, and be able to go back."""
    os.setresuid(0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, 0)
    os.setresuid(uid, uid, 0)


def next_pid(stage: Stage, pid: int) -> None:
    """Have the kernel hand out `pid` next, at another tick than now."""
    tick = proc.instant().ticks
    stage.until(lambda: proc.instant().ticks > tick)
    try:
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(pid - 1))
    except OSError:
        skip("the next pid can't be chosen here (CONFIG_CHECKPOINT_RESTORE, CAP_SYS_ADMIN)")


def service_with_lost_session(stage: Stage) -> tuple[int, Member]:
    """Make a service; return its main process and a member that led a session, was seen, and is gone."""
    text = "setsid sleep 60 & echo leader $!; wait; sleep 60"
    main = stage.spawn("web", ["/bin/sh", "-c", text])
    (leader,) = stage.told(main, "leader")
    stage.until(lambda: os.getsid(leader) == leader)
    stage.members.remember("web")
    seen = next(member for member in stage.members.live("web") if member.pid == leader)
    os.kill(leader, signal.SIGKILL)
    stage.until(lambda: proc.stat(leader) is None)
    return main, seen


@staged(namespace=True)
def test_a_stranger_with_a_members_pid_is_spared(stage: Stage) -> None:
    """A process that has got the pid, session and group number of a former member is not the service's."""
    main, former = service_with_lost_session(stage)
    next_pid(stage, former.pid)
    stranger = stage.spawn(None, ["/bin/sleep", "60"])
    assert stranger == former.pid == os.getsid(stranger)
    assert deliver(former, [signal.SIGKILL], child=False) is Outcome.GONE
    assert stage.members.owner_of(stranger) is None
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.TREE, main)
    stage.kill("web")
    assert alive(stranger) and [member.pid for member in stage.members.strays()] == [stranger]


@staged(namespace=True)
def test_the_children_of_a_stranger_with_a_members_pid_are_spared(stage: Stage) -> None:
    """What is left in a session whose number was a member's, its leader gone, is not the service's."""
    main, former = service_with_lost_session(stage)
    # As if a whole round of pids had passed in the meantime: it takes the kernel seconds, and the test no time.
    stage.members._attribution._claims._round = 0.0
    next_pid(stage, former.pid)
    leader = stage.spawn(None, [*FAMILY, "orphan-in-group"])
    (stranger,) = stage.told(leader, "child")
    stage.until(lambda: proc.stat(leader) is None)
    assert leader == former.pid == os.getsid(stranger) == os.getpgid(stranger)
    assert deliver_to_group(former, [signal.SIGKILL]) is Outcome.GONE
    stage.kill("web")
    assert alive(stranger) and stage.members.owner_of(stranger) is None
    assert not alive(main)


@staged(namespace=True)
def test_a_main_process_with_a_former_main_processes_pid_is_its_own(stage: Stage) -> None:
    """A service that got the number of another one's former main process keeps its leftovers to itself."""
    web = stage.family("web", "setsid-child")
    (child,) = stage.told(web, "child")
    os.kill(web, signal.SIGKILL)
    stage.until(lambda: web in stage.exits)
    assert {member.pid for member in stage.members.live("web")} == {child}
    del stage.exits[web]
    next_pid(stage, web)
    db = stage.family("db", "orphan-in-group")
    assert db == web
    (orphan,) = stage.told(db, "child")
    stage.until(lambda: db in stage.exits)
    stage.exits[0] = None  # the ledger counts both
    assert {member.pid for member in stage.members.live("db")} == {orphan}
    assert {member.pid for member in stage.members.live("web")} == {child}
    stage.kill("web")
    assert alive(orphan)


def enter(pid: int) -> None:
    """Do what `docker exec` does: enter the namespace from outside and leave a process behind in it."""
    if os.geteuid() == 0:
        program = shutil.which("nsenter") or "nsenter"
        command = [program, "--pid", "--mount", "--target", str(pid), "setsid", "-f", "sleep", "61"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=30)


@staged(namespace=True, outside=enter)
def test_what_docker_exec_leaves_is_a_stray(stage: Stage) -> None:
    """An orphan of a process that entered from outside is ours, belongs to nobody, and keeps no service up."""
    if read("/proc/self/uid_map").split()[2] == "1":
        skip("entering needs root outside")
    stage.until(stage.members.strays)
    (stray,) = stage.members.strays()
    assert stray.name in ("sleep", "setsid") and stray.parent == 1
    main = stage.family("web", "idle")
    stage.told(main, "idle")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.GROUP, main)
    gone = stage.watch("web")
    stage.until(lambda: gone)
    assert alive(stray.pid)
    done: list[list[str]] = []
    stage.ending.sweep(1000.0, done.append)
    stage.until(lambda: done)
    assert done == [[]] and not alive(stray.pid)


@staged(namespace=True)
def test_a_sweep_as_pid_1_ends_everything(stage: Stage) -> None:
    """Fork loops, comets and escapees of nobody are gone after the sweep of a namespace's owner."""
    for role in (["fork-loop", "100"], ["comet", "10"], ["hopper"], ["immune-child"], ["escapee", "clear"]):
        stage.spawn(None, [*FAMILY, *role], environment={})
    stage.until(lambda: len(stage.members.strays()) > 50 and stage.reaper.orphans > 50)
    done: list[list[str]] = []
    stage.ending.sweep(0.05, done.append)
    stage.until(lambda: done)
    assert done == [[]]
    assert [pid for pid in proc.pids() if pid != 1 and alive(pid)] == []


@staged(namespace=True)
def test_a_stop_among_thousands_of_orphans(stage: Stage) -> None:
    """While orphans are made as fast as possible, services end, and one that is killed is gone."""
    flood = stage.spawn("flood", ["/bin/sh", "-c", "while :; do (true & ); done"])
    web = stage.family("web", "idle")
    stage.told(web, "idle")
    stage.until(lambda: stage.reaper.orphans > 300)
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.GROUP, web)
    gone = stage.watch("web")
    stage.until(lambda: gone)
    stage.kill("flood")
    assert not alive(flood)


@staged(namespace=True)
def test_hidden_processes_are_members_too(stage: Stage) -> None:
    """Under hidepid another user's leftover is told by its session, holds the service, and is ended once we may."""
    stage.spawn(None, [shutil.which("mount") or "/bin/mount", "-o", "remount,hidepid=2", "/proc"])
    stage.until(lambda: stage.reaper.orphans)
    if "hidepid" not in read("/proc/self/mounts"):
        skip("/proc can't be mounted with hidepid here")
    main = stage.family("web", "immune-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    try:
        become(12345)
    except OSError:
        skip("there is only one user here")
    assert proc.stat(child) is None
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.GROUP, main)
    gone = stage.watch("web")
    for _ in range(20):
        stage.turn()
    assert not gone and "operation not permitted" in stage.reports[0][1]
    become(0)
    os.kill(main, signal.SIGKILL)
    stage.until(lambda: main in stage.exits)
    become(12345)
    for _ in range(20):
        stage.members.look_soon()
        stage.turn()
    assert not gone and [member.state for member in stage.members.live("web")] == ["?"]
    become(0)
    stage.ending.kill_tree("web")
    stage.until(lambda: gone)


@staged(namespace=True, proc=False)
def test_with_the_proc_of_another_namespace_groups_are_used(stage: Stage) -> None:
    """A /proc whose pids are not ours is not believed; what is left in the group is waited for and killed."""
    assert not proc.usable()
    main = stage.family("web", "immune-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.GROUP, main)
    gone = stage.watch("web")
    stage.until(lambda: main in stage.exits)
    for _ in range(20):
        stage.turn()
    assert not gone
    os.kill(child, 0)
    stage.ending.kill_tree("web")
    stage.until(lambda: gone)
    assert len(stage.problems) == 1
