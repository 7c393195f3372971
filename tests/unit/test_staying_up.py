"""What happens to a service that is up, as stories: its probes, its signs of life, its reloads, more time."""

from __future__ import annotations

import math
import signal
from typing import Any

import pytest
from msgspec.structs import replace

from asyncinit.config.spec import (
    Cause,
    Command,
    Health,
    HealthAction,
    Outcomes,
    Ready,
    ReadyKind,
    Reload,
    Restart,
    RestartPolicy,
    Scope,
    Stop,
    StopStep,
)
from asyncinit.core import events as ev
from asyncinit.core.engine import OVERRUN_GRACE
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, Reason, State
from tests.unit.life import HOOKED, PROBED, WENT_WRONG, Life
from tests.unit.world import World, service

REFUSED = ev.Probed("tcp 127.0.0.1:1: connection refused")
WELL = ev.Probed()
NOTIFY = Ready(ReadyKind.NOTIFY, timeout=20.0)
NEVER = Restart(RestartPolicy.NEVER)
MARKED = replace(PROBED, action=HealthAction.NONE)
RELOADS = Reload(command=Command(("reload",)), timeout=30.0)


def up(health: Health | None = PROBED, **keys: Any) -> Life:
    """Return a service that is ready, and has been for a second."""
    life = Life(health=health, **keys).start()
    if life.phase is Phase.POST_START:
        life.tell(ev.HooksDone(ev.HookStage.POST_START))
    assert life.phase is Phase.UP
    life.now += 1.0
    return life


class TestHealth:
    def test_it_is_guarded_while_it_is_up(self) -> None:
        """From when it is ready until it goes down or ends; without anything to see to, never."""
        life = Life(health=PROBED)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
        assert ev.Guard("web") in life.tell(ev.Executed())
        for end in ([ev.Stop(), ev.MayStop()], [ev.Stopping()], [ev.Stop(), ev.Hurry()]):
            life = up()
            assert life.service.guarded
            life.tell(*end)
            assert life.did(ev.Unguard)
            assert not life.service.guarded
        life = up()
        assert ev.Unguard("web") in life.exit(1)
        assert not Life().start().service.guarded

    def test_post_start_hooks_come_first(self) -> None:
        """It is not probed before it is ready."""
        life = Life(health=PROBED, hooks=HOOKED)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
        assert not life.service.guarded
        assert ev.Guard("web") in life.tell(ev.HooksDone(ev.HookStage.POST_START))

    def test_failures_in_a_row_make_it_unhealthy(self) -> None:
        """As many as `threshold`; a success between them starts the count over; one line tells it, with the last."""
        life = up()
        life.tell(REFUSED, REFUSED, WELL, REFUSED, REFUSED)
        assert life.state is State.READY
        assert life.service.checks.failures == 2
        life.states.clear()
        life.tell(REFUSED)
        assert life.states == [State.UNHEALTHY, State.STOPPING]
        announced = [effect for effect in life.effects if isinstance(effect, ev.Announce)]
        assert [(one.old, one.new) for one in announced] == [
            (State.READY, State.UNHEALTHY),
            (State.UNHEALTHY, State.STOPPING),
        ]
        text = "3 health probes in a row failed: tcp 127.0.0.1:1: connection refused"
        assert life.service.failure == Reason(Code.HEALTH, text)

    def test_it_is_stopped_and_restarted_by_policy(self) -> None:
        """By its stop sequence, hooks and all, killed at its deadline, and started again as after a failure."""
        life = up(hooks=HOOKED, stop=Stop(timeout=4.0))
        life.tell(REFUSED, REFUSED)
        assert ev.RunHooks("web", ev.HookStage.PRE_STOP) in life.tell(REFUSED)
        life.tell(ev.HooksDone(ev.HookStage.PRE_STOP))
        assert ev.SendSignal("web", signal.SIGTERM, Scope.GROUP) in life.effects
        assert ev.KillTree("web") in life.fire()
        life.tell(ev.Exited(life.service.last_exit or ev.ExitStatus(signal=9)), ev.TreeGone())
        life.tell(ev.HooksDone(ev.HookStage.POST_STOP))
        assert (life.state, life.service.restarts) == (State.BACKOFF, 1)
        assert life.service.reason is not None
        assert life.service.reason.code is Code.HEALTH

    @pytest.mark.parametrize(
        ("restart", "state"),
        [
            (Restart(RestartPolicy.ALWAYS), State.BACKOFF),
            (Restart(RestartPolicy.ON_FAILURE), State.BACKOFF),
            (Restart(RestartPolicy.ON_ABNORMAL), State.BACKOFF),
            (Restart(RestartPolicy.NEVER), State.FAILED),
            (Restart(RestartPolicy.NEVER, on=Outcomes(causes=frozenset({Cause.HEALTH}))), State.BACKOFF),
            (Restart(RestartPolicy.ALWAYS, never_on=Outcomes(causes=frozenset({Cause.HEALTH}))), State.FAILED),
            (Restart(RestartPolicy.ALWAYS, limit=0), State.FAILED),
        ],
        ids=str,
    )
    def test_what_comes_next(self, restart: Restart, state: State) -> None:
        """Unhealthy is a failure like any other, though the process exits with 0 on its stop signal."""
        life = up(restart=restart)
        life.tell(REFUSED, REFUSED, REFUSED)
        life.crash(0)
        assert life.state is state

    def test_marked_only(self) -> None:
        """With action none it goes on, stays there for others, and is healthy again after so many successes."""
        life = up(replace(MARKED, success_threshold=2))
        life.tell(REFUSED, REFUSED, REFUSED, REFUSED)
        assert (life.state, life.phase, life.service.satisfied) == (State.UNHEALTHY, Phase.UP, True)
        text = "4 health probes in a row failed: tcp 127.0.0.1:1: connection refused"
        assert life.service.reason == Reason(Code.HEALTH, text)
        life.tell(WELL)
        assert life.state is State.UNHEALTHY
        life.tell(REFUSED, WELL)
        assert life.state is State.UNHEALTHY, "a failure between them"
        life.tell(WELL)
        assert (life.state, life.service.reason) == (State.READY, None)
        assert life.states[-2:] == [State.UNHEALTHY, State.READY]

    def test_failures_in_the_start_period_do_not_count(self) -> None:
        """Until it is over, or one probe has succeeded."""
        life = Life(health=replace(MARKED, start_period=10.0)).start()
        life.tell(*[REFUSED] * 5, after=9.0)
        assert life.service.checks.failures == 0
        life.tell(*[REFUSED] * 3, after=1.5)
        assert life.state is State.UNHEALTHY
        life = Life(health=replace(MARKED, start_period=10.0)).start()
        life.tell(WELL, *[REFUSED] * 3)
        assert life.state is State.UNHEALTHY

    def test_what_shall_go_down_is_left_to_that(self) -> None:
        """While it waits for others to stop first no probe cuts in; called off, the next one does."""
        life = up()
        life.tell(ev.Stop(), *[REFUSED] * 5)
        assert (life.phase, life.state, life.service.reason) == (Phase.UP, State.STOPPING, None)
        life.tell(ev.Start())
        assert (life.state, life.service.reason) == (State.UNHEALTHY, life.service.unhealthy)
        life.tell(REFUSED)
        assert life.phase is Phase.STOPPING

    def test_a_late_answer(self) -> None:
        """What was under way when it went down, or when its probes were taken away, changes nothing."""
        life = up()
        life.tell(ev.Stop(), ev.MayStop())
        before = life.service
        life.tell(REFUSED)
        assert life.service is before
        life = up(None)
        life.tell(*[REFUSED] * 5)
        assert life.state is State.READY

    def test_a_new_run_starts_over(self) -> None:
        """Failures of the run before are not those of the next."""
        life = up()
        life.tell(REFUSED, REFUSED)
        life.crash()
        life.fire()
        life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(11), ev.Executed())
        life.tell(REFUSED)
        assert life.state is State.READY

    def test_restarts_count_on_while_it_does_not_work(self) -> None:
        """`reset_after` is not enough where there are probes: one has to have succeeded since."""
        restart = Restart(reset_after=10.0)
        life = up(replace(PROBED, threshold=100), restart=restart)
        life.crash()
        life.fire()
        life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(11), ev.Executed())
        life.tell(REFUSED)
        life.fire()
        assert life.service.attempt == 1
        life.tell(WELL)
        assert life.service.attempt == 0

    def test_restarts_are_forgotten_where_it_works(self) -> None:
        """A success before `reset_after` is over changes nothing at once; then they are counted anew."""
        life = up(restart=Restart(reset_after=10.0))
        life.crash()
        life.fire()
        life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(11), ev.Executed(), WELL)
        assert life.service.attempt == 1
        life.fire()
        assert life.service.attempt == 0

    def test_probes_that_are_taken_away(self) -> None:
        """What was never seen to work counts as stable in the end, where nobody asks it any more."""
        life = up(restart=Restart(reset_after=10.0))
        life.crash()
        life.fire()
        life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(11), ev.Executed())
        life.fire()
        assert life.service.attempt == 1
        life.tell(ev.Redeclared(replace(life.service.spec, health=None)))
        life.fire()
        assert life.service.attempt == 0

    def test_declared_anew(self) -> None:
        """Other probes begin from nothing, and so does its mark; other keys change nothing of it."""
        life = up(MARKED)
        life.tell(*[REFUSED] * 3)
        spec = life.service.spec
        life.tell(ev.Redeclared(replace(spec, description="other")))
        assert not life.did(ev.Unguard)
        assert life.state is State.UNHEALTHY
        life.tell(ev.Redeclared(replace(spec, health=replace(MARKED, threshold=5))))
        kinds = [type(effect) for effect in life.effects]
        assert kinds.index(ev.Adopt) < kinds.index(ev.Unguard) < kinds.index(ev.Guard)
        assert (life.state, life.service.reason, life.service.checks.failures) == (State.READY, None, 0)
        life.tell(ev.Redeclared(replace(spec, health=None)))
        assert (life.did(ev.Unguard), life.did(ev.Guard), life.service.guarded) == (True, False, False)
        life.tell(ev.Redeclared(replace(spec, health=MARKED)))
        assert life.did(ev.Guard)

    def test_the_whole_goes_down_with_it(self) -> None:
        """action = shutdown: it is stopped, has failed under every policy, and is what the whole gave up on."""
        spec = service("web", health=replace(PROBED, action=HealthAction.SHUTDOWN), restart=Restart())
        world = World({"web": spec})
        world.start("web")
        world.settle()
        for _ in range(3):
            world.tell("web", REFUSED)
        world.exit("web", 0)
        world.settle()
        assert world.state("web") is State.FAILED
        assert (world.engine.gave_up.value, world.engine.gave_up_on) == ("shutdown", "web")

    def test_what_requires_it(self) -> None:
        """Who runs stays, who starts starts: it is up; the list of those that are unhealthy has it."""
        specs = {name: service(name, **keys) for name, keys in _TWO.items()}
        world = World(specs)
        world.start("db", "web")
        world.settle()
        for _ in range(3):
            world.tell("db", REFUSED)
        assert (world.state("db"), world.state("web"), world.engine.unhealthy) == (State.UNHEALTHY, State.READY, ["db"])
        world.start("late")
        world.settle()
        assert world.state("late") is State.READY


_TWO: dict[str, dict[str, Any]] = {
    "db": {"health": MARKED},
    "web": {"requires": ("db",)},
    "late": {"requires": ("db",), "enabled": False},
}


class TestWatchdog:
    def test_late(self) -> None:
        """SIGABRT, then, after its stop timeout, the stop signal, then the kill: and the reason is the watchdog."""
        life = up(None, watchdog=5.0, stop=Stop(timeout=4.0, escalate=(StopStep(signal.SIGINT, 2.0),)), hooks=HOOKED)
        effects = life.tell(ev.WatchdogMissed("no WATCHDOG=1 within 5 s"))
        assert ev.SendSignal("web", signal.SIGABRT, Scope.GROUP) in effects
        assert not life.did(ev.RunHooks), "what hangs is not asked to prepare its end"
        assert life.service.deadline == life.now + 4.0
        assert ev.SendSignal("web", signal.SIGTERM, Scope.GROUP) in life.fire()
        assert ev.SendSignal("web", signal.SIGINT, Scope.GROUP) in life.fire()
        assert ev.KillTree("web") in life.fire()
        life.tell(ev.Exited(ev.ExitStatus(signal=9)), ev.TreeGone(), ev.HooksDone(ev.HookStage.POST_STOP))
        assert life.state is State.BACKOFF
        assert life.service.reason == Reason(Code.WATCHDOG, "no WATCHDOG=1 within 5 s")

    def test_it_dies_of_the_abort(self) -> None:
        """What is left of it gets the stop signal; the status is not the reason."""
        life = up(None, watchdog=5.0, restart=Restart(RestartPolicy.ON_ABNORMAL))
        life.tell(ev.WatchdogMissed("late"))
        assert ev.SendSignal("web", signal.SIGTERM, Scope.TREE) in life.exit(signal=signal.SIGABRT)
        life.tell(ev.TreeGone())
        assert life.state is State.BACKOFF
        assert life.service.failure == Reason(Code.WATCHDOG, "late")

    @pytest.mark.parametrize(
        ("on", "never", "state"), [({Cause.WATCHDOG}, set(), State.BACKOFF), (set(), {Cause.WATCHDOG}, State.FAILED)]
    )
    def test_its_own_cause(self, on: set[Cause], never: set[Cause], state: State) -> None:
        """restart.on and restart.never_on know it by name."""
        policy = RestartPolicy.NEVER if on else RestartPolicy.ALWAYS
        restart = Restart(policy, on=Outcomes(causes=frozenset(on)), never_on=Outcomes(causes=frozenset(never)))
        life = up(None, watchdog=5.0, restart=restart)
        life.tell(ev.WatchdogMissed("late"))
        life.crash(0)
        assert life.state is state

    def test_it_says_so_while_it_starts(self) -> None:
        """WATCHDOG=trigger before it was ready ends the start."""
        life = Life(ready=NOTIFY, restart=NEVER)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.WatchdogMissed("trigger"))
        assert life.did(ev.ForgetReady)
        life.crash(signal=signal.SIGABRT)
        assert (life.state, life.service.failure) == (State.FAILED, Reason(Code.WATCHDOG, "trigger"))

    def test_it_hangs_while_it_shall_go_down(self) -> None:
        """What waits for others to stop first does not hang there: it is ended, and then down as was wanted."""
        life = up(None, watchdog=5.0)
        life.tell(ev.Stop(), ev.WatchdogMissed("late"))
        assert life.phase is Phase.STOPPING
        life.crash(signal=signal.SIGABRT)
        assert life.state is State.INACTIVE


class TestReload:
    def test_a_reload_that_does_not_end(self) -> None:
        """After its time limit it counts as failed: what runs for it is killed, and the service goes on, with why."""
        life = Life(reload=RELOADS).start()
        life.tell(ev.ReloadRequested())
        assert (life.state, life.service.deadline) == (State.RELOADING, life.now + 30.0)
        life.fire()
        assert ev.EndHooks("web") in life.effects
        assert (life.state, life.service.failure) == (State.READY, None)
        assert life.service.reason == Reason(Code.TIMEOUT, "the reload has not ended within 30 s")
        life.tell(ev.ReloadRequested(), ev.ReloadDone())
        assert life.service.reason is None

    def test_it_says_that_it_reloads_and_never_that_it_is_done(self) -> None:
        """RELOADING=1 without READY=1 has the same time limit."""
        life = Life(ready=NOTIFY).start()
        life.tell(ev.Reloading())
        assert life.service.deadline == life.now + 90.0
        life.fire()
        assert life.state is State.READY
        assert life.service.reason is not None
        assert life.service.reason.code is Code.TIMEOUT

    def test_no_time_limit(self) -> None:
        """ "none" waits for ever."""
        life = Life(ready=NOTIFY, reload=Reload(timeout=math.inf)).start()
        life.tell(ev.Reloading())
        assert life.service.deadline == math.inf

    def test_a_reload_while_it_is_unhealthy(self) -> None:
        """It is reloading, and probed; afterwards it is what it was, or well if the reload has cured it."""
        for cure, state in (((), State.UNHEALTHY), ((WELL,), State.READY)):
            life = up(MARKED, reload=RELOADS)
            life.tell(*[REFUSED] * 3, ev.ReloadRequested())
            assert life.state is State.RELOADING
            life.tell(*cure, ev.ReloadDone())
            assert life.state is state
            assert (life.service.reason is None) is (state is State.READY)

    def test_it_becomes_unhealthy_in_a_reload(self) -> None:
        """A reload is no place to hang in."""
        life = up(reload=RELOADS)
        life.tell(ev.ReloadRequested(), *[REFUSED] * 3)
        assert (life.phase, life.state) == (Phase.STOPPING, State.STOPPING)
        assert life.service.failure is not None
        assert life.service.failure.code is Code.HEALTH


class TestMoreTime:
    def test_for_the_start(self) -> None:
        """The deadline moves, never nearer; it holds for the whole start; the timer of before is late."""
        life = Life(ready=NOTIFY, hooks=HOOKED)
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
        assert life.service.deadline == 120.0
        life.tell(ev.ExtendTimeout(5.0))
        assert (life.service.deadline, life.effects) == (120.0, [])
        epoch = life.service.epoch
        life.tell(ev.ExtendTimeout(50.0), after=10.0)
        assert life.service.deadline == 160.0
        life.tell(ev.TimerFired(epoch), after=10.0)
        assert life.state is State.STARTING
        life.tell(ev.BecameReady())
        assert (life.phase, life.service.deadline) == (Phase.POST_START, 160.0)
        life.fire()
        assert life.service.failure is not None
        assert life.service.failure.text == "not ready within the time that it asked for"

    def test_of_a_start_without_limit(self) -> None:
        """There is none to extend."""
        life = Life()
        life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
        assert life.tell(ev.ExtendTimeout(50.0)) == []

    def test_for_the_stop(self) -> None:
        """The present step gets it, and has to ask again before that is over."""
        life = Life(stop=Stop(timeout=4.0)).start()
        life.tell(ev.Stop(), ev.MayStop(), ev.ExtendTimeout(60.0))
        assert life.service.deadline == life.now + 60.0
        life.tell(ev.ExtendTimeout(60.0), after=50.0)
        assert life.service.deadline == life.now + 60.0
        assert ev.KillTree("web") in life.fire()

    def test_for_a_reload(self) -> None:
        """The reload's limit moves too."""
        life = Life(reload=RELOADS).start()
        life.tell(ev.ReloadRequested(), ev.ExtendTimeout(100.0))
        assert life.service.deadline == life.now + 100.0
        life.fire()
        assert life.service.reason is not None
        assert "asked for" in life.service.reason.text

    def test_not_while_it_is_killed(self) -> None:
        """Who is killed has had its time."""
        life = Life(stop=Stop(timeout=4.0)).start()
        life.tell(ev.Stop(), ev.MayStop())
        life.fire()
        before = life.service
        life.tell(ev.ExtendTimeout(60.0))
        assert life.service is before

    def test_in_a_shutdown(self) -> None:
        """What the shutdown has to spare, but not the time of those that stop only after it."""
        slow = Stop(timeout=3.0)
        world = World({"db": service("db", stop=slow), "web": service("web", stop=slow, requires=("db",))})
        world.start("web")
        world.settle()
        world.shut_down(20.0)
        world.tell("web", ev.ExtendTimeout(100.0))
        assert world["web"].deadline == world.engine.stop_deadline - 3.0
        world.exit("web")
        world.settle()
        world.tell("db", ev.ExtendTimeout(100.0))
        assert world["db"].deadline == world.engine.stop_deadline

    def test_in_a_shutdown_that_has_none_to_spare(self) -> None:
        """Where time is short each keeps its share, however much one asks for."""
        slow = Stop(timeout=30.0)
        world = World({"db": service("db", stop=slow), "web": service("web", stop=slow, requires=("db",))})
        world.start("web")
        world.settle()
        world.shut_down(9.0)
        share = world["web"].deadline
        world.tell("web", ev.ExtendTimeout(100.0))
        assert world["web"].deadline == share
        world.advance(9.0)
        world.settle()
        world.hurry()
        world.advance(OVERRUN_GRACE)
        world.settle()
        assert world.engine.all_down

    def test_a_shutdown_that_comes_later(self) -> None:
        """Time that a stop got before is cut to what the shutdown has for it."""
        world = World({"web": service("web", stop=Stop(timeout=3.0))})
        world.start("web")
        world.settle()
        world.stop("web")
        world.tell("web", ev.ExtendTimeout(500.0))
        assert world["web"].deadline == 500.0
        world.shut_down(20.0)
        assert world["web"].deadline <= 3.0


def test_what_went_wrong_first_stays_the_reason() -> None:
    """A watchdog that is late in a stop for another reason does not replace it."""
    life = up(ready=NOTIFY, watchdog=5.0)
    life.tell(*[REFUSED] * 3)
    life.tell(ev.WatchdogMissed("late"))
    assert life.service.failure is not None
    assert life.service.failure.code is Code.HEALTH
    assert life.service.failure != WENT_WRONG


def test_more_time_for_who_is_forgotten() -> None:
    """A message of a service that is not declared any more, and down, is late: in a shutdown too."""
    world = World({"web": service("web")})
    world.start("web")
    world.settle()
    world.shut_down(9.0)
    assert world.engine.handle("gone", ev.ExtendTimeout(5.0), world.now) == []
