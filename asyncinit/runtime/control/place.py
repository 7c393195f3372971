"""Take a place for the control socket: the first of several where a listening socket can be made; knows no protocol.

A socket file that nobody listens on is replaced; one of a live server never is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

from asyncinit.control.address import SYSTEM_ADDRESS, abstract_address, project_address, reach, user_address
from asyncinit.runtime.reexec.keep import Keep

BACKLOG = 64
"""Connections that the kernel holds for us until the loop's next turn."""


class PlaceState(Struct):
    """What is carried over a re-exec: the socket, and which file is ours (device and inode)."""

    fd: int = -1
    address: str = ""
    identity: tuple[int, int] | None = None


class Place:
    """A listening socket and where it is; `close` removes the socket file, if it still is ours."""

    def __init__(self, listener: socket.socket, address: str) -> None:
        self.listener = listener
        self.address = address
        self._identity = None if address.startswith("@") else _identity(address)

    @classmethod
    def of(cls, state: PlaceState) -> Place:
        """Return the place of the program before."""
        place = cls(socket.socket(fileno=state.fd), state.address)
        place._identity = state.identity
        return place

    def freeze(self, keep: Keep) -> PlaceState:
        """Return what is carried over a re-exec."""
        return PlaceState(keep(self.listener.fileno()), self.address, self._identity)

    @property
    def _has_file(self) -> bool:
        return self._identity is not None and _identity(self.address) == self._identity

    def open_to(self, everybody: bool) -> None:
        """Let others than the owner connect, or no more (an abstract socket has no mode: the server checks alone)."""
        if self._has_file:
            try:
                os.chmod(self.address, _mode(everybody))
            except OSError:
                pass  # a file system that became read-only: who cannot connect cannot be answered either

    def close(self) -> None:
        """Stop listening and remove the socket file."""
        if self._has_file:
            try:
                os.unlink(self.address)
            except OSError:
                pass  # a file system that became read-only; the next server replaces the stale file
        self.listener.close()


def take_place(
    configured: str | None,
    open_to_all: bool,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    project: str | None = None,
) -> Place | None:
    """Listen at the first place that can be had; None if there is none.

    `configured` is [init] control_socket (None: the system's place). `project` is the folder of a project that is run
    there: as a plain process its place comes before the system's, so that several projects don't meet. With
    `open_to_all` everybody may connect (the server checks each by uid), else the file's mode keeps others out. `say`
    gets one line for each place that should have been ours but cannot be: not for those that are only tried.
    """
    for address, wanted in _places(configured, environment, project):
        try:
            return _listen(address, open_to_all)
        except OSError as error:
            in_use = isinstance(error, InUseError) or error.errno == errno.EADDRINUSE
            if wanted or in_use:
                say(f"cannot listen on {address}: {error.strerror or error}")
    return None


class InUseError(OSError):
    """Another server listens there, or something that is no socket is there."""


def _places(configured: str | None, environment: Mapping[str, str], project: str | None) -> Iterator[tuple[str, bool]]:
    """Yield each place, and whether it is worth a line when it cannot be had."""
    if configured is not None:
        yield (configured if configured.startswith("@") else os.path.abspath(configured)), True
    else:
        place = project_address(project) if project is not None else None
        # PID 1 is looked for at the system's place, from wherever one stands in its container.
        for address in (SYSTEM_ADDRESS, place) if os.getpid() == 1 else (place, SYSTEM_ADDRESS):
            if address is not None:
                yield address, False
    own = user_address(environment)
    if own is not None and _is_ours(os.path.dirname(os.path.dirname(own))):
        yield own, False
    abstract = abstract_address(os.geteuid())
    yield abstract, False
    # Further instances of one user in one namespace; their services find them by ASYNCINIT_SOCKET.
    yield f"{abstract}-{os.getpid()}", True


def _listen(address: str, open_to_all: bool) -> Place:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if address.startswith("@"):
            reach(address, listener.bind)
            listener.listen(BACKLOG)
        else:
            _bind_file(listener, address, open_to_all)
        return Place(listener, address)
    except BaseException:
        listener.close()
        raise


def _bind_file(listener: socket.socket, path: str, open_to_all: bool) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, 0o755, exist_ok=True)
    with _locked(folder):
        _clear(path)
        # A socket file is born with the mode of the socket itself less the umask: no moment with another one.
        os.fchmod(listener.fileno(), _mode(open_to_all))
        umask = os.umask(0)
        try:
            reach(path, listener.bind)
        finally:
            os.umask(umask)
        listener.listen(BACKLOG)


def _mode(open_to_all: bool) -> int:
    return 0o666 if open_to_all else 0o600


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Keep others that start at this moment from replacing the same stale file.

    Whoever can read the folder could hold the lock for ever, so it is not insisted on.
    """
    descriptor = -1
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pass
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _clear(path: str) -> None:
    """Remove a socket file that nobody listens on; raises InUseError where something else is."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InUseError(0, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as probe:
        try:
            reach(path, probe.connect)
        except (ConnectionRefusedError, FileNotFoundError):
            os.unlink(path)
            return
        except OSError:
            pass  # EAGAIN: its backlog is full; EACCES: somebody else's
    raise InUseError(0, "another server listens there")


def _is_ours(folder: str) -> bool:
    """Tell whether a runtime directory is our own: root started by sudo may have that of another user."""
    try:
        return os.stat(folder).st_uid == os.geteuid()
    except OSError:
        return False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
