"""Values of a source that asyncinit does not take: they are taken out of their draft, and that is told.

So no translator has to know all that a value must be, and one that cannot be is no obstacle for all others.
"""

from __future__ import annotations

from asyncinit.config.problems import Problem, dotted
from asyncinit.migration.report import Verdict
from asyncinit.migration.service import Draft, Path

_NEVER = frozenset(("command", "user", "group"))
"""Keys without which a service would be another one, or have more rights: with these it is an error."""


def take_out(draft: Draft | None, problem: Problem) -> bool:
    """Take the key that a problem is about out of a draft; tell whether anything was taken out."""
    path = None if draft is None else _path(draft, problem.key)
    if draft is None or path is None or path[0] in _NEVER:
        return False
    for setting in draft.drop(path):
        draft.ledger.say(setting, Verdict.NO_EQUIVALENT, f"asyncinit does not take it: {problem.text}", anew=True)
    draft.tidy()
    return True


def _path(draft: Draft, key: str) -> Path | None:
    """Return the longest path of a draft that a dotted key ("restart.on[0]") is at or below."""
    found = [path for path in draft.paths() if _leads(dotted(path), key)]
    return max(found, key=len, default=None)


def _leads(path: str, key: str) -> bool:
    return key == path or key.startswith((f"{path}.", f"{path}["))
