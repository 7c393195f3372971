"""A machine whose asyncinit fails in every way: before its loop, in it, again and again, hanging, by a native fault.

One machine that resets: each of its lives begins with the same faulty module in the initramfs, which is put right at
the emergency shell.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.boot import image
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import CONSOLE, Hardware
from tests.support import ROOT

FAULT = 34 + 29
_EARLY = "asyncinit/machine/early.py"
_ORDERS = "asyncinit/runtime/machine_orders.py"
_SERVICES = {
    "shell": """
        command = ["sh", "-i"]
        tty = "/dev/ttyS0"
        environment = { PS1 = "# ", HOME = "/root", PYTHONPATH = "/site" }
        stop = { signal = "SIGHUP" }
    """,
    "steady": 'command = ["sleep", "100000"]',
    # As fast as it can, and for ever; three of them.
    **dict.fromkeys(
        ("crash-a", "crash-b", "crash-c"),
        """
        command = ["false"]
        enabled = false
        restart = { policy = "always", delay = "1ms", max_delay = "1ms", limit = 1000000 }
        """,
    ),
    # Is ready, and never heard of again.
    "sick": """
        command = ["python3", "/root/sick.py"]
        enabled = false
        ready = { notify = true }
        watchdog = "2s"
        restart = { delay = "10ms", limit = 1, on_give_up = "reboot" }
    """,
    "driver": """
        type = "oneshot"
        command = ["modprobe", "softdog"]
        enabled = false
    """,
}
_FAULTY = f"""

def _faulty(handle):
    def handler(self, info):
        if info.number == {FAULT}:
            raise SystemExit("a fault that was asked for")
        handle(self, info)
    return handler


MachineOrders.handle = _faulty(MachineOrders.handle)
"""


_SICK = """
import os, socket, time
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
time.sleep(100000)
"""
_STATUS = f"""
import json, os
services = json.load(open("/run/status"))["services"]
found = {{one["name"]: {{key: one[key] for key in ("state", "pid", "restarts")}} for one in services}}
os.write(1, json.dumps({{name: found[name] for name in {sorted(_SERVICES)}}}).encode() + b"\\n")
"""


def _files() -> dict[str, str]:
    files = {f"/etc/asyncinit/services.d/{name}.toml": textwrap.dedent(text) for name, text in _SERVICES.items()}
    files["/etc/asyncinit/asyncinit.toml"] = '[init]\nwatchdog = "1m"\n'
    files[f"/site/{_EARLY}"] = 'raise RuntimeError("a module that is broken")\n'
    files["/root/early.py"] = (ROOT / _EARLY).read_text()
    files[f"/site/{_ORDERS}"] = (ROOT / _ORDERS).read_text() + _FAULTY
    files["/root/status.py"] = _STATUS
    files["/root/sick.py"] = _SICK
    files["/root/freeze.py"] = Path(__file__).with_name("freeze.py").read_text()
    return files


def _status(guest: Guest) -> dict[str, dict[str, Any]]:
    """Our services' status; in one short line and one write, since others write to the console too."""
    shown = guest.run("asyncinit status --json >/run/status; python3 /root/status.py")
    found: dict[str, dict[str, Any]] = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
    return found


def _put_right(guest: Guest) -> None:
    """At the emergency shell: put the module right, and go on to the shell that is a service."""
    guest.expect("emergency shell")
    guest.expect("# ")
    guest.run(f"cp /root/early.py /site/{_EARLY}")
    guest.send("exit\n")
    guest.expect("# ")


def _emergency(guest: Guest) -> dict[str, Any]:
    told = guest.expect(r"(?s)cannot boot this machine by itself.*?emergency shell").group()
    guest.expect("# ")
    found = {
        "reason": told,
        "session": guest.run("echo $$ $(cut -d' ' -f6,7,8 /proc/$$/stat)").split(),
        "orphan": guest.run("(sleep 0.1 & echo $!) | cat; sleep 1; ps -o pid,comm | grep sleep || true").split(),
    }
    guest.run(f"cp /root/early.py /site/{_EARLY}")
    guest.send("exit\n")
    guest.expect("# ")
    return found


def _crashing(guest: Guest) -> dict[str, Any]:
    """Three services crash as fast as they may; the console and the control socket answer all the same."""
    guest.run("asyncinit start --no-wait crash-a crash-b crash-c >/dev/null")
    found = {"status": _status(guest), "later": _status(guest)}
    guest.run("asyncinit stop crash-a crash-b crash-c >/dev/null")
    return found


def _escapes(guest: Guest) -> dict[str, Any]:
    """An exception that nobody catches leads to a fresh start; and where that is broken, to who stands in."""
    facts: dict[str, Any] = {"before": _status(guest)}
    guest.send(f"kill -{FAULT} 1; until asyncinit status --json >/dev/null 2>&1; do sleep 1; done; echo again\n")
    guest.expect(r"(?m)^again")
    guest.expect("# ")
    facts["after"] = _status(guest)
    guest.run("echo 'raise RuntimeError(\"half an upgrade\")' >/site/asyncinit/core/engine.py")
    guest.send(f"kill -{FAULT} 1\n")
    facts["stands in"] = guest.expect(r"(?s)asyncinit has failed and supervises nothing any more.*?\n").group()
    guest.expect("# ")
    facts["runs on"] = guest.run(f"ps -o pid,comm | grep -w {facts['after']['steady']['pid']}")
    guest.send("exit\n")
    guest.expect("supervises nothing any more")
    guest.expect("# ")
    guest.send("reboot\n")
    facts["reboot"] = guest.wait_event("RESET")
    return facts


def _gives_up(guest: Guest) -> dict[str, Any]:
    """A service that misses its watchdog again and again, and then the machine shall reboot."""
    _put_right(guest)
    guest.send("asyncinit start --no-wait sick\n")
    return {"told": guest.expect(r"sick .* failed: .*").group(), "reset": guest.wait_event("RESET")}


def _watched(guest: Guest) -> dict[str, Any]:
    """A driver that is loaded late, a re-exec, and then PID 1 does nothing any more."""
    _put_right(guest)
    facts = {"without": guest.run("asyncinit doctor | grep watchdog")}
    guest.run("asyncinit start driver")
    facts["with"] = guest.run("asyncinit doctor | grep watchdog")
    guest.run("asyncinit reexec")
    facts["after"] = guest.run("asyncinit doctor | grep watchdog")
    guest.run("echo '[init]' >/etc/asyncinit/asyncinit.toml; echo 'watchdog = 10' >>/etc/asyncinit/asyncinit.toml")
    guest.run("asyncinit reload-config && sleep 11")  # longer than its time: it is fed
    facts["shorter"] = guest.run("asyncinit doctor | grep watchdog")
    guest.send("python3 /root/freeze.py stop\n")
    facts["reset"] = guest.wait_event("RESET")
    return facts


def _faulted(guest: Guest) -> dict[str, Any]:
    """A native fault of PID 1; and in the life after it, what a person at the emergency shell may ask for."""
    guest.expect("emergency shell")
    guest.expect("# ")
    facts: dict[str, Any] = {"panic": guest.run("cat /proc/sys/kernel/panic").strip()}
    guest.send("python3 /root/freeze.py fault\n")
    facts["text"] = guest.expect("Kernel panic.*").group()
    facts["reset"] = guest.wait_event("RESET")
    guest.expect("emergency shell")
    guest.expect("# ")
    guest.send("asyncinit poweroff\n")
    facts["end"] = guest.wait_ended()
    return facts


def _story() -> dict[str, Any]:
    initramfs = image.make(
        run_folder() / "survival.cpio", _files(), links={"/init": image.ASYNCINIT}, modules=("softdog",)
    )
    hardware = Hardware(append=f"{CONSOLE} panic=1", resets=True)
    with Guest("survival", initramfs, hardware) as guest:
        return {
            "emergency": _emergency(guest),
            "crashing": _crashing(guest),
            "escapes": _escapes(guest),
            "gives up": _gives_up(guest),
            "watched": _watched(guest),
            "faulted": _faulted(guest),
            "transcript": guest.transcript,
        }


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What happened on that machine."""
    return once("survival", _story)


def test_a_broken_module_leads_to_a_shell_with_its_reason(facts: dict[str, Any]) -> None:
    """On the console, which controls its session; orphans are reaped; it goes on when the module is put right."""
    assert "RuntimeError: a module that is broken" in facts["emergency"]["reason"]
    pid, session, terminal, foreground = facts["emergency"]["session"]
    assert pid == session and terminal != "0" and foreground != "-1"
    assert len(facts["emergency"]["orphan"]) == 1
    assert facts["crashing"]["status"]["steady"]["state"] == "ready"


def test_crash_loops_starve_nobody(facts: dict[str, Any]) -> None:
    """The console and the control socket answer while three services crash as fast as they may."""
    first, later = facts["crashing"]["status"], facts["crashing"]["later"]
    for name in ("crash-a", "crash-b", "crash-c"):
        assert later[name]["restarts"] > first[name]["restarts"]
    assert later["shell"]["pid"] == first["shell"]["pid"]


def test_an_escaped_exception_is_no_panic(facts: dict[str, Any]) -> None:
    """asyncinit starts afresh, with the same services."""
    before, after = facts["escapes"]["before"], facts["escapes"]["after"]
    for name in ("steady", "shell"):
        assert (after[name]["pid"], after[name]["state"]) == (before[name]["pid"], "ready")


def test_where_the_fresh_start_is_broken_somebody_stands_in(facts: dict[str, Any]) -> None:
    """With the reason and a shell that comes back; what ran goes on, and `reboot` reboots."""
    escapes = facts["escapes"]
    assert "RuntimeError: half an upgrade" in escapes["stands in"]
    assert "sleep" in escapes["runs on"]
    assert escapes["reboot"]["reason"] == "guest-reset"


def test_a_service_that_is_given_up_reboots_the_machine(facts: dict[str, Any]) -> None:
    """Where it says so: its watchdog was missed, and so once more."""
    found = facts["gives up"]
    assert "1 restart within 60 s; last: no WATCHDOG=1 within 2 s" in found["told"]
    assert found["reset"] == {"guest": True, "reason": "guest-reset"}


def test_the_watchdog_resets_a_machine_whose_asyncinit_hangs(facts: dict[str, Any]) -> None:
    """It is used once its driver is there, and fed, over a re-exec and with another time; PID 1 that is held is not."""
    watched = facts["watched"]
    assert "no such file or directory" in watched["without"]
    assert "resets this machine if asyncinit hangs for 1 min" in watched["with"]
    assert watched["after"] == watched["with"]
    assert "resets this machine if asyncinit hangs for 10 s" in watched["shorter"]
    assert watched["reset"]["reason"] == "guest-reset"


def test_a_native_fault_is_a_panic_that_reboots(facts: dict[str, Any]) -> None:
    """After as many seconds as the kernel's command line says."""
    assert facts["faulted"]["panic"] == "1"
    assert "Attempted to kill init" in facts["faulted"]["text"]
    assert facts["faulted"]["reset"]["reason"] == "guest-reset"
    assert facts["transcript"].count("Kernel panic -") == 1


def test_a_person_at_the_emergency_shell_can_switch_off(facts: dict[str, Any]) -> None:
    """asyncinit's own command does it too, with no asyncinit there to answer: by a signal."""
    assert facts["faulted"]["end"] == "guest-shutdown"
