"""Ask one probe, or several at the same time, and make one answer of theirs; knows no schedule."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from asyncinit.config.spec import COMBINED_KINDS, ReadyKind, Sign
from asyncinit.runtime.ready.probes import Cancellable, Done, Probe, ProbeContext, make_probe


class Asked(Protocol):
    """Something that can be asked any number of times, once at a time."""

    def start(self, done: Done) -> Cancellable:
        """Ask; `done` is called exactly once with the obstacle, after this has returned, unless it is cancelled."""

    def told(self, obstacle: str) -> str:
        """Return an obstacle with what it was asked, for people; "" stays so."""


def make_asked(context: ProbeContext, sign: Sign, timeout: float) -> Asked:
    """Return what asks for `sign`, of a kind that is probed, for `timeout` seconds at most; raises AddressError."""
    if sign.kind in COMBINED_KINDS:
        parts = [make_probe(context, part, timeout) for part in sign.parts]
        return _Several(parts, needs_all=sign.kind is ReadyKind.ALL)
    return make_probe(context, sign, timeout)


class _Several:
    """Probes that are asked at the same time."""

    def __init__(self, probes: Sequence[Probe], needs_all: bool) -> None:
        self._probes = probes
        self._needs_all = needs_all

    def start(self, done: Done) -> Cancellable:
        return _Round(self._probes, self._needs_all, done)

    def told(self, obstacle: str) -> str:
        return obstacle


class _Round:
    """Several probes under way."""

    def __init__(self, probes: Sequence[Probe], needs_all: bool, done: Done) -> None:
        self._probes = probes
        self._needs_all = needs_all
        self._done = done
        self._answers: dict[int, str] = {}
        self._under_way = [probe.start(partial(self._answered, index)) for index, probe in enumerate(probes)]

    def cancel(self) -> None:
        for one in self._under_way:
            one.cancel()

    def _answered(self, index: int, obstacle: str) -> None:
        self._answers[index] = self._probes[index].told(obstacle)
        if not obstacle and not self._needs_all:
            self.cancel()
            self._done("")
        elif len(self._answers) == len(self._probes):
            # In their order: that of the answers differs from one time to the next.
            missing = (self._answers[number] for number in range(len(self._probes)))
            self._done("; ".join(filter(None, missing)))
