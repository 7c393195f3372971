"""The life of one service as stories: what happens to it, what it asks for, what it becomes."""

from __future__ import annotations

import math
import signal

import pytest

from asyncinit.config.spec import (
    Cause,
    Command,
    Outcomes,
    Ready,
    ReadyKind,
    Reload,
    Restart,
    RestartPolicy,
    Scope,
    ServiceType,
    Stop,
    StopStep,
)
from asyncinit.core import events as ev
from asyncinit.core.budget import UNHURRIED, Pace
from asyncinit.core.events import HookStage
from asyncinit.core.going_down import SHUTDOWN_PATIENCE
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, ExitStatus, Reason, State
from tests.unit.life import HOOKED, NO_DATABASE, WENT_WRONG, Life

NEVER = Restart(RestartPolicy.NEVER)
OOM = Outcomes(causes=frozenset({Cause.OOM}))
NOTIFIES = Ready(kind=ReadyKind.NOTIFY)
NOTIFY = Ready(ReadyKind.NOTIFY)
ONESHOT = {"type": ServiceType.ONESHOT, "restart": NEVER}


def code(life: Life) -> Code | None:
    return life.service.reason.code if life.service.reason is not None else None


def named(effects: list[ev.Effect]) -> list[str]:
    """Return the names of effects, but of announcements."""
    return [type(effect).__name__ for effect in effects if not isinstance(effect, ev.Announce)]


class TestComingUp:
    def test_a_plain_start(self) -> None:
        """Prepared, spawned, executed: ready; each step asks for the next one alone."""
        life = Life()
        life.tell(ev.Start())
        assert life.state is State.WAITING
        assert life.effects == [ev.Announce("web", State.INACTIVE, State.WAITING)]
        assert named(life.tell(ev.MayStart())) == ["ArmTimer", "Prepare"]
        assert life.state is State.STARTING
        assert named(life.tell(ev.Prepared())) == ["ArmTimer", "Spawn"]
        assert named(life.tell(ev.Spawned(10))) == []
        assert life.state is State.STARTING
        assert named(life.tell(ev.Executed())) == ["DisarmTimer"]
        assert (life.state, life.service.main, life.service.ready_since) == (State.READY, 10, 100.0)
        assert life.states == [State.WAITING, State.STARTING, State.READY]

    def test_readiness_that_is_declared(self) -> None:
        """What is to notify is not ready by being executed; it is looked for from the spawn until it is seen."""
        life = Life(ready=NOTIFY)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared())
        assert life.tell(ev.Spawned(10)) == [ev.AwaitReady("web")]
        life.tell(ev.Executed())
        assert life.state is State.STARTING
        assert ev.ForgetReady("web") in life.tell(ev.BecameReady())
        assert life.state is State.READY

    def test_hooks_after_the_start(self) -> None:
        """post_start hooks come between readiness and ready, and their failure is the start's."""
        for failure, phase in ((None, Phase.UP), (WENT_WRONG, Phase.STOPPING)):
            life = Life(hooks=HOOKED)
            life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
            assert ev.RunHooks("web", HookStage.POST_START) in life.tell(ev.Executed())
            assert life.state is State.STARTING
            life.tell(ev.HooksDone(HookStage.POST_START, failure))
            assert (life.phase, life.service.failure) == (phase, failure)

    def test_a_preparation_that_fails(self) -> None:
        """Nothing is spawned; the run ends as any other, with what it was that failed."""
        life = Life(restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(Reason(Code.HOOK, "no")))
        assert life.phase is Phase.STOPPING
        life.tell(ev.TreeGone())
        assert (life.state, code(life)) == (State.FAILED, Code.HOOK)

    def test_a_program_that_cannot_be_executed(self) -> None:
        """SpawnFailed says that there is no process: no exit is waited for."""
        life = Life(restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
        life.tell(ev.SpawnFailed(Reason(Code.SPAWN, "cannot execute web: no such file or directory")))
        assert life.service.main is None
        life.tell(ev.TreeGone())
        assert (life.state, code(life), life.service.last_exit) == (State.FAILED, Code.SPAWN, None)

    def test_a_start_that_takes_too_long(self) -> None:
        """The time limit is for the whole start; what runs by then is stopped, and the service has failed."""
        for so_far in (0, 1, 2):
            life = Life(ready=Ready(ReadyKind.NOTIFY, timeout=20.0), restart=NEVER)
            life.tell(ev.Start(), ev.MayStart())
            life.tell(*[ev.Prepared(), ev.Spawned(10)][:so_far], after=7.0)
            assert life.service.deadline == 120.0
            life.fire()
            assert (life.phase, code(life)) == (Phase.STOPPING, Code.TIMEOUT)
            if so_far == 2:
                life.exit(signal=signal.SIGTERM)
            life.tell(ev.TreeGone())
            assert (life.state, code(life)) == (State.FAILED, Code.TIMEOUT)

    def test_an_end_before_it_was_ready(self) -> None:
        """Even with 0: who waits for its readiness is not helped by a success."""
        life = Life(ready=NOTIFY, restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
        life.crash(0)
        assert (life.state, code(life)) == (State.FAILED, Code.PROTOCOL)

    def test_what_it_says_of_its_end_before_it_is_ready_is_not_its_end(self) -> None:
        """STOPPING=1 of a service that never was ready changes nothing; its exit does."""
        life = Life(ready=NOTIFY, restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed(), ev.Stopping())
        assert life.phase is Phase.STARTING
        life.crash(0)
        assert (life.state, code(life)) == (State.FAILED, Code.PROTOCOL)

    def test_a_dependency_that_has_failed(self) -> None:
        """It fails for that, and starts by itself when the engine says that it may after all."""
        life = Life()
        life.tell(ev.Start(), ev.DependencyFailed(NO_DATABASE))
        assert (life.state, life.service.reason) == (State.FAILED, NO_DATABASE)
        assert life.service.revivable
        life.tell(ev.MayStart())
        assert life.state is State.STARTING

    def test_what_failed_by_itself_is_not_revived(self) -> None:
        """Only what failed for something else alone comes back by itself."""
        life = Life(restart=NEVER).start()
        life.crash()
        before = life.service
        life.tell(ev.MayStart())
        assert life.service == before

    def test_a_stop_while_it_waits(self) -> None:
        """Nothing runs, so it is down at once."""
        life = Life()
        life.tell(ev.Start(), ev.Stop())
        assert (life.state, life.service.wanted) == (State.INACTIVE, False)

    @pytest.mark.parametrize("so_far", range(4))
    def test_a_stop_while_it_comes_up(self, so_far: int) -> None:
        """Whatever has been begun is called off, what runs is ended, and it is inactive."""
        life = Life(ready=NOTIFY, hooks=HOOKED)
        life.tell(ev.Start(), ev.MayStart(), *[ev.Prepared(), ev.Spawned(10), ev.BecameReady()][:so_far])
        phase = life.phase
        life.tell(ev.Stop(), ev.MayStop())
        assert life.phase is Phase.STOPPING
        assert life.did(ev.EndHooks) == (phase in {Phase.PREPARING, Phase.POST_START})
        assert life.did(ev.ForgetReady) == (so_far == 2)
        if so_far >= 2:
            life.exit(1)
        life.tell(ev.TreeGone(), ev.HooksDone(HookStage.POST_STOP))
        assert (life.state, life.service.failure) == (State.INACTIVE, None)

    def test_a_stop_between_the_wish_to_spawn_and_the_process(self) -> None:
        """The newborn gets the signal that it missed."""
        life = Life()
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Stop(), ev.MayStop())
        assert life.tell(ev.Spawned(10)) == [ev.SendSignal("web", signal.SIGTERM, Scope.GROUP)]
        life.tell(ev.Executed(), ev.BecameReady())
        assert life.phase is Phase.STOPPING

    def test_a_kill_between_the_wish_to_spawn_and_the_process(self) -> None:
        """The newborn is killed."""
        life = Life()
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Stop(), ev.Hurry())
        assert life.tell(ev.Spawned(10)) == [ev.KillTree("web")]

    def test_a_process_whose_program_fails_to_execute_during_the_stop(self) -> None:
        """There is no main process then, and none is waited for."""
        life = Life()
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Stop(), ev.MayStop())
        life.tell(ev.SpawnFailed(WENT_WRONG))
        assert life.service.main is None
        life.tell(ev.TreeGone())
        assert life.state is State.INACTIVE


class TestOneshot:
    def test_it_completes(self) -> None:
        """It is done when it has exited successfully; it never is ready."""
        life = Life(**ONESHOT)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed(), ev.BecameReady())
        assert life.state is State.STARTING
        assert not life.service.satisfied
        life.crash(0)
        assert (life.state, life.service.satisfied) == (State.COMPLETED, True)
        assert State.READY not in life.states

    def test_it_fails(self) -> None:
        """A code that is no success is a failure."""
        life = Life(**ONESHOT).start()
        life.crash(3)
        assert (life.state, code(life), life.service.satisfied) == (State.FAILED, Code.EXIT_CODE, False)

    def test_other_codes_of_success(self) -> None:
        """success_exit replaces the default: 0 is a failure then."""
        for status, state in ((3, State.COMPLETED), (0, State.FAILED)):
            life = Life(**ONESHOT, success_exit=Outcomes(codes=frozenset({3}))).start()
            life.crash(status)
            assert life.state is state

    def test_hooks_after_it(self) -> None:
        """post_start hooks run when it has exited successfully, and belong to its completion."""
        for failure, state in ((None, State.COMPLETED), (WENT_WRONG, State.FAILED)):
            life = Life(**ONESHOT, hooks=HOOKED).start()
            assert ev.RunHooks("web", HookStage.POST_START) in life.exit(0)
            assert life.state is State.STARTING
            life.tell(ev.HooksDone(HookStage.POST_START, failure), ev.TreeGone(), ev.HooksDone(HookStage.POST_STOP))
            assert life.state is state

    def test_it_runs_again_on_request_alone(self) -> None:
        """A completed one is not restarted by any policy; a start runs it again."""
        life = Life(type=ServiceType.ONESHOT, restart=Restart(RestartPolicy.ALWAYS)).start()
        life.crash(0)
        assert life.state is State.COMPLETED
        life.tell(ev.Start(), ev.MayStart())
        assert life.state is State.STARTING

    def test_a_stop_of_a_completed_one(self) -> None:
        """It counts as not done any more."""
        life = Life(**ONESHOT).start()
        life.crash(0)
        life.tell(ev.Stop())
        assert (life.state, life.service.satisfied) == (State.INACTIVE, False)


class TestPidFile:
    READY = Ready(ReadyKind.PID_FILE, timeout=20.0)

    def launched(self) -> Life:
        life = Life(ready=self.READY, restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
        return life

    def test_the_launcher_ends_before_the_file_is_there(self) -> None:
        """Its success is no end; the file names the main process, which then is the one that counts."""
        life = self.launched()
        assert named(life.exit(0)) == ["WatchTree"]
        life.tell(ev.MainChanged(20), ev.BecameReady())
        assert (life.state, life.service.main) == (State.READY, 20)
        life.crash(1)
        assert (life.state, code(life)) == (State.FAILED, Code.EXIT_CODE)

    def test_nothing_is_left_after_the_launcher(self) -> None:
        """No daemon, no file to come: failed at once, not at the time limit."""
        life = self.launched()
        life.exit(0)
        life.tell(ev.TreeGone())
        assert (life.phase, code(life)) == (Phase.STOPPING, Code.PROTOCOL)

    def test_a_launcher_that_fails(self) -> None:
        """Its failure is the service's."""
        life = self.launched()
        life.crash(2)
        assert (life.state, code(life)) == (State.FAILED, Code.EXIT_CODE)

    def test_a_watch_from_the_start_that_outlives_it(self) -> None:
        """TreeGone of the time before the daemon was known is not the end of a daemon that is watched."""
        life = self.launched()
        life.exit(0)
        life.tell(ev.MainChanged(20), ev.BecameReady(), ev.TreeGone())
        assert life.state is State.READY


class TestStop:
    def test_a_stop(self) -> None:
        """The signal to the scope, then inactive as soon as nothing is left; the kill timer never fired."""
        life = Life().start()
        life.tell(ev.Stop())
        assert life.state is State.STOPPING
        assert named(life.effects) == []
        assert life.tell(ev.MayStop()) == [
            ev.ArmTimer("web", life.service.epoch, 105.0),
            ev.SendSignal("web", signal.SIGTERM, Scope.GROUP),
            ev.WatchTree("web"),
        ]
        life.exit(signal=signal.SIGTERM)
        assert life.effects == [ev.SendSignal("web", signal.SIGTERM, Scope.TREE)]
        assert life.state is State.STOPPING
        life.tell(ev.TreeGone())
        assert (life.state, life.service.killed, life.service.failure) == (State.INACTIVE, False, None)
        assert ev.CleanUp("web") in life.effects
        assert life.service.last_exit == ExitStatus(signal=signal.SIGTERM)

    def test_when_it_began(self) -> None:
        """With the first thing that is done for it, not with the wish that had to wait for others."""
        life = Life(hooks=HOOKED).start()
        life.tell(ev.HooksDone(HookStage.POST_START), ev.Stop())
        life.tell(ev.MayStop(), after=3.0)
        life.tell(ev.HooksDone(HookStage.PRE_STOP), after=1.0)
        life.exit(0)
        assert life.service.stop_begun == 103.0

    @pytest.mark.parametrize(("code", "number"), [(0, None), (1, None), (None, signal.SIGSEGV)])
    def test_the_status_does_not_matter(self, code: int | None, number: int | None) -> None:
        """After a requested stop the state is inactive whatever the status."""
        life = Life().start()
        life.tell(ev.Stop(), ev.MayStop())
        life.crash(code, number)
        assert (life.state, life.service.reason) == (State.INACTIVE, None)

    def test_an_end_while_the_stop_still_waits_for_others(self) -> None:
        """It is inactive then too: the stop was asked for before."""
        life = Life().start()
        life.tell(ev.Stop())
        life.crash(1)
        assert life.state is State.INACTIVE

    def test_a_death_by_the_stop_signal_that_nobody_asked_for(self) -> None:
        """It is a failure like any other."""
        life = Life(restart=NEVER).start()
        life.crash(signal=signal.SIGTERM)
        assert (life.state, code(life)) == (State.FAILED, Code.SIGNAL)

    def test_the_steps(self) -> None:
        """Each step has its own time and signal; then KILL to the tree; what is gone then was killed."""
        steps = (StopStep(signal.SIGINT, 2.0), StopStep(signal.SIGQUIT, 3.0))
        life = Life(stop=Stop(signal.SIGHUP, timeout=1.0, escalate=steps, scope=Scope.PROCESS)).start()
        life.tell(ev.Stop(), ev.MayStop())
        assert ev.SendSignal("web", signal.SIGHUP, Scope.PROCESS) in life.effects
        sent = []
        for _ in range(3):
            life.fire()
            sent.append((life.now, named(life.effects)[-1], life.phase))
        assert sent == [
            (101.0, "SendSignal", Phase.STOPPING),
            (103.0, "SendSignal", Phase.STOPPING),
            (106.0, "WatchTree", Phase.KILLING),
        ]
        assert ev.KillTree("web") in life.effects
        life.crash(None, signal.SIGKILL)
        assert (life.state, life.service.killed) == (State.INACTIVE, True)

    def test_an_escalation_when_the_main_process_has_ended(self) -> None:
        """What it left behind gets the steps too, wherever it stands."""
        life = Life(stop=Stop(timeout=1.0, escalate=(StopStep(signal.SIGINT, 2.0),))).start()
        life.tell(ev.Stop(), ev.MayStop())
        life.exit(0)
        life.fire()
        assert ev.SendSignal("web", signal.SIGINT, Scope.TREE) in life.effects

    def test_a_time_limit_of_none(self) -> None:
        """It is never killed by its own declaration."""
        life = Life(stop=Stop(timeout=math.inf)).start()
        life.tell(ev.Stop(), ev.MayStop())
        assert life.service.deadline == math.inf

    def test_a_pace(self) -> None:
        """In a shutdown every limit is cut: hooks, steps and the wait after KILL; none gets more than there is."""
        stop = Stop(timeout=math.inf, escalate=(StopStep(signal.SIGINT, 6.0),))
        life = Life(stop=stop, hooks=HOOKED).start()
        life.tell(ev.HooksDone(HookStage.POST_START), ev.Stop())
        pace = Pace(0.5, most=10.0)
        life.tell(ev.MayStop(pace))
        assert ev.RunHooks("web", HookStage.PRE_STOP, pace) in life.effects
        life.tell(ev.HooksDone(HookStage.PRE_STOP))
        assert life.service.deadline == 105.0
        life.fire()
        assert life.service.deadline == 108.0
        life.fire()
        assert (life.phase, life.service.deadline) == (Phase.KILLING, 108.0 + SHUTDOWN_PATIENCE / 2)
        life.exit(None, signal.SIGKILL)
        assert ev.RunHooks("web", HookStage.POST_STOP, pace) in life.tell(ev.TreeGone())

    def test_the_next_run_has_its_own_pace_again(self) -> None:
        """What a stop was given does not cut the stop of the next run."""
        life = Life().start()
        life.tell(ev.Stop(), ev.MayStop(Pace(0.1, most=1.0)))
        life.crash(0)
        life.start()
        assert life.service.pace == UNHURRIED

    def test_a_stop_command(self) -> None:
        """It replaces the first signal; with no main process the signal is sent, for a command needs one to stop."""
        life = Life(stop=Stop(command=Command(("quit",)))).start()
        life.tell(ev.Stop(), ev.MayStop())
        assert named(life.effects) == ["ArmTimer", "RunStopCommand", "WatchTree"]
        crashed = Life(stop=Stop(command=Command(("quit",)))).start()
        assert named(crashed.exit(1)) == ["ArmTimer", "SendSignal", "WatchTree"]

    @pytest.mark.parametrize("when", ["starting", "up", "stopping"])
    def test_an_end_whose_cause_is_known_better(self, when: str) -> None:
        """It is that cause, also where the status would be a success; but not where the stop was asked for."""
        killed = ev.Exited(ExitStatus(signal=9), Reason(Code.OOM_KILL, "killed by SIGKILL: out of memory"))
        life = Life(
            success_exit=Outcomes(signals=frozenset({9})), restart=Restart(RestartPolicy.NEVER, on=OOM), ready=NOTIFIES
        )
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
        if when != "starting":
            life.tell(ev.BecameReady())
        if when == "stopping":
            life.tell(ev.Stop(), ev.MayStop())
        life.tell(killed, ev.TreeGone())
        if when == "stopping":
            assert (life.phase, life.service.reason) == (Phase.DOWN, None)
        else:
            assert (life.phase, life.service.failure) == (Phase.BACKOFF, killed.cause)

    def test_hooks_around_the_stop(self) -> None:
        """pre_stop before the signal, post_stop when nothing is left; their failures hold nothing up."""
        life = Life(hooks=HOOKED).start()
        life.tell(ev.HooksDone(HookStage.POST_START), ev.Stop(), ev.MayStop())
        assert life.phase is Phase.PRE_STOP
        assert not life.did(ev.SendSignal)
        life.tell(ev.HooksDone(HookStage.PRE_STOP, WENT_WRONG))
        assert life.did(ev.SendSignal)
        life.exit(0)
        assert life.tell(ev.TreeGone())[-1] == ev.RunHooks("web", HookStage.POST_STOP)
        life.tell(ev.HooksDone(HookStage.POST_STOP, WENT_WRONG))
        assert life.state is State.INACTIVE

    def test_an_end_during_the_hooks_before_the_stop(self) -> None:
        """They are ended: there is nothing left to prepare for its end."""
        life = Life(hooks=HOOKED).start()
        life.tell(ev.HooksDone(HookStage.POST_START), ev.Stop(), ev.MayStop())
        life.exit(0)
        assert named(life.effects) == ["EndHooks", "ArmTimer", "SendSignal", "WatchTree"]

    def test_hooks_after_every_end(self) -> None:
        """post_stop runs after a crash and after a start that failed, too."""
        life = Life(hooks=HOOKED, restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(WENT_WRONG), ev.TreeGone())
        assert life.phase is Phase.POST_STOP
        assert ev.RunHooks("web", HookStage.POST_STOP) in life.effects
        life.tell(ev.HooksDone(HookStage.POST_STOP))
        assert life.state is State.FAILED

    def test_what_survives_sigkill(self) -> None:
        """The stop ends as failed, nothing is cleaned up, and a start has to wait until it is gone."""
        life = Life().start()
        life.tell(ev.Stop(), ev.MayStop())
        life.fire()
        assert life.service.deadline == life.now + 5.0
        life.now = life.service.deadline
        life.tell(ev.TimerFired(life.service.epoch, "pid 10 does not die (D, nfs_wait)"))
        assert (life.state, life.service.stuck) == (State.FAILED, True)
        assert life.service.reason == Reason(Code.RESOURCES, "pid 10 does not die (D, nfs_wait)")
        assert not life.did(ev.CleanUp)
        life.tell(ev.Start())
        assert (life.state, life.service.stuck) == (State.WAITING, True)
        life.tell(ev.TreeGone())
        assert (life.state, life.service.stuck) == (State.WAITING, False)
        assert life.did(ev.CleanUp)

    def test_it_goes_at_last(self) -> None:
        """What survived SIGKILL stays failed when it has gone, but can be started."""
        life = Life(restart=Restart(RestartPolicy.ALWAYS)).start()
        life.tell(ev.Recycle(), ev.MayStop())
        life.fire()
        life.fire()
        life.tell(ev.TreeGone())
        assert (life.state, life.service.stuck, life.service.main) == (State.FAILED, False, None)

    def test_it_stops_by_itself(self) -> None:
        """STOPPING=1: no signal within its stop timeout; what it leaves behind gets one, with a time of its own."""
        life = Life(ready=NOTIFY, restart=NEVER).start()
        life.tell(ev.Stopping())
        assert life.state is State.STOPPING
        assert named(life.effects) == ["Unguard", "ArmTimer", "WatchTree"]
        life.now += 4.0
        life.exit(0)
        assert ev.SendSignal("web", signal.SIGTERM, Scope.TREE) in life.effects
        assert life.service.deadline == 109.0
        life.fire()
        assert life.phase is Phase.KILLING
        life.tell(ev.TreeGone())
        assert life.state is State.COMPLETED

    def test_it_says_that_it_stops_and_does_not(self) -> None:
        """After its stop timeout it gets the stop signal, as if asked."""
        life = Life(ready=NOTIFY).start()
        life.tell(ev.Stopping())
        life.fire()
        assert (life.phase, life.did(ev.SendSignal)) == (Phase.STOPPING, True)
        life.fire()
        assert life.phase is Phase.KILLING

    def test_a_failure_after_it_said_that_it_stops(self) -> None:
        """Its own end by itself is judged by its status."""
        life = Life(ready=NOTIFY, restart=NEVER).start()
        life.tell(ev.Stopping())
        life.crash(1)
        assert (life.state, code(life)) == (State.FAILED, Code.EXIT_CODE)

    def test_a_main_process_whose_status_nobody_can_tell(self) -> None:
        """Gone without a status is unknown, which is a failure, never a success."""
        life = Life(ready=NOTIFY, restart=NEVER).start()
        life.tell(ev.MainChanged(20), ev.Stopping(), ev.TreeGone())
        assert (life.state, life.service.last_exit) == (State.FAILED, ExitStatus())


class TestHurry:
    @pytest.mark.parametrize("so_far", range(8))
    def test_whatever_it_does_it_is_killed(self, so_far: int) -> None:
        """In any phase: hooks are ended, all is killed, and it has the grace to be gone; no hook follows."""
        life = Life(ready=NOTIFY, hooks=HOOKED)
        story = [ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.BecameReady(), ev.HooksDone(HookStage.POST_START)]
        stop = [ev.MayStop(), ev.HooksDone(HookStage.PRE_STOP), ev.TimerFired(-1)]
        life.tell(ev.Start(), *story[: so_far + 1], ev.Stop(), *stop[: max(0, so_far - 4)])
        life.tell(ev.Hurry(0.05))
        assert life.phase is Phase.KILLING
        assert life.did(ev.KillTree)
        assert life.service.deadline == life.now + 0.05
        life.tell(ev.TreeGone())
        assert life.state is State.INACTIVE

    def test_hooks_after_the_end_are_cut_short(self) -> None:
        """Nothing of the service is left: it is down at once."""
        life = Life(hooks=HOOKED).start()
        life.tell(ev.HooksDone(HookStage.POST_START), ev.Stop(), ev.MayStop(), ev.HooksDone(HookStage.PRE_STOP))
        life.exit(0)
        life.tell(ev.TreeGone(), ev.Hurry())
        assert (life.state, life.did(ev.EndHooks)) == (State.INACTIVE, True)

    def test_a_kill_that_was_patient(self) -> None:
        """What was killed before with five seconds to be gone has the short grace now."""
        life = Life().start()
        life.tell(ev.Stop(), ev.MayStop())
        life.fire()
        life.tell(ev.Hurry(0.05))
        assert life.service.deadline == life.now + 0.05
        life.fire()
        assert (life.state, life.service.stuck) == (State.FAILED, True)


class TestShutdownDuringAStop:
    """MayStop for a service whose stop began before the shutdown: from now on it goes at that pace."""

    PACE = Pace(0.5, most=8.0)

    def test_a_long_wait_is_cut(self) -> None:
        """What is left of the present step is at most what the pace grants from now on."""
        life = Life(stop=Stop(timeout=60.0, escalate=(StopStep(signal.SIGINT, 6.0),))).start()
        life.tell(ev.Stop(), ev.MayStop())
        life.tell(ev.MayStop(self.PACE), after=10.0)
        assert life.service.deadline == 114.0
        life.fire()
        assert life.service.deadline == 117.0

    def test_a_wait_that_is_nearly_over_is_not_made_longer(self) -> None:
        """The earlier deadline holds."""
        life = Life(stop=Stop(timeout=6.0)).start()
        life.tell(ev.Stop(), ev.MayStop())
        life.tell(ev.MayStop(self.PACE), after=5.0)
        assert life.service.deadline == 106.0

    def test_the_step_before_is_late(self) -> None:
        """The timer of the longer wait is not heard any more."""
        life = Life(stop=Stop(timeout=60.0)).start()
        life.tell(ev.Stop(), ev.MayStop())
        old = life.service.epoch
        life.tell(ev.MayStop(self.PACE))
        assert life.tell(ev.TimerFired(old)) == []

    def test_it_stops_by_itself(self) -> None:
        """Now it is asked to."""
        life = Life(ready=NOTIFY).start()
        life.tell(ev.Stopping(), ev.Stop(), ev.MayStop(self.PACE))
        assert life.did(ev.SendSignal)
        assert life.service.deadline == 102.5

    def test_hooks_are_ended_when_their_time_is_over(self) -> None:
        """Hooks that began with their whole time are ended at the pace's; the stop goes on."""
        life = Life(hooks=HOOKED).start()
        life.tell(ev.HooksDone(HookStage.POST_START), ev.Stop(), ev.MayStop(), ev.MayStop(self.PACE))
        assert life.service.deadline == 102.0
        life.fire()
        assert (life.phase, life.did(ev.EndHooks)) == (Phase.STOPPING, True)
        life.exit(0)
        life.tell(ev.TreeGone(), ev.MayStop(self.PACE))
        life.fire()
        assert (life.state, life.did(ev.EndHooks)) == (State.INACTIVE, True)


class TestWishes:
    def test_a_start_while_it_stops(self) -> None:
        """It goes down all the way, and comes back: two never run at once."""
        life = Life().start()
        life.tell(ev.Stop(), ev.MayStop(), ev.Start())
        assert (life.phase, life.service.wanted) == (Phase.STOPPING, True)
        assert not life.did(ev.Spawn)
        life.crash(0)
        assert (life.state, life.service.leaving) == (State.WAITING, False)

    def test_a_start_before_the_stop_has_begun(self) -> None:
        """The stop is called off: nothing was sent, it stays ready."""
        life = Life().start()
        life.tell(ev.Stop(NO_DATABASE), ev.Start())
        assert (life.state, life.service.leaving, life.service.reason) == (State.READY, False, None)

    def test_a_start_does_not_call_off_a_restart(self) -> None:
        """Whoever asked for the restart gets it: it ends in what the start wants."""
        life = Life().start()
        life.tell(ev.Recycle(), ev.Start())
        assert (life.state, life.service.leaving) == (State.STOPPING, True)

    def test_a_restart(self) -> None:
        """Down, then waiting for what it needs, then up again; no back-off, no attempt is counted."""
        life = Life().start()
        life.tell(ev.Recycle(), ev.MayStop())
        life.crash(1)
        life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(11), ev.Executed())
        assert (life.state, life.service.main, life.service.restarts) == (State.READY, 11, 0)
        tail = [State.STOPPING, State.WAITING, State.STARTING, State.READY]
        assert life.states[-4:] == tail

    def test_a_restart_while_it_stops(self) -> None:
        """The last wish counts: it comes back."""
        life = Life().start()
        life.tell(ev.Stop(), ev.MayStop(), ev.Recycle())
        life.crash(0)
        assert life.state is State.WAITING

    def test_a_stop_during_a_restart(self) -> None:
        """The last wish counts: it stays down."""
        life = Life().start()
        life.tell(ev.Recycle(), ev.MayStop(), ev.Stop())
        life.crash(0)
        assert life.state is State.INACTIVE

    def test_a_restart_of_what_is_down(self) -> None:
        """It is a start."""
        life = Life()
        life.tell(ev.Recycle(), ev.MayStart())
        assert life.state is State.STARTING

    def test_a_start_after_a_crash_before_all_is_gone(self) -> None:
        """No back-off then: a person's wish is enough."""
        life = Life().start()
        life.exit(1)
        life.tell(ev.Start(), ev.TreeGone())
        assert life.state is State.WAITING

    def test_a_stop_after_a_crash_before_all_is_gone(self) -> None:
        """It is inactive, not in back-off."""
        life = Life().start()
        life.exit(1)
        life.tell(ev.Stop(), ev.TreeGone())
        assert life.state is State.INACTIVE

    def test_a_stop_of_what_has_failed(self) -> None:
        """The failure stays to be seen, but it does not come by itself any more."""
        life = Life()
        life.tell(ev.Start(), ev.DependencyFailed(NO_DATABASE), ev.Stop())
        assert (life.state, life.service.revivable) == (State.FAILED, False)


class TestCrashes:
    def test_a_crash(self) -> None:
        """What is left of it is ended, then it waits, then it comes back."""
        life = Life(restart=Restart(jitter=0.0)).start()
        life.exit(signal=signal.SIGSEGV)
        assert (life.state, life.service.last_exit) == (State.STOPPING, ExitStatus(signal=signal.SIGSEGV))
        assert ev.SendSignal("web", signal.SIGTERM, Scope.TREE) in life.effects
        life.tell(ev.TreeGone())
        assert (life.state, code(life)) == (State.BACKOFF, Code.SIGNAL)
        assert (life.service.next_start, life.service.restarts) == (100.1, 1)
        life.fire()
        assert (life.state, life.now, life.service.next_start) == (State.WAITING, 100.1, None)

    def test_children_that_outlive_a_crash(self) -> None:
        """They have the stop timeout, then they are killed; only then it waits for its restart."""
        life = Life().start()
        life.exit(1)
        life.fire()
        assert (life.phase, life.did(ev.KillTree)) == (Phase.KILLING, True)
        life.tell(ev.TreeGone())
        assert life.state is State.BACKOFF

    def test_the_delays(self) -> None:
        """The n-th is min(max_delay, delay x backoff^(n-1)), stretched by the draw of the jitter."""
        life = Life(restart=Restart(delay=0.5, backoff=3.0, max_delay=10.0, jitter=0.2))
        life.draw = 0.5
        waits = []
        life.tell(ev.Start())
        for _ in range(5):
            life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
            life.crash()
            waits.append(life.service.deadline - life.now)
            life.fire()
        assert waits == pytest.approx([0.5 * 1.1, 1.5 * 1.1, 4.5 * 1.1, 10.0 * 1.1, 10.0 * 1.1])

    def test_ready_for_long_enough(self) -> None:
        """After `reset_after` the back-off starts over; the counter of all restarts goes on."""
        life = Life(restart=Restart(jitter=0.0, reset_after=10.0)).start()
        for _ in range(3):
            life.crash()
            life.fire()
            life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
        assert (life.service.attempt, life.service.deadline - life.now) == (3, 10.0)
        life.fire()
        life.crash()
        assert (life.service.attempt, life.service.restarts) == (1, 4)
        assert life.service.deadline == pytest.approx(life.now + 0.1)

    def test_a_service_that_never_crashed_has_no_timer(self) -> None:
        """Ready at the first attempt, nothing wakes us for it."""
        life = Life().start()
        assert not life.did(ev.ArmTimer)

    def test_the_limit(self) -> None:
        """More automatic restarts than `limit` within the window: failed for good, with the last cause in words."""
        life = Life(restart=Restart(limit=2, window=60.0)).start()
        for _ in range(2):
            life.crash()
            assert life.state is State.BACKOFF
            life.fire()
            life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
        life.crash(7)
        assert (life.state, code(life)) == (State.FAILED, Code.START_LIMIT_HIT)
        assert life.service.reason is not None
        assert "exited with 7" in life.service.reason.text

    def test_restarts_that_were_long_ago(self) -> None:
        """Only those within the window count."""
        life = Life(restart=Restart(limit=1, window=60.0)).start()
        for _ in range(3):
            life.crash()
            assert life.state is State.BACKOFF
            life.fire()
            life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
            life.now += 60.0

    def test_a_start_by_hand_forgets_the_limit(self) -> None:
        """A person's start begins a new count."""
        life = Life(restart=Restart(limit=1)).start()
        life.crash()
        life.tell(ev.Start())
        assert (life.state, life.service.recent, life.service.attempt) == (State.WAITING, (), 0)

    def test_a_stop_in_the_back_off(self) -> None:
        """It is inactive at once, and its timer means nothing any more."""
        life = Life().start()
        life.crash()
        timer = life.service.epoch
        life.tell(ev.Stop())
        assert (life.state, life.service.next_start) == (State.INACTIVE, None)
        assert life.tell(ev.TimerFired(timer)) == []

    def test_the_first_cause_stays(self) -> None:
        """What follows from a failure does not replace it."""
        life = Life(ready=Ready(ReadyKind.NOTIFY, timeout=3.0), restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
        life.fire()
        life.crash(signal=signal.SIGKILL)
        assert code(life) is Code.TIMEOUT

    def test_an_exit_with_success_of_what_is_not_restarted(self) -> None:
        """It has completed, by itself and well."""
        life = Life(restart=Restart(RestartPolicy.ON_FAILURE)).start()
        life.crash(0)
        assert (life.state, life.service.reason) == (State.COMPLETED, None)

    def test_a_first_attempt_is_over_at_its_first_failure(self) -> None:
        """From then on what only wants it does not wait any more, until somebody starts it anew."""
        life = Life(ready=NOTIFY)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
        assert not life.service.settled
        life.crash()
        assert life.service.settled
        life.tell(ev.Stop(), ev.Start())
        assert not life.service.settled


class TestReload:
    def test_by_signal(self) -> None:
        """It is sent, and nothing is waited for."""
        life = Life().start()
        assert life.tell(ev.ReloadRequested()) == [ev.RunReload("web")]
        assert life.state is State.READY

    def test_by_command(self) -> None:
        """Reloading until the command has ended; its failure is told and ends nothing."""
        for failure in (None, WENT_WRONG):
            life = Life(reload=Reload(command=Command(("reload",)))).start()
            life.tell(ev.ReloadRequested())
            assert (life.state, life.service.satisfied) == (State.RELOADING, True)
            life.tell(ev.ReloadDone(failure))
            assert (life.state, life.service.reason) == (State.READY, failure)

    def test_by_its_own_word(self) -> None:
        """RELOADING=1 until READY=1."""
        life = Life(ready=NOTIFY).start()
        life.tell(ev.Reloading())
        assert life.state is State.RELOADING
        life.tell(ev.BecameReady())
        assert life.state is State.READY

    def test_a_crash_while_it_reloads(self) -> None:
        """The command is ended with it."""
        life = Life(reload=Reload(command=Command(("reload",)))).start()
        life.tell(ev.ReloadRequested())
        life.exit(1)
        assert (life.phase, life.did(ev.EndHooks)) == (Phase.STOPPING, True)

    def test_it_stops_by_itself_while_it_reloads(self) -> None:
        """The command is ended: its answer means nothing any more."""
        life = Life(reload=Reload(command=Command(("reload",)))).start()
        life.tell(ev.ReloadRequested(), ev.Stopping())
        assert (life.phase, life.did(ev.EndHooks)) == (Phase.STOPPING, True)

    def test_the_time_until_it_counts_as_stable(self) -> None:
        """A reload begins the wait for `reset_after` anew, and it still comes to its end."""
        life = Life(ready=NOTIFY).start()
        life.crash()
        life.fire()
        life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.BecameReady(), ev.Reloading(), ev.BecameReady())
        life.fire()
        assert (life.service.attempt, life.state) == (0, State.READY)


class TestTarget:
    def test_a_life(self) -> None:
        """It is up when it may start and down when it may stop: it has no process."""
        life = Life(type=ServiceType.TARGET)
        life.tell(ev.Start(), ev.MayStart())
        assert (life.state, named(life.effects)) == (State.READY, [])
        life.tell(ev.Stop(), ev.MayStop())
        assert life.state is State.INACTIVE

    def test_a_restart(self) -> None:
        """Down and, once it may, up again."""
        life = Life(type=ServiceType.TARGET).start()
        life.tell(ev.Recycle(), ev.MayStop())
        assert life.state is State.WAITING
        life.tell(ev.MayStart())
        assert life.state is State.READY

    def test_a_hurry(self) -> None:
        """There is nothing to kill."""
        life = Life(type=ServiceType.TARGET).start()
        life.tell(ev.Stop(), ev.Hurry())
        assert (life.state, life.service.killed) == (State.INACTIVE, False)

    def test_a_reload(self) -> None:
        """There is nobody to tell."""
        life = Life(type=ServiceType.TARGET).start()
        assert life.tell(ev.ReloadRequested()) == []


def test_states_are_announced_once() -> None:
    """A change of phase that users don't see is not told; one that they see is, once, with its reason and status."""
    life = Life(hooks=HOOKED, ready=NOTIFY, restart=NEVER).start()
    life.tell(ev.HooksDone(HookStage.POST_START))
    life.exit(3)
    status = ExitStatus(3)
    assert life.effects[-1] == ev.Announce("web", State.READY, State.STOPPING, life.service.reason, status)
    life.tell(ev.TreeGone(), ev.HooksDone(HookStage.POST_STOP))
    assert life.effects[-1] == ev.Announce("web", State.STOPPING, State.FAILED, life.service.reason, status)
    assert life.states == [State.WAITING, State.STARTING, State.READY, State.STOPPING, State.FAILED]
