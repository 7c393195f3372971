"""asyncinit as the init of a machine: what is ready before the first service, whatever the kernel or a script left.

Two boots: one by the kernel itself, with a clock that is years behind; one by a script that has done half of it, badly.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from asyncinit.machine import clock, seed
from asyncinit.machine.api_file_systems import API_FILE_SYSTEMS
from tests.boot import disk, image
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import CONSOLE, Hardware

_SHELL = (
    'command = ["sh", "-i"]\ntty = "/dev/ttyS0"\nenvironment = { PS1 = "# ", HOME = "/root" }\nstop.signal = "SIGHUP"\n'
)
_FOLDER = "/etc/asyncinit/services.d"
_OLD_SEED = "x" * 64
_FILES = {
    f"{_FOLDER}/shell.toml": _SHELL,
    f"{_FOLDER}/other.toml": 'command = ["sleep", "1000"]\n',
    f"{_FOLDER}/bad.toml": 'comand = ["sleep", "1000"]\n',
    f"{_FOLDER}/on-bad.toml": 'command = ["sleep", "1000"]\nrequires = ["bad"]\n',
    "/etc/hostname": "alpha\n",
    "/etc/sysctl.d/50-test.conf": "kernel.threads-max = 4242\nno.such.setting = 1\n",
    "/elsewhere/shell": _SHELL,
}
# What an initramfs of somebody's own may do: mount some of it without care, the root read-only for now, and hand over
# without descriptors.
_SCRIPT = """#!/bin/sh
mount -t proc proc /proc
mount -o remount,ro /
mount -t tmpfs run /run
echo kept >/run/kept
mount -t devtmpfs dev /dev
ln -s /nowhere /dev/stdin
export PATH=/bin:/usr/bin
exec /usr/bin/asyncinit boot --services /elsewhere <&- >&- 2>&-
"""


def _facts(guest: Guest) -> dict[str, Any]:
    """What both boots are asked."""
    pid = "/proc/1"
    return {
        "mounts": [line.split()[:4] for line in guest.run("cat /proc/mounts").splitlines()],
        "descriptors": guest.run(f"for n in 0 1 2; do readlink {pid}/fd/$n; done").split(),
        "links": guest.run("for n in fd stdin stdout stderr core; do readlink /dev/$n; done").split(),
        "environment": guest.run(f"tr '\\0' '\\n' <{pid}/environ").splitlines(),
        "status": json.loads(guest.run("asyncinit status --json")),
        "startup": json.loads(guest.run("asyncinit analyze --json")),
        "analyze": guest.run("asyncinit analyze"),
        "log": guest.run("dmesg | grep asyncinit: || true"),
        "hostname": guest.run("hostname").strip(),
        "lock": guest.run("stat -c %a /run/lock").strip(),
    }


def _story() -> dict[str, Any]:
    data = disk.make(run_folder() / "boot.ext4", 16)
    initramfs = image.make(
        run_folder() / "boot.cpio",
        {**_FILES, seed.SEED: _OLD_SEED},
        links={"/init": image.ASYNCINIT},
        modules=("virtio_pci", "virtio_blk"),
    )
    words = "asyncinit.target=shell asyncinit.credit_seed asyncinit.tarjet=x FROM_KERNEL=1 -- --log-format json"
    hardware = Hardware(append=f"{CONSOLE} {words}", disks=[data], clock="2001-02-03T04:05:06")
    began = time.time()
    with Guest("boot", initramfs, hardware) as guest:
        guest.expect("# ")
        facts = _facts(guest) | {
            "began": began,
            "now": float(guest.run("date +%s")),
            "machine-id": guest.run("cat /etc/machine-id").strip(),
            "seed": guest.run(f"cat {seed.SEED}"),
            "threads-max": guest.run("cat /proc/sys/kernel/threads-max").strip(),
            "kernel's log": guest.run("cat /proc/sys/kernel/printk_devkmsg").strip(),
            "loopback": guest.run("ifconfig lo"),
            "doctor": json.loads(guest.run("asyncinit doctor --json", check=False)),
            "check": guest.run("asyncinit check", check=False),
            "reexec": guest.run("asyncinit reexec"),
            "after": json.loads(guest.run("asyncinit status --json")),
            "startup after": json.loads(guest.run("asyncinit analyze --json")),
            "mounts after": [line.split()[:4] for line in guest.run("cat /proc/mounts").splitlines()],
        }
        guest.run("modprobe -a virtio_pci virtio_blk; mount /dev/vda /var/lib && date -s 2040-01-01")
        guest.send("asyncinit poweroff\n")
        facts["end"] = guest.wait_ended()
        facts["transcript"] = guest.transcript
    facts["kept seed"] = len(disk.read_bytes(data, seed.SEED.removeprefix("/var/lib")))
    facts["kept time"] = disk.changed(data, clock.STAMP.removeprefix("/var/lib"))
    facts["disk"] = disk.complaint(data)
    return facts


def _scripted_story() -> dict[str, Any]:
    initramfs = image.make(run_folder() / "scripted.cpio", {**_FILES, "/init": _SCRIPT, "/etc/machine-id": ""})
    words = CONSOLE.replace("quiet ", "")
    with Guest("scripted", initramfs, Hardware(append=f"{words} asyncinit.debug asyncinit.hostname=beta")) as guest:
        guest.expect("emergency shell")
        guest.expect("# ")
        emergency = guest.transcript
        guest.run("mount -o remount,rw /; mv /elsewhere/shell /elsewhere/shell.toml")
        guest.send("exit\n")
        guest.expect("all services are ready")
        return _facts(guest) | {
            "kept": guest.run("cat /run/kept").strip(),
            "emergency": emergency,
            "restored": [
                *guest.run("cat /etc/machine-id; python3 -m asyncinit.machine.programs.restore").splitlines(),
                *guest.run("grep -c machine-id /proc/mounts; cat /etc/machine-id", check=False).splitlines(),
            ],
            "transcript": guest.transcript,
        }


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What there is to know of the machine that the kernel started asyncinit on."""
    return once("boot", _story)


@pytest.fixture(scope="module")
def scripted() -> dict[str, Any]:
    """And of the one on which a script did."""
    return once("scripted", _scripted_story)


@pytest.fixture(params=["boot", "scripted"])
def either(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each of both."""
    return once(request.param, {"boot": _story, "scripted": _scripted_story}[request.param])


def test_each_file_system_is_mounted_once(either: dict[str, Any]) -> None:
    """At its place, with the flags that it has to have, whoever has mounted it."""
    mounts = {place: (kind, set(options.split(","))) for _, place, kind, options in either["mounts"]}
    places = [place for _, place, _, _ in either["mounts"]]
    assert len(places) == len(set(places))
    for one in API_FILE_SYSTEMS:
        kind, options = mounts[one.place]
        assert kind == one.kind
        wanted = {name for flag, name in ((2, "nosuid"), (4, "nodev"), (8, "noexec")) if one.flags & flag}
        assert wanted <= options and "rw" in options
    assert {"mode=755", "nr_inodes=65536"} <= mounts["/dev"][1] or either["hostname"] == "beta"
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= mounts["/dev/pts"][1]
    assert {"nsdelegate", "memory_recursiveprot"} <= mounts["/sys/fs/cgroup"][1]


def test_what_was_there_stays(scripted: dict[str, Any]) -> None:
    """A file system of the script's keeps what is in it, and gets the flags that it lacks; so does a link."""
    assert scripted["kept"] == "kept"
    assert "mount /run: was mounted without nosuid, nodev" in scripted["log"]
    assert scripted["links"][1] == "/nowhere"


def test_the_console_is_on_the_standard_descriptors(either: dict[str, Any]) -> None:
    """Also where there were none when asyncinit began."""
    assert either["descriptors"] == ["/dev/console"] * 3


def test_links_of_dev(facts: dict[str, Any]) -> None:
    """What programs expect there."""
    own = "/proc/self/fd"
    assert facts["links"] == [own, f"{own}/0", f"{own}/1", f"{own}/2", "/proc/kcore"]
    assert facts["lock"] == "1777"


def test_the_clock_is_never_before_asyncinit(facts: dict[str, Any]) -> None:
    """The hardware's was decades behind: it is the time of the newest thing that is known."""
    assert clock.BUILT <= facts["now"] < facts["began"] + 3600
    assert "set the clock: it was 2001-02-03T04:05" in facts["log"]


def test_names_and_ids(facts: dict[str, Any], scripted: dict[str, Any]) -> None:
    """The host name is the file's, or the kernel command line's; the machine has an id."""
    assert (facts["hostname"], scripted["hostname"]) == ("alpha", "beta")
    assert len(facts["machine-id"]) == 32


def test_loopback_is_up(facts: dict[str, Any]) -> None:
    """With its addresses."""
    assert "UP LOOPBACK RUNNING" in facts["loopback"]
    assert "127.0.0.1" in facts["loopback"]


def test_the_kernel_is_set_up(facts: dict[str, Any]) -> None:
    """As sysctl.d says, with a log that takes all; what it does not have is told, by the doctor too."""
    assert (facts["threads-max"], facts["kernel's log"]) == ("4242", "on")
    text = "cannot apply sysctl.d: /etc/sysctl.d/50-test.conf:2: no.such.setting: no such file or directory"
    assert text in facts["log"]
    assert "could not apply sysctl.d" in facts["analyze"]
    found = next(one for one in facts["doctor"]["checks"] if one["name"] == "early steps")
    assert text in found["found"]


def test_a_seed_is_used_once(facts: dict[str, Any]) -> None:
    """It counts, as the kernel was told, and another one has its place; a shutdown leaves one, and the time."""
    assert "load the random seed: credited" in facts["log"]
    assert facts["seed"] != _OLD_SEED
    assert facts["kept seed"] == 64
    assert facts["kept time"].startswith("2040-01-01")


def test_words_of_the_kernel_command_line(facts: dict[str, Any]) -> None:
    """The target is started alone; options after " -- " hold; what means nothing is told; the rest is environment."""
    states = {one["name"]: one["state"] for one in facts["status"]["services"]}
    assert (states["shell"], states["other"]) == ("ready", "inactive")
    assert '"message":"bad is left out' in facts["transcript"].replace(": ", ":")
    assert "kernel command line: asyncinit.tarjet=x means nothing to asyncinit" in facts["log"]
    assert "FROM_KERNEL=1" in facts["environment"]


def test_quiet_and_debug(facts: dict[str, Any], scripted: dict[str, Any]) -> None:
    """With `quiet` nothing but what is wrong comes to the console, with `asyncinit.debug` everything."""
    assert "all services are ready" not in facts["transcript"]
    assert "shell" in scripted["transcript"] and "all services are ready" in scripted["transcript"]


def test_a_bad_file_leaves_out_its_service(facts: dict[str, Any]) -> None:
    """And what needs it, both by name; all others are there."""
    names = {one["name"] for one in facts["status"]["services"]}
    assert {"shell", "other"} <= names and not {"bad", "on-bad"} & names
    for text in (
        f"{_FOLDER}/bad.toml:1: comand: is not a known key",
        "bad is left out: what is declared for it cannot be used",
        "on-bad is left out: it needs bad, which is left out",
    ):
        assert text in facts["transcript"]
    assert f"{_FOLDER}/bad.toml:1" in facts["check"]


def test_the_time_from_the_kernel_on(either: dict[str, Any]) -> None:
    """When the kernel handed over, how long each early step took, when the services' turn came."""
    early = either["startup"]["early"]
    assert early["kernel"] > 0 and 0 < early["begun"] < early["done"] < early["loaded"]
    steps = early["steps"]
    assert [step["name"] for step in steps][:3] == ["mount /proc", "open the kernel's log", "mount /sys"]
    assert [step["began"] for step in steps] == sorted(step["began"] for step in steps)
    assert {step["name"] for step in steps if step["failure"]} == {"apply sysctl.d"}
    assert "after the kernel's hand-over" in either["analyze"]


def test_a_reexec_stays_a_machine(facts: dict[str, Any]) -> None:
    """Nothing is mounted again, nothing starts anew, and it still switches the machine off at its end."""
    assert facts["mounts after"] == facts["mounts"]
    assert facts["startup after"]["early"] == facts["startup"]["early"]
    pids = [{one["name"]: one["pid"] for one in facts[when]["services"]}["shell"] for when in ("status", "after")]
    assert pids[0] == pids[1]
    assert facts["end"] == "guest-shutdown"
    assert facts["disk"] == ""


def test_where_nothing_is_to_be_started_somebody_has_to_look(scripted: dict[str, Any]) -> None:
    """The emergency shell says why; when it ends the files are read again, and what they have now is started."""
    assert "no service is declared" in scripted["emergency"]
    assert [one["name"] for one in scripted["status"]["services"] if one["state"] == "ready"] == ["shell"]


def test_an_id_of_this_boot_is_kept_once_that_can_be(scripted: dict[str, Any]) -> None:
    """The root was read-only at first: the id was shown over the file, and is in it when `restore` has run."""
    places = [place for _, place, _, _ in scripted["mounts"]]
    before, *told, count, after = scripted["restored"]
    assert "/etc/machine-id" in places
    assert "keep /etc/machine-id: kept" in told
    assert (len(before), after, count) == (32, before, "0")
