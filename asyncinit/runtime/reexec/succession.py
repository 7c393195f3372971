"""When asyncinit is replaced by the program now installed: on request, or as the last resort against its own bugs.

On request a child of the new program is asked first, and where it says no nothing happens at all. After an exception
that has escaped the loop there is no loop any more that could wait: the new program is asked at once, and what could
not be told of the state is left out. Too many such ends within a minute and nobody is asked any more: the smallest loop
takes over (`asyncinit.fallback`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from msgspec import Struct

from asyncinit import __version__
from asyncinit.config.spec import LogLevel
from asyncinit.linux.program import execute_again
from asyncinit.runtime import words
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.process.spawner import Spawner
from asyncinit.runtime.reexec.coding import store
from asyncinit.runtime.reexec.keep import Keep, Kept
from asyncinit.runtime.reexec.trial import VARIABLE, Trial, ask_at_once
from asyncinit.runtime.timers import Timers

ESCAPES = 3
"""So many exceptions may escape the loop within WINDOW seconds."""
WINDOW = 60.0

_AT_ONCE = 30.0  # seconds for the new program to answer while nothing else is done: a slow board takes ten

Failed = Callable[[str], None]


class SuccessionState(Struct):
    """What is carried over a re-exec: how often asyncinit was replaced, and when exceptions have escaped lately."""

    count: int = 0
    escapes: list[float] = []


class Succession:
    """The program's replacement.

    `gather(keep, tolerant)` returns the state as bytes; `tolerant`: without what cannot be told, else it raises.
    `leave` ends the loop, so that `hand_over` is called with nothing of ours half done. `environment` is the one that
    asyncinit was given.
    """

    def __init__(
        self,
        spawner: Spawner,
        timers: Timers,
        announcer: Announcer,
        environment: Mapping[str, str],
        *,
        gather: Callable[[Kept, bool], bytes],
        leave: Callable[[], None],
    ) -> None:
        self._spawner = spawner
        self._timers = timers
        self._announcer = announcer
        self._environment = environment
        self._gather = gather
        self._leave = leave
        self._failed: list[Failed] = []
        self._trial: Trial | None = None
        self._count = 0
        self._escapes: list[float] = []
        self.alive: Callable[[], None] = lambda: None
        """Called while something blocks: it is known, and it ends."""
        self.due = False
        """Whether the loop was left so that `hand_over` is called."""

    def freeze(self, _keep: Keep) -> SuccessionState:
        """Return what is carried over a re-exec: this one counts already."""
        return SuccessionState(self._count + 1, self._escapes)

    def thaw(self, state: SuccessionState, before: str) -> None:
        """Go on as the program after one of version `before`."""
        self._count, self._escapes = state.count, state.escapes
        versions = __version__ if before == __version__ else f"{__version__}, before {before}"
        self._announcer.system(f"replaced: goes on as asyncinit {versions}")

    # -----------------------------------------------------------------------------------------------------------------
    # On request

    def request(self, failed: Failed) -> None:
        """Ask the new program, and become it if it can go on; `failed` is told why that was not done."""
        self._failed.append(failed)
        if self._trial is not None or self.due:
            return
        self._trial = Trial(self._spawner, self._timers, self._environment, self._judged)
        try:
            self._trial.begin(self._gather(Kept(), False))
        except Exception as error:
            self._refuse(f"cannot ask the new program: {error}")

    def _judged(self, version: str, reason: str) -> None:
        self._trial = None
        if reason:
            self._refuse(reason)
            return
        self._announcer.system(f"replacing asyncinit {__version__} by the program now installed ({version})")
        self.due = True
        self._leave()

    def _refuse(self, reason: str) -> None:
        self._trial = None
        self._announcer.system(f"not replaced: {reason}", LogLevel.WARNING)
        waiting, self._failed = self._failed, []
        for failed in waiting:
            failed(reason)

    def cancel(self) -> None:
        """Give up what was asked for: asyncinit shuts down."""
        if self._trial is not None:
            self._trial.cancel()
            self._refuse("asyncinit is shutting down")

    def hand_over(self) -> None:
        """Become the new program; returns only if that cannot be done, as if nothing had been asked."""
        self.due = False
        keep = Kept()
        try:
            reason = _execute(self._gather(keep, False), keep)
        except Exception as error:
            reason = str(error)
        self._refuse(f"cannot execute the new program: {reason}")

    # -----------------------------------------------------------------------------------------------------------------
    # As the last resort

    def escaped(self, error: BaseException) -> str:
        """Become the new program after an exception that nobody has caught; returns only if not, with the reason."""
        now = self._timers.now()
        self._escapes = [moment for moment in self._escapes if moment > now - WINDOW] + [now]
        self._announcer.system(f"internal error: the loop has ended: {words.raised(error)}", LogLevel.ERROR)
        if len(self._escapes) > ESCAPES:
            return f"{len(self._escapes)} internal errors within {WINDOW:g} s"
        keep = Kept()
        state = self._gather(keep, True)
        _, reason = ask_at_once(self._spawner, self._environment, state, _AT_ONCE, self.alive)
        # Gathered again: the child that was asked is one of those to be reaped.
        return reason or _execute(self._gather(keep, True), keep)


def _execute(state: bytes, keep: Kept) -> str:
    """Become the new program, with `state` and the descriptors of `keep`; return why not."""
    fd = store(state)
    keep(fd)
    try:
        keep.let_through()
        execute_again({VARIABLE: str(fd)})
    except OSError as error:
        return (error.strerror or str(error)).lower()
    finally:
        keep.hold_back()
        os.close(fd)
    return ""
