"""Who belongs to a service, and when nothing of it is left, with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time

from asyncinit.config.spec import Scope
from asyncinit.linux import proc
from tests.stage import FAMILY, Stage, alive, skip, staged


def stop(stage: Stage, service: str, main: int | None, scope: Scope = Scope.GROUP) -> list[bool]:
    """Do what the core's stop does: the signal, and to wait for the end."""
    stage.ending.signal_scope(service, signal.SIGTERM, scope, main)
    return stage.watch(service)


def pids(stage: Stage, service: str) -> set[int]:
    return {member.pid for member in stage.members.live(service)}


def settle(stage: Stage) -> None:
    """Let a look happen that would tell an end, if there was one."""
    for _ in range(20):
        stage.members.look_soon()
        stage.turn()


@staged
def test_a_service_without_leftovers_is_gone_with_its_main_process(stage: Stage) -> None:
    """The end of the main process is the end of a service that has made nothing else."""
    main = stage.family("web", "idle")
    stage.told(main, "idle")
    assert pids(stage, "web") == {main}
    gone = stop(stage, "web", main)
    stage.until(lambda: gone)
    assert stage.exits[main].signal == signal.SIGTERM
    assert not stage.members.live("web")


@staged
def test_a_service_that_never_was_is_gone(stage: Stage) -> None:
    """To wait for the end of what has no process is answered, later and once."""
    gone = stage.watch("web")
    assert not gone
    stage.until(lambda: gone)
    settle(stage)
    assert gone == [True]


@staged
def test_a_watch_can_be_called_off(stage: Stage) -> None:
    """After unwatch or forget nobody is told."""
    gone = stage.watch("web") + stage.watch("db")
    stage.members.unwatch("web")
    stage.members.forget("db")
    settle(stage)
    assert gone == []


@staged
def test_a_child_that_survives_the_leader_keeps_the_service_up(stage: Stage) -> None:
    """A TERM-immune child of a dead leader holds the end back, is found as a member, and is killed."""
    main = stage.family("web", "immune-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    gone = stop(stage, "web", main)
    stage.until(lambda: main in stage.exits)
    settle(stage)
    assert not gone and pids(stage, "web") == {child}
    stage.ending.kill_tree("web")
    stage.until(lambda: gone)
    assert not alive(child)


@staged
def test_a_setsid_child_belongs_to_the_service(stage: Stage) -> None:
    """A child that has left the session is not reached by the group's signal, but by that to what is left."""
    main = stage.family("web", "setsid-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    gone = stop(stage, "web", main)
    stage.until(lambda: main in stage.exits)
    assert alive(child)
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.GROUP, None)
    stage.until(lambda: gone)
    assert not alive(child)


@staged
def test_an_escapee_is_told_by_its_token(stage: Stage) -> None:
    """A process that left by fork, setsid, fork, unseen, is found by ASYNCINIT_TOKEN; another service's is not."""
    main = stage.family("web", "escapee")
    (escapee,) = stage.told(main, "idle")
    other = stage.family("db", "idle")
    stage.until(lambda: proc.stat(escapee).ppid == os.getpid())  # type: ignore[union-attr]
    assert pids(stage, "web") == {main, escapee}
    assert pids(stage, "db") == {other}
    assert stage.members.owner_of(escapee) == "web"
    assert stage.members.strays() == []


@staged
def test_a_token_among_others_is_found(stage: Stage) -> None:
    """Tokens may be several, by commas: of an asyncinit below us that has added its own."""
    main = stage.family("web", "escapee", token="outer")
    stage.told(main, "idle")
    inner = stage.spawn(None, [*FAMILY, "escapee"], environment={**os.environ, "ASYNCINIT_TOKEN": "inner,outer"})
    (escapee,) = stage.told(inner, "idle")
    stage.until(lambda: stage.members.owner_of(escapee) == "web")


@staged
def test_an_escapee_without_environment_is_told_by_having_been_seen(stage: Stage) -> None:
    """A process that had left its session and cleared its environment is known again when it has lost its parent."""
    main = stage.spawn("web", ["/bin/sh", "-c", "setsid env -i sleep 60 & echo child $!; wait"])
    (child,) = stage.told(main, "child")
    stage.until(lambda: proc.environment(child) == b"")
    stage.members.remember("web")
    os.kill(main, signal.SIGKILL)
    stage.until(lambda: main in stage.exits)
    assert pids(stage, "web") == {child}


@staged
def test_an_orphan_is_told_by_a_session_that_was_seen(stage: Stage) -> None:
    """Who was born in a session that was seen in the service is known, when all that was seen has ended."""
    run = "setsid sh -c 'echo leader $$; while ! [ -e $0 ]; do sleep 0.05; done; env -i sleep 60 & echo child $!' $1 &"
    with tempfile.TemporaryDirectory() as folder:
        main = stage.spawn("web", ["/bin/sh", "-c", run + "wait", "sh", f"{folder}/go"])
        (leader,) = stage.told(main, "leader")
        stage.members.remember("web")
        open(f"{folder}/go", "w").close()
        (child,) = stage.told(main, "child")
        stage.until(lambda: main in stage.exits and not alive(leader))
    assert pids(stage, "web") == {child}


@staged
def test_what_nothing_tells_is_a_stray_and_holds_nobody_up(stage: Stage) -> None:
    """A process with neither parent, session nor token of a service is listed as a stray; services end without it."""
    main = stage.family("web", "escapee", "clear")
    (stray,) = stage.told(main, "idle")
    stage.until(lambda: proc.stat(stray).ppid == os.getpid())  # type: ignore[union-attr]
    gone = stop(stage, "web", main)
    stage.until(lambda: gone)
    assert alive(stray)
    assert [member.pid for member in stage.members.strays()] == [stray]
    assert stage.members.owner_of(stray) is None


@staged
def test_strays_are_listed_with_their_children(stage: Stage) -> None:
    """What descends from a stray is a stray."""
    main = stage.spawn(None, [*FAMILY, "children", "2"])
    children = stage.told(main, "child", 2)
    assert {member.pid for member in stage.members.strays()} == {main, *children}


@staged
def test_what_we_made_for_no_service_is_no_stray(stage: Stage) -> None:
    """A child that the reaper knows and no service has (a preparation) is neither a member nor a stray."""
    pid = stage.spawn(None, ["/bin/sleep", "60"])
    stage.reaper.watch(pid, lambda status: stage.exits.__setitem__(pid, status))
    assert stage.members.strays() == []
    assert stage.members.owner_of(pid) is None
    os.kill(pid, signal.SIGKILL)
    stage.until(lambda: pid in stage.exits)


@staged
def test_an_orphan_in_the_group_is_found_without_a_token(stage: Stage) -> None:
    """The session and group of a main process that has ended still tell its children, whatever their environment."""
    main = stage.spawn("web", ["/bin/sh", "-c", "env -i sleep 60 & echo child $!"])
    (child,) = stage.told(main, "child")
    stage.until(lambda: main in stage.exits)
    stage.until(lambda: proc.environment(child) == b"")
    gone = stage.watch("web")
    settle(stage)
    assert not gone and pids(stage, "web") == {child}
    os.kill(child, signal.SIGTERM)
    stage.until(lambda: gone)


@staged
def test_a_command_in_our_session_is_told_by_its_group(stage: Stage) -> None:
    """What leads only a process group (the command under --) has its leftovers found in our session."""
    main = stage.family("cmd", "job-left-behind", session=False)
    (child,) = stage.told(main, "idle")
    stage.until(lambda: main in stage.exits)
    stat = proc.stat(child)
    assert stat is not None and stat.session == os.getsid(0) and stat.pgrp == child
    assert pids(stage, "cmd") == {child}


@staged
def test_our_own_helper_in_our_session_is_not_a_commands(stage: Stage) -> None:
    """A child that we made for ourselves shares our session with the command under --, and is not a member of it."""
    main = stage.family("cmd", "idle", session=False)
    stage.told(main, "idle")
    helper = stage.spawn(None, ["/bin/sleep", "60"], session=False)
    stage.reaper.watch(helper, lambda status: stage.exits.__setitem__(helper, status))
    assert os.getsid(helper) == os.getsid(0)
    assert pids(stage, "cmd") == {main} and stage.members.strays() == []
    os.kill(helper, signal.SIGKILL)
    stage.until(lambda: helper in stage.exits)


@staged
def test_descendants_belong_to_the_service(stage: Stage) -> None:
    """The owner of a process is found over any number of generations, and strangers have none."""
    main = stage.spawn("web", ["/bin/sh", "-c", "sh -c 'sh -c \"echo deep \\$\\$; sleep 60; :\"; :'; :"])
    (deep,) = stage.told(main, "deep")
    assert stage.members.owner_of(deep) == "web"
    assert stage.members.owner_of(main) == "web"
    for stranger in (os.getpid(), os.getppid(), 1, 2, 0, 2**22):
        assert stage.members.owner_of(stranger) is None


@staged
def test_zombies_of_members_do_not_count(stage: Stage) -> None:
    """A member that never collects its children has no zombies among the live, and ends by itself."""
    main = stage.spawn("web", ["/bin/sh", "-c", "sleep 0 & exec sleep 60"])
    stage.until(lambda: any(not alive(pid) for pid in proc.children(main)))
    assert pids(stage, "web") == {main}


@staged
def test_a_member_whose_first_thread_has_ended_counts(stage: Stage) -> None:
    """The kernel shows it as a zombie; it lives, is waited for, and can be killed."""
    main = stage.family("web", "first-thread")
    stage.told(main, "main")
    stage.until(lambda: (stat := proc.stat(main)) is not None and stat.state == "Z")
    gone = stage.watch("web")
    settle(stage)
    assert not gone and pids(stage, "web") == {main}
    stage.kill("web")


@staged
def test_an_orphan_whose_first_thread_has_ended_counts(stage: Stage) -> None:
    """The same when it has lost its parent and has to be told by its session."""
    main = stage.spawn("web", ["/bin/sh", "-c", '"$@" & echo child $!', "sh", *FAMILY, "first-thread"])
    (child,) = stage.told(main, "child")
    stage.until(lambda: (stat := proc.stat(child)) is not None and stat.state == "Z" and main in stage.exits)
    assert pids(stage, "web") == {child}
    stage.kill("web")


@staged
def test_a_forgotten_service_leaves_strays(stage: Stage) -> None:
    """What is left of a service when it is forgotten belongs to nobody, and its number and token tell nothing."""
    main = stage.family("web", "immune-child")
    (child,) = stage.told(main, "child")
    stage.members.remember("web")
    os.kill(main, signal.SIGKILL)
    stage.until(lambda: main in stage.exits)
    assert pids(stage, "web") == {child}
    stage.members.forget("web")
    assert pids(stage, "web") == set()
    assert [member.pid for member in stage.members.strays()] == [child]


@staged
def test_a_session_number_that_is_another_services_now_tells_nothing(stage: Stage) -> None:
    """A child of db in db's session is db's, though web was once seen in a session of that number."""
    web = stage.family("web", "idle")
    db = stage.family("db", "orphan-in-group")
    (child,) = stage.told(db, "child")
    # As if web had been in session `db` long ago, before that number was given to the new service:
    stage.members._attribution._claims.hold(db, "web", proc.Instant(1, 1, 0.0), None)
    stage.until(lambda: db in stage.exits)
    assert pids(stage, "db") == {child} and pids(stage, "web") == {web}


@staged
def test_many_services_that_end_at_once_share_looks(stage: Stage) -> None:
    """A hundred services that end together are told with far fewer looks than services."""
    looks: list[int] = []
    stage.members.observe(lambda: looks.append(1), lambda _service: None)
    mains = {f"s{number}": stage.spawn(f"s{number}", ["/bin/sleep", "60"]) for number in range(100)}
    gone = {name: stage.watch(name) for name in mains}
    settle(stage)
    looks.clear()
    # All are zombies before the loop turns.
    for pid in mains.values():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in mains.values()) and time.monotonic() < deadline:
        time.sleep(0.005)
    stage.until(lambda: all(gone.values()))
    assert len(looks) <= 5


@staged
def test_zombies_of_others_do_not_hold_a_service_up(stage: Stage) -> None:
    """While unknown orphans come and end without a pause, the end of a service is told."""
    flood = stage.spawn(None, ["/bin/sh", "-c", "while :; do (setsid -f true); done"])
    main = stage.family("web", "idle")
    stage.told(main, "idle")
    before = stage.reaper.orphans
    stage.until(lambda: stage.reaper.orphans > before + 20)
    gone = stop(stage, "web", main)
    stage.until(lambda: gone)
    os.kill(flood, signal.SIGKILL)


@staged
def test_who_forks_and_ends_all_the_time_is_not_overlooked(stage: Stage) -> None:
    """A process that is never the same for long, nor in the same session, keeps its service up until it is ended."""
    for number in range(8):
        main = stage.family("web", "hopper", token=f"token-{number}")
        stage.told(main, "main")
        before = stage.reaper.orphans
        stage.until(lambda before=before: stage.reaper.orphans > before + 20)
        os.kill(main, signal.SIGKILL)
        gone = stage.watch("web")
        for _ in range(10):
            stage.turn()
        assert not gone
        stage.kill("web")


@staged
def test_without_children_files_the_same_is_found_by_a_scan(stage: Stage) -> None:
    """Where the kernel lists no children (CONFIG_PROC_CHILDREN), /proc as a whole is read."""

    def missing() -> None:
        raise FileNotFoundError

    proc.OwnChildren = missing  # type: ignore[assignment, misc]  # this process is the test's own
    main = stage.family("web", "escapee")
    (escapee,) = stage.told(main, "idle")
    stage.until(lambda: proc.stat(escapee).ppid == os.getpid())  # type: ignore[union-attr]
    stage.until(lambda: pids(stage, "web") == {main, escapee})
    gone = stop(stage, "web", main)
    stage.until(lambda: main in stage.exits)
    settle(stage)
    assert not gone
    stage.kill("web")
    assert not alive(escapee) and stage.problems == []


@staged
def test_without_proc_groups_tell_whether_anything_is_left(stage: Stage) -> None:
    """Without /proc a child left in the group is waited for and killed with it, and the lack is told once."""
    proc.usable = lambda: False
    nothing = "/nonexistent"
    original = proc._read
    proc._read = lambda path, *arguments: original(path.replace("/proc/", nothing), *arguments)
    proc.children = lambda _pid: []
    proc.environment = lambda _pid: None
    main = stage.family("web", "immune-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    assert pids(stage, "web") == {main}
    gone = stop(stage, "web", main)
    stage.until(lambda: main in stage.exits)
    settle(stage)
    assert not gone
    os.kill(child, 0)
    assert stage.members.owner_of(child) is None
    stage.ending.kill_tree("web")
    stage.until(lambda: gone)
    assert len(stage.problems) == 1 and "/proc" in stage.problems[0]


@staged
def test_members_are_found_without_a_free_descriptor(stage: Stage) -> None:
    """With a full descriptor table, members are found, their end is noticed, and they are killed."""
    import resource

    main = stage.family("web", "setsid-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    stage.members.look_soon()
    stage.turn()
    taken: list[int] = []
    gone = stage.watch("web")

    def fill() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass

    def killed_in_need() -> bool:
        # All in one run of the loop: uvloop needs descriptors to begin one.
        if not taken:
            fill()
            assert pids(stage, "web") == {main, child}
            stage.ending.kill_tree("web")
        if gone:
            for descriptor in taken:
                os.close(descriptor)
        return bool(gone)

    stage.until(killed_in_need)
    assert not alive(main) and not alive(child) and stage.problems == []


@staged
def test_another_users_process_is_found_and_ended_by_root(stage: Stage) -> None:
    """A process whose environment we may read only as root is told by its token; one that hides it by its session."""
    if os.geteuid() != 0:
        skip("only root can make another user's processes")
    escape = "setsid -f sh -c 'echo idle $$; exec sleep 60'; exec sleep 60"
    main = stage.spawn("web", [shutil.which("setpriv") or "", "--reuid=12345", "--clear-groups", "sh", "-c", escape])
    (escapee,) = stage.told(main, "idle")
    stage.until(lambda: proc.stat(escapee).ppid == os.getpid())  # type: ignore[union-attr]
    assert pids(stage, "web") == {main, escapee}
    stage.kill("web")
    assert not alive(escapee)
