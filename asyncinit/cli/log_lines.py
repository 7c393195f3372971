"""Log entries as people read them: the same lines that asyncinit itself writes; knows no server."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from asyncinit.cli import screen
from asyncinit.config.spec import LogFormat, LogLevel
from asyncinit.runtime.output.entries import OWN_NAME, EventRecord
from asyncinit.runtime.output.format import choose


class LogPrinter:
    """Formats entries of Logs and Events: for a terminal aligned and coloured, else with full times.

    `names`: all that may come, so that the columns stand from the first line on.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._format = choose(LogFormat.TEXT, screen.is_terminal(), os.environ)
        self._format.set_names(names)

    def format(self, entries: Sequence[dict[str, Any]]) -> bytes:
        """Return lines of Logs."""
        return b"".join(map(self._line, entries))

    def format_events(self, events: Sequence[dict[str, Any]]) -> bytes:
        """Return lines of Events."""
        return b"".join(
            self._event(event["time"], event["service"], event["text"], {"state": event["new"]}) for event in events
        )

    def _line(self, entry: dict[str, Any]) -> bytes:
        if entry["stream"] == "event":
            return self._event(entry["time"], entry["service"], entry["message"], {})
        return self._format.lines(
            _seconds(entry["time"]),
            entry["service"] or OWN_NAME,
            entry["stream"],
            entry["message"].encode() + b"\n",
            False,
        )

    def _event(self, time: str, service: str | None, text: str, fields: dict[str, object]) -> bytes:
        return self._format.event(EventRecord(_seconds(time), 0, service, text, LogLevel.INFO, fields), [])


def _seconds(text: str) -> float:
    """Return a time of the protocol in the middle of its millisecond, so that formatting cannot round it down."""
    return screen.seconds_of(text) + 0.0005
