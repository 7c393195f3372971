"""The commands of a machine's services: what they decide, with what they would run in place of running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Interface, ip_address, ip_interface
from pathlib import Path

import pytest

from asyncinit.linux.rtnetlink import Found
from asyncinit.machine.programs import (
    child,
    coldplug,
    console_getty,
    first_of,
    fsck,
    fstab,
    getty,
    lease,
    modules,
    mount,
    network,
    network_file,
    resolving,
    unchecked,
)
from asyncinit.machine.programs.fstab import Entry
from asyncinit.machine.programs.network_file import Link, NetworkFileError
from tests.unit.config_world import write


class Runs:
    """In place of running commands: what was to be run, and the exit status by a command's last word."""

    def __init__(self, statuses: Mapping[str, int] | None = None) -> None:
        self.commands: list[list[str]] = []
        self.statuses = statuses or {}

    def __call__(self, words: Sequence[str]) -> int:
        self.commands.append(list(words))
        return self.statuses.get(words[-1], 0)


def there(spec: str, _patience: float) -> str | None:
    """Every device is there."""
    return spec


def gone(_spec: str, _patience: float) -> str | None:
    """None is."""
    return None


def as_program(name: str) -> str | None:
    """Every program is there."""
    return f"/sbin/{name}"


# ---------------------------------------------------------------------------------------------------------------------
# Which program


def program(folder: Path, name: str, text: str = "") -> None:
    """Make a program."""
    write(folder, {name: f"#!/bin/sh\n{text}\n"})
    (folder / name).chmod(0o755)


def test_the_first_that_is_there(tmp_path: Path) -> None:
    """In the order of the command; a part of busybox counts where this busybox has it."""
    commands = first_of.commands_of(["rsyslogd", "-n", "--", "busybox", "syslogd", "-n", "--", "syslogd", "-F"])
    assert commands == [["rsyslogd", "-n"], ["busybox", "syslogd", "-n"], ["syslogd", "-F"]]
    path = str(tmp_path)
    assert first_of.first_there(commands, path) == []
    program(tmp_path, "syslogd")
    program(tmp_path, "busybox", "echo ash; echo klogd")
    assert first_of.first_there(commands, path) == [f"{path}/syslogd", "syslogd", "-F"]
    program(tmp_path, "busybox", "echo ash; echo syslogd")
    assert first_of.first_there(commands, path) == [f"{path}/busybox", "busybox", "syslogd", "-n"]
    program(tmp_path, "rsyslogd")
    assert first_of.first_there(commands, path) == [f"{path}/rsyslogd", "rsyslogd", "-n"]


def test_what_a_program_writes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its output is returned, what it complains of is not shown; how it ended is told as a shell does."""
    program(tmp_path, "speaks", "echo said; echo complained >&2; exit 3")
    assert child.output_of([f"{tmp_path}/speaks"]) == "said\n"
    assert capfd.readouterr() == ("", "")
    assert child.run([f"{tmp_path}/speaks"]) == 3
    assert child.run(["sh", "-c", "kill -9 $$"]) == 137
    assert child.run([f"{tmp_path}/absent"]) == 127
    assert f"cannot run {tmp_path}/absent: no such file" in capfd.readouterr().err


def test_none_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    """What was looked for is named, for whoever has to install one."""
    assert first_of.become([["no-syslog", "-n"], ["busybox", "no-such-part"]]) == 127
    assert "none of these is there: no-syslog, busybox no-such-part" in capfd.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# Modules


def test_modules_of_all_places(tmp_path: Path) -> None:
    """Of two files with one name /etc wins; each module once, with its parameters; comments are none."""
    write(
        tmp_path,
        {
            "etc/modules": "# comment\nloop max_loop=4\n\nfuse\n",
            "usr/lib/modules-load.d/a.conf": "overruled\n",
            "etc/modules-load.d/a.conf": "softdog\n; comment\n",
            "run/modules-load.d/b.conf": "fuse\n",
            "run/modules-load.d/README": "nothing\n",
            "proc/cmdline": "quiet modules_load=nfs,loop modules-load=dummy\n",
        },
    )
    found = modules.named_modules(str(tmp_path))
    assert found == [["softdog"], ["fuse"], ["loop", "max_loop=4"], ["nfs"], ["dummy"]]
    assert modules.named_modules(str(tmp_path / "none")) == []


def test_modules_that_do_not_load(capsys: pytest.CaptureFixture[str]) -> None:
    """The others do, and these are named."""
    runs = Runs({"b": 1})
    assert modules.load([["a"], ["b"], ["c", "x=1"]], runs) == 1
    assert [words[2:] for words in runs.commands] == [["a"], ["b"], ["c", "x=1"]]
    assert "not loaded: b" in capsys.readouterr().err
    assert modules.load([["a"]], Runs()) == 0


def test_devices_behind_devices() -> None:
    """What a new driver finds is looked at too, until nothing new comes."""
    runs = Runs()
    seen = [{"pci:1"}, {"pci:1", "virtio:2"}, {"pci:1", "virtio:2"}, {"never"}]
    assert coldplug.load_all(lambda: seen.pop(0), runs) == 2
    assert [words[-1] for words in runs.commands] == ["pci:1", "virtio:2"]


def test_what_devices_say(tmp_path: Path) -> None:
    """Every modalias below /sys/devices."""
    write(tmp_path, {"pci/0/modalias": "pci:v1\n", "pci/0/virtio0/modalias": "virtio:d1\n", "system/modalias": "\n"})
    assert coldplug.aliases(str(tmp_path)) == {"pci:v1", "virtio:d1"}


# ---------------------------------------------------------------------------------------------------------------------
# File systems

FSTAB = """# what | where | type | options
/dev/vda1  /            ext4  errors=remount-ro     0 1
UUID=1234  /data        ext4  defaults,nofail       0 2
/dev/vdb1  /with\\040blank vfat noauto,user         0 0
server:/x  /net         nfs   defaults              0 0
//srv/y    /share       cifs  _netdev,nofail        0 0
/dev/vda2  none         swap  sw                    0 0
tmpfs      /scratch     tmpfs size=1m,x-mount.mkdir
host       /host        9p    trans=virtio          0 0
/dev/vdc1  /srv         xfs   x-systemd.device-timeout=5s 0 2
nonsense
"""


def entries(folder: Path, text: str = FSTAB) -> dict[str, Entry]:
    """Return the lines by their targets."""
    write(folder, {"etc/fstab": text})
    return {entry.target: entry for entry in fstab.entries(str(folder))}


def test_fstab(tmp_path: Path) -> None:
    """As mount reads it: octal blanks, missing fields, nonsense left out."""
    found = entries(tmp_path)
    assert list(found) == ["/", "/data", "/with blank", "/net", "/share", "none", "/scratch", "/host", "/srv"]
    assert found["/"].passno == 1 and found["/scratch"].passno == 0
    assert [target for target, entry in found.items() if entry.is_remote] == ["/net", "/share"]
    assert [target for target, entry in found.items() if entry.names_device] == [
        *("/", "/data", "/with blank", "none", "/srv")
    ]
    assert (found["/srv"].patience, found["/data"].patience, found["/"].patience) == (5, 0, 30)
    assert fstab.entries(str(tmp_path / "none")) == []


def test_a_device_that_comes_late(tmp_path: Path) -> None:
    """One that is there is found at once; one that does not come is given up."""
    (tmp_path / "disk").touch()
    assert fstab.wait_for(str(tmp_path / "disk"), 0) == str(tmp_path / "disk")
    assert fstab.wait_for(str(tmp_path / "none"), 0.01) is None


def test_mounting_the_local_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the root, nor swap, nor what waits for the network or for somebody, nor what is mounted already."""
    found = list(entries(tmp_path).values())
    local = mount.chosen(found, False, {"/", "/srv"})
    assert [entry.target for entry in local] == ["/data", "/scratch", "/host"]
    assert [entry.target for entry in mount.chosen(found, True, ())] == ["/net", "/share"]
    monkeypatch.setattr(mount.os, "makedirs", lambda *_given, **_more: None)
    runs = Runs()
    assert mount.mount_all(local, runs, there) == 0
    assert runs.commands == [
        ["mount", "-t", "ext4", "-o", "defaults", "UUID=1234", "/data"],
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/scratch"],
        ["mount", "-t", "9p", "-o", "trans=virtio", "host", "/host"],
    ]


def test_what_is_not_mounted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With nofail the machine does without it; else that is a failure, and the others are mounted all the same."""
    a, b, c = (str(tmp_path / name) for name in "abc")
    lines = [Entry("x", a, "tmpfs", ("nofail",)), Entry("x", b, "tmpfs", ()), Entry("x", c, "tmpfs", ())]
    runs = Runs({a: 32, b: 32})
    assert mount.mount_all(lines, runs, there) == 1
    assert [words[-1] for words in runs.commands] == [a, b, c]
    assert f"not mounted: {b}\n" in capsys.readouterr().err
    assert mount.mount_all(lines[:1], runs, there) == 0
    assert mount.mount_all([Entry("/dev/x", a, "ext4", ("nofail",))], Runs(), gone) == 0
    assert mount.mount_all([Entry("/dev/x", a, "ext4", ())], Runs(), gone) == 1


def test_what_comes_after_its_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is checked right before it is mounted, and is not mounted if it is not in order; nobody waits twice."""
    a, b, c = (Entry(f"/dev/{name}", f"{tmp_path}/{name}", "ext4", ("nofail",) * (name == "c"), 2) for name in "abc")
    _, absent = fsck.check([a, b, c], ["-a"], Runs(), as_program, lambda spec, _: spec if spec == a.spec else None)
    unchecked.say((entry.target for entry in absent), str(tmp_path))
    late = unchecked.told(str(tmp_path))
    assert late == {b.target, c.target}
    patience: list[float] = []
    checked: list[str] = []

    def wait(spec: str, seconds: float) -> str:
        patience.append(seconds)
        return spec

    def check(entry: Entry, device: str) -> bool:
        assert entry.spec == device
        checked.append(entry.target)
        return entry is c

    runs = Runs()
    assert mount.mount_all([a, b, c], runs, wait, late, check) == 1
    assert patience == [30, 0, 0]
    assert checked == [b.target, c.target]
    assert [words[-1] for words in runs.commands] == [a.target, c.target]
    assert f"not mounted: {b.target}\n" in capsys.readouterr().err
    unchecked.say((), str(tmp_path))
    assert unchecked.told(str(tmp_path)) == unchecked.told(str(tmp_path / "none")) == frozenset()


@pytest.mark.parametrize(
    ("status", "mounted", "reboots"),
    [(0, True, 0), (1, True, 0), (3, False, 1), (4, False, 0), (6, False, 0), (8, True, 0)],
)
def test_a_late_check_decides(monkeypatch: pytest.MonkeyPatch, status: int, mounted: bool, reboots: int) -> None:
    """As that of `fsck` would have: not in order, or in need of a reboot, it is not mounted."""
    rebooted: list[None] = []
    monkeypatch.setattr(fsck, "said_options", lambda: ["-a"])
    monkeypatch.setattr(fsck, "check_one", lambda *_: status)
    monkeypatch.setattr(fsck, "reboot", lambda: rebooted.append(None))
    assert mount.in_order(Entry("/dev/x", "/x", "ext4", (), 2), "/dev/x") is mounted
    assert len(rebooted) == reboots
    monkeypatch.setattr(fsck, "said_options", lambda: None)
    assert mount.in_order(Entry("/dev/x", "/x", "ext4", (), 2), "/dev/x")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("defaults", "remount,rw,defaults"),
        ("ro,noatime", "remount,ro,noatime"),
        ("noatime,rw,nofail", "remount,rw,noatime"),
    ],
)
def test_the_root_as_fstab_says(tmp_path: Path, options: str, expected: str) -> None:
    """For writing, unless it says otherwise; without a line it stays as it is."""
    found = list(entries(tmp_path, f"/dev/vda1 / ext4 {options} 0 1\n").values())
    runs = Runs()
    assert mount.remount(found, {"/": "ext4"}, runs) == 0
    assert runs.commands == [["mount", "-o", expected, "/"]]
    assert mount.remount([], {}, runs) == 0 and len(runs.commands) == 1
    assert mount.remount(found, {"/": "ext4"}, Runs({"/": 32})) == 1


def test_what_is_mounted_before_fstab_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It gets the options of its line over those that hold always; what cannot be is told, and no failure."""
    text = """
proc  /proc     proc   defaults,hidepid=2,x-mine
tmpfs /dev/shm/ tmpfs  noexec,size=1m,nofail
tmpfs /run      tmpfs  exec,size=5%
none  /sys/fs/cgroup cgroup rw
/dev/vda2 /usr  ext4   defaults
/dev/vda3 /tmp  ext4   defaults
/dev/vda4 /srv  ext4   ro
"""
    found = list(entries(tmp_path, text).values())
    mounted = {"/proc": "proc", "/dev/shm": "tmpfs", "/run": "tmpfs", "/sys/fs/cgroup": "cgroup2", "/srv": "ext4"}
    mounted["/usr"] = "ext4"
    runs = Runs({"/run": 32})
    assert mount.remount(found, mounted, runs) == 0
    assert runs.commands == [
        ["mount", "-o", "remount,nosuid,nodev,noexec,defaults,hidepid=2", "/proc"],
        ["mount", "-o", "remount,nosuid,nodev,noexec,size=1m", "/dev/shm"],
        ["mount", "-o", "remount,nosuid,nodev,strictatime,exec,size=5%", "/run"],
        ["mount", "-o", "remount,rw,defaults", "/usr"],
    ]
    told = capsys.readouterr().err
    assert "/run: stays without what fstab says of it: exec,size=5%\n" in told
    assert "/sys/fs/cgroup: is a cgroup2 already, and not the cgroup that fstab has\n" in told


def test_what_is_checked(tmp_path: Path) -> None:
    """What has a pass number, in that order; never what is mounted for writing."""
    found = list(entries(tmp_path, FSTAB.replace("errors=remount-ro     0 1", "defaults 0 3")).values())
    assert [entry.target for entry in fsck.chosen(found, lambda _target: False)] == ["/data", "/srv", "/"]
    assert [entry.target for entry in fsck.chosen(found, lambda target: target == "/")] == ["/data", "/srv"]


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("quiet", ["-a"]),
        ("fsck.mode=force", ["-a", "-f"]),
        ("fsck.repair=yes", ["-y"]),
        ("fsck.repair=no fsck.mode=force", ["-n", "-f"]),
        ("fsck.mode=skip", None),
    ],
)
def test_options_of_the_kernels_command_line(line: str, options: list[str] | None) -> None:
    """Those of systemd's fsck."""
    assert fsck.options_of(line.split()) == options


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (5, 4), (6, 6), (8, 8), (16, 8), (32, 8), (127, 8), (137, 8)],
)
def test_exit_statuses_of_fsck(status: int, outcome: int) -> None:
    """1: repaired, which is success; 2: reboot; 4: not in order; anything else: it could not be checked."""
    runs = Runs({"/dev/x": status})
    assert fsck.check([Entry("/dev/x", "/x", "ext4", (), 2)], ["-a"], runs, as_program, there) == (outcome, [])
    assert runs.commands == [["/sbin/fsck.ext4", "-a", "/dev/x"]]


def test_what_cannot_be_checked() -> None:
    """A type without a fsck needs none; a device that is not there is an error, but not with nofail."""
    must, may = Entry("/dev/x", "/x", "ext4", (), 2), Entry("/dev/y", "/y", "ext4", ("nofail",), 2)
    no_program: Callable[[str], str | None] = lambda _name: None  # noqa: E731
    assert fsck.check([must], ["-a"], Runs({"/dev/x": 4}), no_program, there) == (0, [])
    assert fsck.check([must], ["-a"], Runs(), as_program, gone) == (8, [must])
    assert fsck.check([may], ["-a"], Runs(), as_program, gone) == (0, [may])
    assert fsck.check([may, must], ["-a"], Runs({"/dev/y": 4, "/dev/x": 1}), as_program, there) == (0, [])
    assert fsck.outcome(6) == 4 and fsck.outcome(10) == 2 and fsck.outcome(0) == 0


# ---------------------------------------------------------------------------------------------------------------------
# Logins


def test_consoles(tmp_path: Path) -> None:
    """What the kernel says it writes to, as far as it is a terminal here; the screen's is tty1; each once."""
    dev = {f"dev/{name}": "" for name in ("ttyS0", "tty1", "hvc0")}
    write(tmp_path, {"sys/class/tty/console/active": "tty0 ttyS0 ttyS9\n", "proc/cmdline": "console=hvc0", **dev})
    assert console_getty.consoles(str(tmp_path)) == ["tty1", "ttyS0"]
    (tmp_path / "sys/class/tty/console/active").unlink()
    write(tmp_path, {"proc/cmdline": "quiet console=tty console=tty0 console=hvc0,115200n8 console=none\n"})
    assert console_getty.consoles(str(tmp_path)) == ["tty1", "hvc0"]
    assert console_getty.consoles(str(tmp_path / "none")) == []


def test_what_asks_for_the_login() -> None:
    """The line's speed is the kernel's; the screen knows more than a serial line; what is open is not opened again."""
    first = getty.commands("ttyS0")[0]
    assert first == ["agetty", "--keep-baud", "115200,57600,38400,9600", "-", "vt220"]
    assert getty.commands("tty1")[0] == ["agetty", "--noclear", "-", "linux"]
    assert all("-" in command for command in getty.commands("hvc0") if "login" not in command)
    assert getty.main([]) == 2


# ---------------------------------------------------------------------------------------------------------------------
# The network


def test_the_network_file(tmp_path: Path) -> None:
    """All keys, and what they are without it."""
    text = """
wait = 5
[interfaces.eth0]
dhcp = true
[interfaces.eth1]
addresses = ["192.168.1.10/24", "fd00::10/64"]
gateways = ["192.168.1.1"]
nameservers = ["192.168.1.1"]
search = ["example.org"]
optional = true
"""
    assert network_file.read(str(tmp_path)) is None
    write(tmp_path, {network_file.PATH: text})
    found = network_file.read(str(tmp_path))
    assert found is not None and (found.wait, found.any_of_them) == (5, False)
    second = Link(
        "eth1",
        False,
        (ip_interface("192.168.1.10/24"), ip_interface("fd00::10/64")),
        (ip_address("192.168.1.1"),),
        ("192.168.1.1",),
        ("example.org",),
        True,
    )
    assert found.links == (Link("eth0", True), second)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense", "cannot be read"),
        ("waits = 1", "waits: there is no such key; there are wait, interfaces"),
        ("wait = 'long'", "wait: found 'long', expected a number of seconds"),
        ("interfaces = 1", "interfaces: expected tables"),
        ("[interfaces.a]", "interfaces.a: has neither dhcp = true nor addresses"),
        ("[interfaces.a]\nadress = []", "interfaces.a.adress: there is no such key"),
        ("[interfaces.a]\ndhcp = 1", "interfaces.a.dhcp: found 1, expected true or false"),
        ("[interfaces.a]\naddresses = '1.2.3.4'", "expected a list of texts"),
        ("[interfaces.a]\naddresses = ['1.2.3']", "interfaces.a.addresses: found '1.2.3', expected an address such as"),
        ("[interfaces.a]\ndhcp = true\ngateways = [7]", "interfaces.a.gateways: found 7, expected an IP address"),
        ("[interfaces.a]\ndhcp = true\nsearch = ['a b']", "interfaces.a.search: found 'a b'"),
    ],
)
def test_mistakes_in_the_network_file(tmp_path: Path, text: str, expected: str) -> None:
    """It says where, what was found and what was expected."""
    write(tmp_path, {network_file.PATH: text})
    with pytest.raises(NetworkFileError) as error:
        network_file.read(str(tmp_path))
    assert expected in str(error.value) and network_file.PATH in str(error.value)


def test_a_machine_of_which_nothing_is_said(tmp_path: Path) -> None:
    """DHCP on what has a plug: no loopback, bridge or radio; one address is enough."""
    for name, kind, more in (
        ("eth0", "1", ["device/x"]),
        ("lo", "772", []),
        ("br0", "1", []),
        ("wlan0", "1", ["device/x", "wireless/x"]),
    ):
        write(tmp_path, {f"sys/class/net/{name}/{file}": f"{kind}\n" for file in ("type", *more)})
    found = network.found_by_itself(str(tmp_path))
    assert found.links == (Link("eth0", dhcp=True),) and found.any_of_them


def test_what_is_waited_for() -> None:
    """Any address of a declared interface; where DHCP asks for one, that one."""
    sixth = Found(2, ip_interface("fd00::1/64"), False)
    fourth = Found(2, ip_interface("10.0.0.1/24"), False)
    asked, declared = Link("eth0", dhcp=True), Link("eth0", addresses=(ip_interface("fd00::1/64"),))
    assert not network.has_address(asked, 2, [sixth]) and network.has_address(asked, 2, [sixth, fourth])
    assert network.has_address(declared, 2, [sixth]) and not network.has_address(declared, 3, [sixth, fourth])


def test_a_lease() -> None:
    """What udhcpc says of it in the environment."""
    found = lease.lease_of({"ip": "10.0.2.15", "mask": "24", "router": "10.0.2.2", "dns": "10.0.2.3 1.1.1.1"})
    assert found == (IPv4Interface("10.0.2.15/24"), ("10.0.2.2",), ("10.0.2.3", "1.1.1.1"), ())
    assert lease.lease_of({"ip": "1.2.3.4", "subnet": "255.255.255.0", "domain": "x.org"}) == (
        *(IPv4Interface("1.2.3.4/24"), (), ()),
        ("x.org",),
    )


def test_name_servers_of_all_interfaces(tmp_path: Path) -> None:
    """Each interface's own come and go; where resolv.conf is a link, what it leads to is written."""
    root = str(tmp_path)
    write(tmp_path, {"etc/hostname": "x"})
    (tmp_path / "etc/resolv.conf").symlink_to(tmp_path / "run/resolv.conf")

    def told() -> list[str]:
        return (tmp_path / "run/resolv.conf").read_text().splitlines()[1:]

    resolving.say("eth0", ("10.0.0.1", "10.0.0.2"), ("a.org",), root)
    resolving.say("eth1", ("10.0.0.2", "10.0.0.3", "10.0.0.4"), ("b.org", "a.org"), root)
    servers = [f"nameserver 10.0.0.{number}" for number in (1, 2, 3)]
    assert told() == [*servers, "search a.org b.org"]
    resolving.say("eth0", (), (), root)
    assert told()[0] == servers[1]
    assert (tmp_path / "etc/resolv.conf").is_symlink()
