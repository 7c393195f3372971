"""What a process may use: resource limits, scheduling, and its place when memory runs out; knows nothing of services.

All functions change the process that calls them and raise OSError as the kernel gives it. See getrlimit(2),
setpriority(2), ioprio_set(2), sched(7), proc(5).
"""

from __future__ import annotations

import errno
import os
import resource

from asyncinit.linux.libc import call

_IOPRIO_WHO_PROCESS = 1  # <linux/ioprio.h>
_IOPRIO_CLASS_SHIFT = 13
IO_CLASSES = {"realtime": 1, "best-effort": 2, "idle": 3}
SCHEDULERS = {
    "other": os.SCHED_OTHER,
    "batch": os.SCHED_BATCH,
    "idle": os.SCHED_IDLE,
    "fifo": os.SCHED_FIFO,
    "rr": os.SCHED_RR,
}
_OOM_SCORE = "/proc/self/oom_score_adj"


def raise_open_files(needed: int) -> tuple[int, int] | None:
    """Raise the soft limit of this process to `needed`, or as far as the hard one allows, if it is lower.

    Returns the limits (soft, hard) as they were if they were changed, so that children can be given them back: programs
    that use select(2), or close every possible descriptor, rely on a low soft limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return None
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if wanted <= soft:
        return None
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft, hard


def set_rlimit(name: str, soft: int | None, hard: int | None) -> None:
    """Set a resource limit by its name in lower case ("nofile"); -1 is none. Raising the hard one needs a right.

    A part that is None stays as it is, but the soft limit is never more than the hard one.
    """
    number = getattr(resource, f"RLIMIT_{name.upper()}", None)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    own_soft, own_hard = resource.getrlimit(number)
    hard = own_hard if hard is None else hard
    if soft is None:
        soft = own_soft if hard == resource.RLIM_INFINITY or 0 <= own_soft <= hard else hard
    try:
        resource.setrlimit(number, (soft, hard))
    except ValueError as error:  # what Python makes of EPERM and EINVAL of a limit above the hard one
        raise OSError(errno.EPERM, os.strerror(errno.EPERM)) from error


def set_nice(value: int) -> None:
    """Set the nice value, -20 to 19."""
    os.setpriority(os.PRIO_PROCESS, 0, value)


def set_io_priority(name: str, level: int) -> None:
    """Set the class ("idle") and, but for idle, the level (0 to 7) of our turn at the disk."""
    value = IO_CLASSES[name] << _IOPRIO_CLASS_SHIFT | (0 if name == "idle" else level)
    call("syscall", _io_priority_number(), _IOPRIO_WHO_PROCESS, 0, value)


def set_scheduler(name: str, priority: int) -> None:
    """Set the scheduling policy by its name; `priority` is for the real-time ones, 0 for others."""
    os.sched_setscheduler(0, SCHEDULERS[name], os.sched_param(priority))


def set_oom_score(value: int) -> None:
    """Say how soon this process is killed when memory runs out: -1000 never, 1000 first. To lower it needs a right."""
    fd = os.open(_OOM_SCORE, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"%d" % value)
    finally:
        os.close(fd)


def _io_priority_number() -> int:
    machine = os.uname().machine
    numbers = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "loongarch64": 30, "ppc64le": 273, "s390x": 282}
    numbers |= dict.fromkeys(("i386", "i486", "i586", "i686"), 289)
    numbers |= dict.fromkeys(("armv6l", "armv7l", "armv8l"), 314)
    if machine not in numbers:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import sys

    if sys.maxsize < 2**32:  # a 32-bit interpreter on a 64-bit kernel
        return {"x86_64": 289, "aarch64": 314}.get(machine, numbers[machine])
    return numbers[machine]
