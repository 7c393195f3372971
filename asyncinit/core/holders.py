"""Who holds a service up, asked again at every change: costs what has changed, not how many there are.

With a thousand services behind one target, each of which gets ready on its own, nobody may look at all of them each
time. So those are remembered that may still hold, and only what has changed since is looked at. Pure; knows no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping


class Holders:
    """For each service the others that may hold it up; `holds(name, other)` is the rule."""

    def __init__(self, holds: Callable[[str, str], bool]) -> None:
        self._holds = holds
        self._suspects: dict[str, dict[str, None]] = {}

    def forget(self, name: str) -> None:
        """Look at all that may hold `name` up anew, the next time."""
        self._suspects.pop(name, None)

    def clear(self) -> None:
        """Look at everything anew: the edges are others now."""
        self._suspects.clear()

    def hold(self, name: str, edges: Mapping[str, None], changed: Collection[str]) -> bool:
        """Tell whether any of `edges` holds `name` up, where `changed` are new since the last time.

        If `name` itself is among these, all is looked at anew.
        """
        suspects = self._suspects.get(name)
        if suspects is None or name in changed:
            suspects = self._suspects[name] = dict(edges)
        else:
            suspects.update((other, None) for other in changed if other in edges)
        while suspects:
            last = next(reversed(suspects))
            if self._holds(name, last):
                return True
            del suspects[last]
        return False
