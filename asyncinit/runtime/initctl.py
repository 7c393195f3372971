"""/run/initctl: the pipe through which sysvinit's shutdown, halt, reboot and telinit ask for what they want.

Made by us on a machine, for root alone. It is open for reading and writing, so that it never comes to an end, and
whoever writes never waits for us. What is no request is told once and does nothing. Knows no meaning of a request.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable

from msgspec import Struct

from asyncinit.errors import why
from asyncinit.machine.init_request import SIZE, InitRequest, parse
from asyncinit.runtime.reexec.keep import Keep

PATH = "/run/initctl"
_OLD_PATH = "/dev/initctl"  # of programs that are older than /run; Debian's sysvinit has a link there, too
_AT_ONCE = 8 * SIZE  # then the loop has its turn: a flood must not hold up anything


class InitctlState(Struct):
    """What is carried over a re-exec: the pipe, or -1, and the beginning of a request."""

    fd: int = -1
    begun: bytes = b""


class Initctl:
    """The pipe; `handle` gets each request, `warn` is told what is wrong with it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handle: Callable[[InitRequest], None],
        warn: Callable[[str], None],
        path: str = PATH,
        link: str = _OLD_PATH,
    ) -> None:
        self._loop = loop
        self._handle = handle
        self._warn = warn
        self._path = path
        self._link = link
        self._fd = -1
        self._data = b""
        self._told = False

    def open(self) -> None:
        """Make and open it, or again where its file is not there any more. Quick: /run is in memory on a machine."""
        if self._is_there():
            return
        self.close()
        try:
            try:
                os.mkfifo(self._path, 0o600)
            except FileExistsError:
                self._replace_what_is_no_pipe()
            fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            self._warn(f"sysvinit's commands cannot reach asyncinit: {self._path}: {why(error.errno or 0)}")
            return
        self._adopt(fd)
        try:
            os.symlink(self._path, self._link)
        except OSError:
            pass  # it is there, or nobody will miss it

    def freeze(self, keep: Keep) -> InitctlState:
        """Return what is carried over a re-exec."""
        return InitctlState(keep(self._fd) if self._fd >= 0 else -1, self._data)

    def thaw(self, state: InitctlState) -> None:
        """Go on reading."""
        if state.fd >= 0:
            self._adopt(state.fd)
            self._data = state.begun

    def close(self) -> None:
        """Close it; its file stays."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd, self._data = -1, b""

    def _adopt(self, fd: int) -> None:
        self._fd = fd
        self._loop.add_reader(fd, self._readable)

    def _is_there(self) -> bool:
        if self._fd < 0:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self._path))
        except OSError:
            return False

    def _replace_what_is_no_pipe(self) -> None:
        found = os.lstat(self._path)
        if not stat.S_ISFIFO(found.st_mode) or found.st_uid != os.geteuid():
            os.unlink(self._path)
            os.mkfifo(self._path, 0o600)
        else:
            os.chmod(self._path, 0o600)

    def _readable(self) -> None:
        try:
            self._data += os.read(self._fd, _AT_ONCE)
        except BlockingIOError:
            return
        requests, self._data, nonsense = parse(self._data)
        if nonsense and not self._told:
            self._told = True
            self._warn(f"{nonsense} bytes in {self._path} are no request of sysvinit's; such are left out from now on")
        for request in requests:
            self._handle(request)
