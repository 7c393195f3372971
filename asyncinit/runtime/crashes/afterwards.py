"""What stays of a failure: in memory, in a folder if one is configured, and at the end in the termination message."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct, field

from asyncinit.config.spec import InitSpec, LogLevel
from asyncinit.control.types import CrashReport, sendable
from asyncinit.core.engine import Engine
from asyncinit.errors import SpawnError
from asyncinit.runtime.crashes import termination
from asyncinit.runtime.crashes.folder import CrashFolder
from asyncinit.runtime.crashes.recorder import CrashRecorder, Opened
from asyncinit.runtime.crashes.store import CrashStore, StoreState
from asyncinit.runtime.crashes.termination import TerminationMessage
from asyncinit.runtime.reexec.coding import by_keys, from_keys
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.workshop import Workshop

_LAST_LINES = 20


class Decision(Protocol):
    """What is known of the end of the whole (`runtime.shutdown.Shutdown`)."""

    @property
    def reason(self) -> str:
        """Why it was begun."""

    @property
    def decided_by(self) -> str | None:
        """The service that is the reason of the exit status."""


class AfterwardsState(Struct):
    """What is carried over a re-exec; `unwritten` are reports that may not be on the disk yet."""

    store: StoreState = field(default_factory=StoreState)
    opened: dict[str, Opened] = {}
    unwritten: list[dict[str, Any]] = []


class Afterwards:
    """The recorder of crashes, the places where its reports go, and the last word; `said`: see CrashRecorder.

    Carried over a re-exec: what is in memory. A report that waits for the disk is not: `when_idle` tells when none
    does.
    """

    def __init__(self, workshop: Workshop, engine: Engine, init: InitSpec, said: Callable[[str], str | None]) -> None:
        self._shop = workshop
        self._engine = engine
        self.store = CrashStore()
        self._folder: CrashFolder | None = None
        self._place: str | None = None
        self.configure(init)
        self.recorder = CrashRecorder(
            engine,
            workshop.chronicle,
            workshop.journal,
            self.store,
            now=workshop.timers.now,
            said=said,
            deliver=self._deliver,
        )

    def configure(self, init: InitSpec) -> None:
        """Take over what [init] says of the places; reports that are on their way to the old folder still go there."""
        self._place = termination.place(init.termination_log, os.getpid())
        if init.crash_dir is None:
            self._folder = None
        elif self._folder is None:
            self._folder = CrashFolder(init.crash_dir, init.crash_keep, self._shop.offloader, self._complain)
        else:
            self._folder.configure(init.crash_dir, init.crash_keep)

    def freeze(self, keep: Keep) -> AfterwardsState:
        """Return what is carried over a re-exec."""
        unwritten = [] if self._folder is None else self._folder.unwritten
        return AfterwardsState(self.store.freeze(keep), self.recorder.freeze(keep), by_keys(unwritten))

    def thaw(self, state: AfterwardsState) -> None:
        """Go on with what the program before has seen; reports that may not be on the disk are written again."""
        self.store.thaw(state.store)
        self.recorder.thaw(state.opened)
        for report in from_keys(state.unwritten, CrashReport):
            self._deliver(report)

    def _deliver(self, report: CrashReport) -> None:
        if self._folder is not None:
            self._folder.add(report)

    def _complain(self, text: str) -> None:
        self._shop.journal.event(None, text, LogLevel.WARNING)

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call `callback` once no report is on its way to the disk."""
        if self._folder is None:
            callback()
        else:
            self._folder.when_idle(callback)

    def last_word(self, status: int, decision: Decision, done: Callable[[], None]) -> None:
        """Write the termination message, if there is a place for it, and call `done` in any case."""
        place = self._place
        if place is None:
            done()
            return
        try:
            data = termination.encoded(self._message(status, decision))
        except Exception as error:  # a message that cannot be made must not keep asyncinit from ending
            self._complain(f"internal error: no termination message: {error!r}")
            done()
            return

        def written(result: SpawnError | None) -> None:
            if result is not None:
                self._complain(str(result))
            done()

        self._shop.offloader.run(
            lambda step: termination.write(place, data, step), type(None), termination.TIMEOUT, written
        )

    def _message(self, status: int, decision: Decision) -> TerminationMessage:
        name = decision.decided_by
        service = self._engine.services[name] if name is not None else None
        reports = self.store.find([name]) if name is not None else []
        why = service.reason if service is not None else None
        code, text = (why.code.value, why.text) if why is not None else (None, None)
        if why is None and reports:
            code, text = reports[-1].reason.code.value, reports[-1].reason.text
        if text is None and service is not None and service.run_exit is not None:
            text = str(service.run_exit)
        lines = self._shop.journal.last(name, _LAST_LINES, since_start=True) if name is not None else []
        return TerminationMessage(
            exit_status=status,
            reason=sendable(decision.reason),
            service=name,
            code=code,
            text=None if text is None else sendable(text),
            failed=self._engine.failed,
            killed=self._engine.killed,
            last_lines=[line.message.decode("utf-8", "replace") for line in lines],
        )
