"""Run a function that may block in a forked child with a deadline, so that PID 1 never waits; knows no services.

The child has nothing of ours but the function's own data (`forked`), and default signals. It names each step before it
takes it, so that what hangs can be told, and hands its result over a pipe. It is killed at the deadline; a child that
even SIGKILL does not end (a dead network file system) holds up nobody.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

from msgspec import Struct

from asyncinit.core.status import ExitStatus
from asyncinit.errors import AsyncinitError, SpawnError
from asyncinit.linux import signals
from asyncinit.runtime.process import child, forked
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.timers import Timer, Timers

T = TypeVar("T")

StepCallback = Callable[[str], None]
"""Called in the child with the name of the next step, which completes "cannot ..."."""

_STEP, _RESULT, _FAILURE = b"SRF"
_HEADER = 5  # one byte of kind, four of length
_LARGEST = 64 << 20  # a result larger than this is a mistake, and PID 1 must not eat it
_AT_ONCE = 1 << 16


class OffloaderState(Struct):
    """What is carried over a re-exec: the children to be killed, as whoever wants their results asks again."""

    pids: list[int] = []


class Offloader:
    """Make the children that do what may block."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reaper: Reaper, timers: Timers) -> None:
        self.loop = loop
        self.reaper = reaper
        self.timers = timers
        self.jobs: set[Job[Any]] = set()

    def run(
        self,
        function: Callable[[StepCallback], T],
        result: type[T],
        timeout: float,
        done: Callable[[T | SpawnError], None],
        keep: tuple[int, ...] = (),
    ) -> Job[T]:
        """Call `function` in a child and `done`, once, with its result or with the step that failed.

        `function` is given a callback to name its steps by, and returns what msgspec can encode and decode as
        `result`; a SpawnError that it raises arrives as it is, an OSError with the step's name. After `timeout`
        seconds the child is killed. Of our descriptors it has `keep` (3 or more). `done` is never called before this
        has returned; it is told, too, that no child could be made.
        """
        job = Job(self, result, done)
        try:
            pid, pipe = forked.fork(lambda writer, parent: _serve(function, writer, parent, keep))
        except SpawnError as error:
            job.fail(error)
        else:
            job.begin(pid, pipe, timeout)
        return job

    def freeze(self, _keep: Keep) -> OffloaderState:
        """Return what is carried over a re-exec."""
        return OffloaderState([job.pid for job in self.jobs])

    def thaw(self, state: OffloaderState) -> None:
        """End what the program before has begun: functions of another version, for results that we may not know."""
        for pid in state.pids:
            self.reaper.kill_group(pid)

    def close(self) -> None:
        """Kill all children that run; nobody is called any more."""
        for job in list(self.jobs):
            job.cancel()


class Job(Generic[T]):
    """One function that runs in a child."""

    def __init__(self, offloader: Offloader, result: type[T], done: Callable[[T | SpawnError], None]) -> None:
        self.pid = -1
        self._offloader = offloader
        self._pipe = -1
        self._result = result
        self._done: Callable[[T | SpawnError], None] | None = done
        self._timer: Timer | None = None
        self._data = bytearray()
        self._step = "run it"
        self._answer: list[T | SpawnError] = []  # at most one

    def begin(self, pid: int, pipe: int, timeout: float) -> None:
        """Watch the child; called by the offloader."""
        self.pid, self._pipe = pid, pipe
        offloader = self._offloader
        offloader.jobs.add(self)
        offloader.reaper.watch(pid, self._ended)
        offloader.loop.add_reader(pipe, self._readable)
        self._timer = offloader.timers.after(timeout, lambda: self._expired(timeout))

    def fail(self, error: SpawnError) -> None:
        """Tell in the loop's next turn that there is no child; called by the offloader."""
        self._offloader.loop.call_soon(self._finish, error)

    def cancel(self) -> None:
        """Kill the child and call nobody; harmless when it is over."""
        if self._done is not None:
            self._done = None
            self._kill()
            self._release()

    def _kill(self) -> None:
        self._offloader.reaper.kill_group(self.pid)

    def _release(self) -> None:
        self._offloader.jobs.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._pipe >= 0:
            self._offloader.loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _finish(self, answer: T | SpawnError) -> None:
        done, self._done = self._done, None
        self._release()
        if done is not None:
            done(answer)

    def _expired(self, timeout: float) -> None:
        self._kill()
        self._finish(SpawnError(self._step, errno.ETIMEDOUT, f"not done within {timeout:g} s"))

    def _readable(self) -> None:
        if self._read() and self._answer:
            self._finish(self._answer[0])
        # The pipe's end without an answer: the child is dead, and the reaper knows how it died.

    def _ended(self, status: ExitStatus) -> None:
        if self._done is None:
            return
        while self._pipe >= 0 and not self._read():
            pass
        died = SpawnError(self._step, 0, f"the process that did it was {status}")
        self._finish(self._answer[0] if self._answer else died)

    def _read(self) -> bool:
        """Read a bounded part of what is there and understand it; return whether nothing more will come now."""
        try:
            part = os.read(self._pipe, _AT_ONCE)
        except BlockingIOError:
            return True
        if not part:
            self._offloader.loop.remove_reader(self._pipe)
            return True
        self._data += part
        if len(self._data) > _LARGEST:
            self._kill()
            text = f"its result is larger than {_LARGEST >> 20} MiB"
            self._answer.append(SpawnError(self._step, errno.EMSGSIZE, text))
            return True
        self._understand()
        return bool(self._answer)

    def _understand(self) -> None:
        while len(self._data) >= _HEADER and not self._answer:
            end = _HEADER + int.from_bytes(self._data[1:_HEADER], "little")
            if len(self._data) < end:
                return
            kind, body = self._data[0], bytes(self._data[_HEADER:end])
            del self._data[:end]
            if kind == _STEP:
                self._step = body.decode(errors="replace")
            elif kind == _FAILURE:
                self._answer.append(child.told(body))
            else:
                self._answer.append(self._decode(body))

    def _decode(self, body: bytes) -> T | SpawnError:
        import msgspec

        try:
            return msgspec.msgpack.decode(body, type=self._result)
        except msgspec.MsgspecError as error:
            return SpawnError(self._step, errno.EPROTO, f"its result cannot be read: {error}")


def _serve(function: Callable[[StepCallback], object], writer: int, parent: int, keep: tuple[int, ...]) -> NoReturn:
    """In the child: call the function, send what comes of it, and end."""
    step = "prepare the process"

    def begin(name: str) -> None:
        nonlocal step
        step = name
        _send(writer, _STEP, name.encode(errors="replace"))

    try:
        writer = forked.settle(writer, parent, keep)
        import msgspec  # before the function gives up the right to read it

        signals.reset_in_child()
        _send(writer, _RESULT, msgspec.msgpack.encode(function(begin)))
    except BaseException as error:
        _send(writer, _FAILURE, child.telling(_failure(step, error)))
    finally:
        os._exit(0)


def _failure(step: str, error: BaseException) -> SpawnError:
    if isinstance(error, SpawnError):
        return error
    if isinstance(error, OSError) and error.errno:
        return SpawnError(step, error.errno)
    return SpawnError(step, 0, str(error) if isinstance(error, AsyncinitError) else f"{type(error).__name__}: {error}")


def _send(writer: int, kind: int, body: bytes) -> None:
    forked.write_all(writer, bytes((kind,)) + len(body).to_bytes(4, "little") + body)
