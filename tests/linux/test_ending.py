"""Whom signals reach, and that nothing outruns a kill, with real processes."""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

from asyncinit.config.spec import Scope
from asyncinit.linux import proc
from asyncinit.runtime.tree import delivery, ending
from asyncinit.runtime.tree.delivery import Outcome, deliver, deliver_to_group
from asyncinit.runtime.tree.listing import Member
from tests import wrapping
from tests.stage import FAMILY, Stage, alive, skip, staged
from tests.support import wait_until

# Says which signals reach it, and lives.
TELLS = (
    "import signal,sys,os\n"
    "def tell(number, _frame): os.write(1, f'{signal.Signals(number).name} {os.getpid()}\\n'.encode())\n"
    "for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGHUP, signal.SIGUSR1): signal.signal(number, tell)\n"
)
READY = "os.write(1, f'ready {os.getpid()}\\n'.encode())\nwhile True: signal.pause()\n"
LEADER = TELLS + "os.fork() or 0\n" + READY
FAMILY_OF_THREE = TELLS + "if os.fork() == 0:\n  if os.fork() == 0: os.setsid()\n" + READY


def program(stage: Stage, service: str, text: str) -> int:
    return stage.spawn(service, [FAMILY[0], "-I", "-S", "-c", text])


def heard(stage: Stage, main: int, name: str) -> set[int]:
    lines = (line.split() for line in stage.output[main].decode().splitlines())
    return {int(words[1]) for words in lines if words[0] == name}


def member(pid: int) -> Member:
    stat = proc.stat(pid)
    assert stat is not None
    return Member(pid, stat.start_time, stat.name, stat.state, stat.ppid, stat.pgrp, stat.session)


# ---------------------------------------------------------------------------------------------------------------------
# Scopes


@staged
def test_each_scope_reaches_whom_it_names(stage: Stage) -> None:
    """process: the main process alone; group: its group; tree: who has left the session, too. SIGCONT follows."""
    main = program(stage, "web", FAMILY_OF_THREE)
    everybody = set(stage.told(main, "ready", 3))
    (leaver,) = {pid for pid in everybody if os.getsid(pid) == pid and pid != main}
    for number, scope, expected in (
        (signal.SIGHUP, Scope.PROCESS, {main}),
        (signal.SIGUSR1, Scope.GROUP, everybody - {leaver}),
        (signal.SIGTERM, Scope.TREE, everybody),
    ):
        stage.ending.signal_scope("web", number, scope, main)
        stage.until(lambda name=number.name, who=expected: heard(stage, main, name) == who)
        stage.until(lambda who=expected: heard(stage, main, "SIGCONT") >= who)
    for _ in range(10):
        stage.turn()
    assert heard(stage, main, "SIGHUP") == {main}
    assert heard(stage, main, "SIGUSR1") == everybody - {leaver}


@staged
def test_without_resume_nothing_follows(stage: Stage) -> None:
    """A reload's signal is not followed by SIGCONT."""
    main = program(stage, "web", FAMILY_OF_THREE)
    stage.told(main, "ready", 3)
    stage.ending.signal_scope("web", signal.SIGHUP, Scope.TREE, main, resume=False)
    stage.until(lambda: len(heard(stage, main, "SIGHUP")) == 3)
    assert not heard(stage, main, "SIGCONT")


@staged
def test_without_a_main_process_every_scope_is_what_is_left(stage: Stage) -> None:
    """When the main process has ended, the stop signal goes to all that it has left."""
    main = stage.family("web", "children", "3")
    children = set(stage.told(main, "child", 3))
    stage.told(main, "main")
    os.kill(main, signal.SIGKILL)
    stage.until(lambda: main in stage.exits)
    gone = stage.watch("web")
    for pid in (None, main):
        stage.ending.signal_scope("web", signal.SIGTERM, Scope.PROCESS, pid)
    stage.until(lambda: gone)
    assert not any(alive(pid) for pid in children)


@staged
def test_the_children_of_who_ends_at_once_get_the_signal_too(stage: Stage) -> None:
    """A signal to a tree reaches all that were there, though a parent may be gone before its children are listed."""
    main = stage.family("web", "children", "10")
    stage.told(main, "main")
    deliver_now = ending.deliver

    def deliver_and_wait(member: Member, *arguments: Any, **options: Any) -> Outcome:
        outcome = deliver_now(member, *arguments, **options)
        wait_until(lambda: not alive(member.pid))
        return outcome

    ending.deliver = deliver_and_wait
    gone = stage.watch("web")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.TREE, main)
    stage.until(lambda: gone)


@staged
def test_what_comes_to_us_in_the_turn_of_the_signal_gets_it(stage: Stage) -> None:
    """Orphans are signalled though they became ours only with the end that is told just now."""
    mains = {f"s{number}": stage.family(f"s{number}", "setsid-child") for number in range(5)}
    children = [stage.told(main, "child")[0] for main in mains.values()]
    gone = []
    for name, main in mains.items():

        def ended(_status: object, name: str = name, main: int = main) -> None:
            stage.exits[main] = _status
            stage.ending.signal_scope(name, signal.SIGTERM, Scope.GROUP, None)
            stage.members.watch_gone(name, lambda: gone.append(name))

        stage.reaper.expect(main, ended)
    for main in mains.values():
        os.kill(main, signal.SIGKILL)
    stage.until(lambda: len(gone) == 5)
    assert not any(alive(child) for child in children)


@staged
def test_a_stopped_service_gets_to_handle_its_signal(stage: Stage) -> None:
    """SIGCONT after the stop signal resumes what ^Z or a debugger has stopped."""
    main = stage.family("web", "idle")
    stage.told(main, "idle")
    os.kill(main, signal.SIGSTOP)
    stage.until(lambda: (stat := proc.stat(main)) and stat.state == "T")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.PROCESS, main)
    stage.until(lambda: main in stage.exits)
    assert stage.exits[main].signal == signal.SIGTERM


@staged
def test_a_main_process_in_our_own_group_does_not_take_us_with_it(stage: Stage) -> None:
    """A command that has joined asyncinit's process group is signalled alone."""
    pid = os.posix_spawn(FAMILY[0], [*FAMILY, "idle"], os.environ, setsigmask=[])
    stage.reaper.watch(pid, lambda status: stage.exits.__setitem__(pid, status))
    stage.members.born("cmd", "token", pid, False)
    assert os.getpgid(pid) == os.getpgrp()
    stage.ending.signal_scope("cmd", signal.SIGTERM, Scope.GROUP, pid)
    stage.until(lambda: pid in stage.exits)


@staged
def test_a_main_process_is_followed_to_its_group(stage: Stage) -> None:
    """The group is the one in which the main process is, though it did not make it; its former one is not signalled."""
    text = (
        "import os,signal,time\n"
        "if os.fork() == 0:\n"
        "  if os.fork() == 0:\n"
        "    os.setpgid(0, 0); pid = os.fork()\n"
        "    os.write(1, f\"{'leader' if pid else 'daemon'} {os.getpid()}\\n\".encode())\n"
        "    time.sleep(100)\n"
        "  os._exit(0)\n"
        "os.write(1, f'main {os.getpid()}\\n'.encode())\n"
        "time.sleep(100)"
    )
    main = program(stage, "web", text)
    (leader,), (daemon,) = stage.told(main, "leader"), stage.told(main, "daemon")
    stage.told(main, "main")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.GROUP, daemon)
    stage.until(lambda: not alive(leader) and not alive(daemon))
    assert alive(main)


@staged
def test_a_pid_of_another_service_is_not_signalled(stage: Stage) -> None:
    """A main process that is not a member (any more) is not signalled; what is left of the service is."""
    web, db = stage.family("web", "idle"), stage.family("db", "idle")
    stage.told(web, "idle")
    stage.told(db, "idle")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.PROCESS, db)
    stage.until(lambda: web in stage.exits)
    assert alive(db)


# ---------------------------------------------------------------------------------------------------------------------
# Delivery


@staged
def test_a_process_that_has_taken_the_pid_is_spared(stage: Stage) -> None:
    """A member is not signalled when its pid has another start time by now, with pidfds and without."""
    pid = stage.family("web", "idle")
    stage.told(pid, "idle")
    stale = member(pid)._replace(start_time=1)
    for _ in range(2):
        assert deliver(stale, [signal.SIGKILL], child=False) is Outcome.GONE
        delivery.pidfd_open = _missing
    assert alive(pid)
    assert deliver(member(pid), [signal.SIGKILL], child=False) is Outcome.SENT
    stage.until(lambda: pid in stage.exits)
    assert deliver(stale, [signal.SIGKILL], child=False) is Outcome.GONE


def _missing(_pid: int) -> int:
    raise OSError(38, "Function not implemented")


@staged
def test_everything_works_without_pidfds(stage: Stage) -> None:
    """Where the kernel or a seccomp filter has no pidfds, groups, trees and kills work by pid."""
    delivery.pidfd_open = _missing
    main = program(stage, "web", FAMILY_OF_THREE)
    everybody = set(stage.told(main, "ready", 3))
    stage.ending.signal_scope("web", signal.SIGHUP, Scope.TREE, main)
    stage.ending.signal_scope("web", signal.SIGUSR1, Scope.GROUP, main)
    stage.until(lambda: heard(stage, main, "SIGHUP") == everybody and len(heard(stage, main, "SIGUSR1")) == 2)
    stage.kill("web")
    assert not any(alive(pid) for pid in everybody)


@staged
def test_a_group_without_its_leader_is_signalled_by_number(stage: Stage) -> None:
    """A group whose leader is gone gets the signal as long as a live member is in it; a stale one none."""
    main = stage.family("web", "children", "2")
    children = stage.told(main, "child", 2)
    stage.told(main, "main")
    os.kill(main, signal.SIGKILL)
    stage.until(lambda: main in stage.exits)
    one = member(children[0])
    assert one.group == main
    assert deliver_to_group(one._replace(group=os.getpgrp()), [signal.SIGKILL]) is Outcome.GONE
    assert deliver_to_group(one, [signal.SIGKILL]) is Outcome.SENT
    stage.until(lambda: not any(alive(pid) for pid in children))
    assert deliver_to_group(one, [signal.SIGKILL]) is Outcome.GONE


# ---------------------------------------------------------------------------------------------------------------------
# Kills


@staged
def test_a_fork_loop_is_killed(stage: Stage) -> None:
    """Processes that fork as fast as they can are all gone, and the loop has turned meanwhile."""
    main = stage.family("web", "fork-loop", "300")
    stage.until(lambda: len(stage.members.live("web")) >= 150)
    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        stage.loop.call_later(0.001, turn)

    turn()
    stage.kill("web")
    assert turns and stage.exits[main].signal == signal.SIGKILL
    assert stage.members.strays() == []


def nobody_goes_on(stage: Stage) -> None:
    """Once all that were killed are reaped, there is never one more."""
    stage.until(lambda: not wrapping.children(os.getpid()))
    settled = stage.reaper.orphans
    for _ in range(20):
        stage.turn()
    assert stage.reaper.orphans == settled, "one of them still goes on"


@staged
def test_comets_are_killed(stage: Stage) -> None:
    """Processes that fork and end at once, so that no pid lives long enough to be listed twice, are all gone."""
    main = stage.family("web", "comet", "20")
    stage.told(main, "main")
    stage.until(lambda: stage.reaper.orphans > 50)
    stage.kill("web")
    nobody_goes_on(stage)


@staged
def test_comets_without_environment_are_killed(stage: Stage) -> None:
    """The same when only their session tells whose they are, their main process having ended."""
    proc.environment = lambda _pid: None
    main = stage.family("web", "comet", "20")
    stage.told(main, "main")
    stage.until(lambda: stage.reaper.orphans > 50)
    os.kill(main, signal.SIGKILL)
    stage.until(lambda: main in stage.exits)
    stage.kill("web")
    nobody_goes_on(stage)


@staged
def test_who_changes_its_session_all_the_time_is_killed(stage: Stage) -> None:
    """A process that makes a new session, forks and ends, again and again, is caught by its token."""
    main = stage.family("web", "hopper")
    stage.told(main, "main")
    stage.until(lambda: stage.reaper.orphans > 20)
    stage.kill("web")
    settled = stage.reaper.orphans
    for _ in range(20):
        stage.turn()
    assert stage.reaper.orphans == settled, "it still goes on"


@staged
def test_stopped_jobs_of_a_shell_are_killed(stage: Stage) -> None:
    """Stopped children in groups of their own, which the kernel would resume when they are orphaned, are gone."""
    main = stage.family("web", "jobs")
    children = stage.told(main, "child", 3)
    stage.told(main, "main")
    stage.kill("web")
    assert not any(alive(pid) for pid in children)


@staged
def test_a_process_stopped_by_its_tracer_is_killed(stage: Stage) -> None:
    """A member that is stopped under ptrace dies with the rest."""
    main = stage.family("web", "traced")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    stage.until(lambda: (stat := proc.stat(child)) and stat.state == "t")
    stage.kill("web")
    assert not alive(child)


@staged
def test_a_thousand_members_are_killed(stage: Stage) -> None:
    """A service of a thousand processes is gone, and the loop is not held up for it."""
    main = stage.family("web", "children", "1000")
    stage.told(main, "main")
    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        stage.loop.call_later(0.001, turn)

    turn()
    stage.kill("web")
    assert len(turns) > 5
    assert stage.exits[main].signal == signal.SIGKILL


@staged
def test_what_is_born_after_the_end_is_not_killed(stage: Stage) -> None:
    """A post_stop hook, made when the end of a killed service is told, lives."""
    main = stage.family("web", "children", "5")
    stage.told(main, "main")
    hooks: list[int] = []
    stage.members.watch_gone("web", lambda: hooks.append(stage.family("web", "idle")))
    stage.ending.kill_tree("web")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.TREE, None)
    stage.until(lambda: hooks)
    stage.told(hooks[0], "idle")
    for _ in range(20):
        stage.members.look_soon()
        stage.turn()
    assert alive(hooks[0])
    assert not stage.members.eager


@staged
def test_a_newborn_of_a_service_that_is_killed_is_killed(stage: Stage) -> None:
    """A process that is made while the kill is under way is killed when that is asked for again."""
    main = stage.family("web", "idle")
    gone = stage.watch("web")
    stage.ending.kill_tree("web")
    late = stage.spawn("web", ["/bin/sleep", "60"])
    stage.ending.kill_tree("web")
    stage.until(lambda: gone)
    assert {stage.exits[pid].signal for pid in (main, late)} == {signal.SIGKILL}


@staged
def test_ending_works_at_the_limit_of_processes_and_descriptors(stage: Stage) -> None:
    """No process and no descriptor more is needed to kill a tree."""
    main = stage.family("web", "children", "50")
    stage.told(main, "main")
    limit = len(os.listdir("/proc/self/fd")) + 8  # uvloop needs some to begin a run
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    stage.kill("web")
    assert not alive(main) and stage.problems == []


# ---------------------------------------------------------------------------------------------------------------------
# What does not die


@staged
def test_who_does_not_die_is_named(stage: Stage) -> None:
    """The text names pid, program and state; of nobody it is empty."""
    main = stage.family("web", "children", "2")
    stage.told(main, "main")
    os.kill(main, signal.SIGSTOP)
    stage.until(lambda: (stat := proc.stat(main)) and stat.state == "T")
    text = stage.ending.undying("web")
    assert text.startswith(f"pid {main} (") and "does not die (T" in text and text.endswith(", and 2 more")
    stage.kill("web")
    assert stage.ending.undying("web") == ""


@staged
def test_the_wait_of_an_uninterruptible_process_is_named(stage: Stage) -> None:
    """In state D the kernel function is told in which it hangs."""
    main = stage.family("web", "idle")
    stage.told(main, "idle")
    real = proc.stat

    def hanging(pid: int) -> proc.Stat | None:
        stat = real(pid)
        return stat and stat._replace(state="D")

    proc.stat = hanging  # type: ignore[assignment]
    proc.waiting_channel = lambda _pid: "nfs_wait"
    assert stage.ending.undying("web").endswith("does not die (D, nfs_wait)")
    proc.stat = real


@staged
def test_a_member_that_may_not_be_signalled_is_named(stage: Stage) -> None:
    """Another user's process that we can't signal is reported with its uid, and the rest is ended all the same."""
    if os.geteuid() != 0:
        skip("only root can make another user's processes")
    main = stage.family("web", "children", "1")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    root = os.geteuid()
    other = stage.family("root", "idle")
    stage.told(other, "idle")
    # A tree of two users: the member of root is given to the service as a child of ours.
    stage.members.born("web", "token-of-web", other, True)
    os.setresuid(12345, 12345, root)
    try:
        gone = stage.watch("web")
        stage.ending.signal_scope("web", signal.SIGTERM, Scope.TREE, None)
        stage.until(lambda: stage.reports)
        assert stage.reports[0][0] == "web"
        assert f"of uid {root}: operation not permitted" in stage.reports[0][1]
        stage.ending.kill_tree("web")
        assert "operation not permitted" in stage.ending.undying("web")
        assert not gone
    finally:
        os.setresuid(root, root, root)
    stage.kill("web")
    assert not alive(child) and not alive(other)


# ---------------------------------------------------------------------------------------------------------------------
# The sweep


@staged
def test_a_sweep_without_anybody_is_done_at_once(stage: Stage) -> None:
    """With nothing below us there is nothing to wait for."""
    done: list[list[str]] = []
    stage.ending.sweep(1000.0, done.append)
    stage.until(lambda: done)
    assert done == [[]]


@staged
def test_a_sweep_gives_everybody_time_and_waits_no_longer(stage: Stage) -> None:
    """Strays get SIGTERM and the sweep is done when they have ended, before the kill."""
    stray = stage.spawn(None, [*FAMILY, "children", "3"])
    stage.told(stray, "main")
    stage.members.strays()
    done: list[list[str]] = []
    stage.ending.sweep(1000.0, done.append)
    stage.until(lambda: done)
    assert done == [[]] and stage.members.strays() == []


@staged
def test_a_sweep_kills_who_stays(stage: Stage) -> None:
    """After the grace, or at once when it is asked for again without one, SIGKILL comes."""
    stray = stage.spawn(None, [*FAMILY, "immune-child"])
    (child,) = stage.told(stray, "child")
    stage.told(stray, "main")
    done: list[str] = []
    stage.ending.sweep(1000.0, lambda _left: done.append("slow"))
    stage.until(lambda: not alive(stray))
    assert alive(child) and not done
    stage.ending.sweep(0, lambda _left: done.append("quick"))
    stage.until(lambda: done)
    assert done == ["quick"] and not alive(child)


@staged
def test_a_sweep_stops_a_fork_loop(stage: Stage) -> None:
    """What forks without end and belongs to nobody is gone after the sweep."""
    stage.spawn(None, [*FAMILY, "fork-loop", "100"], environment={})
    stage.until(lambda: len(stage.members.strays()) > 50)
    done: list[list[str]] = []
    stage.ending.sweep(0.05, done.append)
    stage.until(lambda: done)
    assert done == [[]] and stage.members.strays() == []


@staged
def test_a_sweep_leaves_our_own_helpers_alone(stage: Stage) -> None:
    """What the reaper knows and no service has is not ended by a sweep outside a PID namespace of our own."""
    pid = stage.spawn(None, ["/bin/sleep", "60"])
    stage.reaper.watch(pid, lambda status: stage.exits.__setitem__(pid, status))
    done: list[list[str]] = []
    stage.ending.sweep(0, done.append)
    stage.until(lambda: done)
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    stage.until(lambda: pid in stage.exits)
