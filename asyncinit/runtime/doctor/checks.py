"""Look at what this process may do and what this kernel can; knows no service. May block: run it in a child.

Each check says what was found and, where that is not all, what it switches off. Nothing is changed by looking.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from asyncinit.control.types import Check, Grade
from asyncinit.linux import cgroups, landlock, proc, seccomp
from asyncinit.linux.close_range import has_close_range
from asyncinit.linux.mounts import table
from asyncinit.linux.namespaces import in_initial_pid_namespace
from asyncinit.linux.process import pidfd_open, pidfd_signal

_CAPABILITIES = (  # <linux/capability.h>
    (5, "KILL", "members of services that changed their user cannot be signalled"),
    (7, "SETUID", "services with `user` cannot start"),
    (6, "SETGID", "services with `group` or `user` cannot start"),
    (19, "SYS_PTRACE", "what a service of another user leaves behind is not known by its environment"),
    (0, "CHOWN", "directories and output cannot be given to a service's user"),
    (1, "DAC_OVERRIDE", "directories and files of other users cannot be written"),
    (8, "SETPCAP", "services with security.capabilities cannot start"),
    (21, "SYS_ADMIN", 'namespaces and mounts of services take namespaces.user = "private"'),
)

_LANDLOCK_OF = (  # the ABI from which on it can be refused
    (3, "to truncate files"),
    (4, "TCP ports (services with such rules cannot start)"),
    (5, "ioctl on devices"),
)


def machine() -> list[Check]:
    """Return what was found of kernel, rights and file systems."""
    found = []
    for check in (
        _kernel,
        _role,
        _proc,
        _pidfd,
        _group_signals,
        _exit_info,
        _close_range,
        _user,
        _capabilities,
        _no_new_privileges,
        _seccomp,
        _landlock,
        _cgroup,
        _user_namespaces,
        _run,
        _shared_memory,
    ):
        found.append(_carry_out(check))
    return found


def _carry_out(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (OSError, ValueError) as error:
        name = check.__name__.strip("_").replace("_", " ")
        return limited(name, f"cannot be looked at: {error}", "what depends on it may not work")


def good(name: str, found: str) -> Check:
    """Return a check that came out well."""
    return Check(name=name, grade=Grade.GOOD, found=found, means="")


def limited(name: str, found: str, means: str) -> Check:
    """Return a check that something is switched off."""
    return Check(name=name, grade=Grade.LIMITED, found=found, means=means)


def problem(name: str, found: str, means: str) -> Check:
    """Return a check that something goes wrong."""
    return Check(name=name, grade=Grade.PROBLEM, found=found, means=means)


def _release() -> tuple[int, int]:
    numbers = os.uname().release.split("-")[0].split(".")
    return int(numbers[0]), int("".join(letter for letter in numbers[1] if letter.isdigit()) or 0)


def _kernel() -> Check:
    text = f"Linux {os.uname().release} on {os.uname().machine}"
    if _release() < (5, 3):
        return problem("kernel", text, "too old: asyncinit is made for Linux 5.3 and newer")
    return good("kernel", text)


def _role() -> Check:
    whose = "the machine's PID namespace" if in_initial_pid_namespace() else "a PID namespace of a container"
    return good("namespace", whose)


def _proc() -> Check:
    if not proc.usable():
        found = "not mounted, or of another PID namespace"
        return problem("/proc", found, "what services leave behind is found by process group only")
    if not proc.has_children_files():
        found = "without lists of children (CONFIG_PROC_CHILDREN)"
        return limited("/proc", found, "each look for members reads all of /proc")
    if os.geteuid() != 0 and proc.stat(1) is None:
        return limited("/proc", "mounted with hidepid", "processes of other users cannot be seen")
    return good("/proc", "mounted, of our PID namespace")


def _pidfd() -> Check:
    try:
        os.close(pidfd_open(os.getpid()))
    except OSError as error:
        means = "signals go by number, and the end of a foreign main process may be seen late"
        return limited("pidfd", f"refused: {error.strerror}", means)
    return good("pidfd", "processes are signalled by descriptor")


def _group_signals() -> Check:
    try:
        pidfd = pidfd_open(os.getpid())
        try:
            pidfd_signal(pidfd, 0, group=True)
        except ProcessLookupError:
            pass  # the kernel knows the flag; nobody is in a group that we lead
        finally:
            os.close(pidfd)
    except OSError:
        means = "groups are signalled by number, while a member is seen in them"
        return limited("pidfd for groups", "not in this kernel (6.9)", means)
    return good("pidfd for groups", "groups are signalled by descriptor")


def _exit_info() -> Check:
    if _release() < (6, 15):
        means = "the status of a main process that is not our child is unknown, which counts as failure"
        return limited("status by pidfd", "not in this kernel (6.15)", means)
    return good("status by pidfd", "the end of any main process is told with its status")


def _close_range() -> Check:
    if not has_close_range():
        return limited("close_range", "not in this kernel (5.9)", "descriptors are closed one by one")
    return good("close_range", "available")


def _user() -> Check:
    uid = os.geteuid()
    if uid == 0:
        return good("user", "root")
    return limited("user", f"uid {uid}", "services can run as this user only")


def _capabilities() -> Check:
    text = proc.status_field(os.getpid(), "CapEff")
    if not text:
        return limited("capabilities", "not known without /proc", "what is refused shows when it is tried")
    held = int(text, 16)
    missing = [(name, means) for bit, name, means in _CAPABILITIES if not held >> bit & 1]
    if not missing:
        return good("capabilities", "all that asyncinit makes use of")
    found = "without " + ", ".join(f"CAP_{name}" for name, _ in missing)
    return limited("capabilities", found, "; ".join(dict.fromkeys(means for _, means in missing)))


def _no_new_privileges() -> Check:
    if proc.status_field(os.getpid(), "NoNewPrivs") == "1":
        means = "set-user-id programs such as sudo and ping get no rights in services"
        return limited("no_new_privs", "set", means)
    return good("no_new_privs", "not set")


def _seccomp() -> Check:
    mode = proc.status_field(os.getpid(), "Seccomp")
    found = "a filter is in force" if mode == "2" else "no filter"
    try:
        seccomp.library()
    except seccomp.MissingLibraryError as error:
        return limited("seccomp", f"{found}; {error}", "services with security.seccomp cannot start")
    return good("seccomp", found)


def _landlock() -> Check:
    missing = landlock.why_not()
    if missing:
        return limited("landlock", missing, "services with security.landlock cannot start")
    abi = landlock.version()
    lacking = [text for least, text in _LANDLOCK_OF if abi < least]
    if lacking:
        return limited("landlock", f"ABI {abi}", f"cannot refuse {', '.join(lacking)}")
    return good("landlock", f"ABI {abi}")


def _cgroup() -> Check:
    own = cgroups.own()
    if own is None:
        found = (
            "not mounted, or does not show our own cgroup" if cgroups.own_name() is not None else "not in this kernel"
        )
        return limited("cgroup v2", found, "no limits, no freeze and no kill by cgroup")
    controllers = cgroups.read(own.folder, cgroups.CONTROLLERS).split()
    listed = " ".join(controllers) or "no controllers"
    if not cgroups.is_writable(own.folder):
        return limited("cgroup v2", f"{own.folder}, read-only; {listed}", "no cgroup of its own for a service")
    missing = [name for name in ("memory", "pids", "cpu", "io") if name not in controllers]
    if missing:
        means = f"no limits of {', '.join(missing)} by cgroup; a service that has such a key does not start"
        return limited("cgroup v2", f"{own.folder}, writable; {listed}", means)
    return good("cgroup v2", f"{own.folder}, writable; {listed}")


def _user_namespaces() -> Check:
    most = _lines("/proc/sys/user/max_user_namespaces")
    unprivileged = _lines("/proc/sys/kernel/unprivileged_userns_clone")
    if most == ["0"] or (unprivileged == ["0"] and os.geteuid() != 0):
        return limited("user namespaces", "forbidden", "`run --unshare` needs root")
    return good("user namespaces", "allowed")


def _run() -> Check:
    if not os.path.isdir("/run"):
        return limited("/run", "does not exist", "the control socket is abstract or below XDG_RUNTIME_DIR")
    if not os.access("/run", os.W_OK):
        found = "cannot be written"
        return limited("/run", found, "the control socket and runtime directories are elsewhere")
    return good("/run", "writable")


def _shared_memory() -> Check:
    kinds = {mount.place: mount.kind for mount in table()}
    if not os.access("/dev/shm", os.W_OK):
        return limited("/dev/shm", "not there, or cannot be written", "programs with POSIX shared memory fail")
    return good("/dev/shm", f"{kinds.get('/dev/shm', 'a folder')}, writable")


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")[:-1]
    except OSError:
        return []
