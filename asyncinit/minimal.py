"""The smallest loop that keeps PID 1's promises: block, wait, reap, report, and at the end TERM, then KILL.

It must not know of asyncio, services or configuration, and imports nothing that could be missing or slow, because it
runs when the rest has failed: as the reaper of last resort and after a failed re-exec. `simple_init`, PID 1 of a pod
and of a service's own PID namespace, attends by it. It never raises. The wrapper uses its way of reaching everything
below us.
"""

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterable
    from typing import NoReturn
else:
    import _signal

FAULTS = (
    *(_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL),
    *(_signal.SIGTRAP, _signal.SIGSYS, _signal.SIGABRT),
)
CATCHABLE = _signal.valid_signals() - {*FAULTS, _signal.SIGKILL, _signal.SIGSTOP}
ENDING = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGPWR)
ORDERS = tuple(range(_signal.SIGRTMIN + 3, _signal.SIGRTMIN + 7)) + tuple(
    range(_signal.SIGRTMIN + 13, _signal.SIGRTMIN + 17)
)
"""What asks PID 1 of a machine for its end in order, and at once (systemd's numbers)."""
WALL = 0x40000000  # __WALL: children made by clone(2) with another exit signal, too
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, <linux/proc_ns.h>
_LAST_WAIT = 1.0  # for what was killed to go; longer only if it hangs in the kernel, where waiting does not help
_REAP_AT_ONCE = 256  # then a look at the signals: a storm of orphans must not hold up a SIGTERM
_FILE, _SOCKET = 0o100000, 0o140000  # S_IFREG, S_IFSOCK
_PASSES = 50  # against a fork loop: each pass stops what is new, so few are ever needed


def run(
    main: "int | None" = None,
    *,
    grace: float = 5.0,
    status: int = 0,
    report: int = -1,
    stay: bool = False,
    end: bool = False,
) -> "NoReturn":
    """Reap until all is over, then leave by `os._exit`; never returns, never raises.

    It is over when `main` has ended (its status is ours then, 128+n for signal n; `status` if it is no child of ours),
    on SIGTERM, SIGINT, SIGQUIT, SIGPWR or one of ORDERS, when the reader of `report` is gone, at once with `end`, or,
    without `stay`, when no child is left (`status` is ours then).
    What is left gets SIGTERM and SIGCONT, and SIGKILL `grace` seconds later. Each child's end is written to the
    descriptor `report` before its pid is free again: "PID CODE 0 0" or "PID 0 SIGNAL CORE" (1: dumped) and a newline.
    PID 1 of a machine never leaves, for that would be a kernel panic: it has the kernel reboot when it was told to end.
    """
    state = {"status": status, "ending": end or (main is not None and not _is_child(main)), "unheard": False}
    kill_at: float | None = None
    while True:
        try:
            _signal.pthread_sigmask(_signal.SIG_BLOCK, CATCHABLE)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # inherited as ignored it would swallow each status
            childless, more = _reap(main, report, state)
            state["ending"] |= state["unheard"]
            if (childless and (state["ending"] or not stay)) or (kill_at and time.monotonic() > kill_at + _LAST_WAIT):
                _leave(int(state["status"]), bool(state["ending"]))
            if state["ending"] and kill_at is None:
                signal_all(_signal.SIGTERM)
                signal_all(_signal.SIGCONT)
                kill_at = time.monotonic() + grace
            if kill_at is not None and time.monotonic() >= kill_at:
                kill_all()
                info = _signal.sigtimedwait(CATCHABLE, 0.1)
            elif more or kill_at is not None:
                info = _signal.sigtimedwait(CATCHABLE, 0 if more else max(0.0, (kill_at or 0) - time.monotonic()))
            else:
                info = _signal.sigwaitinfo(CATCHABLE)
            if info is not None and info.si_signo in (*ENDING, *ORDERS):
                state["ending"] = True
        except BaseException:
            _pause()  # nothing here may end PID 1; a fault that stays must not spin either


def attend(report: int, unheard: "Callable[[], bool]", main: "int | None" = None) -> "NoReturn":
    """Be PID 1 of a PID namespace that others rule from outside: reap, report as `run` does, end nobody.

    Signals are forwarded to `main` as long as it lives; without it nothing is done about them. It is over when
    nobody reads `report` (`unheard` tells; SIGIO is the reason to ask), and then all others end with us; or when `main`
    and all others have ended, with its status.
    """
    state = {"status": 0, "ending": False, "unheard": False}
    while True:
        try:
            _signal.pthread_sigmask(_signal.SIG_BLOCK, CATCHABLE)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            childless, more = _reap(main, report, state)
            if state["unheard"] or unheard() or (childless and state["ending"]):
                os._exit(int(state["status"]) & 0xFF)
            info = _signal.sigtimedwait(CATCHABLE, 0) if more else _signal.sigwaitinfo(CATCHABLE)
            if main is not None and info is not None and not state["ending"]:
                _forward(info.si_signo, main)
        except BaseException:
            _pause()


def _forward(number: int, main: int) -> None:
    if number not in (_signal.SIGCHLD, _signal.SIGIO):  # these are for us
        try:
            os.kill(main, number)
        except OSError:
            pass  # it is another user's, and we may not


def _is_child(pid: int) -> bool:
    """Tell whether a process is there to be waited for; its status may have been taken by what ran before us."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT | WALL)
    except BaseException:
        return False
    return True


def _reap(main: "int | None", report: int, state: "dict[str, int | bool]") -> "tuple[bool, bool]":
    """Reap those that have ended; return whether there is no child at all, and whether there may be more to reap."""
    for _ in range(_REAP_AT_ONCE):
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | WALL)
            if ended is None:
                return False, False
            code, number = (ended.si_status, 0) if ended.si_code == os.CLD_EXITED else (0, ended.si_status)
            if report >= 0:
                try:
                    core = ended.si_code == os.CLD_DUMPED
                    os.write(report, b"%d %d %d %d\n" % (ended.si_pid, code, number, core))
                except OSError:
                    state["unheard"] = True
            os.waitid(os.P_PID, ended.si_pid, os.WEXITED | os.WNOHANG | WALL)
            if ended.si_pid == main:
                state.update(status=code or (number and 128 + number), ending=True)
        except ChildProcessError:
            return True, False
    return False, True


def _leave(status: int, ending: bool) -> None:
    """End this process, or what is a machine's: that is rebooted, with what was written on its disks.

    Returns where a machine was not told to end: there is nobody yet, and whoever waits for a signal takes it.
    """
    if os.getpid() != 1 or owns_pid_namespace():
        os._exit(status & 0xFF)
    if ending:
        fd = os.open("/proc/sysrq-trigger", os.O_WRONLY | os.O_CLOEXEC)
        try:
            for key in (b"s", b"u", b"b"):  # sync, all read-only, boot
                os.write(fd, key)
                time.sleep(_LAST_WAIT)
        finally:
            os.close(fd)


def say(text: str) -> None:
    """Write a line where our errors go, without waiting for a console that stands still; never raises.

    What finds no room is lost. It is the console where our errors go nowhere, and we are PID 1.
    """
    data = f"{text}\n".encode(errors="replace")
    fd = -1
    try:
        fd = _errors()
        while data:
            data = data[os.write(fd, data) :]
    except BaseException:
        pass  # nobody takes it
    finally:
        if fd > 2:
            os.close(fd)


def _kind() -> int:
    """Return what standard error is, as the mode of stat(2) has it; 0 where it is closed."""
    try:
        return os.fstat(2).st_mode & 0o170000
    except OSError:
        return 0


def _errors() -> int:
    """Return a descriptor to write to that makes nobody wait. Raises OSError where there is none."""
    if _kind() == _FILE:
        return 2  # opened once more it had another position
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open("/proc/self/fd/2", flags)
    except OSError:
        pass
    if os.getpid() != 1 or _kind() == _SOCKET:
        import select

        room = select.poll()
        room.register(2, select.POLLOUT)
        if not room.poll(0):
            raise BlockingIOError
        return 2
    return os.open("/dev/console", flags)


def _pause() -> None:
    try:
        time.sleep(0.1)
    except BaseException:
        pass


def owns_pid_namespace() -> bool:
    """Tell whether `kill(-1)` reaches what is ours and nothing else: we are PID 1, and not the machine's."""
    if os.getpid() != 1:
        return False
    try:
        return os.stat("/proc/self/ns/pid").st_ino != _INITIAL_PID_NAMESPACE
    except OSError:
        pass
    try:
        return os.getpgid(2) != 0  # without /proc: PID 2 of a machine is kthreadd, which is in no process group
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it can't be known, and a machine is too much to risk


def descendants() -> "dict[int, int]":
    """Return the pid of every process below us (zombies too), with its parent's; empty where /proc is not ours."""
    below = {os.getpid(): 0}
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return {}  # a /proc of another PID namespace: its numbers are not ours
        parents = {pid: _parent(pid) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
    except OSError:
        return {}
    grown = True
    while grown:
        new = {pid: parent for pid, parent in parents.items() if parent in below and pid not in below}
        below.update(new)
        grown = bool(new)
    del below[os.getpid()]
    return below


def _parent(pid: int) -> int:
    """Return the parent of a process, -1 if it is gone. What looks like a zombie may live on in other threads."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        return int(os.read(fd, 4096).rpartition(b")")[2].split()[1])  # the name before it may hold anything
    except (OSError, ValueError, IndexError):
        return -1
    finally:
        os.close(fd)


def signal_all(number: int) -> None:
    """Send a signal to every process below us, as PID 1 of a PID namespace to all others in it."""
    if owns_pid_namespace():
        try:
            os.kill(-1, number)
        except OSError:
            pass  # nobody is left
    else:
        signal_each(descendants(), number)


def signal_each(pids: "Iterable[int]", number: int) -> None:
    """Send a signal to each of our descendants `pids` that still is one; never to a pid that was reused."""
    pids = list(pids)
    known = {os.getpid(), *pids}
    for pid in pids:
        fd = -1
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        except OSError:
            pass  # before Linux 5.3, or forbidden: what follows is then the best there is
        try:
            if _parent(pid) not in known:
                continue
            if fd >= 0:
                _signal.pidfd_send_signal(fd, number)
            else:
                os.kill(pid, number)
        except OSError:
            pass  # gone meanwhile, or of another user: then nobody here could do better
        finally:
            if fd >= 0:
                os.close(fd)


def kill_all() -> None:
    """Send SIGKILL to every process below us, also against a fork loop: first stop all until no new one appears."""
    if not owns_pid_namespace():
        seen: set[int] = set()
        for _ in range(_PASSES):
            new = descendants().keys() - seen
            if not new:
                break
            signal_each(seen | new, _signal.SIGSTOP)
            seen |= new
    signal_all(_signal.SIGKILL)


def main(arguments: "list[str]") -> "NoReturn":
    """Run as a program: minimal.py [main=PID] [report=FD] [grace=SECONDS] [status=N] [stay=1] [end=1]."""
    options = dict(argument.partition("=")[::2] for argument in arguments)
    run(
        int(options["main"]) if "main" in options else None,
        grace=float(options.get("grace", 5)),
        status=int(options.get("status", 0)),
        report=int(options.get("report", -1)),
        stay=options.get("stay", "") == "1",
        end=options.get("end", "") == "1",
    )


if __name__ == "__main__":
    import sys

    _signal.pthread_sigmask(_signal.SIG_BLOCK, CATCHABLE)
    main(sys.argv[1:])
