"""What goes over a connection that Attach has taken over: frames of a kind, a length and a body; knows no socket.

Imports nothing: the client pays for it.

| kind | from | body |
|---|---|---|
| `O` | asyncinit | what the service has written on its terminal |
| `N` | asyncinit | a line for people about the service: it restarts, or some of its output was left out |
| `E` | asyncinit | the end: the exit status in digits, a space, and why; nothing follows |
| `I` | client | what is typed |
| `Z` | client | nothing: nothing more is typed, ever; ctrl-D stands for that, and the end of this run is the end |
| `W` | client | the size of the client's terminal: rows, a space, columns |
"""

from __future__ import annotations

OUTPUT, NOTICE, END = b"O", b"N", b"E"
INPUT, LAST, SIZE = b"I", b"Z", b"W"

LONGEST = 1 << 20
"""Bytes of a body; what is longer is no frame."""

_HEADER = 5


class BrokenFrameError(Exception):
    """What came is no frame."""


def frame(kind: bytes, body: bytes) -> bytes:
    """Return a frame as it is sent."""
    return kind + len(body).to_bytes(4, "little") + body


class Frames:
    """Collects bytes and gives back the frames in them."""

    def __init__(self, unread: bytes = b"") -> None:
        self._buffer = bytearray(unread)

    @property
    def unread(self) -> bytes:
        """The part of a frame whose rest is still to come."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Add what was read; return the frames that are whole now, as kind and body. Raises BrokenFrameError."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= _HEADER:
            length = int.from_bytes(self._buffer[1:_HEADER], "little")
            if length > LONGEST:
                raise BrokenFrameError(f"a frame of {length} bytes")
            if len(self._buffer) < _HEADER + length:
                break
            frames.append((bytes(self._buffer[:1]), bytes(self._buffer[_HEADER : _HEADER + length])))
            del self._buffer[: _HEADER + length]
        return frames


def size(rows: int, columns: int) -> bytes:
    """Return the body of a `W`."""
    return b"%d %d" % (rows, columns)


def size_of(body: bytes) -> tuple[int, int]:
    """Return rows and columns of a `W`; raises BrokenFrameError."""
    words = body.split()
    if len(words) != 2 or not all(word.isdigit() and 0 < int(word) < 1 << 16 for word in words):
        raise BrokenFrameError("a size that is none")
    return int(words[0]), int(words[1])
