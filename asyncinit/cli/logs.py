"""`asyncinit logs` and `asyncinit events`: what was written and what happened, and what follows."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from asyncinit.cli import screen
from asyncinit.cli.declaring import Invocation
from asyncinit.cli.log_history import History, tell_unseen
from asyncinit.cli.log_lines import LogPrinter
from asyncinit.cli.names import resolve
from asyncinit.cli.outcome import UsageError, complain
from asyncinit.cli.server import connect, until_the_end
from asyncinit.client.connection import Connection
from asyncinit.client.pids import translator

LINES_BEFORE_FOLLOWING = 20
_BATCH = 256
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def logs(invocation: Invocation) -> int:
    """Show lines of the services that are named, or of all."""
    values = invocation.values
    lines = _lines(values["lines"], values["follow"])
    since = None if values["since"] is None else moment_of(values["since"], time.time())
    with connect(invocation.socket) as server:
        names, columns = _named(server, values["names"])
        services = server.call("Status", {"names": names})["services"]
        history = History(services, server.server_pid) if lines != 0 else History([], 0)
        # With files, all that is in memory is needed, to see where it continues them.
        asked = {"names": names, "lines": None if history else lines, "since": since, "follow": values["follow"]}
        replies = server.stream("Logs", asked)
        printer = LogPrinter(columns)
        if values["follow"]:
            replies = until_the_end(server, replies)
        if names is not None:
            tell_unseen(services)
        if history:
            replies = _with_history(history, replies, since, lines)
        return _print(replies, "entries", values["json"], printer.format)


def _with_history(
    history: History, replies: Iterator[dict[str, Any]], since: float | None, lines: int | None
) -> Iterator[dict[str, Any]]:
    """Yield what is in files and in memory as replies of Logs, and then those that follow."""
    memory: list[dict[str, Any]] = []
    dropped = 0
    for reply in replies:
        memory += reply["entries"]
        dropped += reply["dropped"]
        if reply["caught_up"]:
            break
    entries = history.with_memory(memory, since, lines)
    while batch := list(islice(entries, _BATCH)):
        yield {"entries": batch, "dropped": dropped}
        dropped = 0
    yield from replies


def events(invocation: Invocation) -> int:
    """Show what happened to the services that are named, or to all and asyncinit."""
    values = invocation.values
    with connect(invocation.socket) as server:
        names, columns = _named(server, values["names"])
        replies = server.stream("Events", {"names": names, "follow": values["follow"]})
        printer = LogPrinter(columns)
        if values["follow"]:
            replies = until_the_end(server, replies)
        if values["json"]:
            replies = _translated(server, replies)
        return _print(replies, "events", values["json"], printer.format_events)


def _translated(server: Connection, replies: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield replies of Events with pids as we see them; those of processes that we cannot see are null."""
    with connect(server.address) as beside:
        translate = translator(server.server_pid, beside.call("Status", {"names": []})["asyncinit"]["pid"])
    for reply in replies:
        for event in reply["events"]:
            event["pid"] = translate(event.get("pid"))
        yield reply


def _named(server: Connection, names: tuple[str, ...]) -> tuple[list[str] | None, list[str]]:
    """Return which services to ask for (None: all), and whose names may come."""
    if names:
        chosen = resolve(server, names)
        return chosen, chosen
    if not screen.is_terminal():
        return None, []
    return None, [service["name"] for service in server.call("Status")["services"]]


def _print(
    replies: Iterator[dict[str, Any]],
    key: str,
    as_json: bool,
    format_items: Callable[[list[dict[str, Any]]], bytes],
) -> int:
    out = sys.stdout.buffer
    for reply in replies:
        if reply["dropped"]:
            out.flush()
            complain(f"{reply['dropped']} were lost here: they came faster than they were read")
        if as_json:
            out.write(b"".join(json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in reply[key]))
        else:
            out.write(format_items(reply[key]))
        out.flush()
    return 0


def _lines(text: str | None, follow: bool) -> int | None:
    if text is None:
        return LINES_BEFORE_FOLLOWING if follow else None
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f'--lines {text}: not a number of lines, nor "all"')
    return int(text)


def moment_of(text: str, now: float) -> float:
    """Return a time that a user wrote, in seconds since 1970; raises UsageError.

    "90s", "5m", "1h30m", "2d": so long ago. "17:30[:00]": today, local time. "2026-11-23[ 17:30[:00]]": local time,
    with a final Z: UTC.
    """
    ago = _duration(text)
    if ago is not None:
        return now - ago
    utc = text.endswith("Z")
    date, _, clock = text.rstrip("Z").replace("T", " ").partition(" ")
    if ":" in date and not clock:
        date, clock = time.strftime("%Y-%m-%d", time.localtime(now)), date
    try:
        year, month, day = map(int, date.split("-"))
        hour, minute, second = (*map(float, clock.split(":")), 0.0, 0.0, 0.0)[:3] if clock else (0.0, 0.0, 0.0)
        if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
            raise ValueError
        if utc:
            return screen.seconds_of(f"{year:04d}-{month:02d}-{day:02d}T{int(hour):02d}:{int(minute):02d}:00Z") + second
        return time.mktime((year, month, day, int(hour), int(minute), 0, 0, 0, -1)) + second
    except (ValueError, OverflowError):
        raise UsageError(f'--since {text}: write "5m", "17:30", "2026-11-23" or "2026-11-23T17:30:00Z"') from None


def _duration(text: str) -> float | None:
    total, digits = 0.0, ""
    for character in text:
        if character.isdecimal() or character == ".":
            digits += character
        elif character in _UNITS and digits.count(".") < 2 and digits.strip("."):
            total += float(digits) * _UNITS[character]
            digits = ""
        else:
            return None
    return None if digits or not text else total
