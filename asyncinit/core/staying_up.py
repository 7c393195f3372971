"""What happens to a service that is up: reloads, its health, its watchdog; part of `lifecycle`'s table.

Every handler is a cell (or several) of that table; what ends a run is handed over to `going_down`.

Unhealthy is a mark on a service that is up, not a phase of its own: all that can happen to one that is well can happen
to it in the same way (a reload, a stop, an end), and one that reloads would have to remember into which of two phases
to come back. It stays ready for others: what started after it would gain nothing by being taken down, and who waits
for it to start would wait for something that may be cured by their coming.
"""

from __future__ import annotations

from asyncinit.config.spec import Health, HealthAction
from asyncinit.core import events as ev
from asyncinit.core import going_down
from asyncinit.core.events import Event
from asyncinit.core.move import Move
from asyncinit.core.service import Checks, Phase
from asyncinit.core.status import Code, Reason


def guard(m: Move) -> None:
    """It has become ready: from now on its probes count, and its signs of life are expected."""
    m.s.checks = Checks()
    if m.s.spec.guarded:
        m.s.guarded = True
        m.do(ev.Guard(m.s.name))


def guard_anew(m: Move) -> None:
    """It is to be probed in another way: what the probes said so far is forgotten."""
    if not m.s.leaving and m.s.reason == m.s.unhealthy:
        m.s.reason = None
    going_down.unguard(m)
    guard(m)
    if m.s.attempt and m.s.phase is Phase.UP:
        m.arm(m.now + m.s.spec.restart.reset_after)


def stable(m: Move, _event: Event) -> None:
    """Ready for `reset_after`: restarts are counted anew; but not yet if its probes say that it does not work."""
    if m.s.spec.health is None or (m.s.checks.proven and not m.s.checks.failures):
        m.s.attempt = 0


# ---------------------------------------------------------------------------------------------------------------------
# Reloads


def reload(m: Move, _event: Event) -> None:
    if not m.s.spec.has_process or m.s.spec.sandbox is not None or m.s.stays_completed:
        return
    m.s.reason = m.s.unhealthy
    m.do(ev.RunReload(m.s.name))
    if m.s.spec.reload.command is not None:
        reloading(m, _event)


def reloading(m: Move, _event: Event) -> None:
    m.enter(Phase.RELOADING)
    m.s.extended = False
    m.arm(m.now + m.s.spec.reload.timeout)


def extend_reload(m: Move, event: Event) -> None:
    assert isinstance(event, ev.ExtendTimeout)
    if m.now + event.seconds > m.s.deadline:
        m.s.extended = True
        m.postpone(m.now + event.seconds)


def reloaded(m: Move, event: Event) -> None:
    _go_on(m, event.failure if isinstance(event, ev.ReloadDone) else None)


def reload_too_slow(m: Move, _event: Event) -> None:
    """The end of the reload was not seen in time: it counts as failed, and the service goes on as it is."""
    m.do(ev.EndHooks(m.s.name))
    limit = "the time that it asked for" if m.s.extended else f"{m.s.spec.reload.timeout:g} s"
    _go_on(m, Reason(Code.TIMEOUT, f"the reload has not ended within {limit}"))


def _go_on(m: Move, failure: Reason | None) -> None:
    m.enter(Phase.UP)
    m.s.reason = failure or m.s.unhealthy
    if m.s.attempt:
        m.arm(m.now + m.s.spec.restart.reset_after)
    else:
        m.do(ev.DisarmTimer(m.s.name))


# ---------------------------------------------------------------------------------------------------------------------
# Health


def probed(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Probed)
    health = m.s.spec.health
    if health is None:  # it was taken away while the probe was under way
        return
    if event.obstacle:
        _failed_probe(m, health, event.obstacle)
    else:
        _passed_probe(m, health)


def _passed_probe(m: Move, health: Health) -> None:
    s = m.s
    successes = min(s.checks.successes + 1, health.success_threshold)
    s.checks = Checks(successes=successes, proven=True)
    if s.unhealthy is not None and successes >= health.success_threshold:
        if s.reason == s.unhealthy:
            s.reason = None
        s.unhealthy = None
    if s.attempt and s.ready_since is not None and m.now >= s.ready_since + s.spec.restart.reset_after:
        s.attempt = 0


def _failed_probe(m: Move, health: Health, obstacle: str) -> None:
    s = m.s
    if not s.checks.proven and s.ready_since is not None and m.now < s.ready_since + health.start_period:
        return
    failures = s.checks.failures + 1
    s.checks = Checks(failures=failures, proven=s.checks.proven)
    if failures < health.threshold and s.unhealthy is None:
        return
    times = "a health probe" if failures == 1 else f"{failures} health probes in a row"
    fresh = Reason(Code.HEALTH, f"{times} failed: {obstacle}")
    if not s.leaving:
        s.reason = fresh
    s.unhealthy = fresh
    # What shall go down is left to that: its stop has its own time limits, and others may have to go first.
    if health.action is HealthAction.NONE or s.leaving:
        return
    m.announce()
    going_down.fail_running(m, fresh)
