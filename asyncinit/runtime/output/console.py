"""asyncinit's own standard output (or error) as a buffer; knows no format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncinit.runtime.output.buffer import BUFFER_LIMIT, Buffer
from asyncinit.runtime.output.sink import Sink

if TYPE_CHECKING:
    import asyncio


class Console(Buffer):
    """Write to descriptor `fd` of ours, which is neither changed nor closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, limit: int = BUFFER_LIMIT) -> None:
        super().__init__(loop, lambda writable: Sink(loop, fd, writable), limit)
        assert isinstance(self._writer, Sink)
        self.terminal = self._writer.terminal
        """Whether this is a terminal."""
