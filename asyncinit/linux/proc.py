"""Processes as /proc shows them: who they are, who made them; must not know whose service they are.

All reads are of files that the kernel makes from its own tables, so they do not wait for any process, with one
exception that is told where it is (`environment`). A process may end between two reads: then the answer is None or
empty, never an error. A full descriptor table is no reason either to take a process for ended: one descriptor is kept
back (`keep_spare`) for these reads.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_FULL = frozenset({errno.EMFILE, errno.ENFILE})
_ABSENT = frozenset({errno.ENOENT, errno.ESRCH, errno.ENOTDIR, errno.EIO})  # gone, or going just now
_HIDDEN = _ABSENT | {errno.EACCES, errno.EPERM}
# The kernel lets arguments and environment be a quarter of the stack limit, mostly 2 MiB; one block is enough for us.
_ENVIRONMENT_LIMIT = 2 << 20
_LIST_LIMIT = 16 << 20
_spare = -1


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that tell who a process is; `start_time` is in clock ticks since boot.

    (pid, start_time) is an identity: pids are used again, but not within a tick. See proc_pid_stat(5).
    """

    pid: int
    state: str
    ppid: int
    pgrp: int
    session: int
    tty: int
    start_time: int
    threads: int = 1
    name: str = ""

    @property
    def alive(self) -> bool:
        """Whether it still runs: a zombie does not, unless only its first thread has ended."""
        return self.state not in "ZXx" or self.threads > 1


class Instant(NamedTuple):
    """A moment by which it can be told whether a pid was handed out since.

    `ticks`: as in `Stat.start_time`; `last_pid`: the pid that was handed out last in our PID namespace, None where the
    kernel does not say (no CONFIG_CHECKPOINT_RESTORE); `seconds`: monotonic.
    """

    ticks: int
    last_pid: int | None
    seconds: float


_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def keep_spare() -> None:
    """Keep one descriptor back from now on, for reads when the table is full; harmless when called again."""
    global _spare
    if _spare < 0:
        try:
            _spare = os.open("/", os.O_PATH | os.O_CLOEXEC)
        except OSError:
            _spare = -1


def drop_spare() -> None:
    """Give the spare descriptor back."""
    global _spare
    if _spare >= 0:
        os.close(_spare)
        _spare = -1


def with_spare(action: Callable[[], T]) -> T:
    """Call `action`, which opens and closes one descriptor; where the table is full, once more with the spare one."""
    try:
        return action()
    except OSError as error:
        if error.errno not in _FULL or _spare < 0:
            raise
    drop_spare()
    try:
        return action()
    finally:
        keep_spare()


def _read(path: str, limit: int = 4096, absent: frozenset[int] = _HIDDEN) -> bytes | None:
    """Return what a file has, at most `limit` bytes; None where opening or reading it gives an errno of `absent`.

    Up to 4 KiB by one read: such a file the kernel makes whole or not at all.
    """

    def action() -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, 4096)
            while 0 < len(data) < limit and (more := os.read(fd, 1 << 16)):
                data += more
            return data
        finally:
            os.close(fd)

    try:
        return with_spare(action)
    except OSError as error:
        if error.errno in absent:
            return None
        raise


def _list(path: str) -> list[str]:
    """Return the names in a folder; none where it is gone or not for us to see."""
    try:
        return with_spare(lambda: os.listdir(path))
    except OSError as error:
        if error.errno in _HIDDEN:
            return []
        raise


def usable() -> bool:
    """Tell whether /proc is mounted and shows our own PID namespace: only then its pids are ours."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def instant() -> Instant:
    """Return the present moment in ticks and in pids."""
    ticks = int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS_A_SECOND)
    # Not /proc/loadavg, which has it too: in LXC that is a FUSE file, and PID 1 must not wait for a daemon.
    data = _read("/proc/sys/kernel/ns_last_pid")
    return Instant(ticks, int(data) if data else None, time.monotonic())


def pid_max() -> int:
    """Return the number at which pids begin anew; the smallest that the kernel would choose where it is not known."""
    data = _read("/proc/sys/kernel/pid_max")
    return int(data) if data else 32768


def stat(pid: int) -> Stat | None:
    """Return what /proc/PID/stat says; None where there is no such process or we may not see it.

    Raises OSError where the read failed for a reason that has nothing to do with the process (no memory).
    """
    data = _read(f"/proc/{pid}/stat")
    if data is None:
        return None
    # The name may hold blanks and parentheses: all else comes after the last one.
    end = data.rfind(b")")
    fields = data[end + 2 :].split(None, 20)
    if len(fields) < 20:
        return None
    name = data[data.find(b"(") + 1 : end].decode(errors="replace")
    return Stat(
        pid,
        fields[0].decode(),
        int(fields[1]),
        int(fields[2]),
        int(fields[3]),
        int(fields[4]),
        int(fields[19]),
        int(fields[17]),
        name if name.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in name),
    )


class Consumption(NamedTuple):
    """What a process uses: processor time in seconds, with that of the children it has waited for; resident bytes."""

    seconds: float
    resident: int


def consumption(pid: int) -> Consumption | None:
    """Return what a process uses of the machine (proc_pid_stat(5)); None where there is none or it is hidden."""
    data = _read(f"/proc/{pid}/stat") or b""
    fields = data[data.rfind(b")") + 2 :].split(None, 22)
    if len(fields) < 22:
        return None
    return Consumption(sum(map(int, fields[11:15])) / _TICKS_A_SECOND, int(fields[21]) * _PAGE)


def hidden_stat(child: int) -> Stat:
    """Return what can be told of a child of ours without /proc; it must not have been reaped.

    For a child that `hidepid` hides, or where there is no /proc; state "?" counts as alive, `start_time` is 0.
    """
    try:
        return Stat(child, "?", os.getpid(), os.getpgid(child), os.getsid(child), 0, 0)
    except OSError:
        return Stat(child, "?", os.getpid(), 0, 0, 0, 0)


def pids() -> list[int]:
    """Return all processes that /proc lists, in no order that can be relied on; empty without /proc."""
    return [int(name) for name in _list("/proc") if name[0] in "123456789" and name.isdigit()]


def has_children_files() -> bool:
    """Tell whether the kernel lists children (CONFIG_PROC_CHILDREN, Linux 3.5)."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def children(pid: int) -> list[int]:
    """Return the children of all threads of `pid`, zombies included; empty where there is no such process.

    Children that come or go meanwhile may be missed, and others beside them: exact only for a process that is
    stopped, or for ourselves (see `OwnChildren`). One scan of all processes where the kernel lists no children.
    """
    found: list[int] = []
    for thread in _list(f"/proc/{pid}/task"):
        data = _read(f"/proc/{pid}/task/{thread}/children", _LIST_LIMIT)
        if data is None and thread == str(pid) and not has_children_files():
            return Census().children(pid)
        found.extend(map(int, data.split()) if data else ())
    return found


class OwnChildren:
    """The list of our own children, exact, and readable also when no descriptor can be opened.

    Exact because only we can shorten it (a child stays on it, as a zombie, until we reap it; we have one thread) and
    the kernel appends at its end: what is on the list when the last byte is read was read. Raises OSError where the
    kernel has no such file.
    """

    def __init__(self) -> None:
        path = f"/proc/self/task/{os.getpid()}/children"
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> list[int]:
        """Return all our children that were not reaped."""
        data = b""
        while more := os.pread(self._fd, 1 << 16, len(data)):
            data += more
        return list(map(int, data.split()))

    def close(self) -> None:
        """Close its descriptor."""
        os.close(self._fd)


class Census:
    """All processes, in one pass over /proc: for kernels that list no children.

    The pass is no moment in time: who was born meanwhile may be missing. Whoever lost its parent meanwhile is looked
    at again, so that orphans appear below the process that the kernel gave them to.
    """

    def __init__(self) -> None:
        parents: dict[int, int] = {}
        for pid in pids():
            found = stat(pid)
            if found is not None:
                parents[pid] = found.ppid
        self._children: dict[int, list[int]] = {}
        for pid, parent in parents.items():
            if parent and parent not in parents:
                found = stat(pid)
                if found is None:
                    continue
                parent = found.ppid  # noqa: PLW2901
            self._children.setdefault(parent, []).append(pid)

    def children(self, pid: int) -> list[int]:
        """Return the children that `pid` had."""
        return self._children.get(pid, [])


def environment(pid: int) -> bytes | None:
    """Return the block of NAME=value, each ended by a zero byte, with which `pid` executed its program.

    Empty where it has none: in the middle of execve, or when it has ended or is about to. None where we may not read it
    (another user's process without CAP_SYS_PTRACE, one that is not dumpable). The kernel reads the process's memory
    and waits for its memory lock: do not ask for a process in state D, which may hold that for as long as it hangs.
    """
    try:
        block = _read(f"/proc/{pid}/environ", _ENVIRONMENT_LIMIT, _ABSENT)
        if not block:
            # Where the first thread has ended, another one may still have it.
            others = (thread for thread in _list(f"/proc/{pid}/task") if thread != str(pid))
            blocks = (_read(f"/proc/{pid}/task/{thread}/environ", _ENVIRONMENT_LIMIT, _ABSENT) for thread in others)
            block = next(filter(None, blocks), b"")
    except PermissionError:
        return None
    return block


def environ_has(pid: int, needle: bytes) -> bool | None:
    """Tell whether `needle` (NAME=value) is in the environment of `pid`; None where that can't be read."""
    block = environment(pid)
    return b"\0" + needle + b"\0" in b"\0" + block + b"\0" if block else None


_PF_EXITING, _PF_SIGNALED, _PF_KTHREAD = 0x4, 0x400, 0x200000  # <linux/sched.h>


def is_dying(pid: int) -> bool:
    """Tell whether a process has ended, ends just now, or has SIGKILL before it: nothing keeps it alive any more."""
    data = _read(f"/proc/{pid}/stat")
    if data is None:
        return True
    fields = data[data.rfind(b")") + 2 :].split(None, 8)
    if fields[0] in (b"Z", b"X") or int(fields[6]) & (_PF_EXITING | _PF_SIGNALED):
        return True
    pending = int(status_field(pid, "ShdPnd") or "0", 16) | int(status_field(pid, "SigPnd") or "0", 16)
    return bool(pending & 1 << signal.SIGKILL - 1)


def is_kernel_thread(pid: int) -> bool:
    """Tell whether a process has no program of its own and is part of the kernel; False also where it is gone."""
    data = _read(f"/proc/{pid}/stat") or b""
    fields = data[data.rfind(b")") + 2 :].split(None, 8)
    return len(fields) > 6 and bool(int(fields[6]) & _PF_KTHREAD)


def status_field(pid: int, name: str) -> str:
    """Return a field of /proc/PID/status ("Uid", "TracerPid"); empty where there is none."""
    data = _read(f"/proc/{pid}/status") or b""
    for line in data.splitlines():
        if line.startswith(name.encode() + b":"):
            return line.partition(b":")[2].strip().decode(errors="replace")
    return ""


def innermost_pid(pid: int) -> str:
    """Return the pid of a process as it sees itself, in the innermost of its PID namespaces; "" if it is gone."""
    return status_field(pid, "NSpid").split("\t")[-1].strip()


def command_line(pid: int) -> str:
    """Return the arguments of `pid` with blanks between, fit for a line; empty for a zombie, or where it is hidden."""
    data = _read(f"/proc/{pid}/cmdline", 4096) or b""
    text = data.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def open_files(pid: int) -> int | None:
    """Return how many descriptors `pid` has open; None where we may not see that."""
    return len(_list(f"/proc/{pid}/fd")) or None


def waiting_channel(pid: int) -> str:
    """Return the kernel function in which `pid` sleeps ("nfs_wait_bit_killable"); empty where we are not told."""
    data = _read(f"/proc/{pid}/wchan") or b""
    text = data.decode(errors="replace").strip()
    return "" if text == "0" else text


def namespace_inode(kind: str, pid: int | None = None) -> int | None:
    """Return the number of a namespace ("pid", "mnt") of `pid`, or ours; None where it can't be known."""
    try:
        return os.stat(f"/proc/{'self' if pid is None else pid}/ns/{kind}").st_ino
    except OSError:
        return None
