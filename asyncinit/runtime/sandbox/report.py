"""The lines by which a simple init reports whom it has reaped; reads nothing."""

from __future__ import annotations

from typing import NamedTuple

from asyncinit.core.status import ExitStatus


class Ended(NamedTuple):
    """A process has ended; `inner` was its pid in there."""

    inner: int
    status: ExitStatus


def parse(data: bytes) -> tuple[list[Ended], bytes]:
    """Return what the whole lines of `data` say, and the rest that is not a whole line yet. See `minimal.run`."""
    *lines, rest = data.split(b"\n")
    return [_ended(line) for line in lines], rest


def _ended(line: bytes) -> Ended:
    inner, code, signal, core = map(int, line.split())
    return Ended(inner, ExitStatus(None, signal, bool(core)) if signal else ExitStatus(code))
