"""What is remembered and told of output: one line of a service, one event; plain data, knows no sink and no source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from asyncinit.config.spec import LogLevel

STDOUT = "stdout"
STDERR = "stderr"
OWN_NAME = "asyncinit"
"""The name under which asyncinit's own events are shown."""

Fields = Mapping[str, object]


class Entry(NamedTuple):
    """One line that a service wrote: `message` has no newline and is what was written, byte for byte.

    `time` is in Unix seconds (when it was read), `cursor` grows over all services and events. `cut`: the line was
    longer than the limit and goes on in the next entry of the same stream.
    """

    time: float
    service: str
    stream: str
    message: bytes
    cursor: int
    cut: bool = False


class EventRecord(NamedTuple):
    """One thing that happened to `service` (None: to asyncinit itself), in words and, for programs, in `fields`."""

    time: float
    cursor: int
    service: str | None
    text: str
    level: LogLevel
    fields: Fields
