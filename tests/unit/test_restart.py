"""Whether a service is restarted by itself, and when."""

from __future__ import annotations

import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.spec import Cause, Outcomes, Restart, RestartPolicy, ServiceType
from asyncinit.core.restart import delay, limit_reached, wants_restart, within_window
from asyncinit.core.status import Code, ExitStatus, Reason
from tests.unit.world import service

ENDS = {
    "well": (None, ExitStatus(0)),
    "code": (Code.EXIT_CODE, ExitStatus(1)),
    "signal": (Code.SIGNAL, ExitStatus(signal=signal.SIGTERM)),
    "core": (Code.CORE_DUMP, ExitStatus(signal=signal.SIGSEGV, core_dumped=True)),
    "timeout": (Code.TIMEOUT, ExitStatus(signal=signal.SIGTERM)),
    "watchdog": (Code.WATCHDOG, ExitStatus(signal=signal.SIGABRT)),
    "oom": (Code.OOM_KILL, ExitStatus(signal=signal.SIGKILL)),
    "health": (Code.HEALTH, ExitStatus(0)),
    "protocol": (Code.PROTOCOL, ExitStatus(0)),
    "hook": (Code.HOOK, None),
    "spawn": (Code.SPAWN, None),
    "unknown": (Code.EXIT_CODE, ExitStatus()),
}
ABNORMAL = {"signal", "core", "timeout", "watchdog", "oom", "health"}


def restarts(end: str, restart: Restart, kind: ServiceType = ServiceType.SERVICE) -> bool:
    code, status = ENDS[end]
    failure = None if code is None else Reason(code, "so it went")
    return wants_restart(service("x", type=kind, restart=restart), failure, status)


@pytest.mark.parametrize("end", ENDS)
def test_the_policies(end: str) -> None:
    """Always: after every end; on-failure: after every bad one; on-abnormal: not after a mere exit code; never."""
    assert restarts(end, Restart(RestartPolicy.ALWAYS))
    assert restarts(end, Restart(RestartPolicy.ON_FAILURE)) == (end != "well")
    assert restarts(end, Restart(RestartPolicy.ON_ABNORMAL)) == (end in ABNORMAL)
    assert not restarts(end, Restart(RestartPolicy.NEVER))


@pytest.mark.parametrize("policy", RestartPolicy)
def test_a_completed_oneshot_is_done(policy: RestartPolicy) -> None:
    """No policy and no `on` runs it again; one that failed follows its policy."""
    everything = Outcomes(codes=frozenset({0}))
    assert not restarts("well", Restart(policy, on=everything), ServiceType.ONESHOT)
    assert restarts("code", Restart(policy), ServiceType.ONESHOT) == restarts("code", Restart(policy))


def test_exceptions_by_code_signal_and_cause() -> None:
    """`on` adds to the policy, `never_on` takes away from both."""
    outcomes = {
        "code": Outcomes(codes=frozenset({1})),
        "signal": Outcomes(signals=frozenset({signal.SIGTERM})),
        "oom": Outcomes(causes=frozenset({Cause.OOM})),
        "health": Outcomes(causes=frozenset({Cause.HEALTH})),
        "watchdog": Outcomes(causes=frozenset({Cause.WATCHDOG})),
    }
    for end, meant in outcomes.items():
        assert restarts(end, Restart(RestartPolicy.NEVER, on=meant))
        assert not restarts(end, Restart(RestartPolicy.ALWAYS, never_on=meant))
        assert not restarts(end, Restart(RestartPolicy.NEVER, on=meant, never_on=meant))
        assert not restarts("well", Restart(RestartPolicy.NEVER, on=meant))
        assert restarts("well", Restart(RestartPolicy.ALWAYS, never_on=meant))


def test_an_unknown_status_is_in_no_list() -> None:
    """Nobody can say that it was one of those."""
    everything = Outcomes(codes=frozenset(range(256)), signals=frozenset(range(1, 65)))
    assert not restarts("unknown", Restart(RestartPolicy.NEVER, on=everything))
    assert restarts("unknown", Restart(RestartPolicy.ON_FAILURE, never_on=everything))


def test_the_delays() -> None:
    """The n-th: min(max_delay, delay x backoff^(n-1))."""
    restart = Restart(delay=0.1, backoff=2.0, max_delay=1.0, jitter=0.0)
    assert [delay(restart, n, 0.9) for n in range(1, 7)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_the_delays_of_zero() -> None:
    """The first is immediate; who dies again soon waits 10, 20, 40 ms ... up to the limit."""
    restart = Restart(delay=0.0, max_delay=0.1, jitter=0.0)
    assert [delay(restart, n, 0.9) for n in range(1, 8)] == pytest.approx([0, 0.01, 0.02, 0.04, 0.08, 0.1, 0.1])


def test_jitter() -> None:
    """It stretches by 1 to 1 + jitter, above max_delay too."""
    restart = Restart(delay=1.0, backoff=1.0, max_delay=1.0, jitter=0.5)
    assert [delay(restart, 1, draw) for draw in (0.0, 0.5)] == [1.0, 1.25]


@given(st.floats(0, 1e6), st.floats(1, 1e6), st.floats(0, 1e6), st.integers(1, 10**9), st.floats(0, 0.999))
def test_a_delay_is_always_a_number(first: float, factor: float, most: float, attempt: int, draw: float) -> None:
    """However often it has failed, the wait is at least nothing and at most the limit with its jitter."""
    wait = delay(Restart(delay=first, backoff=factor, max_delay=most, jitter=0.5), attempt, draw)
    assert 0 <= wait <= most * 1.5


def test_a_delay_without_limit() -> None:
    """It grows as long as a number can; then it is for ever, not an error."""
    restart = Restart(delay=0.1, backoff=10.0, max_delay=math.inf)
    assert delay(restart, 10**6, 0.0) == math.inf


def test_the_limit() -> None:
    """A restart more than `limit` in the window is one too many; without a limit nothing is counted."""
    limited, free = Restart(limit=2, window=60.0), Restart()
    recent = (10.0, 50.0, 65.0)
    assert within_window(limited, recent, 69.9) == recent
    assert within_window(limited, recent, 70.0) == (50.0, 65.0)
    assert limit_reached(limited, (50.0, 65.0))
    assert not limit_reached(limited, (65.0,))
    assert limit_reached(Restart(limit=0), ())
    assert within_window(free, recent, 70.0) == ()
    assert not limit_reached(free, recent)
