"""A board: its root is a disk that is only read, its clock has no battery, and what is kept is on another disk.

The appliance of the examples, as its guide for boards says; two boots without an initramfs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.boot import disk
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import CONSOLE, QEMU
from tests.boot.test_appliance import appliance, log_in, settled, told_by_make

_FSTAB = """
/dev/nvme0n1  /      ext4   ro,noatime                     0  1
/dev/nvme1n1  /data  ext4   noatime,nodev,nosuid,noexec    0  2
overlay       /var   overlay lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work 0 0
"""
_VAR = """
type = "oneshot"
command = ["mkdir", "-p", "/run/var/upper", "/run/var/work"]
before = ["mounts"]
"""


def _story() -> dict[str, Any]:
    built = appliance()
    out = run_folder() / "board"
    shutil.copytree(built / "root", out / "root", symlinks=True, copy_function=os.link)
    (out / "root/etc/fstab").unlink()
    (out / "root/etc/fstab").write_text(_FSTAB)
    (out / "root/etc/asyncinit/services.d/var.toml").write_text(_VAR)
    told_by_make("root", out)
    told_by_make("disk", out)
    before = (out / "root.ext4").read_bytes()

    def command(more: list[str]) -> list[str]:
        disks = [
            word
            for name in ("root", "data")
            for word in (
                *("-drive", f"file={out}/{name}.ext4,format=raw,if=none,id={name}"),
                *("-device", f"nvme,drive={name},serial={name}"),
            )
        ]
        words = ["-accel", "tcg,thread=multi", "-smp", "2", "-m", "256", "-nodefaults", "-no-user-config"]
        words += ["-display", "none", "-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"]
        words += ["-kernel", str(built / "vmlinuz"), "-append", f"{CONSOLE} root=/dev/nvme0n1 ro rootwait"]
        words += ["-no-reboot", "-rtc", "base=2001-02-03T04:05:06", "-netdev", "user,id=net"]
        return [QEMU, *words, "-device", "virtio-net-pci,netdev=net,romfile=", *disks, *more]

    facts: dict[str, Any] = {}
    with Guest("board", command=command) as guest:
        log_in(guest)
        facts["services"] = settled(guest)
        facts["mounts"] = guest.run("cat /proc/mounts")
        facts["written"] = guest.run("mkdir /var/cache && ls -d /var/cache /var/log")
        facts["year"] = int(guest.run("date -u +%Y"))
        facts["machine id"] = guest.run("cat /etc/machine-id").strip()
        facts["resolver"] = guest.run("cat /etc/resolv.conf")
        guest.run("date -u -s '2039-01-02 03:04:05'")
        guest.send("reboot\n")
        facts["reset"] = guest.wait_ended()
    facts["seed"] = len(disk.read_bytes(out / "data.ext4", "/asyncinit/random-seed"))
    with Guest("board-again", command=command) as guest:
        log_in(guest)
        facts["services again"] = settled(guest)
        facts["date again"] = guest.run("date -u +%Y-%m-%d").strip()
        guest.press_power_button()
        facts["ended"] = guest.wait_ended()
    facts["untouched"] = (out / "root.ext4").read_bytes() == before
    facts["disk"] = disk.complaint(out / "data.ext4")
    subprocess.run(["rm", "-rf", str(out)], check=True)
    return facts


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What happened."""
    return once("board", _story)


def test_it_comes_up_with_a_root_that_is_only_read(told: dict[str, Any]) -> None:
    """All services do, and nothing of the root is changed by two lives of the machine."""
    for services in (told["services"], told["services again"]):
        assert not [name for name, one in services.items() if one["state"] == "failed"]
        assert services["network"]["state"] == services["syslog"]["state"] == "ready"
    root = next(line.split() for line in told["mounts"].splitlines() if line.split()[1] == "/")
    assert "ro" in root[3].split(",")
    assert told["untouched"]
    assert told["disk"] == ""


def test_an_overlay(told: dict[str, Any]) -> None:
    """What programs write into /var is in memory, over what the root has there."""
    assert told["written"].split() == ["/var/cache", "/var/log"]


def test_it_has_an_id_and_a_resolver(told: dict[str, Any]) -> None:
    """For this boot, where nothing can be kept in /etc."""
    assert len(told["machine id"]) == 32
    assert "nameserver" in told["resolver"]


def test_its_clock_goes_on_where_it_stopped(told: dict[str, Any]) -> None:
    """At first it is that of the release; after a shutdown it is not before that."""
    assert 2026 <= told["year"] < 2039
    assert told["date again"] == "2039-01-02"
    assert told["seed"] == 64


def test_reboot_and_power_button(told: dict[str, Any]) -> None:
    """Both end it in order."""
    assert told["reset"] == "guest-reset"
    assert told["ended"] == "guest-shutdown"
