"""The end of a machine: reboot(2) and the magic SysRq; must not know why, nor what has to come before.

reboot(2) ends what is not on a disk yet; who calls it has written everything. It needs CAP_SYS_BOOT.
"""

from __future__ import annotations

import os
from enum import IntEnum

from asyncinit.linux.libc import call

_SYSRQ = "/proc/sysrq-trigger"
_KEXEC_LOADED = "/sys/kernel/kexec_loaded"
_CAD_ON, _CAD_OFF = 0x89ABCDEF, 0  # <linux/reboot.h>


class How(IntEnum):
    """What the kernel does: LINUX_REBOOT_CMD_* of <linux/reboot.h>."""

    HALT = 0xCDEF0123
    POWER_OFF = 0x4321FEDC
    RESTART = 0x01234567
    KEXEC = 0x45584543

    @property
    def action(self) -> str:
        """What people call it, as in the names of commands."""
        return _ACTIONS[self]

    @property
    def keys(self) -> str:
        """The SysRq keys that come nearest: sync, all read-only, and off or boot; to stand still, no more."""
        return _KEYS[self]


_ACTIONS = {How.HALT: "halt", How.POWER_OFF: "poweroff", How.RESTART: "reboot", How.KEXEC: "kexec"}
_KEYS = {How.HALT: "su", How.POWER_OFF: "suo", How.RESTART: "sub", How.KEXEC: "sub"}


def how_to(action: str) -> How:
    """Return what `halt`, `poweroff`, `reboot` or `kexec` is for the kernel."""
    return next(how for how, name in _ACTIONS.items() if name == action)


def reboot(how: How) -> None:
    """Do it, at once; raises OSError where that cannot be.

    Where the machine cannot be switched off or stopped, the kernel ends the calling thread in its place: PID 1 has a
    child call this, or it would panic.
    """
    call("reboot", how)


def take_ctrl_alt_del() -> None:
    """Have ctrl-alt-del be a SIGINT for PID 1, in the place of an immediate restart; raises OSError."""
    call("reboot", _CAD_OFF)


def give_ctrl_alt_del() -> None:
    """Have ctrl-alt-del restart the machine at once, whatever PID 1 does; raises OSError."""
    call("reboot", _CAD_ON)


def kexec_loaded(path: str = _KEXEC_LOADED) -> bool:
    """Tell whether a kernel is loaded that could take over."""
    try:
        with open(path, "rb") as file:
            return file.read(1) == b"1"
    except OSError:
        return False


def open_sysrq(path: str = _SYSRQ) -> int:
    """Return a descriptor for `press`; raises OSError, where the kernel has no SysRq or /proc is not mounted."""
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def press(fd: int, keys: str) -> None:
    """Have the kernel do what the SysRq keys say, one after another; kernel.sysrq does not matter for this way."""
    for key in keys:
        os.write(fd, key.encode())
