"""The table of early steps: what a machine needs before its first service, in order; carried out by `machine.boot`.

Each step does nothing where it is done already (by the kernel, an initramfs, a script), so that the table fits every
machine. What reaches a disk or a device may block, and runs in a child with a deadline.
"""

from __future__ import annotations

from asyncinit.linux.network import bring_up
from asyncinit.linux.reboot import take_ctrl_alt_del
from asyncinit.machine import clock, console, devices, naming, seed, sysctl
from asyncinit.machine.api_file_systems import mounting_steps
from asyncinit.machine.booted import say_booted
from asyncinit.machine.command_line import split
from asyncinit.machine.step import Step
from asyncinit.machine.system import System

_DISK = 10.0
"""Seconds for what reads and writes a few small files, on a disk that may have to be woken."""

_KERNEL_LOG = "/proc/sys/kernel/printk_devkmsg"
_PANIC = "/proc/sys/kernel/panic"
_RESTART_AFTER = "10"


def _open_kernel_log(system: System) -> str:
    """Have the kernel take every line that programs write to its log: without a word it drops all but 10 in 5 s."""
    if any(word.startswith("printk.devkmsg=") for word in split(system.text("/proc/cmdline"))):
        return ""  # the kernel lets nobody change what was said there
    try:
        system.write(_KERNEL_LOG, "on\n")  # it takes the word with a line's end only
    except FileNotFoundError:
        pass  # before Linux 4.10 it takes all
    return ""


def _take_console(system: System) -> str:
    return console.take(system.unopened)


def _loopback(_system: System) -> None:
    bring_up("lo")


def _leave_sign(system: System) -> None:
    say_booted(system.root)


def _ctrl_alt_del(_system: System) -> None:
    take_ctrl_alt_del()


def _after_a_panic(system: System) -> str:
    """Have the machine restart after a panic, unless the kernel command line says otherwise."""
    if system.text(_PANIC).strip() != "0":
        return "it was set already"
    system.write(_PANIC, _RESTART_AFTER)
    return ""


_PROC, *_OTHERS = mounting_steps()

EARLY: tuple[Step[System], ...] = (
    _PROC,
    Step("open the kernel's log", "It takes all lines of this boot, not 10 in 5 s.", _open_kernel_log),
    *_OTHERS,
    Step("make the links of /dev", "`/dev/stdin`, `/dev/fd` and the like.", devices.make_links),
    Step("open the console", "Standard input and output, where the kernel gave none.", _take_console),
    Step("make the folders of /run", "`/run/lock`, open to all.", devices.make_folders),
    Step("leave the sign of the boot", "Commands read files as PID 1 of this machine does.", _leave_sign),
    Step("set kernel.panic", "A machine that nobody watches restarts 10 s after a kernel panic.", _after_a_panic),
    Step("take ctrl-alt-del", "It is a reboot in order (SIGINT for PID 1), not one on the spot.", _ctrl_alt_del),
    Step(
        "set the clock",
        "Where it is wrong: the hardware clock's time, or the newest that is known.",
        clock.correct,
        seconds=_DISK,
    ),
    Step("load the random seed", "Randomness of the machine's life before.", seed.load, seconds=_DISK),
    Step("set the host name", "From the kernel command line or /etc/hostname.", naming.set_hostname, seconds=_DISK),
    Step("make /etc/machine-id", "An id that is made once.", naming.make_machine_id, seconds=_DISK),
    Step("bring up loopback", "127.0.0.1 and ::1.", _loopback),
    Step("apply sysctl.d", "The kernel's settings as the administrator has them.", sysctl.apply, seconds=_DISK),
)
"""In order; `machine.boot` carries them out."""
