"""`asyncinit timers`: when services are started by themselves, and what came of the last time."""

from __future__ import annotations

import sys
import time

from asyncinit.cli import screen
from asyncinit.cli.names import choose, has_pattern
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.server import connect
from asyncinit.cli.status import write_json

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation


def timers(invocation: Invocation) -> int:
    """Show the timers of the services that are named, or all."""
    values = invocation.values
    names = values["names"]
    if values["explain"] is not None:
        if names or values["json"]:
            raise UsageError("--explain takes neither names nor --json")
        from asyncinit.cli.cron import explain

        return explain(values["explain"], values["time_zone"])
    if values["time_zone"] is not None:
        raise UsageError("--time-zone is for --explain; a timer's own zone is in its file")
    patterns = any(map(has_pattern, names))
    with connect(invocation.socket) as server:
        answer = server.call("Timers", {"names": None if patterns or not names else list(names)})
    if patterns:
        by_name = {timer["name"]: timer for timer in answer["timers"]}
        answer["timers"] = [by_name[name] for name in choose(names, by_name)]
    if values["json"]:
        write_json(answer)
    else:
        screen.accept_any_text()
        sys.stdout.write(overview(answer["timers"], time.time()))
    return 0


def overview(found: list[dict[str, Any]], now: float) -> str:
    """Return the timers as a table, what comes first at the top; `now` is the wall clock."""
    if not found:
        return "no timers\n"
    rows = [("NAME", "NEXT", "IN", "LAST", "RESULT", "SCHEDULE")]
    for timer in sorted(found, key=lambda one: (one["next"] is None, one["next"] or "", one["name"])):
        following = timer["next"]
        left = "-" if following is None else ahead(screen.seconds_of(following) - now)
        when = screen.moment(following) if timer["armed"] else "not armed"
        rows.append((timer["name"], when, left, screen.moment(timer["last"]), _result(timer), _schedule(timer)))
    return screen.table(rows)


def _result(timer: dict[str, Any]) -> str:
    return screen.shorten(screen.plain(timer["result"] or "-"), 40)


def _schedule(timer: dict[str, Any]) -> str:
    left_out = f" ({timer['skipped']} left out)" if timer["skipped"] else ""
    return screen.plain("; ".join(timer["schedule"]) + left_out)


def ahead(seconds: float) -> str:
    """Return how long that is, in its two largest units: 45s, 3m 20s, 4h 5m, 12d 3h."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])
