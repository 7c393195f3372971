"""How the whole ends: who asks for it, the budget, the second request, the last sweep, the exit status.

The services' own stops are the engine's; here is what stands around them. Knows no signal numbers and no sockets.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct, field

from asyncinit.config.spec import GiveUp, InitSpec, LogLevel, PowerAction
from asyncinit.control.types import EventKind
from asyncinit.core import verdict
from asyncinit.core.events import Effect
from asyncinit.core.outcome import exit_code
from asyncinit.core.phrases import duration
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.shutdown_report import ReportState, ShutdownReport
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timers import Timers

# A terminal and a forwarding parent often send the same wish twice; only a later one is a second wish.
SECOND_WISH = 1.0
# After the budget: SIGKILL, and this long for the kernel to carry it out.
_LAST_KILLS = 0.2
# A stop that took this long is worth a word in the summary.
_SLOW = 1.0

Sweep = Callable[[float, Callable[[], None]], None]


class ShutdownState(Struct):
    """What is carried over a re-exec; the last sweep, if it was under way, is begun again."""

    started: bool = False
    asked_at: float = math.inf
    requested: bool = False
    reason: str = ""
    over: bool = False
    internal_error: bool = False
    action: PowerAction | None = None
    report: ReportState = field(default_factory=ReportState)


class Shutdown:
    """Watch the engine and end the run when it is over.

    `init` is what [init] says now. `sweep(seconds, done)` ends every process that is left under us; `finish(code)`
    leaves the loop with the exit code. `decisive` is the service whose status is asyncinit's own (CMD), `not_executed`
    gives 126 or 127 where its program could not be executed. `reason` is why it was begun, `report` who used up the
    time. On a `machine` it is switched off at the end, or what else `action` says.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        timers: Timers,
        *,
        announcer: Announcer,
        init: InitSpec,
        sweep: Sweep,
        finish: Callable[[int], None],
        decisive: str | None = None,
        not_executed: Callable[[str], int | None] = lambda _name: None,
        machine: bool = False,
    ) -> None:
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._timers = timers
        self._announcer = announcer
        self.init = init
        self._sweep = sweep
        self._finish = finish
        self._decisive = decisive
        self._not_executed = not_executed
        self._machine = machine
        self._action: PowerAction | None = None
        self.report = ShutdownReport(self._engine)
        self.reason = ""
        self._asked_at = math.inf
        self._requested = False
        self._sweeping = False
        self._over = False
        self.started = False
        self.on_begin: Callable[[], None] = lambda: None
        self.internal_error = False
        supervisor.watch(self.look)

    def freeze(self, keep: Keep) -> ShutdownState:
        """Return what is carried over a re-exec."""
        return ShutdownState(
            self.started,
            self._asked_at,
            self._requested,
            self.reason,
            self._over,
            self.internal_error,
            self._action,
            self.report.freeze(keep),
        )

    def thaw(self, state: ShutdownState) -> None:
        """Go on where the program before was; the engine is there by now."""
        self.started, self.internal_error = state.started, state.internal_error
        self._asked_at, self._requested, self._over = state.asked_at, state.requested, state.over
        self.reason, self._action = state.reason, state.action
        self.report.thaw(state.report)
        if self._over:
            self._finish(self.exit_code())
        elif self._engine.shutting_down:
            self._arm()

    @property
    def action(self) -> PowerAction | None:
        """What is done with the machine once all is down; None where there is none, and asyncinit only ends."""
        return (self._action or PowerAction.POWEROFF) if self._machine else None

    @property
    def begun(self) -> bool:
        """Whether it is under way."""
        return self._engine.shutting_down or self._over

    def request(self, reason: str, action: PowerAction | None = None, at_once: bool = False) -> None:
        """Shut down because somebody asked; asked again, a second later or more: no more waiting.

        The last wish that names an `action` holds. `at_once`: services are not stopped in order but killed, on a
        machine by what comes after us.
        """
        now = self._timers.now()
        before, self._action = self.action, action or self._action
        if not self._engine.shutting_down:
            self._requested = True
            self._begin(reason)
        else:
            if self.action is not before:
                self._announcer.system(f"{reason}: {self.action} in the place of {before}", LogLevel.WARNING)
            if not at_once and now - self._asked_at >= SECOND_WISH and not self._engine.overrun:
                self._announcer.system(f"{reason}, again: no more waiting", LogLevel.WARNING)
                self._supervisor.request(self._engine.hurry)
        if at_once and self._machine:
            self._end()
        elif at_once:
            self._supervisor.request(self._engine.hurry)

    def _begin(self, reason: str) -> None:
        self._asked_at = self._timers.now()
        self.reason = reason
        self.report.begin(self._asked_at)
        self._announcer.system(f"shutting down: {reason}", kind=EventKind.SHUTDOWN)
        self.on_begin()
        self._supervisor.request(self._shut_down)

    def _shut_down(self, now: float) -> list[Effect]:
        effects = self._engine.shut_down(now, self.init.shutdown_timeout)
        self._arm()
        return effects

    def _arm(self) -> None:
        self._timers.at(self._engine.stop_deadline, self._budget_spent)
        # The last kills get their moment even where there is no time at all.
        end = max(self._asked_at + self.init.shutdown_timeout, self._engine.stop_deadline + _LAST_KILLS)
        self._timers.at(end, self._time_is_up)

    def _budget_spent(self) -> None:
        if not self._engine.all_down and not self._engine.overrun:
            late = [name for name, service in self._engine.services.items() if not service.at_rest]
            text = f"the time for the shutdown is used up; killing what is left: {', '.join(late)}"
            self._announcer.system(text, LogLevel.WARNING)
            self._supervisor.request(self._engine.hurry)

    def _time_is_up(self) -> None:
        if not self._over:
            left = [name for name, service in self._engine.services.items() if not service.at_rest]
            self._announcer.system(f"leaving although something is left: {', '.join(left) or 'strays'}", LogLevel.ERROR)
            self._end()

    def look(self) -> None:
        """End the run if there is a reason to; called whenever the engine has come to rest."""
        engine = self._engine
        if self._over or not self.started:
            return
        if not engine.shutting_down:
            reason = verdict.reason_to_end(engine, self.init.keep_running)
            if engine.ended_essential is None and engine.gave_up is GiveUp.REBOOT:
                self._action = PowerAction.REBOOT
            if reason:
                self._begin(reason)
        if engine.shutting_down and engine.all_down and not self._sweeping:
            self._sweeping = True
            left = max(0.0, min(self._asked_at + self.init.shutdown_timeout - self._timers.now(), 2.0))
            self._sweep(left, self._end)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        code = self.exit_code()
        for line in self.report.lines():
            self._announcer.remark(line)
        self._announcer.system(self._summary(code), fields={"shutdown": self.report.fields(), "exit_status": code})
        self._finish(code)

    @property
    def decided_by(self) -> str | None:
        """The service whose end or failure is the reason of the exit status, None where there is none."""
        engine = self._engine
        gave_up_on = engine.gave_up_on if engine.gave_up is not GiveUp.NONE else None
        first = engine.ended_essential or self._decisive or gave_up_on
        if first is not None:
            return first
        # As for the exit status: what failed before a shutdown that was asked for is not its outcome.
        return next(iter([*([] if self._requested else engine.failed), *engine.killed]), None)

    def exit_code(self) -> int:
        """Return asyncinit's exit status as things stand."""
        facts = verdict.facts(
            self._engine,
            self._decisive,
            not_executed=self._not_executed(self._decisive) if self._decisive is not None else None,
            internal_error=self.internal_error,
            requested=self._requested,
        )
        return exit_code(facts, self.init.exit_codes)

    def _summary(self, code: int) -> str:
        took = self._timers.now() - self._asked_at
        parts = [f"down after {duration(took)}"]
        slow = sorted((row for row in self.report.rows if row.used >= _SLOW), key=lambda row: row.used, reverse=True)
        if slow:
            parts.append("slow: " + ", ".join(f"{row.name} {duration(row.used)}" for row in slow[:5]))
        if self._engine.killed:
            parts.append("had to be killed: " + ", ".join(self._engine.killed))
        if self._engine.failed:
            parts.append("failed: " + ", ".join(map(self._with_its_end, self._engine.failed)))
        parts.append(f"exit status {code}" if self.action is None else f"then {self.action}")
        return "; ".join(parts)

    def _with_its_end(self, name: str) -> str:
        """Return the name of a service that has failed, and how its process ended where it had one."""
        ended = self._engine.services[name].run_exit
        return name if ended is None else f"{name} ({ended})"
