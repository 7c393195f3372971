"""What a buffer hands its bytes to: the protocol that all places of output have."""

from __future__ import annotations

from typing import Protocol


class Writer(Protocol):
    """What takes the bytes: a descriptor of ours (`output.sink`), a file, a socket.

    `write` gets whole lines, or the rest of one.
    """

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""

    @property
    def direct(self) -> bool:
        """Whether writes never wait: what fails is tried again later."""

    def write(self, data: memoryview) -> int:
        """Write some of `data`, return how much. Raises BlockingIOError when nothing fits, else OSError."""

    def passes(self, error: OSError) -> bool:
        """Tell whether an error may pass, so that trying again makes sense."""

    def wait(self) -> None:
        """Have the callback called once when a write would do something."""

    def poll(self, seconds: float) -> bool:
        """Tell whether a write would do something now, or within `seconds`: blocks for so long."""

    def close(self) -> None:
        """Release what was opened. Safe to call twice."""
