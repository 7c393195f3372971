"""Where one service's output goes: the outlets of each of its streams; plain, opens nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from asyncinit.runtime.output.buffer import Buffer
from asyncinit.runtime.output.entries import STDERR
from asyncinit.runtime.output.format import BY_THE_CHUNK, Format
from asyncinit.runtime.output.logger_pipe import LoggerPipe
from asyncinit.runtime.output.rate import RateLimit


class Outlet(NamedTuple):
    """One place and how lines stand there; several outlets may share a `buffer`, that of one file or socket."""

    buffer: Buffer
    format: Format


class Ends(Enum):
    """What a process gets as its standard output and error."""

    PIPES = "pipes that we read"
    OURS = "our own descriptors"
    NOTHING = "/dev/null"
    LOGGER = "the writing end of a logger's pipe"


@dataclass(slots=True)
class Route:
    """Where the output of one service goes. `block`: it waits rather than loses a line; `console`: it stands there.

    `pipe` is the one whose writing end it gets with `Ends.LOGGER`.
    """

    stdout: tuple[Outlet, ...] = ()
    stderr: tuple[Outlet, ...] = ()
    block: bool = False
    limit: RateLimit | None = None
    ends: Ends = Ends.PIPES
    pipe: LoggerPipe | None = None
    console: bool = False
    buffers: Collection[Buffer] = field(init=False)
    chunk_size: int = field(init=False)

    def __post_init__(self) -> None:
        self.buffers = tuple({id(outlet.buffer): outlet.buffer for outlet in self.stdout + self.stderr}.values())
        formats = [outlet.format for outlet in self.stdout + self.stderr]
        self.chunk_size = min((form.chunk_size for form in formats), default=BY_THE_CHUNK)

    def of(self, stream: str) -> tuple[Outlet, ...]:
        """Return the outlets of a stream."""
        return self.stderr if stream == STDERR else self.stdout

    @property
    def held(self) -> bool:
        """Whether its pipes should be left alone for now."""
        return any(buffer.held or (self.block and buffer.blocked) for buffer in self.buffers)
