"""What asyncinit says of services: durations, one line for each change, outcomes of requests."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.spec import LogLevel, Restart, RestartPolicy, ServiceType, Stop
from asyncinit.core import events as ev
from asyncinit.core.events import Announce
from asyncinit.core.status import State
from asyncinit.runtime import words
from tests.unit.life import NO_DATABASE, NOT_HERE, Life

NEVER = Restart(RestartPolicy.NEVER)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.035, "35 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.0, "1 s"),
        (2.54, "2.5 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (61.0, "1 min 1 s"),
        (200.0, "3 min 20 s"),
        (3599.6, "1 h"),
        (3600.0 * 4 + 300, "4 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """As people write them, and never 60 of anything."""
    assert words.duration(seconds) == text


@given(st.floats(0, 10**7))
def test_a_duration_is_short(seconds: float) -> None:
    """Whatever it is, it has at most two parts, none of which is a whole one of the next."""
    parts = words.duration(seconds).split()
    assert len(parts) in {2, 4}
    assert ("60", "s") not in zip(parts[::2], parts[1::2], strict=True)
    assert ("60", "min") not in zip(parts[::2], parts[1::2], strict=True)


def line(life: Life, took: float = 2.0, **options: Any) -> tuple[str, LogLevel]:
    """Return what is said of the last change of a life."""
    (change,) = [effect for effect in life.effects if isinstance(effect, Announce)]
    return words.transition(life.service, change, took, life.now, **options)


def test_skipped() -> None:
    """A condition that does not hold is no failure, and says which it was."""
    life = Life()
    life.tell(ev.Start(), ev.MayStart(), ev.Unmet(NOT_HERE))
    assert line(life) == ('skipped: path_exists = "/x" does not hold', LogLevel.INFO)
    assert words.outcome(life.service) == 'skipped: path_exists = "/x" does not hold'


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
    assert words.outcome(life.service) == "stopped; it had to be killed"


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
            text, level = words.transition(life.service, Announce("web", old, new), 1.0, life.now)
            assert text
            assert isinstance(level, LogLevel)


def test_the_outcome_of_a_request() -> None:
    """What came of it, with the reason where there is one."""
    life = Life()
    assert words.outcome(life.service) == "stopped"
    assert words.outcome(life.start().service) == "ready"
    life.crash(3)
    assert words.outcome(life.service) == "did not start: exited with 3; it is restarted"
    life.tell(ev.Stop(NO_DATABASE))
    assert words.outcome(life.service) == f"stopped: {NO_DATABASE.text}"
    life = Life(restart=Restart(delay=0.5)).start()
    life.crash(0)
    assert words.outcome(life.service) == "did not start: exited with 0; it is restarted"


def test_a_signal() -> None:
    """Its name and who sent it."""
    assert words.received(signal.SIGTERM, "from pid 12 (uid 0)") == "received SIGTERM from pid 12 (uid 0)"
    assert words.received(37, "from the kernel") == "received SIGRTMIN+3 from the kernel"
