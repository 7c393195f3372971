"""Who belongs to a service in a pod or in a PID namespace of its own, whom signals reach there, and its end."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from asyncinit.config.spec import Scope
from asyncinit.core.status import ExitStatus
from asyncinit.linux import proc
from tests.stage import FAMILY, Stage, alive, staged

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
MAIN = "import os,signal,time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: time.sleep(240)\n  os._exit(0)\n"
WAITS = "os.wait()\nos.write(1, b'ready 1\\n')\nwhile True: signal.pause()\n"
LEAVES_AN_ORPHAN = MAIN + WAITS
LEAVES_A_NAMELESS_ORPHAN = (
    "import os,signal\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n"
    "    os.setsid(); os.execve('/bin/sleep', ['sleep', '240'], {})\n  os._exit(0)\n" + WAITS
)


def pod(stage: Stage, name: str = "pod") -> int:
    from asyncinit.runtime.process.plan import NewPids, Pid1

    return stage.place(name, ["pod"], NewPids(Pid1.POD))


def member(stage: Stage, service: str, home: int, text: str, inside: bool = True) -> int:
    from asyncinit.runtime.process.plan import JoinedPids

    pid = stage.place(service, [FAMILY[0], "-I", "-S", "-c", text], JoinedPids(home, inside))
    stage.told(pid, "ready")
    return pid


def private(stage: Stage, service: str, *words: str, init: bool = True) -> int:
    from asyncinit.runtime.process.plan import NewPids, Pid1

    return stage.place(service, words, NewPids(Pid1.INIT if init else Pid1.PROGRAM))


def children(pid: int) -> set[int]:
    return {one for one in proc.children(pid) if alive(one)}


def live(stage: Stage, service: str) -> set[int]:
    return {one.pid for one in stage.members.live(service)}


@staged
def test_orphans_in_a_pod_are_those_of_their_services(stage: Stage) -> None:
    """Two services leave orphans to one init: each is known as its own, and a kill of one does not touch the other."""
    home = pod(stage)
    web, api = (member(stage, name, home, LEAVES_AN_ORPHAN) for name in ("web", "api"))
    stage.until(lambda: len(children(home)) == 4)
    orphans = children(home) - {web, api}
    stage.until(lambda: len(live(stage, "web")) == len(live(stage, "api")) == 2)
    (of_web,), (of_api,) = live(stage, "web") - {web}, live(stage, "api") - {api}
    assert {of_web, of_api} == orphans
    assert stage.members.owner_of(of_web) == "web"
    assert live(stage, "pod") == {home}
    stage.kill("web")
    stage.until(lambda: children(home) == {api, of_api})
    assert stage.exits == {web: ExitStatus(signal=9)}
    stage.kill("pod")
    stage.until(lambda: len(stage.exits) == 3)
    assert not alive(of_api)


@staged
def test_a_stop_in_a_pod_reaches_the_whole_tree_and_nobody_else(stage: Stage) -> None:
    """The signal of a stop goes to the service's members in the pod, also those in sessions of their own."""
    home = pod(stage)
    web, api = (member(stage, name, home, LEAVES_AN_ORPHAN) for name in ("web", "api"))
    stage.until(lambda: len(live(stage, "web")) == len(live(stage, "api")) == 2)
    before = live(stage, "api")
    gone = stage.watch("web")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.TREE, web)
    stage.until(lambda: gone)
    assert stage.exits == {web: ExitStatus(signal=15)}
    assert live(stage, "api") == before
    assert alive(home)
    stage.ending.signal_scope("api", signal.SIGTERM, Scope.GROUP, api)
    stage.until(lambda: api in stage.exits)
    assert len(live(stage, "api")) == 1
    stage.kill("api")


@staged
def test_what_nothing_attributes_in_a_pod_ends_with_it(stage: Stage) -> None:
    """An orphan without environment in a new session, never seen before, is the pod's: no service waits for it."""
    home = pod(stage)
    web = member(stage, "web", home, LEAVES_A_NAMELESS_ORPHAN)
    stage.until(lambda: len(children(home)) == 2)
    (nameless,) = children(home) - {web}
    stage.until(lambda: stat(nameless).name == "sleep")  # before that it has the environment of its parent
    stage.kill("web")
    assert stage.members.owner_of(nameless) == "pod"
    stage.kill("pod")
    assert not alive(nameless)


@staged
def test_a_member_from_outside_is_ended_like_any(stage: Stage) -> None:
    """Its parent is not the pod's init but we; what it leaves goes to the init, and is its own all the same."""
    home = pod(stage)
    web = member(stage, "web", home, LEAVES_AN_ORPHAN, inside=False)
    stage.until(lambda: len(live(stage, "web")) == 2)
    assert children(home) == live(stage, "web") - {web}
    stage.kill("web")
    stage.until(lambda: not children(home))
    assert stage.exits == {web: ExitStatus(signal=9)}


@staged
def test_a_pod_that_is_killed_ends_its_members(stage: Stage) -> None:
    """Every member's end is told with what the kernel knows, or as unknown; each service is gone."""
    home = pod(stage)
    pids = [member(stage, f"s{number}", home, LEAVES_AN_ORPHAN, inside=number % 2 == 0) for number in range(4)]
    gone = [stage.watch(f"s{number}") for number in range(4)]
    os.kill(home, signal.SIGKILL)
    stage.until(lambda: all(gone))
    assert set(stage.exits) == {home, *pids}
    assert all(status in (ExitStatus(signal=9), ExitStatus()) for status in stage.exits.values())
    assert all(stage.exits[pid] == ExitStatus(signal=9) for pid in pids[1::2])


@staged
def test_a_service_with_an_init_of_its_own_ends(stage: Stage) -> None:
    """Its main process's end is exact; what is left is told to end, and its init leaves after the last."""
    main = private(stage, "web", *FAMILY, "setsid-child")
    stage.until(lambda: len(live(stage, "web")) == 3)
    (init,) = (pid for pid in live(stage, "web") if os.getpid() == stat(pid).ppid)
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.PROCESS, main)
    stage.until(lambda: main in stage.exits)
    assert stage.exits[main] == ExitStatus(signal=15)
    assert alive(init)
    gone = stage.watch("web")
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.TREE, None)
    stage.until(lambda: gone)
    assert not alive(init)


@staged
def test_a_fork_loop_in_a_pid_namespace_ends_with_one_kill(stage: Stage) -> None:
    """Nobody forks past the end of PID 1."""
    for init in (True, False):
        private(stage, f"web{init}", *FAMILY, "fork-loop", "200", init=init)
        stage.until(lambda name=f"web{init}": len(live(stage, name)) > 50)
        stage.kill(f"web{init}")


def stat(pid: int) -> Any:
    found = proc.stat(pid)
    assert found is not None
    return found


@staged
def test_what_joins_a_services_own_pid_namespace_is_not_a_pod(stage: Stage) -> None:
    """A command of the service may join its main process; whatever is left there is the service's own."""
    from asyncinit.runtime.process.plan import JoinedPids, NewPids, Pid1

    main = stage.place("web", [*FAMILY, "idle"], NewPids(Pid1.INIT, joinable=True))
    hook = stage.place("web", [*FAMILY, "escapee", "clear"], JoinedPids(main))
    stage.until(lambda: len(live(stage, "web")) >= 3)
    init = stat(main).ppid
    assert stat(hook).ppid == init
    assert init in live(stage, "web")
    stage.kill("web")
    assert not alive(init)
    assert stage.exits == {main: ExitStatus(signal=9), hook: ExitStatus(signal=9)}


@staged(namespace=True)
def test_all_of_it_as_pid_1(stage: Stage) -> None:
    """PID 1 of a PID namespace has sandboxes below it: their processes are its children, or those of its inits."""
    home = pod(stage)
    inside, outside = (member(stage, f"s{one}", home, LEAVES_AN_ORPHAN, inside=one) for one in (True, False))
    main, alone = private(stage, "web", *FAMILY, "idle"), private(stage, "db", *FAMILY, "idle", init=False)
    assert [stat(pid).ppid for pid in (home, inside, outside, alone)] == [1, home, 1, 1]
    assert stat(stat(main).ppid).ppid == 1
    assert [len(proc.status_field(pid, "NSpid").split()) for pid in (home, inside, outside, main, alone)] == [2] * 5
    stage.until(lambda: len(live(stage, "sTrue")) == len(live(stage, "sFalse")) == 2)
    for service in ("web", "db", "sTrue", "sFalse"):
        stage.kill(service)
    assert alive(home)
    assert set(stage.exits) == {inside, outside, main, alone}
    assert set(stage.exits.values()) == {ExitStatus(signal=9)}
