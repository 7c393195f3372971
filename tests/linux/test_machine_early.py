"""The early steps on a machine that is a folder; what only a kernel of its own can show is in tests/boot."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import asyncinit.machine.programs.sysctl as sysctl_program
from asyncinit.errors import AsyncinitError
from asyncinit.linux import clock as linux_clock
from asyncinit.linux import entropy, file_systems
from asyncinit.linux.file_systems import NODEV, NOEXEC, NOSUID
from asyncinit.machine import api_file_systems, boot, clock, devices, naming, seed, sysctl
from asyncinit.machine.api_file_systems import API_FILE_SYSTEMS, provide
from asyncinit.machine.boot_log import BootLog, Level
from asyncinit.machine.early import EARLY
from asyncinit.machine.hand_over import find
from asyncinit.machine.programs import restore
from asyncinit.machine.step import Policy, Step
from asyncinit.machine.system import System
from tests.linux.running import FORKING

pytestmark = pytest.mark.filterwarnings(FORKING)
NOW = clock.BUILT + 86_400.0
LATER = NOW + 86_400.0


@pytest.fixture
def system(tmp_path: Path) -> System:
    """A machine whose root is an empty folder."""
    return System(str(tmp_path))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file of the machine."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return written


Write = Callable[[str, str], Path]


# The table.


def test_a_failure_leads_to_the_next_step_or_to_the_emergency_shell(system: System, tmp_path: Path) -> None:
    """What matters is tried again once somebody has looked; all is told to the kernel's log."""
    log = tmp_path / "kmsg"
    log.touch()
    tried: list[str] = []

    def fail(_system: System) -> str:
        tried.append("note")
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def mended(_system: System) -> str:
        tried.append("needed")
        if "reason" not in tried:
            raise AsyncinitError("no")
        return "mended"

    steps = (
        Step("note it", "All.", fail),
        Step("have it", "All.", mended, policy=Policy.EMERGENCY),
    )
    reasons: list[str] = []

    def emergency(reason: str) -> None:
        reasons.append(reason)
        tried.append("reason")

    boot_log = BootLog(str(log))
    brought_up = boot.bring_up(system, boot_log, emergency, steps)
    boot_log.close()
    assert tried == ["note", "needed", "reason", "needed"]
    assert reasons == ["cannot have it: no"]
    assert brought_up.failures == ("cannot note it: input/output error",)
    assert [done.name for done in brought_up.steps] == ["note it", "have it"]
    lines = log.read_text().splitlines()
    assert f"<{24 + Level.WARNING}>asyncinit: cannot note it: input/output error" in lines
    assert f"<{24 + Level.ERROR}>asyncinit: cannot have it: no" in lines
    assert f"<{24 + Level.INFO}>asyncinit: have it: mended" in lines


def test_what_may_block_has_a_deadline() -> None:
    """Steps that reach a disk run in a child; those that others need in PID 1 itself, or that reach none, do not."""
    apart = {step.name for step in EARLY if step.seconds is not None}
    assert apart == {
        "set the clock",
        "load the random seed",
        "set the host name",
        "make /etc/machine-id",
        "apply sysctl.d",
    }
    assert len({step.name for step in EARLY}) == len(EARLY)


def test_nothing_is_right_without_the_first_file_systems() -> None:
    """Without /proc, /sys, /dev and /run somebody has to look; all else is told, and the machine comes up."""
    needed = {step.name for step in EARLY if step.policy is Policy.EMERGENCY}
    assert needed == {"mount /proc", "mount /sys", "mount /dev", "mount /run"}


# File systems.


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int, str]]:
    """What is mounted, in place of doing it: kind, place, flags, options."""
    calls: list[tuple[str, str, int, str]] = []
    monkeypatch.setattr(
        file_systems, "mount", lambda kind, place, flags=0, options="": calls.append((kind, place, flags, options))
    )
    return calls


def of(place: str) -> api_file_systems.ApiFileSystem:
    return next(one for one in API_FILE_SYSTEMS if one.place == place)


def test_what_is_missing_is_mounted(system: System, mounted: list[tuple[str, str, int, str]], tmp_path: Path) -> None:
    """Each at its place, which is made, with its flags and options."""
    for one in API_FILE_SYSTEMS:
        assert provide(one, system) == ""
    assert [call[1] for call in mounted] == [f"{tmp_path}{one.place}" for one in API_FILE_SYSTEMS]
    flags = {call[1].removeprefix(str(tmp_path)): call[2] for call in mounted}
    assert flags["/proc"] == flags["/sys"] == NOSUID | NODEV | NOEXEC
    assert not flags["/dev"] & NODEV and flags["/dev"] & NOSUID
    assert all(flags[place] & (NOSUID | NODEV) == NOSUID | NODEV for place in ("/run", "/tmp", "/dev/shm"))


def test_what_is_there_is_not_mounted_again(
    system: System, mounted: list[tuple[str, str, int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the flags that it lacks, and that is told."""
    added: list[tuple[str, int]] = []
    monkeypatch.setattr(file_systems, "is_mounted", lambda _place: True)
    monkeypatch.setattr(file_systems, "flags_of", lambda _place: NOSUID)
    monkeypatch.setattr(file_systems, "restrict", lambda place, flags: added.append((place, flags)))
    assert provide(of("/run"), system) == "was mounted without nodev"
    assert provide(of("/dev"), system) == ""
    assert added == [(system.path("/run"), NODEV)]
    assert mounted == []


def test_a_kernel_that_lacks_something(system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Options that it does not know are left out; without cgroups it goes on; without device nodes they are made."""
    calls: list[tuple[str, str]] = []
    made: list[str] = []

    def mount(kind: str, place: str, _flags: int = 0, options: str = "") -> None:
        calls.append((kind, options))
        if options and kind == "devpts":
            raise OSError(errno.EINVAL, "options", place)
        if kind in ("cgroup2", "devtmpfs"):
            raise OSError(errno.ENODEV, "none", place)

    monkeypatch.setattr(file_systems, "mount", mount)
    monkeypatch.setattr(os, "mknod", lambda path, _mode, _device: made.append(path))
    monkeypatch.setattr(os, "chmod", lambda _path, _mode: None)
    assert provide(of("/dev/pts"), system) == ""
    assert calls[-2:] == [("devpts", of("/dev/pts").options), ("devpts", "")]
    assert provide(of("/sys/fs/cgroup"), system) == "the kernel has none"
    assert "those that every program needs" in provide(of("/dev"), system)
    assert {"console", "null", "urandom", "tty", "ptmx", "kmsg"} <= {os.path.basename(path) for path in made}
    assert calls[-1] == ("tmpfs", "mode=0755")


def test_a_link_is_left_alone(system: System, mounted: list[tuple[str, str, int, str]], tmp_path: Path) -> None:
    """Nothing is mounted over what it leads to."""
    (tmp_path / "tmp").symlink_to("var/tmp")
    assert provide(of("/tmp"), system) == "left alone: it is a link to var/tmp"
    assert mounted == []


def test_fstab_has_its_way_with_tmp(system: System, mounted: list[tuple[str, str, int, str]], write: Write) -> None:
    """Where it says what /tmp is, none is mounted over that; a comment says nothing."""
    write("/etc/fstab", "# none /tmp tmpfs\n/dev/vda1 / ext4 defaults 0 1\n")
    assert provide(of("/tmp"), system) == ""
    assert len(mounted) == 1
    write("/etc/fstab", "/dev/vda2\t/tmp\text4 nosuid 0 2\n")
    assert provide(of("/tmp"), system) == "left to /etc/fstab"
    assert len(mounted) == 1


def test_flags_and_mounts_are_seen_without_proc() -> None:
    """By what the kernel says of the place itself."""
    assert file_systems.is_mounted("/proc")
    assert not file_systems.is_mounted("/proc/self")
    assert file_systems.flags_of("/proc") & ~(NOSUID | NODEV | NOEXEC | file_systems.READ_ONLY) == 0


def test_links_and_folders(system: System, tmp_path: Path) -> None:
    """Links are made once, and what is there in their place stays; /run/lock is open to all."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "dev/core").write_text("mine")
    for _ in range(2):
        devices.make_links(system)
        devices.make_folders(system)
    assert os.readlink(tmp_path / "dev/stdin") == "/proc/self/fd/0"
    assert (tmp_path / "dev/core").read_text() == "mine"
    assert stat.S_IMODE((tmp_path / "run/lock").stat().st_mode) == 0o1777


@pytest.mark.parametrize(("before", "after"), [("0\n", "10"), ("-1\n", "-1\n"), ("60\n", "60\n")])
def test_a_panic_ends_in_a_restart(system: System, write: Write, before: str, after: str) -> None:
    """Unless the kernel command line has said something else."""
    path = write("/proc/sys/kernel/panic", before)
    step = next(step for step in EARLY if step.name == "set kernel.panic")
    step.run(system)
    assert path.read_text()[: len(after)] == after


def test_the_kernels_log_takes_all_lines(system: System, write: Write) -> None:
    """From the first moment at which that can be said, unless the kernel command line says how many."""
    assert [step.name for step in EARLY][:2] == ["mount /proc", "open the kernel's log"]
    write("/proc/cmdline", "quiet\n")
    assert EARLY[1].run(system) == ""  # a kernel that takes all by itself
    path = write("/proc/sys/kernel/printk_devkmsg", "ratelimit\n")
    write("/proc/cmdline", "quiet printk.devkmsg=ratelimit\n")
    EARLY[1].run(system)
    assert path.read_text() == "ratelimit\n"
    write("/proc/cmdline", "quiet\n")
    EARLY[1].run(system)
    assert path.read_text().startswith("on\n")  # a file keeps the rest


# The clock.


def corrected(system: System, now: float, rtc: float | None) -> tuple[str, list[float]]:
    """Correct a clock, and return what is told and what was set."""
    given: list[float] = []

    def read(_path: str) -> float:
        if rtc is None:
            raise FileNotFoundError
        return rtc

    return clock.correct(system, lambda: now, read, given.append), given


@pytest.fixture
def stamp(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last shutdown was at NOW, and asyncinit's files say nothing."""
    path = write(clock.STAMP, "")
    os.utime(path, (NOW, NOW))
    monkeypatch.setattr(clock, "__file__", f"{path}.none")


@pytest.mark.usefixtures("stamp")
def test_a_right_clock_is_left_alone(system: System) -> None:
    """One that is after all that is known."""
    assert corrected(system, LATER, NOW) == ("", [])
    assert corrected(system, NOW, None) == ("", [])


@pytest.mark.usefixtures("stamp")
@pytest.mark.parametrize("wrong", [0.0, -5.0, NOW - 1, clock.BUILT, 4.1e9, 1e12])
def test_a_wrong_clock_is_set(system: System, wrong: float) -> None:
    """From the hardware's where that is better, else from the newest time that is known."""
    assert corrected(system, wrong, LATER)[1] == [LATER]
    for rtc in (None, 0.0, NOW - 1, 1e12):
        told, given = corrected(system, wrong, rtc)
        assert given == [NOW]
        assert clock.STAMP in told


def test_without_a_stamp_asyncinit_knows_when_it_was_made(
    system: System, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """By its release, and by its files, where these are no nonsense."""
    file = write("/site/clock.py", "")
    monkeypatch.setattr(clock, "__file__", str(file))
    for changed, expected in ((0.0, clock.BUILT), (LATER, LATER), (1e11, clock.BUILT)):
        os.utime(file, (changed, changed))
        assert clock.newest_known(system)[0] == expected
        assert corrected(system, 100.0, None)[1] == [expected]


class Clocks:
    """A system's clock and a hardware's, which is there or not (None)."""

    def __init__(self, system: System, moment: float, rtc: float | None) -> None:
        self.system, self.rtc, self.synchronised = system, rtc, False
        self.set(moment)

    def set(self, moment: float) -> None:
        self.booted = moment - time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> float:
        return self.booted + time.clock_gettime(time.CLOCK_BOOTTIME)

    def read(self, _path: str) -> float:
        if self.rtc is None:
            raise FileNotFoundError
        return self.rtc

    def write(self, moment: float, _path: str) -> None:
        self.rtc = moment

    def correct(self) -> str:
        return clock.correct(self.system, self.now, self.read, self.set)

    def shut_down(self) -> float | None:
        """Return what the hardware clock says then."""
        clock.keep_in_hardware(self.system, self.now, self.read, self.write, lambda: self.synchronised)
        return self.rtc


@pytest.mark.usefixtures("stamp")
def test_a_guess_gives_way_to_the_hardwares_clock(system: System) -> None:
    """One whose driver comes late: it is taken then, once, and is not overwritten by what was guessed."""
    clocks = Clocks(system, 0.0, None)
    assert clock.STAMP in clocks.correct()
    assert clocks.now() == pytest.approx(NOW, abs=1)
    assert clocks.correct() == ""
    clocks.rtc = LATER
    assert clocks.shut_down() == LATER
    assert "/dev/rtc0" in clocks.correct()
    assert clocks.now() == pytest.approx(LATER, abs=1)
    clocks.rtc = LATER + 3600
    assert clocks.correct() == ""
    assert clocks.shut_down() == pytest.approx(LATER, abs=1)


@pytest.mark.usefixtures("stamp")
@pytest.mark.parametrize("rtc", [NOW - 3600, 0.0, 1e12])
def test_a_guess_stays_where_the_hardware_knows_no_better(system: System, rtc: float) -> None:
    """It is never set back, and never given to the hardware."""
    clocks = Clocks(system, 0.0, None)
    clocks.correct()
    clocks.rtc = rtc
    assert clocks.correct() == ""
    assert clocks.now() == pytest.approx(NOW, abs=1)
    assert clocks.shut_down() == rtc


@pytest.mark.usefixtures("stamp")
def test_what_is_known_by_the_end_is_given_to_the_hardware(system: System) -> None:
    """A clock that was right from the beginning, that somebody has set, or that NTP keeps."""
    assert Clocks(system, LATER, LATER - 100).shut_down() == pytest.approx(LATER, abs=1)
    clocks = Clocks(system, 0.0, 0.0)
    clocks.correct()
    clocks.synchronised = True
    assert clocks.shut_down() == pytest.approx(NOW, abs=1)
    clocks = Clocks(system, 0.0, 0.0)
    clocks.correct()
    clocks.set(LATER)
    assert clocks.correct() == ""
    assert clocks.shut_down() == pytest.approx(LATER, abs=1)
    assert Clocks(system, LATER, None).shut_down() is None


@pytest.mark.usefixtures("stamp")
def test_a_hardware_clock_in_local_time_is_left_alone(system: System, write: Write) -> None:
    """As hwclock remembers it; what it says is off by hours."""
    write("/etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n")
    clocks = Clocks(system, 0.0, LATER)
    clocks.correct()
    assert clocks.now() == pytest.approx(NOW, abs=1)
    clocks.set(LATER + 86_400)
    assert clocks.shut_down() == LATER
    for text in ("0.0 0 0.0\n0\nUTC\n", "0.0 0 0.0\n"):
        write("/etc/adjtime", text)
        assert not clock.is_local(system)


def test_the_kernel_says_whether_its_clock_is_kept() -> None:
    """Asking changes nothing, and needs no right."""
    assert linux_clock.is_synchronised() in (True, False)


def test_a_shutdown_leaves_its_time(system: System, tmp_path: Path) -> None:
    """In a stamp that is made, or changed."""
    for _ in range(2):
        clock.save(system)
        path = tmp_path / clock.STAMP.lstrip("/")
        assert path.stat().st_mtime == pytest.approx(os.stat(path).st_atime, abs=5)
        os.utime(path, (0, 0))


# Randomness.


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """What the kernel is given, in place of giving it."""
    calls: list[tuple[str, bytes]] = []
    monkeypatch.setattr(entropy, "mix_in", lambda data: calls.append(("mixed in", data)))
    monkeypatch.setattr(entropy, "credit", lambda data: calls.append(("credited", data)))
    monkeypatch.setattr(entropy, "available", bytes)
    return calls


def test_a_seed_is_kept_and_used_once(system: System, tmp_path: Path, pool: list[tuple[str, bytes]]) -> None:
    """What was saved is mixed in, and by then another one is on the disk, for root alone."""
    assert seed.load(system) == "there is none yet"
    assert seed.save(system) == ""
    path = tmp_path / seed.SEED.lstrip("/")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_bytes()
    assert len(first) == 64
    assert seed.load(system) == ""
    assert pool == [("mixed in", first)]
    assert path.read_bytes() not in (first, bytes(64)) and len(path.read_bytes()) == 64
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(("line", "how"), [("quiet", "mixed in"), ("asyncinit.credit_seed", "credited")])
def test_a_seed_is_credited_if_that_is_said(
    system: System, write: Write, pool: list[tuple[str, bytes]], line: str, how: str
) -> None:
    """On the kernel command line."""
    write("/proc/cmdline", line)
    write(seed.SEED, "x" * 64)
    seed.load(system)
    assert pool == [(how, b"x" * 64)]


def test_a_seed_that_cannot_be_renewed_is_never_credited(
    system: System, write: Write, pool: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It will be the same next time, and may be the same on many machines."""
    write("/proc/cmdline", "asyncinit.credit_seed")
    write(seed.SEED, "x" * 64)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(seed, "replace_file", refuse)
    assert "not credited" in seed.load(system)
    assert pool == [("mixed in", b"x" * 64)]


def test_what_is_kept_goes_where_a_link_leads(tmp_path: Path) -> None:
    """Also where that is not there yet: a fresh disk on which the folder shall be."""
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/asyncinit").symlink_to(tmp_path / "data/asyncinit")
    clock.save(System(str(tmp_path)))
    assert (tmp_path / "data/asyncinit/clock").exists()
    assert seed.save(System(str(tmp_path))) == ""
    assert (tmp_path / "data/asyncinit/random-seed").stat().st_size == 64


def test_nothing_is_saved_before_there_is_randomness(
    system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A seed that anybody can guess is none."""
    monkeypatch.setattr(entropy, "available", lambda _size: None)
    assert seed.save(system) != ""
    assert not (tmp_path / seed.SEED.lstrip("/")).exists()


# Names.


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is set as the host name, in place of setting it."""
    names: list[str] = []
    monkeypatch.setattr("socket.sethostname", names.append)
    return names


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("alpha\n", "quiet", "alpha"),
        ("# a comment\n\n  alpha.example  \nbeta\n", "quiet", "alpha.example"),
        ("alpha\n", "asyncinit.hostname=gamma", "gamma"),
        ("", "asyncinit.hostname=gamma", "gamma"),
    ],
)
def test_the_host_name(system: System, write: Write, named: list[str], file: str, line: str, expected: str) -> None:
    """The kernel command line's, else the first line of /etc/hostname that is no comment."""
    write("/proc/cmdline", line)
    write("/etc/hostname", file)
    assert naming.set_hostname(system) == expected
    assert named == [expected]


def test_no_host_name(system: System, named: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file it stays what the kernel has, or is localhost."""
    for before, expected in (("(none)", "localhost"), ("by-kernel", "by-kernel")):
        uname = os.uname_result(("Linux", before, "6", "v", "m"))
        monkeypatch.setattr(os, "uname", lambda uname=uname: uname)
        naming.set_hostname(system)
        assert named.pop() == expected


@pytest.mark.parametrize("name", ["two words", "x" * 65, "-dash", "ünicode", "a;reboot"])
def test_a_host_name_that_cannot_be(system: System, write: Write, named: list[str], name: str) -> None:
    """It is refused, with its place."""
    write("/etc/hostname", name)
    with pytest.raises(AsyncinitError, match="/etc/hostname"):
        naming.set_hostname(system)
    assert named == []


def test_a_machine_id_is_made_once(system: System, write: Write, tmp_path: Path) -> None:
    """A random UUID, for all to read; one that is there stays, one that is none is replaced."""
    path = tmp_path / "etc/machine-id"
    for before in (None, "", "uninitialized\n", "0" * 32):
        if before is not None:
            path.unlink(missing_ok=True)
        write("/etc/x", "") if before is None else write("/etc/machine-id", before)
        assert naming.make_machine_id(system) == "made"
        made = path.read_text()
        assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n", made)
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert naming.make_machine_id(system) == ""
        assert path.read_text() == made


def test_a_machine_id_on_a_read_only_root(
    system: System, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one for this boot, shown over the empty file; where there is none to show it over, that is said."""
    before = naming.replace_file

    def refuse(path: str, data: bytes, mode: int) -> None:
        if "/etc/" in path:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        before(path, data, mode)

    bound: list[tuple[str, str]] = []
    monkeypatch.setattr(naming, "replace_file", refuse)
    monkeypatch.setattr(file_systems, "bind", lambda source, place: bound.append((source, place)))
    monkeypatch.setattr(file_systems, "restrict", lambda _place, _flags: None)
    (tmp_path / "run").mkdir()
    with pytest.raises(AsyncinitError, match="/etc/machine-id"):
        naming.make_machine_id(system)
    write("/etc/machine-id", "")
    assert "this boot alone" in naming.make_machine_id(system)
    assert bound == [(system.path("/run/machine-id"), system.path("/etc/machine-id"))]
    assert re.fullmatch(r"[0-9a-f]{32}\n", (tmp_path / "run/machine-id").read_text())


# Settings of the kernel.


@pytest.fixture
def settings(write: Write) -> Callable[[], dict[str, str]]:
    """A kernel with some settings; call it to see which have changed."""
    for name in ("kernel/panic", "vm/swappiness", "net/ipv4/conf/lo/rp_filter", "net/ipv4/conf/eth0.5/rp_filter"):
        write(f"/proc/sys/{name}", "")
    base = write("/proc/sys/vm/overcommit", "").parent.parent

    def changed() -> dict[str, str]:
        found = {str(path.relative_to(base)): path.read_text() for path in base.rglob("*") if path.is_file()}
        return {name: text for name, text in found.items() if text}

    return changed


def test_settings_are_written_in_order(system: System, write: Write, settings: Callable[[], dict[str, str]]) -> None:
    """Files by name, each from the last folder that has it; dots or slashes; the last value counts."""
    write("/usr/lib/sysctl.d/50-a.conf", "vm.swappiness = 99\n")
    write("/etc/sysctl.d/50-a.conf", "# comment\n; another\n\nvm.swappiness=10\nkernel.panic = 5\n")
    write("/run/sysctl.d/60-b.conf", "kernel/panic = 7\nnet/ipv4/conf/eth0.5/rp_filter = 2\n")
    write("/etc/sysctl.d/ignored.txt", "kernel.panic = 9\n")
    write("/etc/sysctl.conf", "vm.overcommit=  1 2  3 \n")
    assert sysctl.apply(system) == "5 settings"
    assert settings() == {
        "vm/swappiness": "10",
        "kernel/panic": "7",
        "net/ipv4/conf/eth0.5/rp_filter": "2",
        "vm/overcommit": "1 2  3",
    }


def test_patterns_leave_alone_what_is_named(
    system: System, write: Write, settings: Callable[[], dict[str, str]]
) -> None:
    """A setting that a line of its own has, or that is excluded."""
    write(
        "/etc/sysctl.d/a.conf",
        "net.ipv4.conf.*.rp_filter = 1\n-net.ipv4.conf.lo.rp_filter\nnet.ipv4.conf.eth0/5.rp_filter = 2\n",
    )
    sysctl.apply(system)
    assert settings() == {"net/ipv4/conf/eth0.5/rp_filter": "2"}


def test_what_is_refused_is_told_with_its_place(
    system: System, write: Write, settings: Callable[[], dict[str, str]]
) -> None:
    """All of it, and the rest is applied; what may fail does so silently."""
    write(
        "/etc/sysctl.d/a.conf",
        "no.such = 1\n-nor.this = 2\nnonsense\n/../../etc/passwd = x\nkernel.panic = 3\n",
    )
    with pytest.raises(AsyncinitError) as caught:
        sysctl.apply(system)
    text = str(caught.value)
    for place in ("a.conf:1: no.such: no such file", "a.conf:3: expected", "a.conf:4: expected"):
        assert place in text
    assert "nor.this" not in text
    assert settings() == {"kernel/panic": "3"}


def test_settings_can_be_applied_again(
    system: System, write: Write, settings: Callable[[], dict[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    """By a program, for those of modules."""
    write("/etc/sysctl.d/a.conf", "kernel.panic=6\n")
    assert sysctl_program.main(system) == 0
    assert settings() == {"kernel/panic": "6"}
    write("/etc/sysctl.d/a.conf", "no.such=6\n")
    assert sysctl_program.main(system) == 1
    assert "a.conf:1: no.such" in capfd.readouterr().err


def test_sysctl_conf_is_read_once(system: System, write: Write, settings: Callable[[], dict[str, str]]) -> None:
    """Debian has a link to it among the files."""
    path = write("/etc/sysctl.conf", "kernel.panic=4\n")
    (path.parent / "sysctl.d").mkdir()
    (path.parent / "sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    assert sysctl.apply(system) == "1 settings"
    assert settings() == {"kernel/panic": "4"}


# The log.


def test_lines_wait_until_the_kernel_takes_them(tmp_path: Path) -> None:
    """Before /dev is there they are kept; each has a priority, and is short enough for the kernel."""
    path = tmp_path / "kmsg"
    log = BootLog(str(path))
    log.tell("one\ntwo", Level.WARNING)
    assert not log.flush()
    path.touch()
    log.tell("x" * 2000)
    log.close()
    lines = path.read_text().splitlines()
    assert lines[:2] == ["<28>asyncinit: one", "<28>asyncinit: two"]
    assert lines[2].startswith("<30>asyncinit: xxx") and len(lines[2]) < 976


def test_lines_that_nobody_takes_go_to_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """At the latest when the log is given back."""
    log = BootLog(str(tmp_path / "nothing/kmsg"))
    log.tell("it is lost")
    log.close()
    assert capfd.readouterr().err == "asyncinit: it is lost\n"


def test_the_hand_over_is_found_in_the_kernels_log() -> None:
    """Its time there, by our clock: the marker's time is known by both."""
    records: list[bytes | Exception] = [
        b"6,1,100000,-;Linux version 6.1\n SUBSYSTEM=x\n",
        BrokenPipeError(),
        b"6,400,3000000,-;Run /init as init process\n",
        b"30,401,3500000,-;asyncinit: 19 early steps done\n",
    ]

    def read() -> bytes:
        if not records:
            raise BlockingIOError
        record = records.pop(0)
        if isinstance(record, Exception):
            raise record
        return record

    assert find(read, "19 early steps done", 10.0) == pytest.approx(9.5)
    assert find(read, "19 early steps done", 10.0) is None


def test_what_is_mounted_late_is_restored_then(
    system: System, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each says what it did; one that fails keeps the other from nothing."""

    def refuse(_system: System) -> str:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(restore, "_RESTORED", (("set the clock", refuse), ("load the random seed", lambda _: "loaded")))
    assert restore.restore(system) == 1
    said = capfd.readouterr()
    assert said.err == "cannot set the clock: operation not permitted\n"
    assert said.out == "load the random seed: loaded\n"
    monkeypatch.setattr(restore, "_RESTORED", (("set the clock", lambda _: ""),))
    assert restore.restore(system) == 0
