"""How a machine goes down: who asks for it, what is left of it on its disk, and what must not hold it up.

One machine that boots again and again, each time asked by somebody else and with something else in its way; and one
whose root is on a disk.
"""

from __future__ import annotations

import re
import textwrap
import time
from typing import Any

import pytest

from asyncinit.runtime.shutdown import SECOND_WISH
from tests.boot import disk, image
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import Hardware

_SHELL = """
    command = ["sh"]
    tty = "/dev/ttyS0"
    environment = { PS1 = "READY# ", HOME = "/root" }
    [stop]
    signal = "SIGHUP"
"""
_DATA = """
    type = "oneshot"
    command = "modprobe -a virtio_pci virtio_blk && mkdir -p /data && mount /dev/vda /data"
    shell = true
"""
# Counts the lives of the machine, and ignores what ends others.
_STUBBORN = """
    command = "trap '' TERM; echo up >>/data/lives; while :; do sleep 1; done"
    shell = true
    requires = ["data"]
    [stop]
    timeout = "1s"
    [ready]
    command = ["test", "-e", "/data/lives"]
"""
# Would be waited for until the whole time for the shutdown is over.
_PATIENT = """
    command = "trap '' TERM; while :; do sleep 1; done"
    shell = true
    enabled = false
    [stop]
    timeout = "10m"
"""
# Starts a program out of the reach of whoever stops services; with "@" before its name it is one to be spared.
_APART = """
    import os, sys
    if os.fork() == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        with open("/sys/fs/cgroup/cgroup.procs", "w") as file:
            file.write("0")
        os.execve("/usr/bin/python3", [sys.argv[1], f"/{sys.argv[1].lstrip('@')}.py"], {})
"""
# A file system whose daemon answers to nobody.
_SILENT = """
    import ctypes, os, struct, time
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs("/silent", exist_ok=True)
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fd
    assert libc.mount(b"silent", b"/silent", b"fuse", 0, options) == 0, ctypes.get_errno()
    while True:
        _, opcode, unique = struct.unpack_from("=IIQ", os.read(fd, 1 << 20))
        if opcode == 26:  # INIT: without an answer whoever waits could still be killed
            os.write(fd, struct.pack("=IiQ IIII HHII 36x", 80, 0, unique, 7, 31, 0, 0, 12, 9, 4096, 1))
            open("/run/silent", "w").close()
"""
_LISTER = """
    import os
    open("/run/lister", "w").close()
    os.listdir("/silent")
"""
_HOLDER = """
    import time
    file = open("/data/held", "w")
    file.write("begun")
    file.flush()
    open("/run/holder", "w").close()
    time.sleep(1000)
"""


def _files() -> dict[str, str]:
    services = {"shell": _SHELL, "data": _DATA, "stubborn": _STUBBORN, "patient": _PATIENT}
    files = {f"/etc/asyncinit/services.d/{name}.toml": text for name, text in services.items()}
    files |= {"/apart.py": _APART, "/silent.py": _SILENT, "/holder.py": _HOLDER, "/lister.py": _LISTER}
    return {name: textwrap.dedent(text) for name, text in files.items()}


def _press_twice(guest: Guest) -> float:
    """Press ctrl-alt-del, and once more when that is a second wish; return how many seconds the machine then took."""
    keys = ("ctrl", "alt", "delete")
    guest.press(*keys)
    guest.expect("stubborn.*had to be killed")  # of those that are stopped it is the first that takes its time
    time.sleep(2 * SECOND_WISH)  # what is pressed sooner is the same wish
    guest.press(*keys)
    pressed = time.monotonic()
    guest.expect("no more waiting")
    guest.expect("asyncinit: rebooting")
    return time.monotonic() - pressed


def _story() -> dict[str, Any]:
    data = disk.make(run_folder() / "power.ext4", 16)
    initramfs = image.make(
        run_folder() / "power.cpio",
        _files(),
        links={"/init": image.ASYNCINIT, "/usr/sbin/telinit": image.ASYNCINIT},
        modules=("virtio_pci", "virtio_blk", "button", "evdev", "fuse"),
    )
    facts: dict[str, Any] = {}
    with Guest("power", initramfs, Hardware(memory=384, disks=[data], resets=True)) as guest:

        def boots(who: str) -> None:
            guest.expect("READY# ")
            guest.run("asyncinit start stubborn")
            facts[f"{who}: lives"] = guest.run("cat /data/lives").split()

        def goes_down(who: str) -> None:
            facts[f"{who}: reset"] = guest.wait_event("RESET")["reason"]
            facts[f"{who}: disk"] = disk.complaint(data)

        boots("busybox")
        facts["initctl"] = guest.run("ls -l /run/initctl").split()[0]
        guest.run("dd if=/dev/zero of=/data/swap bs=1M count=4; mkswap /data/swap; swapon /data/swap")
        guest.send("reboot\n")  # busybox's
        guest.expect("asyncinit: rebooting")
        goes_down("busybox")

        boots("keys")
        guest.run("asyncinit start patient")
        facts["keys: took"] = _press_twice(guest)
        goes_down("keys")

        boots("telinit")
        facts["after garbage"] = guest.run("echo garbage >/run/initctl; asyncinit status stubborn --json")
        guest.send("telinit 6\n")
        guest.expect("asyncinit: rebooting")
        goes_down("telinit")

        boots("button")
        guest.run("modprobe -a button evdev fuse; asyncinit start power-button")
        for name in ("@silent", "lister", "@holder"):
            guest.run(f"python3 /apart.py {name}; until test -e /run/{name.lstrip('@')}; do sleep 0.1; done")
        guest.press_power_button()
        guest.expect("asyncinit: switching off")
        facts["button: ended"] = guest.wait_ended()
        facts["button: said"] = [line for line in guest.transcript.splitlines() if line.startswith("asyncinit: ")]
        facts["button: disk"] = disk.complaint(data)
    facts["held"] = disk.read(data, "/held")
    return facts


_SWITCH = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtio_blk
mount /dev/vda /mnt
cp -a /bin /sbin /etc /lib* /site /usr /var /root /mnt
mkdir /mnt/proc /mnt/sys /mnt/dev /mnt/run /mnt/tmp
umount /proc /sys; mount --move /dev /mnt/dev
exec switch_root /mnt /sbin/init
"""


def _story_of_root() -> dict[str, Any]:
    """A root on a disk, which cannot be unmounted; asyncinit itself runs from there."""
    root = disk.make(run_folder() / "root.ext4", 256)
    files = {"/init": _SWITCH, "/etc/asyncinit/services.d/shell.toml": textwrap.dedent(_SHELL)}
    initramfs = image.make(
        run_folder() / "root.cpio", files, links={"/bin/init": image.ASYNCINIT}, modules=("virtio_pci", "virtio_blk")
    )
    facts: dict[str, Any] = {}
    with Guest("root", initramfs, Hardware(memory=512, disks=[root])) as guest:
        guest.expect("READY# ")
        facts["root"] = guest.run("grep ' / ext4 rw' /proc/mounts")
        guest.run("(while :; do date >>/var/log/busy; done) & echo kept >/kept")
        guest.send("asyncinit kexec --force\n")
        facts["ended"] = guest.wait_ended()
        facts["said"] = re.findall("asyncinit: (.*)", guest.transcript)
    facts["disk"] = disk.complaint(root)
    facts["kept"] = disk.read(root, "/kept")
    facts["for the next boot"] = disk.names(root, "/var/lib/asyncinit")
    return facts


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What happened."""
    return once("power", _story)


def test_a_second_ctrl_alt_del_ends_the_waiting(told: dict[str, Any]) -> None:
    """The machine would have waited for 90 s, all of them after the first."""
    assert told["keys: took"] < 60


@pytest.mark.parametrize("who", ["busybox", "keys", "telinit"])
def test_it_reboots_with_its_state_kept(told: dict[str, Any], who: str) -> None:
    """Asked by busybox's reboot, by ctrl-alt-del, by telinit: its disk is clean, and has what was written."""
    assert told[f"{who}: reset"] == "guest-reset"
    assert told[f"{who}: disk"] == ""
    lives = ["busybox", "keys", "telinit"]
    assert told[f"{who}: lives"] == ["up"] * (lives.index(who) + 1)


def test_the_pipe_of_sysvinit(told: dict[str, Any]) -> None:
    """Is there, for root alone; garbage in it harms nobody."""
    assert told["initctl"] == "prw-------"
    assert '"running": true' in told["after garbage"] or '"state": "running"' in told["after garbage"]


def test_nothing_holds_up_a_power_off(told: dict[str, Any]) -> None:
    """Not a file system that never answers, nor who waits for it, nor a daemon that has a file open for writing."""
    assert told["button: ended"] == "guest-shutdown"
    said = "\n".join(told["button: said"])
    assert re.search(r"ending what is left: python3 \(\d+\)$", said, re.M)
    assert re.search(r"python3 \(\d+\) does not die \(D", said)
    assert re.search(r"/silent \(fuse\): .*; (unmounted by force|detached)", said)
    assert re.search(r"/data: device or resource busy \(used by python3 \(\d+\)\)", said)


def test_what_cannot_be_unmounted_is_clean(told: dict[str, Any]) -> None:
    """It is made read-only by the kernel, at the last, with all that was written."""
    assert told["button: disk"] == ""
    assert told["held"] == "begun"


def test_a_root_on_a_disk() -> None:
    """It is left clean also at once, with what was written, and with what the next boot begins with."""
    told = once("root", _story_of_root)
    assert told["root"]
    assert told["ended"] == "guest-reset"
    assert told["disk"] == ""
    assert told["kept"] == "kept\n"
    assert {"random-seed", "clock"} <= set(told["for the next boot"])
    assert told["said"][-2:] == ["no kernel is loaded for kexec: rebooting", "rebooting"]
    assert not any("read-only" in text or "unmounted" in text for text in told["said"])
