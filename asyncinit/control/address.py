"""Where the control socket is: the places that server and client agree on, and how a place is reached.

Knows nothing of what is spoken there. An address is a path, or "@" and an abstract name. Imports only os: the client
pays for it at every start.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import, which is a third of what `status` takes
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    T = TypeVar("T")

SYSTEM_ADDRESS = "/run/asyncinit/control.sock"
"""The place of PID 1, of a container or a machine."""

LONGEST_PATH = 107
"""What fits into sun_path with its final NUL (unix(7))."""

OVERFLOW_UID = 65534
"""What the kernel shows for a user that our user namespace does not map, and the user "nobody" of most systems."""

_ALL_UIDS = 2**32 - 1


def is_anybody(uid: int, uid_map: str = "/proc/self/uid_map") -> bool:
    """Tell whether a peer's `uid` may be anybody's, and never "us": the overflow uid, where some are not mapped.

    Where every user is mapped, as on a machine and in a plain container, it is the user nobody and no one else.
    """
    if uid != OVERFLOW_UID:
        return False
    try:
        with open(uid_map, encoding="ascii") as file:
            return sum(int(line.split()[2]) for line in file) < _ALL_UIDS
    except (OSError, ValueError, IndexError):
        return True


def user_address(environment: Mapping[str, str]) -> str | None:
    """Return the place in the user's own runtime directory, None without one."""
    folder = environment.get("XDG_RUNTIME_DIR", "")
    return os.path.join(folder, "asyncinit", "control.sock") if folder.startswith("/") else None


def abstract_address(uid: int) -> str:
    """Return the place that needs no file system: an abstract name made of uid, mount and PID namespace.

    Abstract names are shared by a network namespace; the inodes keep containers apart that share the host's network.
    """
    return f"@asyncinit-{uid}-{_namespace('mnt')}-{_namespace('pid')}"


def project_address(folder: str) -> str | None:
    """Return the place of the asyncinit that runs the project in `folder`; None where there is no such folder.

    By the folder's identity, not its path: a project is the same one through a symbolic link or a bind mount. Without
    the uid, which is another one inside a user namespace; whom to trust is told by the peer's credentials.
    """
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return f"@asyncinit-project-{status.st_dev:x}-{status.st_ino:x}"


def _namespace(kind: str) -> int:
    try:
        return os.stat(f"/proc/self/ns/{kind}").st_ino
    except OSError:
        return 0


def reach(address: str, act: Callable[[str], T]) -> T:
    """Call `act` (a socket's bind or connect) with what the kernel takes for `address`; raises OSError.

    A path that is too long for the kernel goes through a descriptor of its folder.
    """
    if address.startswith("@"):
        return act("\0" + address[1:])
    if len(os.fsencode(address)) <= LONGEST_PATH:
        return act(address)
    folder = os.open(os.path.dirname(address) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return act(f"/proc/self/fd/{folder}/{os.path.basename(address)}")
    finally:
        os.close(folder)
