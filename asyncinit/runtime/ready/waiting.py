"""What the kinds of readiness have in common: how one is begun, told things, asked what it waits for, and cancelled."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from asyncinit.runtime.ready import path_checks
from asyncinit.runtime.reexec.keep import Keep


class ReadinessHandler(Protocol):
    """What is told; a notify.NotifyHandler is one."""

    def ready(self) -> None:
        """The declared readiness was seen."""

    def main_pid(self, pid: int) -> None:
        """The live process `pid` of the service is its main one from now on (told before `ready`)."""

    def complaint(self, text: str) -> None:
        """Something makes the readiness impossible, though nothing has failed."""


class ReadinessState(Struct):
    """What is carried over a re-exec: the pipe of notify_fd, whether the line was seen, which pid file is an old one.

    `text` is what is waited for, in words; `parts` are those of a combined kind, and `over` are those of them that need
    no more waiting.
    """

    text: str = ""
    pipe: int = -1
    seen: bool = False
    stale: path_checks.Identity | None = None
    over: bool = False
    parts: list[ReadinessState] = []


class Readiness:
    """The waiting for one instance; by itself for `exec`, which comes from elsewhere.

    `descriptors` are those the instance is to be spawned with: (ours, its number).
    """

    def __init__(self, waits_for: str = "") -> None:
        self._waits_for = waits_for
        self.descriptors: tuple[tuple[int, int], ...] = ()

    def spawned(self) -> None:
        """Close what was for the child alone; to be called once it was spawned, or could not be."""

    def begin(self) -> None:
        """Start to look."""

    def notified(self) -> None:
        """Take it that the instance says READY=1."""

    def lines(self, lines: bytes) -> None:
        """Take complete lines of the instance's output; those from before `begin` count too."""

    def waiting_text(self) -> str:
        """Return what is waited for and the last obstacle: "tcp 127.0.0.1:8080: connection refused"."""
        return self._waits_for

    def cancel(self) -> None:
        """Stop to look, and close everything; harmless at any time, and when done twice."""

    def freeze(self, _keep: Keep) -> ReadinessState:
        """Return what is carried over a re-exec; whoever waits begins anew."""
        return ReadinessState(self._waits_for)
