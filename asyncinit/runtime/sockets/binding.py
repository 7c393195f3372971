"""Make one socket and bind it to its address; knows no service and holds nothing.

An address of the internet, and an abstract name, is bound at once: that is quick whatever happens. A path may be on a
file system that hangs, so PID 1 only makes the socket, and a child binds it: the two share it, so it is bound here too.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

from asyncinit.config.spec import Socket, SocketKind
from asyncinit.errors import AddressError, SpawnError, why
from asyncinit.runtime.ready.addresses import parse_tcp

# Since Linux 2.4 and 4.20; Python has no names for them.
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78
_FOLDER_MODE = 0o755


def step_of(wanted: Socket, address: str) -> str:
    """Return what is done, to be read after "cannot"."""
    return f"listen on {wanted.kind} {address}"


def has_path(wanted: Socket, address: str) -> bool:
    """Tell whether the address is a path, which a child has to bind."""
    return wanted.kind.local and not address.startswith("@")


def make(wanted: Socket, address: str) -> socket.socket:
    """Return a socket for `address`, bound and listening unless it has a path. Raises SpawnError."""
    try:
        if not wanted.kind.local:
            return _internet(wanted, address)
        made = socket.socket(socket.AF_UNIX, _type(wanted))
        try:
            if not has_path(wanted, address):
                made.bind(b"\0" + os.fsencode(address[1:]))
                listen(made, wanted)
        except BaseException:
            made.close()
            raise
    except AddressError as error:
        raise SpawnError(step_of(wanted, address), errno.EINVAL, str(error)) from error
    except (OSError, OverflowError) as error:
        number = (error.errno if isinstance(error, OSError) else 0) or errno.EINVAL
        raise SpawnError(step_of(wanted, address), number, _explained(number, address)) from error
    return made


def listen(made: socket.socket, wanted: Socket) -> None:
    """Have a bound socket take connections, if it is one for connections; again: with another backlog."""
    if wanted.kind.stream:
        made.listen(wanted.backlog)


def _type(wanted: Socket) -> socket.SocketKind:
    return socket.SOCK_STREAM if wanted.kind.stream else socket.SOCK_DGRAM


def _internet(wanted: Socket, address: str) -> socket.socket:
    host, port = parse_tcp(address)
    if host != "*":
        return _bound(wanted, "127.0.0.1" if host == "localhost" else host, port)
    try:
        return _bound(wanted, "::", port)
    except OSError as error:
        # This kernel has no IPv6, or it was switched off.
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) or wanted.ipv6_only:
            raise
    return _bound(wanted, "0.0.0.0", port)


def _bound(wanted: Socket, host: str, port: int) -> socket.socket:
    six = ":" in host
    made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, _type(wanted))
    try:
        if wanted.kind is SocketKind.TCP:
            # Connections of an earlier life that the kernel still remembers do not hold the address.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if wanted.reuse_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if six:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, wanted.ipv6_only)
        if wanted.freebind:
            level, option = (socket.IPPROTO_IPV6, _IPV6_FREEBIND) if six else (socket.IPPROTO_IP, _IP_FREEBIND)
            made.setsockopt(level, option, 1)
        host, _, scope = host.partition("%")
        made.bind((host, port, 0, _scope(scope)) if six else (host, port))
        listen(made, wanted)
    except BaseException:
        made.close()
        raise
    return made


def _scope(name: str) -> int:
    return 0 if not name else int(name) if name.isdecimal() else socket.if_nametoindex(name)


def _explained(number: int, address: str) -> str:
    text = why(number)
    if number == errno.EACCES and not address.startswith("@"):
        return f"{text}: a port this low takes root or CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start)"
    if number == errno.EADDRNOTAVAIL:
        return f"{text}: no interface has it (freebind = true does not wait for that)"
    return ""


# ---------------------------------------------------------------------------------------------------------------------
# In a child


def bind_path(fd: int, wanted: Socket, path: str, owner: tuple[int, int]) -> tuple[int, int]:
    """Bind the unbound socket `fd` to `path`, for `owner` (uid, gid; -1: leave it), and return (device, inode).

    A socket that nobody listens on any more is replaced. Raises OSError, EADDRINUSE where somebody does.
    """
    folder = os.path.dirname(path)
    os.umask(0o777 & ~_FOLDER_MODE)
    os.makedirs(folder, exist_ok=True)
    _remove_stale(path, wanted)
    with socket.socket(fileno=os.dup(fd)) as made:
        # The file gets the mode of the socket (unix_bind of the kernel): no chmod by path, which could be another's by
        # then. Nobody can connect before it listens.
        os.fchmod(made.fileno(), wanted.mode)
        os.umask(0)
        made.bind(path)
        if owner != (-1, -1):
            os.chown(path, *owner, follow_symlinks=False)
        listen(made, wanted)
    info = os.lstat(path)
    return info.st_dev, info.st_ino


def adorn(path: str, identity: tuple[int, int], wanted: Socket, owner: tuple[int, int]) -> None:
    """Give the file of a bound socket another owner and mode, if it is still that file. Raises OSError."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        if (info.st_dev, info.st_ino) != identity:
            raise OSError(errno.ESTALE, f"{path} is not the file that was made")
        if owner != (-1, -1):
            os.chown(f"/proc/self/fd/{fd}", *owner)
        os.chmod(f"/proc/self/fd/{fd}", wanted.mode)
    finally:
        os.close(fd)


def _remove_stale(path: str, wanted: Socket) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EADDRINUSE, f"{path} exists, and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, _type(wanted)) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError as error:
            # EPROTOTYPE: somebody has it for another kind. EAGAIN: somebody's backlog is full.
            if error.errno not in (errno.EPROTOTYPE, errno.EAGAIN):
                raise
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def remove_path(path: str, identity: tuple[int, int]) -> None:
    """Remove a socket's file if it is still the one that was bound. Raises OSError."""
    try:
        info = os.lstat(path)
        if (info.st_dev, info.st_ino) == identity:
            os.unlink(path)
    except FileNotFoundError:
        pass
