"""The services that come with asyncinit, on a machine: what is on disks and in files comes up by itself. One boot."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.boot import disk, image
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import CONSOLE, Hardware, program_path

ENABLED = ("modules", "coldplug", "network", "syslog", "console-getty", "remote-mounts")
FSTAB = """LABEL=data /data ext4 noatime 0 2
/dev/vdb none swap sw 0 0
LABEL=absent /absent ext4 nofail 0 2
tmpfs /scratch tmpfs size=1m
tmpfs /dev/shm tmpfs noexec,size=1m
proc /proc proc defaults,hidepid=2
"""
# Who is logged in on the console has it for himself.
SETTINGS = """
[init]
log_to = ["file"]
log_file = "/var/log/asyncinit.log"

[defaults.log]
to = ["file"]
file = "/var/log/services/${SERVICE}.log"
"""
FILES = {
    "/etc/asyncinit/asyncinit.toml": SETTINGS,
    **{f"/etc/asyncinit/services.d/{name}.d/90-enabled.toml": "enabled = true\n" for name in ENABLED},
    "/etc/fstab": FSTAB,
    "/etc/modules": "# what this machine needs\nfuse\n",
}
_FACTS = {
    "modules": "cut -d' ' -f1 /proc/modules",
    "data": "grep ' /data ' /proc/mounts; cat /data/found",
    "scratch": "grep -c ' /scratch tmpfs ' /proc/mounts",
    "remounted": "grep -E ' /(proc|dev/shm) ' /proc/mounts",
    "absent": "grep -c ' /absent ' /proc/mounts",
    "swap": "cat /proc/swaps",
    "address": "ip -o -4 addr show eth0",
    "route": "ip route",
    "resolv": "cat /etc/resolv.conf",
    "gateway": "ping -c1 -W5 10.0.2.2 >/dev/null && echo answered",
    "status": "asyncinit status --json",
    "fsck": "asyncinit logs fsck",
    "tty": "tty; tty </dev/tty; ps -o pid,tty,args | grep getty",
    "check": "cd /; asyncinit check",
    "enabled": "cd /; asyncinit enable cron",
}


def _damaged(path: Path) -> Path:
    """Make a disk that was not unmounted, and has counted wrongly."""
    data = disk.make(path, 16, {"/found": "on the disk\n"})
    debugfs = str(program_path("debugfs"))
    for request in ("set_super_value state 0", "set_super_value free_blocks_count 7"):
        subprocess.run([debugfs, "-w", "-R", request, str(data)], check=True, capture_output=True)
    return data


def _swap(path: Path) -> Path:
    path.write_bytes(bytes(8 << 20))
    subprocess.run(["busybox", "mkswap", str(path)], check=True, capture_output=True)
    return path


def _log_in(guest: Guest) -> None:
    guest.expect("login: ")
    guest.send("root\n")
    guest.expect("# ")


def _story() -> dict[str, Any]:
    data, swap = _damaged(run_folder() / "services.ext4"), _swap(run_folder() / "services.swap")
    facts: dict[str, Any] = {}
    initramfs = image.make(
        run_folder() / "services.cpio",
        FILES,
        links={"/init": image.ASYNCINIT, "/bin/fsck.ext4": str(program_path("e2fsck"))},
        modules=("virtio_pci", "virtio_blk", "virtio_net", "fuse", "softdog", "button"),
        programs=("e2fsck",),
    )
    hardware = Hardware(
        memory=384,
        append=f"{CONSOLE} modules_load=softdog",
        disks=[data, swap],
        extra=("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="),
    )
    with Guest("services", initramfs, hardware) as guest:
        _log_in(guest)
        guest.run("until asyncinit status --ready network syslog; do sleep 1; done")
        facts |= {name: guest.run(command, check=False) for name, command in _FACTS.items()}
        guest.run("logger -t test a message")
        facts["syslog"] = guest.run("until grep 'a message' /var/log/messages; do sleep 1; done")
        guest.send("sh -c 'echo begun; exec sleep 1000'\n")
        guest.expect("^begun\n")
        guest.send("\x03")
        guest.expect("# ")
        facts["stopped"] = guest.run("asyncinit stop network >/dev/null; ip addr show eth0; cat /etc/resolv.conf")
        facts["started"] = guest.run("asyncinit start network >/dev/null; ip addr show eth0")
        guest.run("asyncinit reexec")
        facts["replaced"] = guest.run("tty </dev/tty; ip -o -4 addr show eth0; asyncinit status --ready && echo ready")
        guest.send("exit\n")
        _log_in(guest)
        facts["again"] = guest.run("asyncinit status --json")
        guest.send("asyncinit poweroff\n")
        facts["ended"] = guest.wait_ended()
    facts["after"] = disk.complaint(data)
    return facts


def _story_of_a_missing_disk() -> dict[str, Any]:
    """What fstab has is not there, and somebody at the console takes it out."""
    fstab = "LABEL=absent /absent ext4 x-systemd.device-timeout=1s 0 2\n"
    files = {
        "/etc/asyncinit/services.d/console-getty.d/90-enabled.toml": "enabled = true\n",
        "/etc/asyncinit/asyncinit.toml": SETTINGS,
        "/etc/fstab": fstab,
    }
    initramfs = image.make(run_folder() / "missing.cpio", files, links={"/init": image.ASYNCINIT})
    facts: dict[str, Any] = {}
    with Guest("missing", initramfs, Hardware(memory=384)) as guest:
        facts["reason"] = guest.expect(r"(?s)The boot has failed:.*?What came up runs").group()
        guest.expect("# ")
        guest.run("until asyncinit status console-getty | grep completed; do sleep 1; done")
        facts["status"] = guest.run("asyncinit status --json")
        guest.run("rm /etc/fstab")
        guest.send("exit\n")
        _log_in(guest)
        facts["again"] = guest.run("asyncinit status --json")
        guest.send("asyncinit poweroff\n")
        facts["ended"] = guest.wait_ended()
    return facts


@pytest.fixture(scope="module")
def missing() -> dict[str, Any]:
    """What happened without the disk."""
    return once("missing", _story_of_a_missing_disk)


def test_a_missing_disk_leads_to_the_rescue_shell(missing: dict[str, Any]) -> None:
    """It has the console for itself, with the reason; nobody's login comes between."""
    assert "mounts" in missing["reason"]
    found = states(missing["status"])
    assert (found["mounts"], found["file-systems"], found["rescue"]) == ("failed", "failed", "ready")
    assert found.get("getty@ttyS0", "inactive") == "inactive"


def test_after_the_repair_the_boot_goes_on(missing: dict[str, Any]) -> None:
    """With the login that it was to have."""
    found = states(missing["again"])
    assert (found["file-systems"], found["getty@ttyS0"], found["rescue"]) == ("ready", "ready", "completed")
    assert missing["ended"] == "guest-shutdown"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What happened."""
    return once("services", _story)


def states(text: str) -> dict[str, str]:
    """Return the states of all services."""
    return {one["name"]: one["state"] for one in json.loads(text)["services"]}


def test_modules(told: dict[str, Any]) -> None:
    """Those of /etc/modules and of the command line, and those of the devices that are there."""
    assert {"fuse", "softdog", "virtio_net", "virtio_blk"} <= set(told["modules"].split())


def test_file_systems(told: dict[str, Any]) -> None:
    """The disk was repaired, found by its label and mounted with its options; what may be absent is, without harm.

    What the early steps have mounted has the options of its line, too.
    """
    assert "noatime" in told["data"] and "on the disk" in told["data"]
    assert "/data (/dev/vda): repaired" in told["fsck"]
    assert (told["scratch"], told["absent"]) == ("1\n", "0\n")
    assert "/dev/vdb" in told["swap"]
    options = {line.split()[1]: set(line.split()[3].split(",")) for line in told["remounted"].splitlines()}
    assert {"noexec", "nosuid", "nodev", "size=1024k"} <= options["/dev/shm"]
    assert {"noexec", "nosuid", "nodev"} <= options["/proc"] and {"hidepid=2", "hidepid=invisible"} & options["/proc"]
    assert told["after"] == ""


def test_the_network(told: dict[str, Any]) -> None:
    """By DHCP without a word said; it goes with its service, and comes back with it."""
    assert "10.0.2.15/24" in told["address"] and "default via 10.0.2.2" in told["route"]
    assert "nameserver 10.0.2.3" in told["resolv"]
    assert told["gateway"] == "answered\n"
    assert "10.0.2.15" not in told["stopped"] and "nameserver" not in told["stopped"]
    assert "10.0.2.15/24" in told["started"]


def test_the_login(told: dict[str, Any]) -> None:
    """On the console that the kernel names, which controls the session; after logging out comes the next."""
    assert told["tty"].startswith("/dev/ttyS0\n/dev/tty\n")
    assert states(told["again"])["getty@ttyS0"] == "ready"


def test_a_replaced_asyncinit(told: dict[str, Any]) -> None:
    """Who is logged in goes on, the network stays, and all is as ready as before."""
    assert told["replaced"].startswith("/dev/tty\n") and told["replaced"].endswith("ready\n")
    assert "10.0.2.15/24" in told["replaced"]


def test_the_system_log(told: dict[str, Any]) -> None:
    """What a program writes to /dev/log arrives."""
    assert "test: a message" in told["syslog"]


def test_all_is_well(told: dict[str, Any]) -> None:
    """Nothing has failed; commands read what PID 1 reads; the machine goes down by itself."""
    found = states(told["status"])
    assert [name for name, state in found.items() if state == "failed"] == []
    completed = ("modules", "coldplug", "fsck", "mounts", "root-remount", "swap", "console-getty", "remote-mounts")
    assert {found[name] for name in completed} == {"completed"}
    assert found["sshd"] == "inactive"
    assert "no problems" in told["check"]
    assert "/etc/asyncinit/services.d/cron.d/90-enabled.toml" in told["enabled"]
    assert told["ended"] == "guest-shutdown"
