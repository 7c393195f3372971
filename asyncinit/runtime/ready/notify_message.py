"""The text of an sd_notify(3) datagram: bytes to a Message; pure, never raises, knows nothing of sockets.

A message is lines of KEY=VALUE. Unknown keys are ignored, as programs send keys of all ages. Of a key given twice the
last counts, and of READY, RELOADING and STOPPING in one message the last one too, as in systemd: a message tells one
state.
"""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass
from enum import Enum

from asyncinit.runtime.ready.liveness import MAX_PID
from asyncinit.runtime.ready.plain_text import one_line

STATUS_LIMIT = 256
"""Characters of STATUS that are kept."""

_MAX_ERRNO = 4095

# UINT64_MAX, USEC_INFINITY of systemd.
_FOREVER = 2**64 - 1

# No program sends so many; a datagram of 60,000 empty lines shall not hold PID 1 up.
_MAX_LINES = 1000


class Announced(Enum):
    """The state that a message tells."""

    READY = "READY"
    RELOADING = "RELOADING"
    STOPPING = "STOPPING"


@dataclass(slots=True)
class Message:
    """What one datagram says; None: it does not say it. `problem` is for people: a value that means nothing.

    `watchdog_interval` and `extend` are in seconds, the first `math.inf` for "no more".
    """

    announced: Announced | None = None
    status: str | None = None
    main_pid: int | None = None
    errno: int | None = None
    barrier: bool = False
    alive: bool = False
    broken: bool = False
    watchdog_interval: float | None = None
    extend: float | None = None
    problem: str = ""


def parse_message(data: bytes) -> Message:
    """Return what `data` says, and what of it means nothing."""
    message = Message()
    for line in data.split(b"\n", _MAX_LINES)[:_MAX_LINES]:
        key, equals, value = line.partition(b"=")
        if not equals:
            continue
        if key in (b"READY", b"RELOADING", b"STOPPING"):
            if value == b"1":
                message.announced = Announced(key.decode())
        elif key == b"STATUS":
            message.status = one_line(value, STATUS_LIMIT)
        elif key == b"MAINPID":
            message.main_pid = _number(message, key, value, 1, MAX_PID)
        elif key == b"ERRNO":
            message.errno = _errno(message, value)
        elif key == b"BARRIER":
            message.barrier = value == b"1"
        elif key == b"WATCHDOG":
            message.alive |= value == b"1"
            message.broken |= value == b"trigger"
        elif key == b"WATCHDOG_USEC":
            seconds = _microseconds(message, key, value)
            message.watchdog_interval = seconds or (math.inf if seconds == 0 else message.watchdog_interval)
        elif key == b"EXTEND_TIMEOUT_USEC":
            message.extend = _microseconds(message, key, value)
    return message


def _number(message: Message, key: bytes, value: bytes, least: int, most: int) -> int | None:
    # Long texts are refused before int(): it raises for thousands of digits.
    if value.isdigit() and len(value) <= 10 and least <= int(value) <= most:
        return int(value)
    message.problem = f"cannot use {key.decode()}={one_line(value, 40)}: expected a number from {least} to {most}"
    return None


def _microseconds(message: Message, key: bytes, value: bytes) -> float | None:
    """Return the seconds of a number of microseconds; systemd's largest one means for ever."""
    if value.isdigit() and len(value) <= 20:
        return math.inf if int(value) >= _FOREVER else int(value) / 1e6
    message.problem = f"cannot use {key.decode()}={one_line(value, 40)}: expected a number of microseconds"
    return None


def _errno(message: Message, value: bytes) -> int | None:
    named = getattr(errno, value.decode("ascii", "replace"), None) if value[:1] == b"E" else None
    return named if isinstance(named, int) else _number(message, b"ERRNO", value, 0, _MAX_ERRNO)
