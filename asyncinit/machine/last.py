"""The last steps of a machine: from the moment when all services are down until reboot(2); knows no service.

A table, as the early steps are. Each step has a deadline, all together have one, and where even that does not lead to
the end, a child presses SysRq keys (`last_resort`): nothing that hangs keeps a machine from going down. What could not
be done is named on the console. `go` never returns.
"""

from __future__ import annotations

import errno
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from asyncinit.config.spec import PowerAction
from asyncinit.errors import AsyncinitError
from asyncinit.linux import proc, reboot, unmount
from asyncinit.linux.close_range import close_all_but
from asyncinit.linux.oom_score import own_score
from asyncinit.linux.watchdog import Watchdog
from asyncinit.machine import clock, recognition, remaining, seed, unmounting
from asyncinit.machine.child import within
from asyncinit.machine.last_resort import LastResort, pause, press
from asyncinit.machine.last_words import LastWords
from asyncinit.machine.step import Step, carry_out
from asyncinit.machine.system import System
from asyncinit.machine.writing import unwritten, write_out

_WHOLE = 300.0
"""Seconds for all steps: so much only where data is being written all the time. What hangs takes far less."""
_LEAST = 2.0  # for a step that has its turn when they are over
_SLACK = 20.0  # from our last sign of life until the last resort
_ACT = 30.0  # for reboot(2), which has every driver stop its device
_LOOK = 0.25
_DISK = 10.0  # for writing a small file

_DOING = {
    PowerAction.HALT: "halting",
    PowerAction.POWEROFF: "switching off",
    PowerAction.REBOOT: "rebooting",
    PowerAction.KEXEC: "starting the loaded kernel",
}


class NotAMachineError(AsyncinitError):
    """The last steps were asked for where there is no machine to end: a bug of asyncinit."""

    def __str__(self) -> str:
        return "cannot end the machine: this is not its PID 1"


class Ending:
    """What the last steps work on."""

    def __init__(self, action: PowerAction, words: LastWords, resort: LastResort, watchdog: Watchdog | None) -> None:
        self.action = action
        self.say = words.say
        self.resort = resort
        self._watchdog = watchdog
        self._end = time.monotonic() + _WHOLE

    @property
    def left(self) -> float:
        """Seconds for what is done now."""
        return max(_LEAST, self._end - time.monotonic())

    def alive(self) -> None:
        """Have the last resort and the watchdog wait: we get on, and there is time yet."""
        if time.monotonic() >= self._end:
            return
        self.resort.put_off(_SLACK)
        if self._watchdog is not None:
            try:
                self._watchdog.feed()
            except OSError:
                self._watchdog = None

    def release_watchdog(self) -> None:
        """Stop it, for a machine that is to stand still; else it goes on, and resets one that does not go down."""
        if self._watchdog is not None:
            try:
                self._watchdog.release()
            except OSError as error:
                self.say(f"the watchdog cannot be stopped and will reset the machine: {error.strerror}")


def _end_processes(ending: Ending) -> str | None:
    pid = ending.resort.pid
    system = remaining.Machine(() if pid is None else (pid,), ending.alive)
    return "; ".join(remaining.end_all(system, ending.say))


def _keep_seed(_ending: Ending) -> str | None:
    return _unless_read_only(seed.save)


def _keep_time(_ending: Ending) -> str | None:
    return _unless_read_only(clock.save)


def _set_rtc(_ending: Ending) -> str | None:
    return clock.keep_in_hardware(System())


def _unless_read_only(save: Callable[[System], str]) -> str | None:
    """Save something for the next boot, where that is possible: a machine whose /var is read-only is meant so."""
    try:
        return save(System())
    except OSError as error:
        if error.errno == errno.EROFS:
            return None
        raise


def _sync(_ending: Ending) -> str | None:
    write_out(os.sync, unwritten)
    return None


def _swap_off(_ending: Ending) -> str | None:
    """Take back what is swapped out: a swap file keeps its file system busy."""
    failed = []
    for path in unmount.swaps():
        try:
            unmount.swap_off(path)
        except OSError as error:
            failed.append(f"{path}: {error.strerror}")
    return f"still used for swapping: {'; '.join(failed)}" if failed else None


def _unmount(ending: Ending) -> str | None:
    text = unmounting.unmount_all(unmounting.Machine(ending.alive, lambda: ending.left))
    return f"not all could be unmounted: {text}" if text else None


def _root_read_only(ending: Ending) -> str | None:
    text = unmounting.root_read_only(unmounting.Machine(ending.alive, lambda: ending.left))
    return f"the root cannot be made read-only: {text}" if text else None


def _all_read_only(ending: Ending) -> str | None:
    """Where something can still be written: have the kernel do what it does in an emergency."""
    system = unmounting.Machine(ending.alive, lambda: ending.left)
    before = unmounting.writable(system)
    if not before:
        return None
    sysrq = reboot.open_sysrq()
    try:
        reboot.press(sysrq, "su")
        end = time.monotonic() + _LEAST
        while (left := unmounting.writable(system)) and time.monotonic() < end:
            pause(_LOOK)
    finally:
        os.close(sysrq)
    if left:
        return f"still writable, and may not be clean: {', '.join(left)}"
    return f"made read-only by the kernel's emergency remount: {', '.join(before)}"


LAST: tuple[Step[Ending], ...] = (
    Step(
        "end all processes",
        "Who is left when all services are down gets SIGTERM, 5 s later SIGKILL; names are told.",
        _end_processes,
    ),
    Step("keep a random seed", "For the next boot, while /var is still there.", _keep_seed, seconds=_DISK),
    Step("keep the time", "For a machine whose clock has no battery.", _keep_time, seconds=_DISK),
    Step(
        "set the hardware clock",
        "It may be the worse one of the two; not where the system's was only guessed.",
        _set_rtc,
        seconds=_DISK,
    ),
    Step("write what is buffered", "The disks have all of it before they are taken out of use.", _sync, seconds=180.0),
    Step("switch off swapping", "A swap file keeps its file system from being unmounted.", _swap_off, seconds=30.0),
    Step("unmount file systems", "In reverse order; who keeps one busy is named.", _unmount),
    Step("make the root read-only", "It cannot be unmounted, but it can be left clean.", _root_read_only),
    Step(
        "make everything read-only",
        "Where something can be written yet, the kernel's emergency remount (SysRq u).",
        _all_read_only,
        seconds=10.0,
    ),
    Step("write the rest", "What was written by the steps before.", _sync, seconds=60.0),
)
"""The last steps, in order; the machine's own end comes after them."""


def go(action: PowerAction, watchdog: Watchdog | None = None) -> NoReturn:
    """Carry out the last steps and end the machine; all signals have to be blocked.

    `watchdog` is fed for as long as there is time. Raises NotAMachineError where it is none.
    """
    if not recognition.is_first():
        raise NotAMachineError
    words = LastWords()
    ending = Ending(action, words, LastResort(action, _SLACK), watchdog)
    keep = (*words.descriptors, *ending.resort.descriptors, *(() if watchdog is None else (watchdog.fd,)))
    try:
        os.chdir("/")
        _let_go(keep)
        carry(ending, LAST)
    except BaseException:
        ending.say(f"internal error: {traceback.format_exc(limit=-1)}")
    _act(ending)


def _let_go(keep: tuple[int, ...]) -> None:
    """Close all files but those, so that what they lie on can be unmounted; whoever holds one for itself is told."""
    own_score.close()
    proc.drop_spare()
    close_all_but(*keep)


def carry(ending: Ending, steps: tuple[Step[Ending], ...]) -> None:
    """Carry out the steps within their deadlines, and tell what could not be done."""
    for done in carry_out(_in_time(ending, steps), ending, ending.alive):
        text = done.failure or done.outcome.text
        if text:
            ending.say(text)


def _in_time(ending: Ending, steps: tuple[Step[Ending], ...]) -> Iterator[Step[Ending]]:
    for step in steps:
        ending.alive()
        yield step if step.seconds is None else step._replace(seconds=min(step.seconds, ending.left))


def _act(ending: Ending) -> NoReturn:
    """End the machine, by one way after the other."""
    action = ending.action
    ending.resort.put_off(_ACT + _SLACK)
    if action is PowerAction.KEXEC and not reboot.kexec_loaded():
        ending.say("no kernel is loaded for kexec: rebooting")
        action = PowerAction.REBOOT
    ending.say(_DOING[action])
    if action is PowerAction.HALT:
        ending.release_watchdog()
    # In a child: where the machine cannot be switched off, the kernel would end the caller, and a PID 1 that ends is a
    # panic. And a driver that hangs would hold us up.
    outcome = within(_ACT, _reboot, action)
    if action is PowerAction.KEXEC:
        ending.say(f"the loaded kernel does not start: {outcome.failure}; rebooting")
        outcome = within(_ACT, _reboot, PowerAction.REBOOT)
    ending.say(f"the kernel has not done it: {outcome.failure or 'it only came back'}")
    if action is not PowerAction.HALT:
        within(_ACT, _press, "b" if action is not PowerAction.POWEROFF else "o")
        _try_here(action)
    while True:
        signal.sigwaitinfo(signal.valid_signals())


def _reboot(action: PowerAction) -> str | None:
    reboot.reboot(reboot.how_to(action))
    return None


def _press(keys: str) -> str | None:
    sysrq = reboot.open_sysrq()
    press(keys, lambda key: reboot.press(sysrq, key), pause)
    return None


def _try_here(action: PowerAction) -> None:
    try:
        reboot.reboot(reboot.how_to(PowerAction.REBOOT if action is PowerAction.KEXEC else action))
    except OSError:
        pass
