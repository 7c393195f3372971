"""The end of a machine whose PID 1 does not answer at its control socket: asked for by a signal."""

from __future__ import annotations

from asyncinit.cli.outcome import complain
from asyncinit.client.errors import EXIT_FAILED
from asyncinit.machine import ordering


def end(action: str | None, at_once: bool) -> int:
    """Have PID 1 of this machine, which shall be ours (`ordering.is_ours`), end it; return the exit status.

    With `at_once` it is done without PID 1 where that takes no signal.
    """
    action = action or "poweroff"
    if ordering.tell(action, at_once):
        complain(f"nobody answers at the control socket; PID 1 was sent the signal for {action}")
        return 0
    if not at_once:
        complain(f"PID 1 does not react; `asyncinit {action} --force` ends the machine without it")
        return EXIT_FAILED
    complain(f"PID 1 does not react: writing what is buffered, then {action} by the kernel")
    ordering.end(action)
    complain(f"the kernel has not done it: {action}")
    return EXIT_FAILED
