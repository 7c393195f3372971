"""What sysvinit's programs write into /run/initctl: requests of 384 bytes, as initreq.h of sysvinit has them; pure.

telinit(8) and shutdown(8) write one request at a time, which a pipe takes whole. What is no request is left out, as a
whole: nobody can tell where in it the next one would begin.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

_HEAD = struct.Struct("=iiii")  # magic, cmd, runlevel, sleeptime; the rest is data
SIZE = 384
_MAGIC = 0x03091969


class Ask(IntEnum):
    """What a request is for: INIT_CMD_*."""

    RUNLEVEL = 1
    POWER_FAILS = 2
    POWER_FAILS_NOW = 3
    POWER_IS_BACK = 4
    SET_VARIABLE = 6
    UNSET_VARIABLE = 7


class InitRequest(NamedTuple):
    """One request: `runlevel` is a letter, `text` what a variable is set to ("INIT_HALT=HALT"), or its name."""

    ask: Ask
    runlevel: str = ""
    text: str = ""


def parse(data: bytes) -> tuple[list[InitRequest], bytes, int]:
    """Return the requests in `data`, the beginning of one at its end, and how many bytes are no request."""
    found: list[InitRequest] = []
    while len(data) >= SIZE:
        magic, number, runlevel, _ = _HEAD.unpack_from(data)
        if magic != _MAGIC:
            return found, b"", len(data)
        request = _understand(number, runlevel, data[_HEAD.size : SIZE])
        if request is not None:
            found.append(request)
        data = data[SIZE:]
    if data[:4] != _HEAD.pack(_MAGIC, 0, 0, 0)[: min(4, len(data))]:
        return found, b"", len(data)
    return found, data, 0


def _understand(number: int, runlevel: int, data: bytes) -> InitRequest | None:
    """Return what a request asks; None for those that are for sysvinit alone."""
    try:
        ask = Ask(number)
    except ValueError:
        return None
    letter = chr(runlevel) if 0x20 < runlevel < 0x7F else ""
    return InitRequest(ask, letter, data.partition(b"\0")[0].decode(errors="replace"))


def encode(request: InitRequest) -> bytes:
    """Return the bytes of a request."""
    head = _HEAD.pack(_MAGIC, request.ask, ord(request.runlevel or "\0"), 0)
    return (head + request.text.encode())[: SIZE - 1].ljust(SIZE, b"\0")
