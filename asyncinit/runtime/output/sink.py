"""A descriptor of ours that others may use too, written without ever blocking; knows no lines and no buffer.

O_NONBLOCK belongs to the open file description, so it is not set on what a shell, CMD or another writer shares with us:

- a pipe or terminal is opened anew (/proc/self/fd/N, or /dev/tty): a description of our own, non-blocking;
- where that is refused, as for another user's pipe, a write is made only when poll says so, of a size that then fits,
  and with RWF_NOWAIT where the kernel has it for pipes; a terminal, for which neither is enough (poll promises room for
  one byte, a line end takes two), is made non-blocking for the length of each write;
- a socket is written with MSG_DONTWAIT;
- a file, /dev/null and whatever cannot be polled is written directly.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_TIOCGDEV = 0x80045432  # asm-generic/ioctls.h: the device number behind a terminal, whatever name it was opened by


class _Kind(Enum):
    OWN = "a description of our own, non-blocking"
    SHARED = "a pipe or terminal whose description others use"
    SOCKET = "a socket"
    DIRECT = "a file, or a device that cannot be polled"


class Sink:
    """Write to what descriptor `fd` of ours is open on; `fd` itself is neither changed nor closed.

    A closed descriptor, or none left for us, makes a sink that is closed from the start. `writable` is called by `loop`
    some time after `wait`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, writable: Callable[[], None]) -> None:
        self._loop = loop
        self._writable = writable
        self._kind = _Kind.DIRECT
        self._fd = -1
        self._epoll: select.epoll | None = None
        self._socket: socket.socket | None = None
        self._no_wait_flag = getattr(os, "RWF_NOWAIT", 0)
        self.terminal = False
        """Whether this is a terminal."""
        try:
            self._open(fd)
        except OSError:
            self.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._fd < 0

    @property
    def direct(self) -> bool:
        """Whether writes never wait, so that an error may be a full disk's, which passes."""
        return self._kind is _Kind.DIRECT

    def passes(self, error: OSError) -> bool:
        """Tell whether an error may pass: a full disk, a quota, a failing device."""
        return self.direct and error.errno not in (errno.EBADF, errno.EPIPE)

    def _open(self, fd: int) -> None:
        mode = os.fstat(fd).st_mode
        self.terminal = os.isatty(fd)
        if stat.S_ISSOCK(mode):
            self._kind = _Kind.SOCKET
            self._socket = socket.socket(fileno=os.dup(fd))
            self._fd = self._socket.fileno()
        elif self.terminal or stat.S_ISFIFO(mode):
            self._kind = _Kind.OWN
            self._fd = _open_anew(fd, self.terminal)
            if self._fd < 0:
                self._kind = _Kind.SHARED
                self._fd = os.dup(fd)
        else:
            self._fd = os.dup(fd)
        if self._kind is not _Kind.DIRECT:
            # A set of our own between the descriptor and the loop: uvloop makes every descriptor that it watches
            # non-blocking, which would reach all users of a shared description.
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._woken)

    def write(self, data: memoryview) -> int:
        """Write some of `data`, return how much. Raises BlockingIOError when nothing fits, else OSError. write(2)."""
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        if self._kind is not _Kind.SHARED:
            return os.write(self._fd, data)
        if not self.poll(0):
            raise BlockingIOError
        data = data[: select.PIPE_BUF]
        if self.terminal:
            return self._write_terminal(data)
        # Between poll and write another writer may fill the pipe: RWF_NOWAIT closes that gap where the kernel has it.
        if self._no_wait_flag:
            try:
                return os.pwritev(self._fd, [data], -1, self._no_wait_flag)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE):
                    raise
                self._no_wait_flag = 0
        return os.write(self._fd, data)

    def _write_terminal(self, data: memoryview) -> int:
        before = os.get_blocking(self._fd)
        os.set_blocking(self._fd, False)
        try:
            return os.write(self._fd, data)
        finally:
            os.set_blocking(self._fd, before)

    def poll(self, seconds: float) -> bool:
        """Tell whether a write would do something (or fail) now, or within `seconds`: blocks for so long. poll(2)."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(int(seconds * 1000 + 0.999)))

    def wait(self) -> None:
        """Have `writable` called once when a write would do something. Nothing for a sink that never blocks."""
        if self._epoll is None:
            return
        events = select.EPOLLOUT | select.EPOLLONESHOT
        try:
            self._epoll.modify(self._fd, events)
        except FileNotFoundError:
            self._epoll.register(self._fd, events)

    def _woken(self) -> None:
        if self._epoll is not None:
            self._epoll.poll(0)  # takes the event, which is one-shot
            self._writable()

    def close(self) -> None:
        """Release what was opened. Safe to call twice."""
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        elif self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _open_anew(fd: int, terminal: bool) -> int:
    """Open what `fd` is, non-blocking and with a description of its own; return -1 where that is refused."""
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        pass
    # No /proc yet, or a terminal of the user that we were before `su`: by the names that it may have.
    for path in ("/dev/tty", "/dev/console") if terminal else ():
        try:
            new = os.open(path, flags)
        except OSError:
            continue
        if _device(new) == _device(fd) is not None:
            return new
        os.close(new)
    return -1


def _device(fd: int) -> bytes | None:
    import fcntl

    try:
        return fcntl.ioctl(fd, _TIOCGDEV, b"\0" * 4)
    except OSError:
        return None
