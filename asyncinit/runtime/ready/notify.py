"""The sd_notify(3) socket of one service instance: receives, judges who sent it, tells a handler what was said.

Knows nothing of a service's life. The address is random and given to one instance only, so it says whom a message is
about; but an abstract name can be read in /proc/net/unix by anyone in the same network namespace, so the sender must
fit too:

- it belongs to the service (asked with `belongs`, also for the dead): accepted;
- it lives and does not: refused;
- it is dead, or nobody can say: accepted (`systemd-notify` in a script is gone before anybody can look at it). Once
  the service's user is known, only if it had the uid of root, of us, of that user, or of a process of the service that
  has spoken before: else any user of the machine could stop a service by a message from a process that ends at once.

Over a live re-exec messages wait in the kernel meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from asyncinit.linux.discard import discard, overloaded
from asyncinit.runtime.ready.liveness import has_ended, lives
from asyncinit.runtime.ready.notify_message import Announced, Message, parse_message
from asyncinit.runtime.reexec.keep import Keep

MAX_MESSAGE = 64 * 1024
"""Bytes of a message; longer ones are refused whole, as what is cut off may have been the point."""

# So much is read in one turn of the loop: a flood must not keep signals and other services waiting.
_BATCH_MESSAGES = 32
_BATCH_BYTES = 64 * 1024

# More than net.unix.max_dgram_qlen holds anywhere (10 by default, 512 by systemd), so drain() sees all that was sent
# before it was called, and ends under a flood.
_DRAIN_MESSAGES = 2048

_SO_PASSPIDFD = 76  # Linux 6.5, include/uapi/asm-generic/socket.h
_SCM_PIDFD = 4
_MAX_DESCRIPTORS = 253  # SCM_MAX_FD
_CREDENTIALS = struct.Struct("iII")
_CREDENTIALS_ONLY = socket.CMSG_SPACE(_CREDENTIALS.size)
_ANCILLARY = _CREDENTIALS_ONLY + socket.CMSG_SPACE(4 * _MAX_DESCRIPTORS) + socket.CMSG_SPACE(4)
_GRND_INSECURE = 4  # Linux 5.6

Belongs = Callable[[int], bool | None]


class NotifyHandler(Protocol):
    """What a service's messages do. Each is called from the loop, in the order of the messages."""

    def ready(self) -> None:
        """READY=1: the start or a reload is done."""

    def reloading(self) -> None:
        """RELOADING=1: a reload has begun."""

    def stopping(self) -> None:
        """STOPPING=1: it goes down by itself."""

    def status_text(self, text: str) -> None:
        """STATUS=...: one printable line; empty: no longer anything to say."""

    def main_pid(self, pid: int) -> None:
        """MAINPID=n: the live process `pid` of the service is its main one from now on."""

    def errno(self, number: int) -> None:
        """ERRNO=n: why it fails."""

    def alive(self) -> None:
        """WATCHDOG=1: it is alive."""

    def broken(self) -> None:
        """WATCHDOG=trigger: it wants to be treated as if it were not."""

    def watchdog_interval(self, seconds: float) -> None:
        """WATCHDOG_USEC=n: it will say so this often from now on; `math.inf`: no more."""

    def extend_timeout(self, seconds: float) -> None:
        """EXTEND_TIMEOUT_USEC=n: what it does now may take this long from now."""

    def complaint(self, text: str) -> None:
        """A message was refused or makes no sense; each text is told once."""


class NotifyState(Struct):
    """What is carried over a re-exec."""

    fd: int = -1
    address: str = ""
    path: str | None = None
    trusted: set[int] | None = None
    told: set[str] = set()


class NotifySocket:
    """One instance's socket.

    `address` is what NOTIFY_SOCKET shall be: "@NAME", or `path` where one is given (a new name, for instances that do
    not share our network namespace). `belongs` tells whether a pid is a process of the service, None if it can't tell.
    `carried` is the socket of the program before, where this goes on after a re-exec. Raises OSError if no socket can
    be made.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handler: NotifyHandler,
        belongs: Belongs,
        path: str | None = None,
        carried: NotifyState | None = None,
    ) -> None:
        self._loop = loop
        self._handler = handler
        self._belongs = belongs
        self._trusted: set[int] | None = None
        self._told: set[str] = set()
        self._path = path
        self._socket: socket.socket | None
        if carried is not None:
            self._path, self.address = carried.path, carried.address
            self._trusted, self._told = carried.trusted, carried.told
            self._socket = socket.socket(fileno=carried.fd)
        else:
            self.address = path or f"@asyncinit/notify/{random_name()}"
            self._socket = _open(self.address)
        loop.add_reader(self._socket.fileno(), self._readable)

    def trust(self, uid: int) -> None:
        """Tell the service's user: from now on dead senders must be of it, of root or of ours."""
        self._trusted = {0, os.geteuid(), uid}

    def freeze(self, keep: Keep) -> NotifyState:
        """Return what is carried over a re-exec."""
        fd = -1 if self._socket is None else keep(self._socket.fileno())
        return NotifyState(fd, self.address, self._path, self._trusted, self._told)

    def drain(self) -> None:
        """Handle all that has been sent until now; to be called before the end of a process of the service is told."""
        self._read(_DRAIN_MESSAGES, _DRAIN_MESSAGES * MAX_MESSAGE)

    def close(self) -> None:
        """Forget the socket and what waits in it; harmless when done twice, or from the handler."""
        if self._socket is None:
            return
        closing, self._socket = self._socket, None
        self._loop.remove_reader(closing.fileno())
        try:
            closing.recv(1, socket.MSG_PEEK)
        except OSError:
            closing.close()
        else:
            discard([closing.detach()])  # with it goes what is attached to the waiting messages
        if self._path is not None:
            try:
                os.unlink(self._path)
            except OSError:
                pass

    def _readable(self) -> None:
        self._read(_BATCH_MESSAGES, _BATCH_BYTES)

    def _read(self, messages: int, size: int) -> None:
        verdicts: dict[tuple[int, int], bool] = {}
        room = _CREDENTIALS_ONLY if overloaded() else _ANCILLARY
        while self._socket is not None and messages > 0 and size > 0:
            try:
                data, ancillary, flags, _ = self._socket.recvmsg(MAX_MESSAGE, room, socket.MSG_CMSG_CLOEXEC)
            except OSError:  # nothing more; or no memory, then the kernel keeps it for the next turn
                return
            messages -= 1
            size -= len(data)
            received = _Received(ancillary)
            try:
                self._receive(data, flags, received, verdicts)
            finally:
                # After the message and all before it were handled: this is what BARRIER=1 waits for.
                if discard(received.close()):
                    size -= _BATCH_BYTES  # it took a child: others come first now

    def _receive(self, data: bytes, flags: int, received: _Received, verdicts: dict[tuple[int, int], bool]) -> None:
        sender = (received.pid, received.uid)
        if sender not in verdicts:
            verdicts[sender] = self._accepts(received)
        if not verdicts[sender]:
            return
        if flags & socket.MSG_TRUNC:
            self._complain(f"refused a notification of more than {MAX_MESSAGE} bytes")
            return
        message = parse_message(data)
        if message.problem:
            self._complain(message.problem)
        if message.barrier and len(received.descriptors) != 1 and not flags & socket.MSG_CTRUNC:
            self._complain(f"BARRIER=1 came with {len(received.descriptors)} descriptors: expected one")
        self._tell(message)

    def _tell(self, message: Message) -> None:
        if message.main_pid is not None:
            self._take_main_pid(message.main_pid)
        if message.errno is not None:
            self._handler.errno(message.errno)
        if message.status is not None:
            self._handler.status_text(message.status)
        self._tell_times(message)
        # Last: what a state sets off (a line, a status) shall know the rest; and it may close this socket.
        if message.announced is Announced.READY:
            self._handler.ready()
        elif message.announced is Announced.RELOADING:
            self._handler.reloading()
        elif message.announced is Announced.STOPPING:
            self._handler.stopping()

    def _tell_times(self, message: Message) -> None:
        if message.watchdog_interval is not None:
            self._handler.watchdog_interval(message.watchdog_interval)
        if message.alive:
            self._handler.alive()
        if message.extend is not None:
            self._handler.extend_timeout(message.extend)
        if message.broken:
            self._handler.broken()

    def _accepts(self, received: _Received) -> bool:
        pid, uid = received.pid, received.uid
        if pid == 0:
            self._complain("refused a notification from outside of this PID namespace")
            return False
        member = self._belongs(pid)
        if member:
            if self._trusted is not None:
                self._trusted.add(uid)
            return True
        living = received.sender_lives()
        if not (living and member is False) and (self._trusted is None or uid in self._trusted):
            return True
        self._complain(
            f"refused a notification from pid {pid} (uid {uid}), which is not a process of this service"
            if living
            else f"refused a notification from an ended process of uid {uid}, which is not this service's user"
        )
        return False

    def _take_main_pid(self, pid: int) -> None:
        # The order matters: alive after it was found to belong, so its number can't have been reused in between.
        if pid != os.getpid() and self._belongs(pid) is not False and lives(pid):
            self._handler.main_pid(pid)
        else:
            self._complain(f"refused MAINPID={pid}: not a live process of this service")

    def _complain(self, text: str) -> None:
        # Texts hold pids: whoever forks a stranger a message must neither fill the log nor our memory.
        kind = text.partition(" (uid")[0].rstrip("0123456789")
        if kind not in self._told and len(self._told) < 16:
            self._told.add(kind)
            self._handler.complaint(text)


class _Received:
    """What came beside a message: who sent it, and descriptors that are ours to close."""

    def __init__(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        self.pid = 0
        self.uid = -1
        self.descriptors: list[int] = []
        self._pidfd = -1
        self._known_dead = False
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
                self.pid, self.uid, _ = _CREDENTIALS.unpack_from(data)
            elif kind == socket.SCM_RIGHTS:
                self.descriptors = list(struct.unpack(f"{len(data) // 4}i", data[: len(data) & ~3]))
            elif kind == _SCM_PIDFD and len(data) == 4:
                (self._pidfd,) = struct.unpack("i", data)
                # Before 6.16 there is no pidfd of a reaped process: an errno is given in its place.
                self._known_dead = self._pidfd in (-3, -22)

    def sender_lives(self) -> bool:
        """Tell whether the sender has not ended; by its pidfd where there is one, as its pid may have been reused."""
        if self._pidfd >= 0:
            return not has_ended(self._pidfd)
        return not self._known_dead and lives(self.pid)

    def close(self) -> list[int]:
        """Close the pidfd, and hand over the other descriptors."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        return self.descriptors


def _open(address: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        # Before bind: a message without credentials would be one that nobody can judge.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_PASSPIDFD, 1)
        except OSError:
            pass
        if address.startswith("@"):
            opened.bind(b"\0" + address[1:].encode())
        else:
            opened.bind(os.fsencode(address))
            os.chmod(address, 0o666)  # whoever has been given the path may send; credentials decide
    except BaseException:
        opened.close()
        raise
    return opened


def random_name() -> str:
    """Return 128 random bits as text without ever waiting for the kernel's entropy."""
    for flags in (os.GRND_NONBLOCK, _GRND_INSECURE):
        try:
            return os.getrandom(16, flags).hex()
        except OSError:
            continue
    # Before Linux 5.6 and before the pool is ready: unique, and nobody else is up yet to guess it.
    return f"{time.monotonic_ns():x}-{os.getpid():x}-{id(object()):x}"
