"""The virtual machine itself: what the other tests of this folder rely on. One boot, without asyncinit as init."""

from __future__ import annotations

from typing import Any

import pytest

from tests.boot import disk, image
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import Hardware

_INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
export PATH=/bin:/usr/bin:/usr/sbin HOME=/root
modprobe -a virtio_pci virtio_blk button
cd /root
exec setsid -c sh -c 'sh </dev/ttyS0 >/dev/ttyS0 2>&1; sync; exec reboot -f' </dev/ttyS0 >/dev/ttyS0 2>&1
"""


def _story() -> dict[str, Any]:
    data = disk.make(run_folder() / "harness.ext4", 16, {"/found": "on the disk\n"})
    initramfs = image.make(
        run_folder() / "harness.cpio",
        {"/init": _INIT},
        modules=("virtio_pci", "virtio_blk", "button"),
        programs=("e2fsck",),
    )
    facts: dict[str, Any] = {}
    hardware = Hardware(memory=384, disks=[data], clock="2031-05-06T07:08:09", resets=True)
    with Guest("harness", initramfs, hardware) as guest:
        guest.expect("# ")
        facts["year"] = guest.run("date -u +%Y")
        facts["status"] = guest.run("false", check=False)
        facts["version"] = guest.run("asyncinit --version")
        guest.run("mount /dev/vda /mnt")
        facts["found"] = guest.run("cat /mnt/found")
        guest.run("echo kept >/mnt/kept; sync")
        facts["while mounted"] = disk.complaint(data)
        guest.press_reset_button()
        facts["reset"] = guest.wait_event("RESET")
        guest.expect("# ")
        guest.run("e2fsck -p /dev/vda")
        guest.send("exit\n")
        facts["rebooted"] = guest.wait_event("RESET")
        guest.expect("# ")
        facts["kept"] = guest.run("mount /dev/vda /mnt; cat /mnt/kept; umount /mnt")
        guest.send("poweroff -f\n")
        facts["ended"] = guest.wait_ended()
    facts["after"] = disk.complaint(data)
    facts["read"] = disk.read(data, "/kept")
    return facts


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What happened."""
    return once("harness", _story)


def test_a_shell_on_the_console(told: dict[str, Any]) -> None:
    """Commands give their output; asyncinit is there as installed; the clock is what was asked for."""
    assert told["year"] == "2031\n"
    assert told["status"] == ""
    assert told["version"].startswith("asyncinit")


def test_the_disk(told: dict[str, Any]) -> None:
    """Its files are there, what was written stays over a reset, and only unmounted it is clean."""
    assert told["found"] == "on the disk\n"
    assert told["while mounted"]
    assert told["kept"] == told["read"] == "kept\n"
    assert told["after"] == ""


def test_who_ended_it(told: dict[str, Any]) -> None:
    """A reset from outside, a reboot and a power-off are told apart."""
    assert told["reset"] == {"guest": False, "reason": "host-qmp-system-reset"}
    assert told["rebooted"] == {"guest": True, "reason": "guest-reset"}
    assert told["ended"] == "guest-shutdown"
