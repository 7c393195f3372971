"""What is said between asyncinit and the processes that place one in a PID namespace; knows no namespace.

One socket of datagrams, all of whose ends are ours. The kernel adds to each message the pid of its sender as we see it
(SO_PASSCRED), whatever number that one has for itself. Who is placed says so, waits for GO, and only then goes on to
become what it shall be: by then its end can't be missed or taken for another's.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import struct
import time
from typing import NamedTuple, NoReturn

from asyncinit.errors import SpawnError
from asyncinit.runtime.process import child

# The whole takes two or three milliseconds and touches no file system: only a machine without memory or processor
# time makes it longer. PID 1 waits for so long at most.
PATIENCE = 5.0

_MESSAGE = 8192
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_MOST_DESCRIPTORS = 16
_GO = b"go"

INIT = "init"
"""What PID 1 of the namespace says that it is, where the program is not that."""
MAIN = "main"
"""What the process says that it is which becomes the program."""
PLACED = "placed"
"""What the helper says when all is done: whoever stood between is gone."""
_FAILED = "failed"


class Hello(NamedTuple):
    """What a process has said: which it is, its pid for us and for itself, and the descriptors that it has sent."""

    who: str
    pid: int
    inner: int
    descriptors: tuple[int, ...]


class Here:
    """Our end."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def listen(self, expected: frozenset[str]) -> dict[str, Hello]:
        """Wait until all of `expected` have spoken, and return what they said. Raises SpawnError.

        Blocks, for PATIENCE at most: it is between processes that do nothing but system calls.
        """
        self.theirs.close()
        until = time.monotonic() + PATIENCE
        heard: dict[str, Hello] = {}
        poll = select.poll()
        poll.register(self.ours, select.POLLIN)
        try:
            while not expected <= heard.keys():
                left = until - time.monotonic()
                if left <= 0 or not poll.poll(left * 1000):
                    raise SpawnError("place the process", errno.ETIMEDOUT, f"nothing was heard for {PATIENCE:g} s")
                hello = self._receive()
                heard[hello.who] = hello
        except BaseException:
            for hello in heard.values():
                close(hello.descriptors)
            raise
        return heard

    def _receive(self) -> Hello:
        room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(_MOST_DESCRIPTORS * 4)
        message, ancillary, _flags, _address = self.ours.recvmsg(_MESSAGE, room, socket.MSG_CMSG_CLOEXEC)
        pid, descriptors = 0, array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
            elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) // descriptors.itemsize * descriptors.itemsize])
        word, _, rest = message.partition(b" ")
        if not message or word == _FAILED.encode():
            close(descriptors)
            failure = child.told(rest) if rest else SpawnError("place the process", 0, "who should do it was killed")
            raise failure
        if pid == 0:
            close(descriptors)
            raise SpawnError("place the process", errno.EPROTO, "it cannot be seen from here")
        return Hello(word.decode(), pid, int(rest or b"0"), tuple(descriptors))

    def go(self, times: int) -> None:
        """Have so many processes go on that have said hello."""
        for _ in range(times):
            try:
                self.ours.send(_GO)
            except OSError:
                pass  # it was killed meanwhile, which its parent tells

    def close(self) -> None:
        """Close our end: who waits for GO ends."""
        self.ours.close()
        self.theirs.close()


class There:
    """The end of those that are between."""

    def __init__(self, here: Here) -> None:
        self._socket = here.theirs
        here.ours.close()  # as long as it is open with us too, nobody sees that asyncinit has closed it

    def say(self, who: str, descriptors: tuple[int, ...] = ()) -> None:
        """Say who we are."""
        said = f"{who} {os.getpid()}".encode()
        if descriptors:
            socket.send_fds(self._socket, [said], list(descriptors))
        else:
            self._socket.send(said)

    def wait(self) -> None:
        """Wait for GO; end where none comes."""
        try:
            word = self._socket.recv(len(_GO))
        except OSError:
            word = b""
        self._socket.close()
        if word != _GO:
            os._exit(1)

    def fail(self, error: SpawnError) -> NoReturn:
        """Say what has failed, and end."""
        try:
            self._socket.send(f"{_FAILED} ".encode() + child.telling(error))
        except OSError:
            pass  # nobody waits for it any more
        os._exit(1)


def close(descriptors: tuple[int, ...] | array.array[int]) -> None:
    """Close descriptors."""
    for fd in descriptors:
        os.close(fd)
