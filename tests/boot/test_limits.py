"""Limits by cgroup, with all controllers: what a service that goes too far does to itself and to nobody else.

One boot; a service, `check`, asks asyncinit and writes what it was told.
"""

from __future__ import annotations

import textwrap
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.boot.machine import Machine
from tests.conftest import LOOPS

_HOG = "data = bytearray(160 << 20)\nfor at in range(0, len(data), 4096): data[at] = 1\nprint('survived')\n"
_BOMB = """
    import os, time
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.2)
"""
_SPIN = "while True:\n    pass\n"
_PARENT = f"""
    import os, time
    if os.fork() == 0:
        exec({_HOG!r})
    os.wait()
    time.sleep(1000)
"""

_CHECK = Path(__file__).with_name("check_limits.py")

SERVICES = {
    # Ended by the kernel, and so once more; then it is given up.
    "hog": """
        command = ["python3", "/programs/hog.py"]
        [limits]
        memory_max = "64M"
        memory_swap_max = 0
        [restart]
        policy = "never"
        on = ["oom"]
        delay = "10ms"
        limit = 1
    """,
    "once": """
        command = ["python3", "/programs/hog.py"]
        [limits]
        memory_max = "64M"
        memory_swap_max = 0
        [restart]
        never_on = ["oom"]
    """,
    # Its child is killed, and it goes on; beside it one that goes as a whole.
    "parent": """
        command = ["python3", "/programs/parent.py"]
        limits = { memory_max = "64M", memory_swap_max = 0 }
    """,
    "family": """
        command = ["python3", "/programs/parent.py"]
        restart = "never"
        limits = { memory_max = "64M", memory_swap_max = 0, memory_oom_group = true }
    """,
    "bomb": 'command = ["python3", "/programs/bomb.py"]\nlimits = { pids_max = 20 }\n',
    "spin": 'command = ["python3", "/programs/spin.py"]\nlimits = { cpu_max = "10%" }\n',
    # Two mebibytes at half a one a second: O_DIRECT, past the cache.
    "writer": """
        command = ["dd", "if=/dev/zero", "of=/dev/vda", "bs=64k", "count=32", "oflag=direct"]
        type = "oneshot"
        limits = { io_max = { "/dev/vda" = { write = "512K" } } }
    """,
    "calm": """
        command = ["sleep", "1000"]
        [limits]
        memory_high = "32M"
        memory_max = "64M"
        pids_max = 10
        cpu_weight = 500
        io_weight = 500
        io_max = { "/dev/vda" = { write = "512K", read_ops = 10 } }
    """,
    # An asyncinit that is not PID 1, in a cgroup that is not the root: it has to make way for its own services.
    "inner": """
        command = ["python3", "-m", "asyncinit", "run", "--services", "/inner", "--log-format", "json"]
        limits = { delegate = true }
        working_directory = "/inner"
        environment = { XDG_RUNTIME_DIR = "/tmp" }
        [hooks]
        pre_stop = [["cat", "/proc/self/cgroup"]]
    """,
    # The same as PID 1 of what a container is, with the hierarchy elsewhere: each of its services has a cgroup.
    "container": """
        command = "mkdir -p /tmp/c && mount -t cgroup2 c /tmp/c && exec python3 -m asyncinit run --services /inner"
        shell = true
        limits = { delegate = true }
        working_directory = "/inner"
        environment = { XDG_RUNTIME_DIR = "/tmp" }
        namespaces = { pid = "private", init = false, mount = "private", cgroup = "private", ipc = "private" }
    """,
    # A pod: one of its members takes what all of them have, another what they may have of processes.
    "greedy": """
        pod = "shop"
        command = ["python3", "/programs/hog.py"]
        restart = "never"
        limits = { oom_score_adj = 1000 }
    """,
    "crowd": """
        pod = "shop"
        command = ["python3", "/programs/bomb.py"]
    """,
    "neighbour": 'pod = "shop"\ncommand = ["sleep", "1000"]\n',
    "check": """
        command = ["python3", "/programs/check.py"]
        restart = "never"
        [hooks]
        post_stop = [["poweroff", "-f"]]
    """,
}
_CONFIG = """
    [init]
    services = ["/services"]
    [pods.shop]
    limits = { memory_max = "96M", memory_swap_max = 0, pids_max = 12 }
"""
INNER = {
    "hog": """
        command = ["python3", "/programs/hog.py"]
        restart = "never"
        limits = { pids_max = 10, memory_max = "64M", memory_swap_max = 0 }
    """,
    "stays": 'command = ["sleep", "1000"]\n',
}


def _files() -> dict[str, str]:
    programs = {"hog": _HOG, "bomb": _BOMB, "spin": _SPIN, "parent": _PARENT, "check": _CHECK.read_text()}
    texts = {
        **{f"/programs/{name}.py": text for name, text in programs.items()},
        **{f"/services/{name}.toml": text for name, text in SERVICES.items()},
        **{f"/inner/{name}.toml": text for name, text in INNER.items()},
    }
    texts["/asyncinit.toml"] = _CONFIG
    return {name: textwrap.dedent(text) for name, text in texts.items()}


@pytest.fixture(scope="module")
def machine() -> Machine:
    """A machine on which all of that has happened."""
    return Machine("limits", _files(), LOOPS[-1])


@pytest.fixture(scope="module")
def said(machine: Machine) -> dict[str, Any]:
    """What was told there."""
    said = machine.said("check")
    assert "calm_at_last" in said, machine.transcript[-5000:]
    return said


def test_limits_are_what_the_kernel_has(said: dict[str, Any]) -> None:
    """Each key is written, and only the controllers that are used are enabled."""
    assert said["written"] == {"memory.high": str(32 << 20), "memory.max": str(64 << 20), "pids.max": "10"}
    assert set(said["controllers"]) == {"cpu", "io", "memory", "pids"}


def test_a_memory_hog_is_ended_and_named(machine: Machine, said: dict[str, Any]) -> None:
    """For want of memory, with the limit that it was; that is a reason to restart it, or not to."""
    text = "killed by SIGKILL: out of memory (limits.memory_max is 64M)"
    for name in ("once", "family"):
        assert said["ended"][name]["reason"]["code"] == "oom-kill"
        assert text in said["ended"][name]["reason"]["text"]
        assert said["ended"][name]["restarts"] == 0
    hog = said["ended"]["hog"]
    assert (hog["reason"]["code"], hog["restarts"]) == ("start-limit-hit", 1)
    assert text in hog["reason"]["text"]
    assert not any(record.get("message") == "survived" for record in machine.records)


def test_a_crash_report_has_its_peaks(said: dict[str, Any]) -> None:
    """How much memory all processes together had, and that the kernel has killed one."""
    report = next(one for one in said["crashes"] if one["service"] == "once")
    assert report["reason"]["code"] == "oom-kill"
    assert 32 << 20 < report["cgroup"]["memory_peak"] <= 64 << 20
    assert report["cgroup"]["oom_kills"] == 1
    assert report["cgroup"]["cpu_seconds"] > 0


def test_a_killed_child_is_told_and_its_parent_goes_on(machine: Machine, said: dict[str, Any]) -> None:
    """A kill that was not the main process's is no end of the service."""
    assert said["parent"]["state"] == "ready"
    assert said["parent"]["cgroup"]["oom_kills"] == 1
    told = [record["message"] for record in machine.records if record.get("service") == "parent"]
    assert any("the kernel has killed one of its processes" in text for text in told)


def test_a_fork_bomb_hurts_nobody_else_and_is_named(machine: Machine, said: dict[str, Any]) -> None:
    """It has no more processes than it may have, is told once, and is stopped as any other."""
    assert said["bomb"]["cgroup"]["processes"] <= 20
    assert said["bomb"]["cgroup"]["forks_refused"] >= 1
    told = [record["message"] for record in machine.records if record.get("service") == "bomb"]
    assert [text for text in told if "further processes" in text] == [
        "cannot make further processes (limits.pids_max is 20)"
    ]
    assert said["bomb_stopped"] == ["inactive", False]


def test_a_share_of_the_processors_is_kept_to(said: dict[str, Any]) -> None:
    """Who may have a tenth of one has to wait."""
    assert said["spin"]["cgroup"]["throttled_seconds"] > 0


def test_the_use_of_a_disk_is_limited(machine: Machine, said: dict[str, Any]) -> None:
    """Its rate is the kernel's to keep, so the writing took its time; its weight is set."""
    (line,) = said["disk_limits"]["io.max"].splitlines()
    assert line.split()[1:] == ["rbps=max", "wbps=524288", "riops=10", "wiops=max"]
    assert "default 500" in said["disk_limits"]["io.weight"]
    assert said["writer"]["state"] == "completed"
    changes = [record for record in machine.records if record.get("service") == "writer" and record.get("state")]
    times = {change["state"]: datetime.fromisoformat(change["time"]) for change in changes}
    assert (times["completed"] - times["starting"]).total_seconds() > 2


def test_a_changed_limit_holds_at_once(said: dict[str, Any]) -> None:
    """And one that is not there any more does not; the process stays."""
    assert said["rewritten"] == {
        "memory.high": "max",
        "memory.max": str(48 << 20),
        "memory.swap.max": "0",
        "pids.max": "max",
    }


def test_the_frozen_use_nothing(said: dict[str, Any]) -> None:
    """No processor time goes by; and a stop ends them."""
    frozen, used = said["frozen"]
    assert frozen and used < 0.1
    assert said["spin_stopped"] == "inactive"


@pytest.mark.parametrize(("name", "folders"), [("inner", ["init"]), ("container", ["init", "stays.service"])])
def test_an_asyncinit_in_a_cgroup_makes_way(
    machine: Machine, said: dict[str, Any], name: str, folders: list[str]
) -> None:
    """It goes into a leaf of its own, so that its services can be limited; and all of it goes with its service."""
    pid, in_leaf, in_the_way, enabled, found = said[name]
    assert str(pid) in in_leaf
    assert in_the_way == ""
    assert {"memory", "pids"} <= set(enabled)
    assert found == folders
    told = [record["message"] for record in machine.records if record.get("service") == name]
    assert any("out of memory (limits.memory_max is 64M)" in text for text in told)
    assert said[f"{name}_stopped"] == ["inactive", False]


def test_a_hook_beside_a_cgroup_that_was_taken_over(machine: Machine, said: dict[str, Any]) -> None:
    """It can't be where controllers were handed on, and finds a place below."""
    assert said["inner_stopped"] == ["inactive", False]
    told = [record["message"] for record in machine.records if record.get("service") == "inner"]
    assert "0::/asyncinit/inner.service/aside" in told


def test_the_limits_of_a_pod_hold_for_its_members_together(machine: Machine, said: dict[str, Any]) -> None:
    """Who is ended by them is told which; the pod and another member go on."""
    assert said["pod"]["greedy"]["reason"]["code"] == "oom-kill"
    assert "out of memory (limits.memory_max of pod shop is 96M)" in said["pod"]["greedy"]["reason"]["text"]
    assert said["pod"]["neighbour"]["state"] == said["pod"]["pod:shop"]["state"] == "ready"
    assert said["pod"]["pod:shop"]["cgroup"]["processes"] <= 12
    assert said["pod"]["pod:shop"]["restarts"] == said["pod"]["neighbour"]["restarts"] == 0
    told = [record["message"] for record in machine.records if record.get("service") in {"crowd", "pod:shop"}]
    assert any("cannot make further processes (limits.pids_max" in text for text in told)


def test_nobody_else_is_hurt(said: dict[str, Any]) -> None:
    """The one beside them is the process that it was, and was never restarted."""
    first, last = said["calm_at_first"], said["calm_at_last"]
    assert last["state"] == "ready"
    assert (last["pid"], last["restarts"], last["ready_since"]) == (first["pid"], 0, first["ready_since"])
