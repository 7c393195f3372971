"""The exit status of asyncinit itself: one table of precedence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asyncinit.core.status import ExitStatus

USAGE = 2
FAILED_FOR_GOOD = 69
INTERNAL_ERROR = 70
BAD_CONFIGURATION = 78
HAD_TO_KILL = 124
CANNOT_EXECUTE = 126
NOT_FOUND = 127


@dataclass(frozen=True, slots=True)
class Facts:
    """What the run came to.

    `decisive` is the status of CMD or of the essential service that ended; `not_executed` is 126 or 127 where its
    program could not be executed. `requested`: somebody asked for the shutdown.
    """

    decisive: ExitStatus | None = None
    not_executed: int | None = None
    internal_error: bool = False
    failed: bool = False
    killed: bool = False
    requested: bool = False


def exit_code(facts: Facts, exit_codes: Mapping[int, int]) -> int:
    """Return the exit code for `facts`, mapped by [init] exit_codes whatever its cause."""
    code = _unmapped(facts)
    return exit_codes.get(code, code)


def _unmapped(facts: Facts) -> int:
    if facts.decisive is not None:
        return facts.decisive.as_process_exit()
    if facts.not_executed is not None:
        return facts.not_executed
    if facts.internal_error:
        return INTERNAL_ERROR
    # After a shutdown that was asked for, what failed long before is not its outcome; what it had to kill is.
    if facts.failed and not facts.requested:
        return FAILED_FOR_GOOD
    return HAD_TO_KILL if facts.killed else 0
