"""Runs in the machine of `test_limits`, as a service: ask asyncinit, do what is to be done, and write what was told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asyncinit.client import locate

PATIENCE = 60.0
Services = dict[str, dict[str, Any]]

server = locate.connect("/run/asyncinit/control.sock")


def services() -> Services:
    """Every service's status, by name."""
    return {one["name"]: one for one in server.call("Status")["services"]}


def say(name: str, value: object) -> None:
    """Write it as `tests.boot.machine` reads it."""
    print(f"{name}={json.dumps(value)}", flush=True)


def until(condition: Callable[[Services], object]) -> Services:
    """Wait until something holds of the services, or too long; the tests see which."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = services()
        if condition(found):
            return found
        time.sleep(0.05)
    return services()


def folder_of(name: str) -> Path:
    """The folder of a service's cgroup."""
    return Path(services()[name]["cgroup"]["path"])


def texts(name: str, *files: str) -> dict[str, str]:
    """What files of a service's cgroup say."""
    return {file: (folder_of(name) / file).read_text().strip() for file in files}


def start() -> None:
    """All are there."""
    until(lambda found: found["calm"]["state"] == "ready")
    say("calm_at_first", services()["calm"])
    say("controllers", Path("/sys/fs/cgroup/cgroup.subtree_control").read_text().split())
    say("written", texts("calm", "memory.high", "memory.max", "pids.max"))
    say("disk_limits", texts("calm", "io.max", "io.weight"))


def memory() -> None:
    """Those that want too much of it are ended."""
    names = ("hog", "once", "family")
    found = until(lambda found: all(found[name]["state"] == "failed" for name in names))
    say("ended", {name: found[name] for name in names})
    say("crashes", server.call("Crashes")["crashes"])
    found = until(lambda found: found["parent"]["cgroup"]["oom_kills"])
    say("parent", found["parent"])


def processes() -> None:
    """A fork bomb is held, and stopped."""
    found = until(lambda found: found["bomb"]["cgroup"]["forks_refused"])
    say("bomb", found["bomb"])
    folder = folder_of("bomb")
    server.call("Stop", {"names": ["bomb"]})
    say("bomb_stopped", [services()["bomb"]["state"], folder.exists()])


def change() -> None:
    """Limits change while a service runs."""
    Path("/services/calm.toml").write_text(
        'command = ["sleep", "1000"]\nlimits = { memory_max = "48M", memory_swap_max = 0 }\n'
    )
    server.call("ReloadConfig")
    until(lambda _found: texts("calm", "pids.max")["pids.max"] == "max")
    say("rewritten", texts("calm", "memory.high", "memory.max", "memory.swap.max", "pids.max"))


def disks() -> None:
    """One that writes past the cache is held to its rate."""
    say("writer", until(lambda found: found["writer"]["state"] == "completed")["writer"])


def processors() -> None:
    """One that spins is held back, frozen, and stopped."""
    say("spin", until(lambda found: found["spin"]["cgroup"]["throttled_seconds"])["spin"])
    server.call("Freeze", {"names": ["spin"]})
    until(lambda _found: "frozen 1" in texts("spin", "cgroup.events")["cgroup.events"])
    before = services()["spin"]
    time.sleep(0.5)  # nothing happens: there is no event to wait for
    say("frozen", [before["frozen"], services()["spin"]["cgroup"]["cpu_seconds"] - before["cgroup"]["cpu_seconds"]])
    server.call("Stop", {"names": ["spin"]})
    say("spin_stopped", services()["spin"]["state"])


def pod() -> None:
    """Members of a pod take what it may have."""
    full = ("crowd", "pod:shop")
    until(lambda found: any((found[name]["cgroup"] or {}).get("forks_refused") for name in full))
    found = until(lambda found: found["greedy"]["state"] == "failed")
    say("pod", {name: found[name] for name in ("greedy", "crowd", "neighbour", "pod:shop")})


def below(name: str) -> None:
    """An asyncinit below this one has made way, and goes."""
    folder = folder_of(name)
    leaf = folder / "asyncinit/init/cgroup.procs"
    until(lambda _found: leaf.exists() and not (folder / "cgroup.procs").read_text())
    until(lambda found: found[name]["cgroup"]["oom_kills"])
    until(lambda _found: not (folder / "asyncinit/hog.service").exists())
    enabled = (folder / "cgroup.subtree_control").read_text().split()
    folders = sorted(path.name for path in (folder / "asyncinit").iterdir() if path.is_dir())
    pid = services()[name]["pid"]
    say(name, [pid, leaf.read_text().split(), (folder / "cgroup.procs").read_text(), enabled, folders])
    server.call("Stop", {"names": [name]})
    say(f"{name}_stopped", [services()[name]["state"], folder.exists()])


if __name__ == "__main__":
    for step in (start, memory, processes, change, disks, processors, pod):
        step()
    below("inner")
    below("container")
    say("calm_at_last", services()["calm"])
