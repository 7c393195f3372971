"""The appliance of the examples: built and booted as its guide says, used, restarted, and switched off.

One image, two boots.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.boot import disk
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import kernel
from tests.support import ROOT, wait_until

EXAMPLE = ROOT / "examples" / "appliance"


def told_by_make(what: str, out: Path) -> str:
    """Build something of it, with the kernel of these tests, and return what was told."""
    done = subprocess.run(
        ["make", "-C", str(EXAMPLE), what, f"PYTHON={sys.executable}", f"OUT={out}", f"KERNEL={kernel()}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def appliance() -> Path:
    """Return the folder of the image, built once in a test run."""
    out = run_folder() / "appliance"
    once("appliance-image", lambda: {"told": told_by_make("image", out)})
    return out


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return str(answer.read().decode())


def log_in(guest: Guest) -> None:
    """Log in on the serial console."""
    guest.expect("appliance login: ")
    guest.send("root\n")
    guest.expect("Password: ")
    guest.send("appliance\n")
    guest.expect("# ")


def settled(guest: Guest) -> dict[str, Any]:
    """Return each service's status, once none of them is on its way."""

    def look() -> dict[str, Any] | None:
        told = json.loads(guest.run("asyncinit status --json"))["services"]
        states = {one["state"] for one in told}
        return {one["name"]: one for one in told} if states <= {"ready", "completed", "inactive", "failed"} else None

    return wait_until(look, 120)


def _story() -> dict[str, Any]:
    out = appliance()
    facts: dict[str, Any] = {"built": once("appliance-image", dict)["told"]}
    http, ssh = _free_ports(2)

    def make(more: list[str]) -> list[str]:
        words = [f"OUT={out}", "ACCEL=tcg", f"HTTP={http}", f"SSH={ssh}", f"MORE={' '.join(more)}"]
        return ["make", "-s", "-C", str(EXAMPLE), "boot", *words]

    with Guest("appliance", command=make) as guest:
        log_in(guest)
        facts["services"] = settled(guest)
        facts["status"] = guest.run("asyncinit status")
        facts["analyze"] = guest.run("asyncinit analyze")
        facts["json"] = json.loads(_get(http, "/status.json"))
        facts["page"] = _get(http, "/")
        with socket.create_connection(("127.0.0.1", ssh), timeout=60) as connection:
            facts["ssh"] = connection.recv(100).split(b"\r\n")[0].decode()
        facts["terminal"] = guest.run("tty; cut -d' ' -f7 /proc/$$/stat; cat /proc/1/comm")
        facts["mounts"] = guest.run("cat /proc/mounts")
        facts["logged"] = guest.run("logger -t tests into-the-log; grep -c into-the-log /var/log/messages")
        guest.run("echo kept >/data/kept")
        facts["key"] = guest.run("md5sum /data/dropbear/*")
        guest.send("reboot\n")
        facts["reset"] = guest.wait_event("RESET")
        log_in(guest)
        facts["again"] = settled(guest)
        facts["kept"] = guest.run("cat /data/kept")
        facts["key again"] = guest.run("md5sum /data/dropbear/*")
        facts["page again"] = _get(http, "/")
        facts["recovered"] = guest.run("dmesg | grep -c 'recovery complete'", check=False)
        guest.send("poweroff\n")
        facts["ended"] = guest.wait_ended()
        facts["transcript"] = guest.transcript
    facts["disk"] = disk.complaint(out / "data.ext4")
    facts["kept on disk"] = disk.read(out / "data.ext4", "/kept")
    return facts


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What happened."""
    return once("appliance", _story)


def test_the_image_is_small(told: dict[str, Any]) -> None:
    """Its size is told, and is not more than what is said in its README."""
    size = re.search(r"in all; ([\d.]+) MB as", told["built"])
    assert size is not None
    assert float(size[1]) < 20


def test_it_boots_to_the_default_target(told: dict[str, Any]) -> None:
    """All that is enabled is up, in both boots."""
    for services in (told["services"], told["again"]):
        states = {name: one["state"] for name, one in services.items()}
        assert not [name for name, state in states.items() if state == "failed"]
        for name in ("network", "syslog", "klog", "dropbear", "status-page", "getty@ttyS0"):
            assert states[name] == "ready", name
        for name in ("modules", "coldplug", "fsck", "mounts"):
            assert states[name] == "completed", name


def test_its_page_answers(told: dict[str, Any]) -> None:
    """Over a forwarded port, with what asyncinit says; by a user who may do nothing but look."""
    names = {one["name"] for one in told["json"]["services"]}
    assert {"network", "status-page"} <= names
    assert "<td>status-page</td><td>ready</td>" in told["page"]
    assert "<td>status-page</td><td>ready</td>" in told["page again"]


def test_ssh_answers(told: dict[str, Any]) -> None:
    """And its key is that of the boot before."""
    assert told["ssh"].startswith("SSH-2.0-dropbear")
    assert told["key"] == told["key again"] != ""


def test_a_login_on_the_serial_console(told: dict[str, Any]) -> None:
    """It has that as its controlling terminal, and asyncinit is what the kernel started."""
    lines = told["terminal"].split()
    assert lines[0] == "/dev/ttyS0"
    assert int(lines[1]) == 4 << 8 | 64
    assert lines[2] == "init"


def test_the_system_log(told: dict[str, Any]) -> None:
    """What a program tells the system log is in its file."""
    assert told["logged"] == "1\n"


def test_what_asyncinit_says(told: dict[str, Any]) -> None:
    """`status` has each service, and `analyze` the time from the kernel's hand-over until all are ready."""
    assert re.search(r"^network +ready", told["status"], re.M)
    assert re.search(r"^started in [\d.]+ s after the kernel's hand-over: (\d+) of \1 ", told["analyze"], re.M)


def test_the_disk_is_checked_mounted_and_unmounted(told: dict[str, Any]) -> None:
    """What was written is there after the reboot, and no journal had to be played back."""
    assert re.search(r"^/dev/vda /data ext4 rw,nosuid,nodev,noexec,noatime", told["mounts"], re.M)
    assert told["kept"] == told["kept on disk"] == "kept\n"
    assert told["recovered"] == "0\n"
    assert told["disk"] == ""


def test_it_restarts_and_switches_itself_off(told: dict[str, Any]) -> None:
    """By busybox's commands: a reset by the guest, and an ACPI power-off."""
    assert told["reset"] == {"guest": True, "reason": "guest-reset"}
    assert told["ended"] == "guest-shutdown"
    assert "Kernel panic" not in told["transcript"]
