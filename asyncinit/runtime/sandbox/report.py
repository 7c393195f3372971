"""The lines by which a simple init reports whom it has reaped; reads nothing."""

from __future__ import annotations

from typing import NamedTuple

from asyncinit.core.status import ExitStatus

_LONGEST = 100


class Ended(NamedTuple):
    """A process has ended; `inner` was its pid in there."""

    inner: int
    status: ExitStatus


def parse(data: bytes) -> tuple[list[Ended], bytes]:
    """Return what the whole lines of `data` say, and the rest that is not a whole line yet. See `minimal.run`.

    What no init of ours would write is left out.
    """
    *lines, rest = data.split(b"\n")
    ended = map(_ended, lines)
    return [one for one in ended if one is not None], rest if len(rest) <= _LONGEST else b""


def _ended(line: bytes) -> Ended | None:
    words = line.split()
    if len(line) > _LONGEST or len(words) != 4 or not all(word.isdigit() for word in words):
        return None
    inner, code, signal, core = map(int, words)
    return Ended(inner, ExitStatus(None, signal, bool(core)) if signal else ExitStatus(code))
