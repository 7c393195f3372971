"""Several signs of readiness at once: all of them, or any; each is looked for in its own way, at the same time."""

from __future__ import annotations

from collections.abc import Callable

from asyncinit.config.spec import ReadyKind, Sign
from asyncinit.runtime.ready.waiting import Readiness, ReadinessHandler, ReadinessState
from asyncinit.runtime.reexec.keep import Keep

Make = Callable[[Sign, ReadinessHandler, ReadinessState | None], Readiness]


def combine(sign: Sign, handler: ReadinessHandler, make: Make, carried: ReadinessState | None) -> Readiness:
    """Return what waits until each part of `sign` was seen, or one of them (kind `any`).

    A part that was seen once stays so: it is not asked again. `make` makes the waiting for one part; what it raises is
    raised.
    """
    return _Combined(sign, handler, make, carried)


class _Combined(Readiness):
    """The waiting for several signs."""

    def __init__(self, sign: Sign, handler: ReadinessHandler, make: Make, carried: ReadinessState | None) -> None:
        super().__init__()
        self._handler = handler
        self._needs_all = sign.kind is ReadyKind.ALL
        self._parts: list[_Part] = []
        self._over = False
        states = list(carried.parts) if carried is not None else []
        try:
            for index, part in enumerate(sign.parts):
                state = states[index] if index < len(states) else None
                self._parts.append(_Part(self, part, make, state))
        except BaseException:
            self.cancel()
            raise
        self.descriptors = tuple(pair for part in self._parts for pair in part.readiness.descriptors)

    def spawned(self) -> None:
        for part in self._parts:
            part.readiness.spawned()
        self.descriptors = ()

    def begin(self) -> None:
        for part in self._missing():
            part.readiness.begin()

    def notified(self) -> None:
        for part in self._missing():
            part.readiness.notified()

    def lines(self, lines: bytes) -> None:
        for part in self._missing():
            part.readiness.lines(lines)

    def waiting_text(self) -> str:
        between = "; and " if self._needs_all else "; or "
        return between.join(part.readiness.waiting_text() for part in self._missing())

    def cancel(self) -> None:
        for part in self._parts:
            part.readiness.cancel()

    def freeze(self, keep: Keep) -> ReadinessState:
        return ReadinessState(self.waiting_text(), parts=[part.freeze(keep) for part in self._parts])

    def part_seen(self) -> None:
        """Take it that one more part was seen."""
        if not self._over and (not self._needs_all or not self._missing()):
            self._over = True
            self.cancel()
            self._handler.ready()

    def part_has_main(self, pid: int) -> None:
        """Hand on which process the main one is."""
        self._handler.main_pid(pid)

    def part_complains(self, text: str) -> None:
        """Hand on why a part is impossible."""
        self._handler.complaint(text)

    def _missing(self) -> list[_Part]:
        return [part for part in self._parts if not part.seen]


class _Part:
    """One part, and whether it was seen (a ReadinessHandler)."""

    def __init__(self, whole: _Combined, sign: Sign, make: Make, carried: ReadinessState | None) -> None:
        self._whole = whole
        self.seen = carried is not None and carried.over
        self.readiness = Readiness() if self.seen else make(sign, self, carried)

    def freeze(self, keep: Keep) -> ReadinessState:
        """Return what is carried over a re-exec."""
        return ReadinessState(over=True) if self.seen else self.readiness.freeze(keep)

    def ready(self) -> None:
        """The sign was seen."""
        if not self.seen:
            self.seen = True
            self.readiness.cancel()
            self._whole.part_seen()

    def main_pid(self, pid: int) -> None:
        """The process is the service's main one."""
        self._whole.part_has_main(pid)

    def complaint(self, text: str) -> None:
        """The sign is impossible."""
        self._whole.part_complains(text)
