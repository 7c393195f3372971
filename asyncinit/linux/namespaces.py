"""Namespaces: making them, joining them, and knowing in which PID namespace we are; must not know what they are for."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable

from asyncinit.linux.libc import call, clone_number

CLONE_NEWTIME = 0x80  # <linux/sched.h>
CLONE_PARENT = 0x8000
CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

FLAGS = {
    "user": CLONE_NEWUSER,
    "pid": CLONE_NEWPID,
    "mount": CLONE_NEWNS,
    "net": CLONE_NEWNET,
    "ipc": CLONE_NEWIPC,
    "uts": CLONE_NEWUTS,
    "cgroup": CLONE_NEWCGROUP,
}
"""The kinds of namespaces by name, in an order in which they can be joined: the user namespace gives the right to."""

_FILES = {"mount": "mnt"}  # where the file in /proc/PID/ns has another name

_MS_RDONLY = 1  # <sys/mount.h>
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_NOEXEC = 8
_MS_REMOUNT = 0x20
_MS_BIND = 0x1000
_MS_MOVE = 0x2000
_MS_REC = 0x4000
_MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, <linux/proc_ns.h>


def unshare(flags: int) -> None:
    """Leave the namespaces of `flags` for new ones of our own (unshare(2)).

    CLONE_NEWPID concerns children only, once, and no thread can be made here afterwards: do it in a forked child.
    """
    call("unshare", flags)


def setns(fd: int, kind: int = 0) -> None:
    """Join the namespace that `fd` (of /proc/PID/ns, or a pidfd with flags in `kind`) stands for (setns(2))."""
    call("setns", fd, kind)


def join_process(pidfd: int, pid: int, kinds: Iterable[str]) -> None:
    """Join the namespaces of `kinds` (keys of FLAGS) that process `pid`, for which `pidfd` stands, is in.

    All at once by the pidfd (Linux 5.8), so that they are those of one moment; before that one by one, from /proc. A
    PID namespace concerns our children only. Raises ProcessLookupError if the process is gone.
    """
    wanted = [kind for kind in FLAGS if kind in set(kinds)]
    try:
        setns(pidfd, sum(FLAGS[kind] for kind in wanted))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    else:
        return
    fds = [os.open(f"/proc/{pid}/ns/{_FILES.get(kind, kind)}", os.O_RDONLY | os.O_CLOEXEC) for kind in wanted]
    try:
        signal.pidfd_send_signal(pidfd, 0)  # it lives, so these are its own
        for kind, fd in zip(wanted, fds, strict=True):
            setns(fd, FLAGS[kind])
    finally:
        for fd in fds:
            os.close(fd)


def kinds_apart(pid: int) -> frozenset[str]:
    """Return the kinds of namespaces (keys of FLAGS) in which process `pid` is not where we are. Raises OSError."""
    files = {kind: _FILES.get(kind, kind) for kind in FLAGS}
    return frozenset(
        kind
        for kind, file in files.items()
        if os.stat(f"/proc/{pid}/ns/{file}").st_ino != os.stat(f"/proc/self/ns/{file}").st_ino
    )


def write_id_maps(uid: int, gid: int, inside_uid: int = 0, inside_gid: int = 0) -> None:
    """Map one uid and gid of the outer user namespace into ours, made just now by CLONE_NEWUSER.

    This needs no privilege, at the price that setgroups(2) is forbidden inside (user_namespaces(7)).
    """
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside_uid} {uid} 1"),
        ("gid_map", f"{inside_gid} {gid} 1"),
    ):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def set_hostname(name: str) -> None:
    """Set the host's name in our UTS namespace."""
    text = name.encode()
    call("sethostname", text, len(text))


def make_mounts_private() -> None:
    """Keep what we mount in our mount namespace from appearing elsewhere, and the reverse."""
    call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


def mount_proc(path: str = "/proc") -> None:
    """Mount a fresh proc file system on `path`; it shows the PID namespace of the caller."""
    call("mount", b"proc", os.fsencode(path), b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def open_own(kind: str) -> int:
    """Return a new close-on-exec descriptor for our namespace of `kind` (a key of FLAGS), by which others join it."""
    return os.open(f"/proc/self/ns/{'mnt' if kind == 'mount' else kind}", os.O_RDONLY | os.O_CLOEXEC)


def enter_empty_root() -> None:
    """Leave our file system for an empty folder that nobody can write to, in a mount namespace of our own; for good.

    What is not open or mapped by then is out of reach.
    """
    unshare(CLONE_NEWNS)
    make_mounts_private()
    place = next(path for path in (b"/proc", b"/sys", b"/dev", b"/tmp", b"/") if os.path.isdir(path))
    sealed = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    call("mount", b"empty", place, b"tmpfs", sealed, b"size=4k,nr_inodes=2,mode=555")
    os.chdir(place)
    try:
        call("pivot_root", b".", b".")
        call("umount2", b".", _MNT_DETACH)
    except OSError as error:
        # The root of an initramfs, or one by chroot(2), can't be exchanged, and Docker's seccomp profile forbids the
        # call to who has CAP_SYS_ADMIN, too: then it is covered, and chroot(2) leads above.
        if error.errno not in {errno.EINVAL, errno.EPERM}:
            raise
        call("mount", b".", b"/", None, _MS_MOVE, None)
        os.chroot(".")
    os.chdir("/")
    call("mount", None, b"/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | sealed, None)


def fork_sibling(flags: int, exit_signal: int) -> int:
    """Fork a child whose parent is our own parent, in the new namespaces of `flags`; return 0 in it, else its pid.

    By clone(2) and not clone3: Docker's seccomp profile knows only the former. As PID 1 of a PID namespace EINVAL.
    Python does not learn of this fork, so the child may do nothing but system calls, then exec or `os._exit`.
    """
    return call("syscall", clone_number(), flags | CLONE_PARENT | exit_signal)


def in_initial_pid_namespace() -> bool:
    """Tell whether we are in the machine's own PID namespace; True also where that can't be known.

    Without /proc it is known by PID 2, which there is kthreadd, and kthreadd is in no process group.
    """
    try:
        return os.stat("/proc/self/ns/pid").st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        pass
    try:
        return os.getpgid(2) == 0
    except ProcessLookupError:
        return False
    except OSError:
        return True


def owns_pid_namespace() -> bool:
    """Tell whether all other processes that we could name are ours: we are PID 1, and not the machine's.

    Only then `kill(-1)` ends what is ours and nothing else.
    """
    return os.getpid() == 1 and not in_initial_pid_namespace()
