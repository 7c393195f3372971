"""Tell what the kernel does to a service for its limits: kills for want of memory, forks that it refuses.

The kernel counts kills and says when a counter has changed, but not whom it has killed. A kill is the main process's
if that is dying when the counter grows, or has ended by SIGKILL when nobody has accounted for the kill yet; then it is
the reason of the service's end. Any other is told in the log, and the service goes on.

A service at its limit makes the kernel change these files all the time. So a change is looked at a second after the
last at the soonest, and forks that are refused are told once in a life.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from asyncinit.config.spec import INFINITE, pod_of_key
from asyncinit.core.status import Code, ExitStatus, Reason
from asyncinit.linux import proc
from asyncinit.runtime.cgroups.events import Events
from asyncinit.runtime.cgroups.group import Group
from asyncinit.runtime.timers import Timer, Timers

_MEMORY, _PIDS = "memory.events", "pids.events"
_PAUSE = 1.0


class Trouble:
    """Watch the cgroups of services for it; `report` takes the key of a life and a text.

    `main_of` gives the main process of a life, `above` the cgroup of the pod that a life is in.
    """

    def __init__(
        self,
        events: Events,
        timers: Timers,
        report: Callable[[str | None, str], None],
        above: Callable[[Group], Group | None],
    ) -> None:
        self._events = events
        self._timers = timers
        self._report = report
        self._above = above
        self._pauses: dict[str, Timer] = {}
        self.main_of: Callable[[str], int | None] = lambda _life: None

    def begin(self, group: Group) -> None:
        """Watch a cgroup."""
        self._watch(group, _MEMORY, lambda: self._memory(group))
        if not group.state.full:
            self._watch(group, _PIDS, lambda: self._pids(group))

    def end(self, group: Group) -> None:
        """Watch it no more, but for what `group.watches` has."""
        pause = self._pauses.pop(group.life, None)
        if pause is not None:
            pause.cancel()

    def killed(self, group: Group, status: ExitStatus) -> Reason | None:
        """Return the reason of a main process's end if the kernel has killed it for want of memory."""
        if status.signal != signal.SIGKILL and not status.unknown:
            return None
        count = group.numbers(_MEMORY).get("oom_kill", 0)
        if count <= group.state.oom_kills:
            return None
        group.state.oom_kills = count
        return Reason(Code.OOM_KILL, f"{status}: out of memory{self._limit(group)}")

    # -----------------------------------------------------------------------------------------------------------------

    def _watch(self, group: Group, file: str, look: Callable[[], None]) -> None:
        """Have `look` called at the next change of a file, once."""

        def changed(_text: str) -> None:
            self._events.end(watch)
            group.watches.remove(watch)
            look()

        try:
            watch = self._events.watch(group.folder, file, changed)
        except OSError:
            return  # the controller is not enabled, or the cgroup is removed
        group.watches.append(watch)

    def _memory(self, group: Group) -> None:
        self._account(group)
        self._pauses[group.life] = self._timers.after(_PAUSE, lambda: self._go_on(group))

    def _go_on(self, group: Group) -> None:
        self._pauses.pop(group.life, None)
        self._watch(group, _MEMORY, lambda: self._memory(group))
        self._account(group)  # what has changed in the meantime is no news

    def _account(self, group: Group) -> None:
        count = group.numbers(_MEMORY).get("oom_kill", 0)
        kills = count - group.state.oom_kills
        main = self.main_of(group.life)
        if kills <= 0 or (main is not None and proc.is_dying(main)):
            return  # what ends the main process is told as its end
        group.state.oom_kills = count
        times = "one of its processes" if kills == 1 else f"{kills} of its processes"
        self._report(group.life, f"out of memory{self._limit(group)}: the kernel has killed {times}")

    def _pids(self, group: Group) -> None:
        if group.numbers(_PIDS).get("max", 0) == 0:
            self._watch(group, _PIDS, lambda: self._pids(group))
            return
        group.state.full = True
        # An older kernel tells it where the fork was, a newer one where the limit is.
        limit = self._named(group, "pids_max", str, lambda _one: True)
        self._report(group.life, f"cannot make further processes{limit}")

    def _limit(self, group: Group) -> str:
        """Return which limit of memory was reached, in words; nothing where it was the machine's memory."""
        return self._named(group, "memory_max", _written, lambda one: one.numbers(_MEMORY).get("max", 0) > 0)

    def _named(self, group: Group, key: str, written: Callable[[int], str], reached: Callable[[Group], bool]) -> str:
        """Return, in brackets, the limit of a service, or else of its pod, that was `reached`."""
        for one in (group, self._above(group)):
            most = None if one is None else getattr(one.state.limits, key)
            if one is not None and most not in (None, INFINITE) and reached(one):
                pod = pod_of_key(one.life) if one is not group else None
                whose = "" if pod is None else f" of pod {pod}"
                return f" (limits.{key}{whose} is {written(most)})"
        return ""


def _written(size: int) -> str:
    """Return a size as it is declared."""
    for unit in ("", "K", "M", "G"):
        if not size or size % 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}T"
