"""Cgroups: where the hierarchy is found, the tree of ours in it, who is in a service's, and what needs controllers.

On the hierarchy of this machine where it can be written; the logic of controllers, which are rarely to be had, in an
imitated one: a folder with the kernel's files as plain ones.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from asyncinit.config.spec import CgroupLimits, CgroupMode, Limits, ServiceSpec
from asyncinit.core.status import Code, ExitStatus
from asyncinit.errors import SpawnError
from asyncinit.linux import cgroups, proc
from asyncinit.linux.cgroups import Place
from asyncinit.linux.mounts import Mount
from asyncinit.runtime.cgroups.events import Events
from asyncinit.runtime.cgroups.group import Group, GroupState
from asyncinit.runtime.cgroups.groups import Cgroups, CgroupsState
from asyncinit.runtime.cgroups.trouble import Trouble
from asyncinit.runtime.process.offload import Offloader
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.timers import Timers
from tests.support import wait_until

PLACE = cgroups.own()
real = pytest.mark.skipif(
    PLACE is None or not cgroups.is_writable(PLACE.folder), reason="no cgroup v2 that can be written"
)


# ---------------------------------------------------------------------------------------------------------------------
# Where it is


@pytest.mark.parametrize(
    ("root", "place", "name", "folder"),
    [
        ("/", "/sys/fs/cgroup", "/", "/sys/fs/cgroup"),
        ("/", "/sys/fs/cgroup/unified", "/user.slice/x.scope", "/sys/fs/cgroup/unified/user.slice/x.scope"),
        ("/docker/abc", "/sys/fs/cgroup", "/docker/abc", "/sys/fs/cgroup"),
        ("/docker/abc", "/sys/fs/cgroup", "/docker/abc/web", "/sys/fs/cgroup/web"),
        ("/docker/abc", "/sys/fs/cgroup", "/docker/abcd", None),
        ("/docker/abc", "/sys/fs/cgroup", "/", None),
        ("/..", "/sys/fs/cgroup", "/", None),
        ("/", "/sys/fs/cgroup", "/../other", None),
    ],
)
def test_a_cgroup_is_found_below_its_mount(root: str, place: str, name: str, folder: str | None) -> None:
    """Whatever part of the hierarchy the mount shows; None where it does not show ours."""
    assert cgroups.below(Mount(place, "cgroup2", root), name) == folder


def test_a_mount_that_can_be_written_is_preferred(tmp_path: Path) -> None:
    """And one that shows nothing of ours is passed over."""
    shown = tmp_path / "b"
    shown.mkdir()
    (shown / "cgroup.procs").touch()
    mounts = [Mount(str(tmp_path / "a"), "cgroup2"), Mount("/sys", "sysfs"), Mount(str(shown), "cgroup2")]
    assert cgroups.own(mounts, "/") == Place(str(shown), "/")
    assert cgroups.own(mounts[:2], "/") is None


# ---------------------------------------------------------------------------------------------------------------------
# An imitated hierarchy


def imitated(folder: Path, controllers: str = "cpu memory pids", *, root: bool = False) -> Place:
    """A folder as the kernel would have it; what is written to a file there stays in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.kill", "cgroup.freeze"):
        (folder / name).touch()
    (folder / "cgroup.controllers").write_text(controllers)
    if not root:
        (folder / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    return Place(str(folder), "/here")


def groups_of(loop: asyncio.AbstractEventLoop, place: Place | None, told: list[str] | None = None) -> Cgroups:
    offloader = Offloader(loop, Reaper(loop), Timers(loop))
    said = told if told is not None else []
    return Cgroups(loop, offloader, CgroupMode.AUTO, lambda _service, text: said.append(text), place)


def service(limits: Limits, *prefer: str) -> ServiceSpec:
    return ServiceSpec(name="web", limits=limits, prefer=frozenset(prefer))


def test_without_the_hierarchy_a_limit_fails_by_name(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """The key, why, and what to do; and what nobody asked for is not missed."""
    groups = groups_of(loop, Place(str(tmp_path / "none"), "/"))
    with pytest.raises(SpawnError, match=r"cannot set limits.memory_max: .* is not writable .* Delegate=yes"):
        groups.open("web", service(Limits(memory_max=1)), None)
    assert groups.open("web", service(Limits(nice=1)), None) == (None, [])


def test_a_controller_that_is_not_there_fails_by_name(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """Or is left out, and the others hold."""
    imitated(tmp_path / "asyncinit")
    groups = groups_of(loop, imitated(tmp_path, "pids"))
    with pytest.raises(SpawnError, match=r"cannot set limits.memory_max: the memory controller is not available"):
        groups.open("web", service(Limits(memory_max=1, delegate=True)), None)
    web = tmp_path / "asyncinit" / "web.service"
    folder, left_out = groups.open("web", service(Limits(memory_max=1, delegate=True), "limits.memory_max"), None)
    assert folder == str(web)
    assert [one.key for one in left_out] == ["limits.memory_max"]


def test_only_what_is_used_is_enabled(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """In our cgroup and in our folder, once the first service needs it."""
    imitated(tmp_path / "asyncinit")
    groups = groups_of(loop, imitated(tmp_path))
    groups.open("web", service(Limits(delegate=False, nice=1)), None)
    assert (tmp_path / "cgroup.subtree_control").read_text() == ""
    with pytest.raises(SpawnError, match=r"cannot set limits.pids_max: no such file or directory; this kernel has no"):
        groups.open("web", service(Limits(pids_max=3)), None)  # a folder that is made here has no files
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"
    assert (tmp_path / "asyncinit/cgroup.subtree_control").read_text() == "+pids"


@pytest.mark.parametrize("mode", list(CgroupMode))
def test_a_preferred_limit_is_left_out(loop: asyncio.AbstractEventLoop, tmp_path: Path, mode: CgroupMode) -> None:
    """With why, whatever it is that is missing."""
    offloader = Offloader(loop, Reaper(loop), Timers(loop))
    groups = Cgroups(loop, offloader, mode, lambda _service, _text: None, Place(str(tmp_path / "none"), "/"))
    folder, left_out = groups.open("web", service(Limits(memory_max=1, pids_max=1), "limits"), None)
    assert folder is None
    assert [one.key for one in left_out] == ["limits.memory_max", "limits.pids_max"]
    assert ("none" in left_out[0].text) == (mode is CgroupMode.NONE) or "writable" in left_out[0].text


def test_nothing_is_enabled_beside_strangers(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """Who is in our cgroup and neither we nor below us is not moved, and is named with what to do."""
    imitated(tmp_path / "asyncinit")
    groups = groups_of(loop, imitated(tmp_path))
    stranger = subprocess.Popen(
        ["/bin/sh", "-c", f"setsid sh -c 'echo $$ > {tmp_path}/cgroup.procs; exec sleep 1000' &"]
    )
    stranger.wait()
    wait_until((tmp_path / "cgroup.procs").read_text)
    pid = int((tmp_path / "cgroup.procs").read_text())
    try:
        wait_until(lambda: (stat := proc.stat(pid)) is not None and stat.name == "sleep")
        with pytest.raises(SpawnError, match=rf"cannot be enabled .* pid {pid} \(sleep\); .*systemd-run"):
            groups.open("web", service(Limits(pids_max=3)), None)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert (tmp_path / "cgroup.subtree_control").read_text() == ""


# ---------------------------------------------------------------------------------------------------------------------
# What the kernel did


class Counted:
    """A cgroup whose counters are set by hand, below a pod's, and what is told of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.told: list[tuple[str | None, str]] = []
        self.pod = Group("pod:shop", str(folder), GroupState("shop.pod", CgroupLimits(memory_max=64 << 20)))
        self.web = Group("web", str(folder), GroupState("shop.pod/web.service"))
        Path(self.web.folder).mkdir(parents=True)
        self.trouble = Trouble(
            Events(loop), Timers(loop), lambda life, text: self.told.append((life, text)), lambda _group: self.pod
        )

    def count(self, group: Group, **counters: int) -> None:
        text = "".join(f"{name} {number}\n" for name, number in counters.items())
        Path(group.folder, "memory.events").write_text(text)


KILLED = ExitStatus(signal=signal.SIGKILL)


def test_a_kill_is_the_main_processs_once(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """If nobody has accounted for it; and it is not if the process has ended otherwise."""
    counted = Counted(loop, tmp_path)
    assert counted.trouble.killed(counted.web, KILLED) is None  # there is not even a counter
    counted.count(counted.web, max=0, oom_kill=0)
    assert counted.trouble.killed(counted.web, KILLED) is None
    counted.count(counted.web, max=0, oom_kill=1)
    assert counted.trouble.killed(counted.web, ExitStatus(1)) is None
    reason = counted.trouble.killed(counted.web, KILLED)
    assert reason is not None
    assert (reason.code, reason.text) == (Code.OOM_KILL, "killed by SIGKILL: out of memory")
    assert counted.trouble.killed(counted.web, KILLED) is None


def test_the_limit_that_was_reached_is_named(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """The service's own, or its pod's; none where the machine's memory was full."""
    counted = Counted(loop, tmp_path)
    for number, (own, pods, expected) in enumerate(
        [(0, 0, ""), (0, 3, " (limits.memory_max of pod shop is 64M)"), (2, 3, " (limits.memory_max is 1536K)")], 1
    ):
        counted.web.state.limits = CgroupLimits(memory_max=1536 << 10)
        counted.count(counted.web, max=own, oom_kill=number)
        counted.count(counted.pod, max=pods, oom_kill=number)
        reason = counted.trouble.killed(counted.web, KILLED)
        assert reason is not None and reason.text == f"killed by SIGKILL: out of memory{expected}"


def test_a_dying_process_is_told_from_a_living_one() -> None:
    """A zombie, one that is gone, and one that SIGKILL waits for."""
    process = subprocess.Popen(["sleep", "1000"])
    assert not proc.is_dying(process.pid)
    process.kill()
    wait_until(lambda: proc.is_dying(process.pid))
    process.wait()
    assert proc.is_dying(process.pid)


# ---------------------------------------------------------------------------------------------------------------------
# The real one


class Stage:
    """The cgroups of a loop on this machine's hierarchy, in a folder of their own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        assert PLACE is not None
        self.loop = loop
        self.told: list[str] = []
        self.folder = f"{PLACE.folder}/test-{os.getpid()}-{os.urandom(4).hex()}"
        os.mkdir(self.folder)
        self.place = Place(self.folder, f"{PLACE.name.rstrip('/')}/{os.path.basename(self.folder)}")
        self.changes = 0
        self.groups = self.another()
        self.groups.changed = self._changed
        self.processes: list[subprocess.Popen[bytes]] = []

    def _changed(self) -> None:
        self.changes += 1

    def another(self) -> Cgroups:
        return groups_of(self.loop, self.place, self.told)

    def open(self, life: str = "web", **limits: object) -> str:
        folder, _ = self.groups.open(life, service(Limits(**(limits or {"delegate": True}))), None)  # type: ignore[arg-type]
        assert folder is not None
        return folder

    def run(self, folder: str, text: str = "exec sleep 1000") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["/bin/sh", "-c", f"echo 0 > {folder}/cgroup.procs; {text}"])
        self.processes.append(process)
        return process

    def until(self, condition: object) -> None:
        """Turn the loop until something holds."""

        async def wait() -> None:
            async with asyncio.timeout(20):
                while not condition():  # type: ignore[operator]
                    await asyncio.sleep(0.005)

        self.loop.run_until_complete(wait())

    def close(self) -> None:
        for process in self.processes:
            process.kill()  # it may not have come that far
            process.wait()
        wait_until(self._emptied)
        self.groups.end()
        cgroups.remove(self.folder)

    def _emptied(self) -> bool:
        """Kill who is in it: again and again, for they may be making children just now."""
        for one in cgroups.all_processes(self.folder):
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not cgroups.is_populated(self.folder)


@pytest.fixture
def stage(loop: asyncio.AbstractEventLoop) -> Iterator[Stage]:
    stage = Stage(loop)
    yield stage
    stage.close()


@real
def test_a_service_has_a_folder_while_it_lives(stage: Stage) -> None:
    """Made with the first, gone with the last; a folder that can't be removed is gone round."""
    folder = stage.open()
    assert folder == f"{stage.folder}/asyncinit/web.service"
    process = stage.run(folder)
    wait_until(lambda: process.pid in cgroups.processes(folder))
    again = stage.open()  # somebody lives on in the first one
    assert again != folder and os.path.isdir(again)
    stage.groups.close("web")
    assert not os.path.exists(again)
    process.kill()
    process.wait()
    stage.groups.end()
    assert "asyncinit" not in os.listdir(stage.folder)


@real
def test_who_is_in_it_is_known(stage: Stage) -> None:
    """Also who has made a session of its own, cleared its environment and lost its parent."""
    folder = stage.open()
    process = stage.run(folder, "setsid env -i sh -c 'sleep 1000 & sleep 1000 &' & sleep 1000")
    wait_until(lambda: len(cgroups.processes(folder)) >= 3)
    pids = stage.groups.processes("web")
    assert process.pid in pids
    assert {stage.groups.owner(pid) for pid in pids} == {"web"}
    assert stage.groups.owner(os.getpid()) is None
    assert stage.groups.is_populated("web")


@real
def test_its_end_is_told_once_nobody_is_left(stage: Stage) -> None:
    """By the kernel's event, and not before."""
    folder = stage.open()
    process = stage.run(folder, "sleep 1000 & exit 0")
    process.wait()
    stage.until(lambda: stage.groups.is_populated("web"))
    assert stage.changes == 0
    stage.groups.kill("web")
    stage.until(lambda: stage.changes == 1)
    assert not stage.groups.is_populated("web")


@real
def test_a_fork_loop_does_not_outrun_a_kill(stage: Stage) -> None:
    """Nobody is left after one write."""
    folder = stage.open()
    process = stage.run(folder, "f() { f & f & wait; }; ulimit -u 300; i=0; while :; do sleep 0.01 & i=$i; done")
    wait_until(lambda: len(cgroups.processes(folder)) > 20)
    stage.groups.kill("web")
    process.wait()
    stage.until(lambda: not cgroups.is_populated(folder))


@real
def test_the_frozen_stand_still_until_they_are_thawed(stage: Stage) -> None:
    """And a kill ends them also while they stand."""
    folder = stage.open()
    stage.run(folder)
    stage.until(lambda: stage.groups.is_populated("web"))
    stage.groups.suspend("web")
    wait_until(lambda: cgroups.numbers(cgroups.read(folder, cgroups.EVENTS))["frozen"] == 1)
    assert stage.groups.is_suspended("web")
    assert stage.groups.resume("web")
    assert not stage.groups.resume("web")
    wait_until(lambda: cgroups.numbers(cgroups.read(folder, cgroups.EVENTS))["frozen"] == 0)
    stage.groups.suspend("web")
    stage.groups.kill("web")
    wait_until(lambda: not cgroups.is_populated(folder))


@real
def test_a_kernel_that_cannot_kill_a_cgroup(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 5.14: it is frozen, so that nobody forks past who kills one by one, and these die all the same."""

    def absent(_folder: str) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(cgroups, "kill", absent)
    folder = stage.open()
    process = stage.run(folder, "while :; do sleep 0.01 & done")
    wait_until(lambda: len(cgroups.processes(folder)) > 5)
    stage.groups.kill("web")
    wait_until(lambda: cgroups.numbers(cgroups.read(folder, cgroups.EVENTS))["frozen"] == 1)
    for pid in cgroups.processes(folder):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not cgroups.is_populated(folder))


@real
def test_a_pod_has_its_members_below_it(stage: Stage) -> None:
    """The pod's own process is in a leaf, and is alone when it is killed or counted."""
    pod = stage.open("pod:shop")
    assert pod == f"{stage.folder}/asyncinit/shop.pod/init"
    assert stage.groups.owner(stage.run(pod).pid) in {None, "pod:shop"}
    member = f"{stage.folder}/asyncinit/shop.pod/api.service"
    os.mkdir(member)
    process = stage.run(member)
    wait_until(lambda: process.pid in cgroups.processes(member))
    assert process.pid not in stage.groups.processes("pod:shop")


@real
def test_two_share_a_cgroup_and_leftovers_go(stage: Stage) -> None:
    """Each has a folder of its own; what nobody uses any more is removed, and what lives on is named."""
    stage.open()
    other = stage.another()
    other.open("web", service(Limits(delegate=True)), None)
    assert sorted(name for name in os.listdir(stage.folder) if name.startswith("asyncinit")) == [
        "asyncinit",
        "asyncinit-2",
    ]
    for number in (7, 8):
        os.makedirs(f"{stage.folder}/asyncinit-{number}/old.service")
    process = stage.run(f"{stage.folder}/asyncinit-8/old.service")
    wait_until(lambda: cgroups.is_populated(f"{stage.folder}/asyncinit-8"))
    third = stage.another()
    third.open("web", service(Limits(delegate=True)), None)
    assert sorted(name for name in os.listdir(stage.folder) if name.startswith("asyncinit")) == [
        "asyncinit",
        "asyncinit-2",
        "asyncinit-3",
        "asyncinit-8",
    ]
    assert any(str(process.pid) in text and "asyncinit-8" in text for text in stage.told)
    for one in (other, third):
        one.end()


@real
def test_it_is_carried_over_a_reexec(stage: Stage) -> None:
    """Who is where, who is frozen, and that the folder is ours, goes on."""
    folder = stage.open(delegate=True)
    stage.run(folder)
    stage.until(lambda: stage.groups.is_populated("web"))
    stage.groups.suspend("web")
    kept: list[int] = []

    def keep(fd: int) -> int:
        kept.append(fd)
        return fd

    state = msgspec.msgpack.decode(msgspec.msgpack.encode(stage.groups.freeze(keep)), type=CgroupsState)
    after = groups_of(stage.loop, None, stage.told)
    after.thaw(state)
    assert len(kept) == 1
    assert after.is_suspended("web") and after.is_populated("web")
    assert {after.owner(pid) for pid in after.processes("web")} == {"web"}
    assert after.resume("web")
