"""`asyncinit check`: every problem of configuration and service files, a line each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from asyncinit.cli import screen
from asyncinit.cli.reading import mode_of, profiles_of, root_of
from asyncinit.config.check import check as find_problems
from asyncinit.config.problems import Severity

if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation
    from asyncinit.config.check import Counts


def check(invocation: Invocation) -> int:
    """Print all problems, and in the end on stderr how many; 0 if there is no error (`--strict`: nor a warning)."""
    screen.accept_any_text()
    values = invocation.values
    checked = find_problems(
        values["paths"],
        config=values["config"],
        services=values["services"],
        mode=mode_of(invocation),
        root=root_of(invocation),
        profiles=profiles_of(invocation),
    )
    colour = screen.wants_colour()
    for problem in checked.problems:
        shade = screen.RED if problem.severity is Severity.ERROR else screen.YELLOW
        print(screen.paint(str(problem), shade if colour else None))
    sys.stdout.flush()
    print(_summary(checked.counts), file=sys.stderr)
    return 0 if checked.ok(values["strict"]) else 1


def _summary(counts: Counts) -> str:
    looked = f"{_many(counts.services, 'service')} in {_many(counts.files, 'file')}"
    found = [_many(counts.errors, "error")] if counts.errors else []
    found += [_many(counts.warnings, "warning")] if counts.warnings else []
    return f"{looked}: {', '.join(found) or 'no problems'}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
