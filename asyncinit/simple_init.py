"""The simple init: PID 1 of a PID namespace that reaps and reports, with next to no right; run as a program.

It is executed (`python -I -S simple_init.py ...`) so that nothing of asyncinit's memory, where other services' secrets
are, stays in a process that a sandbox can see. Then it gives everything up: its root is an empty folder that cannot be
written to, it holds no capability (but for CAP_KILL where it forwards signals), no descriptor but the pipe on which it
reports, nobody in the sandbox can look into it or trace it, and it is a user that no one else is, where it may.

It begins to reap only after that, so whatever it needs is imported at the start: there is no file system later.
`minimal.attend` is the loop. It ends when nobody reads its reports any more; the kernel then ends all others in its
PID namespace.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import NoReturn
else:
    import _signal

UID = 65533
"""Who it is where it may choose; gid too. Not 65534, which stands for "nobody known" on every system."""

REPORT = 3
BIRTH = 4
GATE = 5
"""Descriptors that it is given. To the report: a line for each process that it reaps. To the birth: the step that has
failed. The gate is opened by a byte once it has given everything up: only then the service may run."""


POD = "pod"
SERVICE = "service"
"""For whom it is: in a pod it forwards nothing; a service's own forwards signals to PID 2, and ends after it."""

_CAP_KILL = 5


def command(mode: str) -> "tuple[str, ...]":
    """Return the words by which it is run."""
    return (sys.executable, "-I", "-S", os.path.abspath(__file__), mode)


def main(mode: str) -> "NoReturn":
    """Become powerless, then reap and report until it is over."""
    forwards = mode == SERVICE
    step = "load what is needed"
    try:
        import fcntl
        import select

        from asyncinit import minimal
        from asyncinit.linux import capabilities, close_range, namespaces, process

        capabilities.held()  # loads what calls C
        step = "close its descriptors"
        os.closerange(0, REPORT)
        close_range.close_all_but(REPORT, BIRTH, *([GATE] if forwards else []))
        step = "get an empty root"
        namespaces.enter_empty_root()
        step = "drop its rights"
        _drop_rights(1 << _CAP_KILL if forwards else 0)
        step = "watch its reader"
        # The kernel sends SIGIO when a pipe's last reader has gone (fcntl(2), O_ASYNC), to whom the owner may signal.
        fcntl.fcntl(REPORT, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(REPORT, fcntl.F_SETFL, fcntl.fcntl(REPORT, fcntl.F_GETFL) | os.O_ASYNC)
        poll = select.poll()
        poll.register(REPORT, 0)
        process.set_name("simple-init")
        # At last, since a change of user sets it anew.
        process.set_dumpable(False)
    except BaseException as error:
        _fail(step, error)
    if forwards:
        try:
            os.write(GATE, b"\x01")
        except OSError:
            pass  # who waited there was killed, and will be reaped
        os.close(GATE)
    os.close(BIRTH)
    minimal.attend(REPORT, lambda: bool(poll.poll(0)), main=2 if forwards else None)


def _drop_rights(kept: int) -> None:
    """Hold the capabilities `kept` and no other, for good, as a user that nobody else is if we may be one."""
    from asyncinit.linux import capabilities, process

    held = capabilities.held()
    if held.permitted >> capabilities.SETPCAP & 1:
        capabilities.limit_bounding(kept)
    capabilities.keep_over_change_of_user(True)
    for change in (_no_groups, lambda: os.setresgid(UID, UID, UID), lambda: os.setresuid(UID, UID, UID)):
        _if_possible(change)
    capabilities.set_ambient(0)
    kept &= held.permitted
    capabilities.set_held(capabilities.Sets(kept, kept, 0))
    process.set_no_new_privs()


def _no_groups() -> None:
    os.setgroups(())


def _if_possible(change: "Callable[[], None]") -> None:
    """Change who we are; a user namespace may have no such id (EINVAL), or forbid it (EPERM)."""
    try:
        change()
    except OSError:
        pass


def _fail(step: str, error: BaseException) -> "NoReturn":
    """Tell why it cannot be an init, in the words of `runtime.process.child`, and end: all in here end with it."""
    number = error.errno or 0 if isinstance(error, OSError) else 0
    text = "" if number else f"{error!r}"
    try:
        os.write(BIRTH, f"{number}\0have its init {step}\0{text}".encode(errors="replace")[:4000])
    except OSError:
        pass
    os._exit(1)


if __name__ == "__main__":
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main(sys.argv[1])
