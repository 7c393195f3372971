"""What asyncinit says of services: one line for each change, outcomes of requests."""

from __future__ import annotations

import signal
from typing import Any

from msgspec.structs import replace

from asyncinit.config.spec import HealthAction, LogLevel, Ready, ReadyKind, Restart, RestartPolicy, ServiceType, Stop
from asyncinit.core import events as ev
from asyncinit.core import telling
from asyncinit.core.events import Announce
from asyncinit.core.status import State
from asyncinit.runtime import words
from tests.unit.life import NO_DATABASE, NOT_HERE, PROBED, Life

NEVER = Restart(RestartPolicy.NEVER)


def line(life: Life, took: float = 2.0, **options: Any) -> tuple[str, LogLevel]:
    """Return what is said of the last change of a life."""
    (change,) = [effect for effect in life.effects if isinstance(effect, Announce)]
    return telling.transition(life.service, change, took, life.now, **options)


def test_skipped() -> None:
    """A condition that does not hold is no failure, and says which it was."""
    life = Life()
    life.tell(ev.Start(), ev.MayStart(), ev.Unmet(NOT_HERE))
    assert line(life) == ('skipped: path_exists = "/x" does not hold', LogLevel.INFO)
    assert telling.outcome(life.service) == 'skipped: path_exists = "/x" does not hold'


def test_ready() -> None:
    """With the pid and how long the start took; a target has neither."""
    life = Life()
    life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
    assert line(life) == ("ready (pid 10, after 2 s)", LogLevel.INFO)
    assert line(Life(type=ServiceType.TARGET).start()) == ("ready", LogLevel.INFO)


def test_ready_again() -> None:
    """A reload tells how long it took, a stop that was called off tells that."""
    life = Life().start()
    life.tell(ev.Reloading())
    assert line(life) == ("reloading", LogLevel.INFO)
    life.tell(ev.BecameReady())
    assert line(life) == ("reloaded after 2 s", LogLevel.INFO)
    life.tell(ev.Stop(), ev.Start())
    assert line(life)[0] == "stays ready: the stop was called off"


def test_health() -> None:
    """Unhealthy says why, and is a warning; well again says for how long it was not."""
    life = Life(health=replace(PROBED, action=HealthAction.NONE, threshold=1)).start()
    life.tell(ev.Probed("file /x: no such file"))
    assert line(life) == ("unhealthy: a health probe failed: file /x: no such file", LogLevel.WARNING)
    life.tell(ev.Probed())
    assert line(life) == ("healthy again after 2 s", LogLevel.INFO)


def test_a_reload_that_fails() -> None:
    """It is a warning, and says why; that it is unhealthy besides is no failure of the reload."""
    life = Life(health=replace(PROBED, action=HealthAction.NONE, threshold=1), ready=Ready(ReadyKind.NOTIFY)).start()
    life.tell(ev.Reloading())
    life.fire()
    assert line(life) == ("reload failed after 2 s: the reload has not ended within 90 s", LogLevel.WARNING)
    life.tell(ev.Reloading(), ev.Probed("refused"), ev.BecameReady())
    assert line(life) == ("unhealthy: a health probe failed: refused", LogLevel.WARNING)


def test_what_nobody_has_to_see() -> None:
    """Waiting and starting are told to those who want to know everything."""
    life = Life()
    life.tell(ev.Start())
    assert line(life) == ("waiting", LogLevel.DEBUG)
    life.tell(ev.MayStart())
    assert line(life) == ("starting", LogLevel.DEBUG)


def test_a_crash() -> None:
    """Why, which attempt, and when."""
    life = Life(restart=Restart(delay=2.0, jitter=0.0)).start()
    life.crash(3)
    assert line(life) == ("exited with 3; restart 1 in 2 s", LogLevel.WARNING)


def test_a_restart_after_success() -> None:
    """There is no failure to tell: the status is."""
    life = Life(restart=Restart(delay=0.0)).start()
    life.crash(0)
    assert line(life) == ("exited with 0; restart 1 at once", LogLevel.WARNING)


def test_a_failure() -> None:
    """The reason, as an error."""
    life = Life(restart=NEVER).start()
    life.crash(signal=signal.SIGSEGV)
    assert line(life) == ("failed: killed by SIGSEGV", LogLevel.ERROR)


def test_a_completion() -> None:
    """How long it took."""
    life = Life(type=ServiceType.ONESHOT, restart=NEVER).start()
    life.crash(0)
    assert line(life) == ("completed after 2 s", LogLevel.INFO)


def test_a_stop() -> None:
    """Why it stops and for whom it waits; then how long that took and how it ended."""
    life = Life().start()
    life.tell(ev.Stop(NO_DATABASE))
    assert line(life, waits=["a", "b", "c", "d"])[0] == f"stopping: {NO_DATABASE.text}, once a, b and 2 more are down"
    life.tell(ev.MayStop())
    life.crash(0)
    assert line(life) == ("stopped after 2 s (exited with 0)", LogLevel.INFO)


def test_a_kill() -> None:
    """That it had to be killed is a warning."""
    life = Life(stop=Stop(timeout=1.0)).start()
    life.tell(ev.Stop(), ev.MayStop())
    life.fire()
    life.crash(signal=signal.SIGKILL)
    assert line(life) == ("stopped after 2 s (killed by SIGKILL); had to be killed", LogLevel.WARNING)
    assert telling.outcome(life.service) == "stopped; it had to be killed"


def test_a_stop_of_what_did_not_run() -> None:
    """There is nothing to tell of an end."""
    life = Life()
    life.tell(ev.Start(), ev.Stop())
    assert line(life) == ("stopped", LogLevel.INFO)


def test_every_state_has_words() -> None:
    """No change of state is without a line."""
    life = Life().start()
    for old in State:
        for new in State:
            text, level = telling.transition(life.service, Announce("web", old, new), 1.0, life.now)
            assert text
            assert isinstance(level, LogLevel)


def test_the_outcome_of_a_request() -> None:
    """What came of it, with the reason where there is one."""
    life = Life()
    assert telling.outcome(life.service) == "stopped"
    assert telling.outcome(life.start().service) == "ready"
    life.crash(3)
    assert telling.outcome(life.service) == "did not start: exited with 3; it is restarted"
    life.tell(ev.Stop(NO_DATABASE))
    assert telling.outcome(life.service) == f"stopped: {NO_DATABASE.text}"
    life = Life(restart=Restart(delay=0.5)).start()
    life.crash(0)
    assert telling.outcome(life.service) == "did not start: exited with 0; it is restarted"


def test_a_signal() -> None:
    """Its name and who sent it."""
    assert words.received(signal.SIGTERM, "from pid 12 (uid 0)") == "received SIGTERM from pid 12 (uid 0)"
    assert words.received(37, "from the kernel") == "received SIGRTMIN+3 from the kernel"


def test_the_first_line() -> None:
    """How much is started, as what, and with which profiles where there are some."""
    assert words.begun(3, 4, 1, ("dev", "local")) == "starting 3 of 4 services as PID 1, with profile dev and local"
    assert words.begun(3, 4, 7, ()) == "starting 3 of 4 services as pid 7, a subreaper"
