"""PID 1 of a machine where asyncinit cannot be it: reap, keep a shell on the consoles, and end the machine when asked.

It needs neither a loop nor a configuration, and is imported before what may be broken. Two lives: `run` for good, after
asyncinit has failed once too often, and `attend` for as long as somebody looks after a boot that failed. What the usual
commands send ends the machine here too, by the last steps, or where these are broken by the shortest way.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from asyncinit import minimal
from asyncinit.linux import reboot
from asyncinit.linux.reboot import How
from asyncinit.machine import console_shell, power_signals, power_status
from asyncinit.machine.child import within
from asyncinit.machine.console_shell import Program
from asyncinit.machine.power_status import Power

ORDERS: dict[int, How] = {
    signal.SIGINT: How.RESTART,  # ctrl-alt-del
    signal.SIGPWR: How.POWER_OFF,  # unless the power is back, or lasts for a while
    # In order and at once is the same here.
    **power_signals.BUSYBOX,
    **power_signals.SYSTEMD,
    **power_signals.SYSTEMD_AT_ONCE,
}
"""What asks for the machine's end."""

say = minimal.say

_SYNC = 15.0  # for what is written to be on the disks
_LAST = 10.0  # for reboot(2) to be done; then the kernel is asked in another way
_AGAIN = 2.0  # from the start of a shell to that of the next: one that cannot run must not spin
_REAP_AT_ONCE = 256  # then a look at the signals


def run(reason: str) -> NoReturn:
    """Say why, and be PID 1 of this machine until somebody ends it; never returns, never raises."""
    _be_ordinary()
    say(f"asyncinit: {reason}")
    say("asyncinit: nothing is supervised any more; what runs goes on. A shell is on the console: reboot when done")
    text = (
        f"\nasyncinit has failed and supervises nothing any more: {reason}\n"
        "What ran goes on running. `reboot` (or ctrl-alt-del) ends this machine in good order.\n\n"
    )
    while True:
        try:
            attend(text, respawn=True)
        except BaseException as error:
            say(f"asyncinit: {type(error).__name__}: {error}")
        pause(_AGAIN)


def _be_ordinary() -> None:
    """Let the kernel end for want of memory what is started from here on; it never ends the machine's PID 1."""
    try:
        from asyncinit.linux.limits import set_oom_score  # not before: this may be what is broken

        set_oom_score(0)
    except BaseException:
        pass


def attend(
    text: str,
    *,
    respawn: bool = False,
    seconds: float = math.inf,
    devices: Sequence[str] | None = None,
    what: Program | None = None,
    order: Callable[[How], None] | None = None,
) -> None:
    """Have a shell on each console, below `text`, and reap all, until one of them has ended; with `respawn` for ever.

    Returns after `seconds` in any case, and at once where nobody may be let in and no time is given. `devices`, `what`
    and `order` (what is done when somebody asks for the machine's end, in the place of `end`) are for the tests.
    """
    until = time.monotonic() + seconds
    shells = _Shells(devices, what, text)
    while True:
        _block()
        due = shells.start()
        ended, more = shells.take(reap())
        over = time.monotonic() >= until or (not respawn and (ended or (not shells and until == math.inf)))
        if over:
            shells.hang_up()
            return
        number = _next_signal(0.0 if ended or more else min(due, until) - time.monotonic())
        if number in ORDERS and not (number == signal.SIGPWR and _has_time(power_status.take())):
            shells.hang_up()
            (order or end)(ORDERS[number])


def _has_time(power: Power) -> bool:
    """Tell of the power, and whether the machine can go on."""
    if power is Power.ENDS:
        return False
    said = "is back" if power is Power.IS_BACK else "fails, and there is some time yet"
    say(f"asyncinit: the power {said}")
    return True


class _Shells:
    """The shells on all consoles: which run, and when each that has ended is started again."""

    def __init__(self, devices: Sequence[str] | None, what: Program | None, text: str) -> None:
        self._what = what or console_shell.program()
        self._text = text
        wanted = () if self._what is None else devices or console_shell.consoles()
        self._due = dict.fromkeys(wanted, -math.inf)
        self._running: dict[int, str] = {}
        self._begun: dict[int, float] = {}

    def __bool__(self) -> bool:
        return bool(self._due or self._running)

    def start(self) -> float:
        """Start those that are due; return when the next one is."""
        now = time.monotonic()
        for device in [device for device, due in self._due.items() if due <= now]:
            assert self._what is not None
            try:
                pid = console_shell.start(device, self._what, self._text)
            except OSError:
                self._due[device] = now + _AGAIN  # no process: perhaps later
                continue
            del self._due[device]
            self._running[pid], self._begun[pid] = device, now
        return min(self._due.values(), default=math.inf)

    def take(self, reaped: tuple[list[int], bool]) -> tuple[bool, bool]:
        """Take who has ended; return whether a shell was among them, and whether there may be more to reap."""
        pids, more = reaped
        ended = [pid for pid in pids if pid in self._running]
        for pid in ended:
            self._due[self._running.pop(pid)] = self._begun.pop(pid) + _AGAIN
        return bool(ended), more

    def hang_up(self) -> None:
        """End those that run."""
        console_shell.hang_up(list(self._running))


def reap() -> tuple[list[int], bool]:
    """Reap those that have ended, not all of a storm of them; return their pids, and whether there may be more."""
    pids: list[int] = []
    while len(pids) < _REAP_AT_ONCE:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | minimal.WALL)
        except ChildProcessError:
            return pids, False
        if ended is None:
            return pids, False
        pids.append(ended.si_pid)
    return pids, True


def end(how: How) -> NoReturn:
    """End this machine by the last steps, or where these cannot be taken by the shortest way; never returns."""
    try:
        from asyncinit.config.spec import PowerAction  # not before: this may be what is broken
        from asyncinit.machine import last

        last.go(PowerAction(how.action))
    except BaseException as error:
        say(f"asyncinit: cannot take the last steps: {type(error).__name__}: {error}")
    try:
        minimal.kill_all()
    except BaseException as error:
        say(f"asyncinit: {type(error).__name__}: {error}")
    end_at_once(how)
    while True:
        pause(_AGAIN)


def end_at_once(how: How) -> None:
    """Write what is buffered, and have the kernel end this machine; never raises, and returns only if it does not."""
    for step in (_sync, lambda: _leave(how)):
        try:
            step()
        except BaseException as error:
            say(f"asyncinit: {type(error).__name__}: {error}")


def _sync() -> None:
    if not within(_SYNC, os.sync).well:
        say(f"asyncinit: a disk does not answer within {_SYNC:g} s")


def _leave(how: How) -> None:
    # The kernel ends who asks for what this machine cannot do, and PID 1 must not end.
    within(_LAST, reboot.reboot, how)
    for key in how.keys:
        reboot.press(reboot.open_sysrq(), key)
        pause(_AGAIN)


def _block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, minimal.CATCHABLE)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited as ignored it would swallow each end


def _next_signal(seconds: float) -> int:
    """Return the next signal, or 0 after so many seconds."""
    if seconds == math.inf:
        return signal.sigwaitinfo(minimal.CATCHABLE).si_signo
    info = signal.sigtimedwait(minimal.CATCHABLE, max(0.0, seconds))
    return 0 if info is None else info.si_signo


def pause(seconds: float) -> None:
    """Let time go by; whatever comes meanwhile waits."""
    try:
        time.sleep(seconds)
    except BaseException:
        pass
