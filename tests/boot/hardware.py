"""The virtual hardware: where qemu, a kernel and its modules are, and the command line for them; knows no image."""

from __future__ import annotations

import functools
import glob
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from examples.appliance.kernel_modules import folder_of

QEMU = "qemu-system-x86_64"
CONSOLE = "console=ttyS0 quiet loglevel=1 panic=-1 random.trust_cpu=on no_timer_check"
"""What each kernel is told: a panic resets, `loglevel` hides all but that from the serial line, a timer that is late
because this machine is busy is no broken one."""

_NEEDED = (
    (QEMU, "qemu-system-x86 (and seabios)"),
    ("busybox", "busybox-static"),
    ("mke2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
)


@functools.cache
def kernel() -> str | None:
    """Return the kernel to boot: what ASYNCINIT_BOOT_KERNEL names, or the newest of Debian's in /boot."""
    named = os.environ.get("ASYNCINIT_BOOT_KERNEL")
    if named:
        return named if os.access(named, os.R_OK) else None
    found = [path for path in glob.glob("/boot/vmlinuz-*amd64") if os.access(path, os.R_OK)]
    return max(found, key=os.path.getmtime, default=None)


@functools.cache
def modules() -> Path | None:
    """Return the folder of the kernel's modules, in the tree that the kernel's package was unpacked to."""
    path = kernel()
    if path is None:
        return None
    found = folder_of(Path(path))
    return found if (found / "kernel").is_dir() else None


@functools.cache
def refusal() -> str:
    """Return why no machine can be booted here, or nothing where one can."""
    if os.uname().machine != "x86_64":
        return "the kernel that is booted is an amd64 one, and so has to be the Python in it"
    for program, package in _NEEDED:
        if program_path(program) is None:
            return f"there is no {program} (Debian: {package})"
    if kernel() is None:
        return "there is no kernel: neither ASYNCINIT_BOOT_KERNEL nor /boot/vmlinuz-*amd64"
    if modules() is None:
        return f"there are no modules of the kernel {kernel()}: no ../lib/modules beside its folder"
    return ""


def program_path(name: str) -> str | None:
    """Find a program, those of the administrator too: an ordinary user's PATH often lacks them."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Hardware:
    """What a machine is made of."""

    memory: int = 512
    """MiB."""
    append: str = CONSOLE
    """The kernel's command line."""
    disks: Sequence[Path] = ()
    """Raw images; the first is /dev/vda (module virtio_blk, with virtio_pci)."""
    ports: dict[int, int] = field(default_factory=dict)
    """Ports of this machine's loopback, and the guest's that they are forwarded to (module virtio_net)."""
    clock: str | None = None
    """What the RTC says at first, as `2031-01-01T00:00:00`; else this machine's time."""
    resets: bool = False
    """A reset boots once more; else it ends qemu, as a power-off does."""
    extra: Sequence[str] = ()
    """Further arguments of qemu."""

    def command(self, kernel: Path | str, initramfs: Path | str) -> list[str]:
        """Return the command that runs it, its serial line on stdin and stdout."""
        command = [
            *(QEMU, "-accel", "tcg,thread=multi", "-smp", "2", "-m", str(self.memory)),
            *("-nodefaults", "-no-user-config", "-display", "none"),
            *("-kernel", str(kernel), "-initrd", str(initramfs), "-append", self.append),
            *("-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"),
        ]
        for number, disk in enumerate(self.disks):
            command += ["-drive", f"file={disk},format=raw,if=none,id=disk{number},cache=unsafe"]
            command += ["-device", f"virtio-blk-pci,drive=disk{number}"]
        if self.ports:
            forwarded = "".join(f",hostfwd=tcp:127.0.0.1:{ours}-:{theirs}" for ours, theirs in self.ports.items())
            command += ["-netdev", f"user,id=net{forwarded}", "-device", "virtio-net-pci,netdev=net,romfile="]
        if self.clock is not None:
            command += ["-rtc", f"base={self.clock}"]
        if not self.resets:
            command.append("-no-reboot")
        return [*command, *self.extra]
