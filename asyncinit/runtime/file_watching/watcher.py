"""Have files watched by children, and tell whoever asked; knows no service.

One child a key (`child`), which sleeps until something changes. One that dies is made again, and what has changed
meanwhile is seen by the times of the files.

Carried over a re-exec: the children and their pipes, so that nothing is missed; what they say meanwhile waits there. A
child that another version could not understand is replaced, as if it had died.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from msgspec import MsgspecError, Struct, msgpack

from asyncinit.core.status import ExitStatus
from asyncinit.errors import SpawnError
from asyncinit.runtime.file_watching import child
from asyncinit.runtime.file_watching.messages import PROTOCOL, Failed, Message, Standing, Watched
from asyncinit.runtime.process import forked
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.timers import Timer, Timers

Tell = Callable[[Message], None]
"""Called with what comes of it: Standing, any number of Changed, Failed (nothing is watched any more)."""

_AGAIN = 1.0
"""Seconds until a child that died is made again; twice as long each time that it has told nothing in between."""
_AGAIN_AT_MOST = 300.0
_AT_ONCE = 1 << 16
_LARGEST = 1 << 20  # of a message; what is larger is none
# What a child had seen and not told when it died is looked for so far back.
_BACK = 1.0


@dataclass(eq=False, slots=True)
class _Child:
    """One set of paths, and the child that watches them; `pid` -1: there is none just now.

    `since`: what has changed after that moment (wall clock) was not told.
    """

    watched: Watched
    tell: Tell
    pid: int = -1
    pipe: int = -1
    data: bytearray = field(default_factory=bytearray)
    attempt: int = 0
    since: float | None = None
    timer: Timer | None = None


class ChildState(Struct):
    """What is carried of one child; `data` are bytes of a message whose rest is still to come."""

    watched: Watched
    pid: int = -1
    pipe: int = -1
    data: bytes = b""
    since: float | None = None


class FileWatcherState(Struct):
    """What is carried of all; a child of another `protocol` is not understood."""

    children: dict[str, ChildState] = {}
    protocol: int = PROTOCOL


class FileWatcher:
    """Who watches what, by keys of the users' choice; `warn` is told of children that do not do what they should."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, reaper: Reaper, timers: Timers, warn: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._reaper = reaper
        self._timers = timers
        self._warn = warn
        self._children: dict[str, _Child] = {}

    def watch(self, key: str, watched: Watched, tell: Tell) -> None:
        """Call `tell` with what comes of `watched`, in later turns of the loop, until `forget` or another `watch`.

        One that is watched just so already goes on, and tells `tell` from now on.
        """
        one = self._children.get(key)
        if one is not None and one.watched == watched:
            one.tell = tell
            return
        self.forget(key)
        self._children[key] = one = _Child(watched, tell)
        # In a turn of its own: to fork takes as long as to start a service, and one may just be about to be started.
        self._loop.call_soon(self._begin, key, one)

    def forget(self, key: str) -> None:
        """Watch no more; harmless where nothing is watched."""
        one = self._children.pop(key, None)
        if one is not None:
            self._end(one)

    def close(self) -> None:
        """Watch nothing any more."""
        for key in list(self._children):
            self.forget(key)

    def freeze(self, keep: Keep) -> FileWatcherState:
        """Return what is carried over a re-exec."""
        children = {}
        for key, one in self._children.items():
            if one.pipe >= 0:
                children[key] = ChildState(one.watched, one.pid, keep(one.pipe), bytes(one.data), one.since)
            else:
                children[key] = ChildState(one.watched, since=one.since)
        return FileWatcherState(children)

    def thaw(self, state: FileWatcherState) -> None:
        """Go on with the children of the program before: `watch` says who is told."""
        for key, carried in state.children.items():
            one = self._children[key] = _Child(carried.watched, lambda _message: None)
            one.pid, one.pipe, one.data = carried.pid, carried.pipe, bytearray(carried.data)
            one.since = carried.since
            if carried.pid < 0:
                self._die(key, one)
            elif state.protocol == PROTOCOL and self._reaper.known(carried.pid):
                self._reaper.adopt(carried.pid, partial(self._ended, key, one))
                self._loop.add_reader(one.pipe, self._readable, key, one)
            else:
                self._end(one)
                self._die(key, one)

    def watched_by(self) -> list[str]:
        """Return who watches."""
        return list(self._children)

    # -----------------------------------------------------------------------------------------------------------------

    def _begin(self, key: str, one: _Child) -> None:
        one.timer = None
        if self._children.get(key) is not one:
            return
        try:
            one.pid, one.pipe = forked.fork(partial(child.serve, one.watched, one.since))
        except SpawnError as error:
            self._loop.call_soon(self._die, key, one, str(error))
            return
        self._reaper.watch(one.pid, partial(self._ended, key, one))
        self._loop.add_reader(one.pipe, self._readable, key, one)

    def _end(self, one: _Child) -> None:
        if one.timer is not None:
            one.timer.cancel()
            one.timer = None
        self._release(one)
        if one.pid >= 0:
            self._reaper.kill_group(one.pid)
            self._reaper.forget(one.pid)
            one.pid = -1

    def _release(self, one: _Child) -> None:
        if one.pipe >= 0:
            self._loop.remove_reader(one.pipe)
            os.close(one.pipe)
            one.pipe = -1
        one.data.clear()

    def _readable(self, key: str, one: _Child) -> None:
        try:
            part = os.read(one.pipe, _AT_ONCE)
        except BlockingIOError:
            return
        if not part:
            self._loop.remove_reader(one.pipe)  # it is dead, and the reaper tells how it died
            return
        one.data += part
        self._understand(key, one)

    def _understand(self, key: str, one: _Child) -> None:
        while len(one.data) >= child.LENGTH:
            end = child.LENGTH + int.from_bytes(one.data[: child.LENGTH], "little")
            if end > _LARGEST:
                self._confused(key, one, "a message of it is too long")
                return
            if len(one.data) < end:
                return
            body = bytes(one.data[child.LENGTH : end])
            del one.data[:end]
            try:
                message = msgpack.decode(body, type=Message)
            except MsgspecError as error:
                self._confused(key, one, str(error))
                return
            self._heard(key, one, message)
            if self._children.get(key) is not one:
                return

    def _heard(self, key: str, one: _Child, message: Message) -> None:
        if isinstance(message, Failed):
            self.forget(key)
        elif isinstance(message, Standing):
            one.since = None
        else:
            one.attempt = 0
        one.tell(message)

    def _confused(self, key: str, one: _Child, text: str) -> None:
        self._end(one)
        self._die(key, one, text)

    def _ended(self, key: str, one: _Child, status: ExitStatus) -> None:
        one.pid = -1
        while one.pipe >= 0 and self._children.get(key) is one:  # its last words
            try:
                part = os.read(one.pipe, _AT_ONCE)
            except BlockingIOError:
                break
            if not part:
                break
            one.data += part
            self._understand(key, one)
        self._release(one)
        if self._children.get(key) is one:
            self._die(key, one, str(status))

    def _die(self, key: str, one: _Child, text: str = "") -> None:
        """Have a child made again after a while, and look for what has changed meanwhile."""
        if self._children.get(key) is not one:
            return
        wait = min(_AGAIN * 2**one.attempt, _AGAIN_AT_MOST)
        one.attempt = min(one.attempt + 1, 20)
        if text:
            self._warn(f"the process that watches files for {key}: {text}; another one follows in {wait:g} s")
        one.since = one.since or time.time() - one.watched.quiet - _BACK
        one.timer = self._timers.after(wait if text else 0.0, lambda: self._begin(key, one))
