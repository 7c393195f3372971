"""The termination message: what Kubernetes shows of a container that has ended, as JSON of 4,096 bytes at most.

Written once, at the very end, in a child with a deadline. Knows no engine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from asyncinit.runtime.process.offload import StepCallback

LARGEST = 4096
"""What Kubernetes keeps of the file; a longer one is cut, and would be no JSON any more."""
DEFAULT = "/dev/termination-log"
TIMEOUT = 0.5


class TerminationMessage(msgspec.Struct, frozen=True):
    """Why it ended: with what exit status, on whose account, and what that one wrote last.

    `reason`: why all was shut down. `service`: the one whose end or failure decided the status, null where none did.
    `failed` and `killed`: the services that had failed for good, and those that had to be killed.
    """

    exit_status: int
    reason: str
    service: str | None = None
    code: str | None = None
    text: str | None = None
    failed: Sequence[str] = ()
    killed: Sequence[str] = ()
    last_lines: Sequence[str] = ()


def place(configured: str | None, pid: int) -> str | None:
    """Return where the message goes: as configured ("" for nowhere), else where Kubernetes has put a file for it."""
    if configured is not None:
        return configured or None
    return DEFAULT if pid == 1 and os.path.exists(DEFAULT) else None


def encoded(message: TerminationMessage) -> bytes:
    """Return the message as JSON that fits: the oldest lines go first, then long texts are cut."""
    lines = list(message.last_lines)
    while len(data := msgspec.json.encode(replace(message, last_lines=lines))) > LARGEST and lines:
        spare = len(data) - LARGEST
        if len(lines) == 1 and len(lines[0]) > spare + 1:
            # JSON may write a character in six bytes: cut so much of the only line that it fits for sure, step by step.
            lines = ["…" + lines[0][max(1, spare // 6) + 1 :]]
        else:
            del lines[0]
    if len(data) > LARGEST:
        cut = replace(
            message,
            reason=_cut(message.reason),
            text=None if message.text is None else _cut(message.text),
            service=None if message.service is None else _cut(message.service, 64),
            failed=[_cut(name, 64) for name in message.failed[:8]],
            killed=[_cut(name, 64) for name in message.killed[:8]],
            last_lines=(),
        )
        data = msgspec.json.encode(cut)
    return data


def _cut(text: str, length: int = 160) -> str:
    # 6 bytes a character at most, names are ASCII: what is left of all texts and of 17 names fits.
    return text if len(text) <= length else text[: length - 1] + "…"


def write(path: str, data: bytes, step: StepCallback) -> None:
    """In a child: write the file. It is there already, mounted, so that it cannot be replaced."""
    step(f"write {path}")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOCTTY, 0o644)
    try:
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)
