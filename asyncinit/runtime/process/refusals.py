"""What the kernel refuses to a process on its way, and what would give the right: words alone; does nothing."""

from __future__ import annotations

import errno
import os

from asyncinit.errors import SpawnError, why
from asyncinit.linux import network


def namespaces(number: int, kind: str = "*") -> str:
    """Return why a namespace of `kind` (of several: "*") can't be had, by the errno of the call, and what to do."""
    if number == errno.EPERM and kind == "user":
        return (
            "operation not permitted; user namespaces are forbidden here (docker: --security-opt seccomp=unconfined, "
            "or --privileged; else sysctl kernel.unprivileged_userns_clone or user.max_user_namespaces)"
        )
    if number == errno.EPERM:
        lacks = "asyncinit has not" if os.geteuid() == 0 else f"asyncinit runs as uid {os.geteuid()}, without"
        return (
            f"operation not permitted; {lacks} CAP_SYS_ADMIN (docker: --privileged, or --cap-add SYS_ADMIN); "
            'without it namespaces.user = "private" (in a pod: share = [..., "user"]) gives the right where the kernel '
            "allows that"
        )
    if number == errno.ENOSPC:
        limit = f"/proc/sys/user/max_{'mnt' if kind == 'mount' else kind}_namespaces"
        return f"the kernel allows no more of them ({limit}), or they are nested too deep"
    if number == errno.EINVAL:
        return "this kernel has no such namespaces"
    return why(number)


def bring_loopback_up() -> None:
    """Bring the loopback of our network namespace up. Raises SpawnError that says which right is missing."""
    try:
        network.bring_up()
    except PermissionError as error:
        text = "operation not permitted; asyncinit has not CAP_NET_ADMIN (docker: --privileged, or --cap-add NET_ADMIN)"
        raise SpawnError("", error.errno or 0, text) from None
