"""[log]: where what a service writes goes, and how; resolved."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

CONSOLE = "console"
FILE = "file"
SYSLOG = "syslog"
INHERIT = "inherit"
NULL = "null"
SERVICE = "service:"
"""Before the name of a service that gets it on its standard input."""


class LogFormat(StrEnum):
    """How lines are written."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    RAW = "raw"


class WhenFull(StrEnum):
    """What happens when a destination has no room: its services wait, or lines are dropped and counted."""

    BLOCK = "block"
    DROP = "drop"


FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
"""The facilities of syslog(3) and RFC 5424, each at the place of its number."""


class Log(Struct, frozen=True):
    """The [log] section. `to` has the words above, `file` and `stderr_file` are unexpanded, `max_size` is in bytes.

    `format` None: text for files, raw for services. `when_full` None: block where the destination is a service's pipe
    and nothing else, drop elsewhere. `stderr_file` None: with stdout. `rate_limit` None: any number of lines.
    """

    to: tuple[str, ...] = (CONSOLE,)
    file: str | None = None
    stderr_file: str | None = None
    format: LogFormat | None = None
    mode: int = 0o640
    max_size: float = 10 * 1024 * 1024
    keep: int = 5
    compress: bool = False
    rate_limit: int | None = None
    rate_interval: float = 1.0
    when_full: WhenFull | None = None
    facility: str = "daemon"
    tag: str | None = None

    @property
    def loggers(self) -> tuple[str, ...]:
        """The services that get it on their standard input."""
        return tuple(word[len(SERVICE) :] for word in self.to if word.startswith(SERVICE))

    @property
    def given(self) -> str | None:
        """The destination that processes get as their output themselves, so that asyncinit sees nothing of it.

        None where they get pipes that asyncinit reads. A service's readiness or terminal may need that in any case.
        """
        if len(self.to) != 1:
            return None
        if self.to[0] in {INHERIT, NULL}:
            return self.to[0]
        as_it_is = self.format in {None, LogFormat.RAW} and self.rate_limit is None
        return self.to[0] if self.loggers and as_it_is and self.when_full is not WhenFull.DROP else None
