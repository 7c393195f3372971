"""Run a function that may block in a forked child with a deadline, where there is no loop to wait with.

It is for the time before the loop and after it: as PID 1 of a machine mounts and unmounts, checks, and asks devices.
The child is killed at its deadline. One that even SIGKILL does not end (a dead disk or server) is left behind, so that
it holds up nobody. Within the loop `runtime.process.offload` does this.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from asyncinit.errors import AsyncinitError, why
from asyncinit.linux import signals
from asyncinit.linux.close_range import close_all_but
from asyncinit.linux.oom_score import own_score

_LARGEST = 1 << 20  # what is read of a child's text; more is a mistake, and cut
_AT_ONCE = 1 << 16
_LAST_WAIT = 0.5  # for what was killed to go; longer only if it hangs in the kernel, where waiting does not help
_MOMENT = 10  # milliseconds between two looks at it
_BREATH = 0.5  # between two calls of `meanwhile`
_WELL, _FAILED = b"+", b"-"


class Outcome(NamedTuple):
    """What came of it: `text` is what the function has returned, `failure` why it could not be done ("": it was)."""

    text: str = ""
    failure: str = ""
    left: int | None = None
    """The pid of a child that not even SIGKILL has ended yet."""
    late: bool = False
    """Whether it was not done within its time."""

    @property
    def well(self) -> bool:
        """Whether it was done."""
        return not self.failure


def within(
    seconds: float,
    function: Callable[..., str | None],
    *arguments: Any,
    keep: tuple[int, ...] = (),
    meanwhile: Callable[[], None] | None = None,
) -> Outcome:
    """Call `function` in a child, wait for it at most `seconds`, and return what came of it; never raises.

    The child has our descriptors 0 to 2 and `keep`, default signals, and a session of its own. What it returns is a
    text; an OSError or any other exception is its failure. `meanwhile` is called about twice a second while it runs.
    """
    deadline = time.monotonic() + seconds
    try:
        pid, reader = _fork(function, arguments, keep)
    except OSError as error:
        return Outcome(failure=f"cannot make a process: {why(error.errno or 0)}")
    pidfd = _pidfd(pid)
    try:
        data = _wait(reader, pidfd, deadline, meanwhile)
        if data is None:
            _kill(-pid)  # all of its session; before itself, as long as the number is its own
        _kill(pid)  # it has said its last word, or has no session yet; what it has started in time lives on
        gone, status = _reaped(pid, pidfd)
    finally:
        os.close(reader)
        if pidfd is not None:
            os.close(pidfd)
    if data is None:
        late = f"not done within {seconds:g} s"
        if gone:
            return Outcome(failure=late, late=True)
        return Outcome(failure=f"{late}, and pid {pid} cannot be killed", left=pid, late=True)
    kind, text = data[:1], data[1:].decode(errors="replace")
    if kind == _WELL:
        return Outcome(text)
    if kind == _FAILED:
        return Outcome(failure=text or "it failed")
    return Outcome(failure=f"the process that did it {_how(status)}")


def here(function: Callable[..., str | None], *arguments: Any) -> Outcome:
    """Call `function` in this process and return what came of it, as `within` does; never raises."""
    try:
        return Outcome(function(*arguments) or "")
    except BaseException as error:
        return Outcome(failure=_why(error) or "it failed")


def _wait(reader: int, pidfd: int | None, deadline: float, meanwhile: Callable[[], None] | None) -> bytes | None:
    """Return what the child has written until it ended or closed the pipe; None where the deadline came first."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    if pidfd is not None:
        poll.register(pidfd, select.POLLIN)
    data = b""
    while (left := deadline - time.monotonic()) > 0:
        if meanwhile is not None:
            meanwhile()
        ready = poll.poll(1000 * (left if meanwhile is None else min(left, _BREATH)))
        if any(fd == reader for fd, _ in ready):
            part = os.read(reader, _AT_ONCE)
            data += part[: _LARGEST - len(data)]
            if not part:
                return data
        elif ready:
            return data  # it is dead, and whoever it left has the pipe
    return None


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # before Linux 5.3: the end of the pipe tells


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # it is gone already


def _reaped(pid: int, pidfd: int | None) -> tuple[bool, os.waitid_result | None]:
    """Wait a moment for a child that ends, and reap it: whether it is gone, and how, where nobody else knows that."""
    end = time.monotonic() + _LAST_WAIT
    poll = select.poll()
    if pidfd is not None:
        poll.register(pidfd, select.POLLIN)
    while True:
        try:
            status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return True, None
        left = end - time.monotonic()
        if status is not None or left <= 0:
            return status is not None, status
        poll.poll(1000 * left if pidfd is not None else _MOMENT)


def _how(status: os.waitid_result | None) -> str:
    if status is None:
        return "is gone"
    if status.si_code == os.CLD_EXITED:
        return f"ended with {status.si_status}"
    return f"was killed by signal {status.si_status}"


def _fork(function: Callable[..., str | None], arguments: tuple[Any, ...], keep: tuple[int, ...]) -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        with own_score.given_back():
            pid = os.fork()
        if pid == 0:
            _serve(function, arguments, writer, keep)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return pid, reader


def _serve(
    function: Callable[..., str | None], arguments: tuple[Any, ...], writer: int, keep: tuple[int, ...]
) -> NoReturn:
    """In the child: call the function, tell what came of it, and end."""
    try:
        gc.disable()  # no destructor of what our parent has open may run here
        os.setsid()
        close_all_but(writer, *keep)
        signals.reset_in_child()
        text = function(*arguments) or ""
        _send(writer, _WELL, text)
    except BaseException as error:
        _send(writer, _FAILED, _why(error))
    finally:
        os._exit(0)


def _why(error: BaseException) -> str:
    if isinstance(error, AsyncinitError):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        text = error.strerror or ""
        said = text if text and text != os.strerror(error.errno) else why(error.errno)
        return f"{os.fsdecode(error.filename)}: {said}" if isinstance(error.filename, (str, bytes)) else said
    return f"{type(error).__name__}: {error}"


def _send(writer: int, kind: bytes, text: str) -> None:
    data = kind + text.encode(errors="replace")
    while data:
        try:
            data = data[os.write(writer, data) :]
        except OSError as error:
            if error.errno != errno.EINTR:
                return
