"""Varlink's framing: bytes to messages, each ended by a NUL; knows neither sockets nor JSON.

Imports nothing: the client pays for it at every start.
"""

from __future__ import annotations

MAX_MESSAGE = 1 << 20
"""The longest request that the server takes, in bytes: a million is beyond any real one, and bounds a client's cost."""


class MessageTooLongError(Exception):
    """A message did not end within the limit."""


class Splitter:
    """Collects bytes and gives back the messages in them, without their NULs.

    Every byte is looked at once, however the stream is cut.
    """

    __slots__ = ("_buffer", "_limit", "_searched")

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._limit = limit

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def unread(self) -> bytes:
        """What was fed and not given back."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._buffer += data

    def has_message(self) -> bool:
        """Tell whether a whole message is there."""
        return self._buffer.find(0, self._searched) >= 0

    def next(self) -> bytes | None:
        """Return the next whole message, None if there is none yet; raises MessageTooLongError."""
        end = self._buffer.find(0, self._searched)
        length = len(self._buffer) if end < 0 else end
        if length > self._limit:
            raise MessageTooLongError(f"a message is longer than {self._limit} bytes")
        if end < 0:
            self._searched = length
            return None
        message = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return message
