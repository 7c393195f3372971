"""What the tests of readiness share: a handler that remembers, a context for probes, a loop that waits for a fact."""

from __future__ import annotations

import asyncio
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asyncinit.linux import discard
from asyncinit.runtime.ready.probes import ProbeContext
from asyncinit.runtime.timers import Timers


class Recorder:
    """A handler that remembers what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def ready(self) -> None:
        self.told.append(("ready",))

    def reloading(self) -> None:
        self.told.append(("reloading",))

    def stopping(self) -> None:
        self.told.append(("stopping",))

    def status_text(self, text: str) -> None:
        self.told.append(("status", text))

    def main_pid(self, pid: int) -> None:
        self.told.append(("main_pid", pid))

    def errno(self, number: int) -> None:
        self.told.append(("errno", number))

    def complaint(self, text: str) -> None:
        self.told.append(("complaint", text))

    @property
    def is_ready(self) -> bool:
        return ("ready",) in self.told

    @property
    def complaints(self) -> list[str]:
        return [str(entry[1]) for entry in self.told if entry[0] == "complaint"]


class Cancel:
    """A handle that remembers that it was cancelled."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def never(*_arguments: object) -> Cancel:
    raise AssertionError("not expected to be called")


def make_context(loop: asyncio.AbstractEventLoop, **other: object) -> ProbeContext:
    values: dict[str, object] = {"run_command": never, "offload": never, "slow_paths": lambda: False}
    return ProbeContext(loop=loop, timers=Timers(loop), **(values | other))  # type: ignore[arg-type]


def run_until(loop: asyncio.AbstractEventLoop, condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Run the loop until `condition` holds; fail after `timeout` seconds, or if a callback raised."""
    errors: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    deadline = loop.time() + timeout

    def look() -> None:
        if condition() or errors or loop.time() > deadline:
            loop.stop()
        else:
            loop.call_later(0.002, look)

    loop.call_soon(look)
    loop.run_forever()
    assert not errors, errors
    assert condition(), "not in time"


def turn(loop: asyncio.AbstractEventLoop, turns: int = 5) -> None:
    """Let the loop go round a few times."""
    left = [turns]

    def again() -> None:
        left[0] -= 1
        if left[0] > 0:
            loop.call_soon(again)
        else:
            loop.stop()

    loop.call_soon(again)
    loop.run_forever()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Fail if the block leaves a descriptor open."""
    discard.overloaded()  # forgets the pidfds of closing children that have ended
    before = descriptors()
    yield
    discard.overloaded()
    after = descriptors()
    assert len(after) == len(before), sorted(after - before)


def connect_to(address: str) -> socket.socket:
    """Return a datagram socket connected to a notification address."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
    except BaseException:
        sender.close()
        raise
    return sender


def in_child(function: Callable[[], object]) -> int:
    """Run `function` in a forked child, and return its pid; it exits with 0 if nothing was raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a test runner has threads; the child uses none
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return pid
