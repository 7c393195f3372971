"""The last thing before asyncinit leaves: end every process that is left below it; decides nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncinit.runtime.workshop import Workshop

Tidy = Callable[[Callable[[], None]], None]
"""Calls back once something is put in order."""


class LastSweep:
    """Wait for what is being put in order (`tidy`), as it is done by children too; then end whoever is left.

    On a `machine` the last steps end who is left, since not all of them are: `asyncinit.machine.remaining`.
    """

    def __init__(
        self, workshop: Workshop, tidy: Sequence[Tidy], warn: Callable[[str], None], machine: bool = False
    ) -> None:
        self._shop = workshop
        self._tidy = tidy
        self._warn = warn
        self._machine = machine

    def begin(self, seconds: float, done: Callable[[], None]) -> None:
        """Call `done` when nobody is left, after `seconds` at the latest (and a moment for the last kills)."""
        deadline = self._shop.timers.now() + seconds
        left = list(self._tidy)
        begun = False

        def end() -> None:
            nonlocal begun
            if not begun:
                begun = True
                timer.cancel()
                if self._machine:
                    done()
                else:
                    self._end_strays(max(0.0, deadline - self._shop.timers.now()), done)

        def go_on() -> None:
            if left:
                left.pop(0)(go_on)
            else:
                end()

        timer = self._shop.timers.at(deadline, end)
        go_on()

    def _end_strays(self, seconds: float, done: Callable[[], None]) -> None:
        shop = self._shop
        strays = shop.members.strays()
        if strays:
            shop.chronicle.record.strays_ended += len(strays)
            names = ", ".join(f"{member.name} ({member.pid})" for member in strays[:10])
            shop.announcer.system(f"ending processes that belong to no service: {names}")

        def swept(survivors: list[str]) -> None:
            for text in survivors:
                self._warn(text)
            done()

        shop.ending.sweep(seconds, swept)
