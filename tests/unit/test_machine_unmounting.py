"""How the file systems of a machine are taken out of use; with a mount table by hand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from asyncinit.linux.mounts import Mount
from asyncinit.linux.unmount import How
from asyncinit.machine.child import Outcome
from asyncinit.machine.unmounting import root_read_only, unmount_all, writable

BUSY = Outcome(failure="device or resource busy")
SILENT = Outcome(failure="not done within 8 s", late=True)
ROOT = Mount("/", "ext4")


class Disks:
    """Mounts that go, but where something lies upon them, or that are `kept` or `silent`; `stiff` stay writable."""

    def __init__(
        self, *mounts: Mount, kept: Iterable[str] = (), silent: Iterable[str] = (), stiff: Iterable[str] = ()
    ) -> None:
        self.mounts = list(mounts)
        self.kept, self.silent, self.stiff = set(kept), set(silent), set(stiff)
        self.done: list[tuple[str, How]] = []
        self.users_of: dict[str, list[str]] = {}

    def table(self) -> list[Mount]:
        return list(self.mounts)

    def unmount(self, place: str, how: How) -> Outcome:
        self.done.append((place, how))
        mount = next(mount for mount in reversed(self.mounts) if mount.place == place)
        if how is How.FORCE:
            self.silent.discard(place)
        elif how is How.PLAINLY:
            if place in self.silent:
                return SILENT
            above = self.mounts[self.mounts.index(mount) + 1 :]
            if place in self.kept or any(one.place.startswith(place + "/") for one in above):
                return BUSY
        self.mounts.remove(mount)
        return Outcome()

    def remount_read_only(self, place: str) -> Outcome:
        if place in self.stiff:
            return BUSY
        at = max(number for number, mount in enumerate(self.mounts) if mount.place == place)
        self.mounts[at] = self.mounts[at]._replace(read_only=True)
        return Outcome()

    def users(self, place: str) -> list[str]:
        return self.users_of.get(place, [])

    @property
    def places(self) -> list[str]:
        return [mount.place for mount in self.mounts]


def test_in_reverse_order() -> None:
    """What was mounted last goes first; what the kernel needs itself, the root and memory in its places stay."""
    disks = Disks(
        Mount("/", "rootfs"),
        Mount("/proc", "proc"),
        Mount("/dev", "devtmpfs"),
        Mount("/run", "tmpfs"),
        ROOT,
        Mount("/data", "ext4"),
        Mount("/data/cache", "tmpfs"),
        Mount("/data/more", "xfs"),
        Mount("/tmp", "tmpfs"),
        Mount("/run/media/stick", "vfat"),
    )
    assert unmount_all(disks) == ""
    assert [place for place, _ in disks.done] == ["/run/media/stick", "/tmp", "/data/more", "/data/cache", "/data"]
    assert disks.places == ["/", "/proc", "/dev", "/run", "/"]


def test_what_came_later_below_another() -> None:
    """Passes go on as long as something goes: the table's order is no order of dependence after a move."""
    disks = Disks(Mount("/a/b", "ext4"), Mount("/a", "ext4"))
    disks.mounts.reverse()
    disks.mounts = [Mount("/a/b", "ext4"), Mount("/a", "ext4")]
    disks.kept = {"/a"}

    def unmount(place: str, how: How) -> Outcome:
        outcome = Disks.unmount(disks, place, how)
        if place == "/a/b" and outcome.well:
            disks.kept.clear()
        return outcome

    disks.unmount = unmount  # type: ignore[method-assign]
    assert unmount_all(disks) == ""
    assert disks.places == []


def test_one_that_is_busy() -> None:
    """It is made read-only, detached, and named with who uses it; what it lies upon goes then."""
    disks = Disks(ROOT, Mount("/data", "ext4"), Mount("/data/busy", "ext4"), kept=["/data/busy"])
    disks.users_of["/data/busy"] = [f"tail ({pid})" for pid in range(100, 107)]
    text = unmount_all(disks)
    assert text.startswith("/data/busy: device or resource busy (used by tail (100), ")
    assert text.endswith("and 2 others); it is read-only now")
    assert disks.places == ["/"]
    assert ("/data/busy", How.DETACH) in disks.done


def test_one_that_stays_writable() -> None:
    """It stays where it is seen, for the emergency remount: detached it would be forgotten, and not be clean."""
    disks = Disks(ROOT, Mount("/data", "ext4"), kept=["/data"], stiff=["/data"])
    assert unmount_all(disks) == "/data: device or resource busy"
    assert writable(disks) == ["/", "/data"]


def test_where_our_own_program_lies() -> None:
    """It stays where it is, read-only, and that is no trouble."""
    disks = Disks(ROOT, Mount("/usr", "ext4"), kept=["/usr"])
    disks.users_of["/usr"] = ["asyncinit"]
    assert unmount_all(disks) == ""
    assert disks.mounts[-1] == Mount("/usr", "ext4", read_only=True)
    assert ("/usr", How.DETACH) not in disks.done


def test_where_our_own_program_lies_on_a_server() -> None:
    """It is not cut off from that: neither by force nor by detaching."""
    disks = Disks(ROOT, Mount("/usr", "nfs4"), kept=["/usr"])
    disks.users_of["/usr"] = ["asyncinit"]
    assert unmount_all(disks) == ""
    assert {how for _, how in disks.done} == {How.PLAINLY}


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs"])
def test_one_that_does_not_answer(kind: str) -> None:
    """It is asked once, and no other for it; then it goes by force."""
    disks = Disks(ROOT, Mount("/remote", kind), Mount("/data", "ext4"), silent=["/remote"])
    text = unmount_all(disks)
    assert f"/remote ({kind})" in text
    assert disks.places == ["/"]
    assert disks.done.count(("/remote", How.PLAINLY)) == 1


def test_memory_that_is_busy_is_nothing() -> None:
    """It has nothing to lose."""
    disks = Disks(ROOT, Mount("/tmp", "tmpfs"), kept=["/tmp"])
    assert unmount_all(disks) == ""


def test_the_root() -> None:
    """It is made read-only, unless it is already or is in memory; that it cannot be is told with who writes."""
    for root in (Mount("/", "rootfs"), Mount("/", "ext4", read_only=True)):
        disks = Disks(root)
        assert root_read_only(disks) == ""
        assert disks.mounts == [root]
    disks = Disks(Mount("/", "rootfs"), ROOT)
    assert root_read_only(disks) == ""
    assert writable(disks) == []
    disks = Disks(ROOT, stiff=["/"])
    disks.users_of["/"] = ["asyncinit", "stuck (12)"]
    assert root_read_only(disks) == "device or resource busy (used by stuck (12))"
    assert writable(disks) == ["/"]
