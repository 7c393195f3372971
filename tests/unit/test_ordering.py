"""Telling PID 1 of a machine by a signal what nobody hears at its control socket; nothing is ever sent here."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from asyncinit.cli import by_signal, power
from asyncinit.client import locate
from asyncinit.client.errors import NotRunningError
from asyncinit.linux import namespaces
from asyncinit.linux.reboot import How, how_to
from asyncinit.machine import booted, ordering, power_signals, stand_in
from asyncinit.runtime import machine_orders


class World:
    """A root folder and a /proc with a PID 1."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.proc = folder / "proc"
        self.first = self.proc / "1"
        (self.root / "usr/bin").mkdir(parents=True)
        (self.root / "usr/bin/asyncinit").touch()
        (self.root / "sbin").mkdir()
        (self.root / "sbin/init").symlink_to("../usr/bin/asyncinit")
        self.first.mkdir(parents=True)
        (self.proc / "self").symlink_to(str(os.getpid()))
        (self.first / "root").symlink_to(self.root)
        (self.first / "exe").symlink_to("/usr/bin/python3.11")
        (self.first / "environ").write_bytes(b"TERM=linux\0HOME=/\0")
        self.says("/usr/bin/python3", "/sbin/init", "quiet")
        self.pends(0)

    def says(self, *words: str) -> None:
        (self.first / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))

    def pends(self, *numbers: int) -> None:
        mask = sum(1 << number - 1 for number in numbers if number)
        (self.first / "status").write_text(f"Name:\tinit\nSigPnd:\t0\nShdPnd:\t{mask:016x}\n")

    def is_ours(self, environment: dict[str, str] | None = None) -> bool:
        return ordering.is_ours(str(self.proc), str(self.root), environment or {})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(ordering.os, "geteuid", lambda: 0)
    monkeypatch.setattr(namespaces, "in_initial_pid_namespace", lambda: True)
    return World(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "python3 /sbin/init quiet",
        "/usr/bin/python3 -I -X utf8 /sbin/init",
        "python3 /usr/bin/asyncinit boot",
        "python3 -m asyncinit boot",
        "python3 -I -m asyncinit",
        "python3 /usr/lib/python3/dist-packages/asyncinit/__main__.py",
    ],
)
def test_asyncinit_is_known(world: World, line: str) -> None:
    """However it was started."""
    world.says(*line.split())
    assert world.is_ours()


def other_init(world: World) -> None:
    (world.first / "exe").unlink()
    (world.first / "exe").symlink_to("/usr/lib/systemd/systemd")
    world.says("/sbin/init")


def other_python(world: World) -> None:
    (world.root / "sbin/init").unlink()
    (world.root / "sbin/init").touch()


def other_root(world: World) -> None:
    (world.first / "root").unlink()
    (world.first / "root").symlink_to(world.proc)


def other_proc(world: World) -> None:
    (world.proc / "self").unlink()
    (world.proc / "self").symlink_to("7")


OTHERS: list[Callable[[World], object]] = [
    other_init,
    other_python,
    other_root,
    other_proc,
    lambda world: world.says("python3", "-m", "http.server", "asyncinit"),
    lambda world: world.says("python3", "-c", "asyncinit"),
    lambda world: world.says("python3"),
    lambda world: (world.first / "environ").write_bytes(b"A=b\0container=lxc\0"),
    lambda world: (world.first / "environ").unlink(),
]


@pytest.mark.parametrize("change", OTHERS)
def test_whoever_else_is_pid_1_is_left_alone(world: World, change: Callable[[World], object]) -> None:
    """Another init, or that of a machine around a container."""
    assert world.is_ours()
    change(world)
    assert not world.is_ours()


def test_so_it_is_in_a_container_and_for_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root of the machine itself may."""
    assert not world.is_ours({"container": "docker"})
    monkeypatch.setattr(namespaces, "in_initial_pid_namespace", lambda: False)
    assert not world.is_ours()
    monkeypatch.setattr(namespaces, "in_initial_pid_namespace", lambda: True)
    monkeypatch.setattr(ordering.os, "geteuid", lambda: 1000)
    assert not world.is_ours()


def test_a_copy_called_init_has_left_its_sign(world: World) -> None:
    """Its name alone says nothing."""
    other_python(world)
    assert not world.is_ours()
    booted.say_booted(str(world.root))
    assert world.is_ours()


@pytest.mark.parametrize("action", ["halt", "poweroff", "reboot", "kexec"])
@pytest.mark.parametrize("at_once", [False, True])
def test_the_signal_is_one_that_everybody_understands(world: World, action: str, at_once: bool) -> None:
    """asyncinit itself, and what stands in for it."""
    sent: list[tuple[int, int]] = []
    assert ordering.tell(action, at_once, proc=str(world.proc), kill=lambda *what: sent.append(what))
    ((pid, number),) = sent
    assert pid == 1
    actions = machine_orders._AT_ONCE if at_once else machine_orders._ACTIONS
    assert actions[number].value == action
    assert stand_in.ORDERS[number] is how_to(action)


def test_a_signal_that_is_not_taken_is_no_answer(world: World) -> None:
    """PID 1 hangs."""
    assert not ordering.tell(
        "reboot", False, proc=str(world.proc), kill=lambda _pid, number: world.pends(number), patience=0.1
    )


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the machine: nothing, but it is written down."""
    done: list[str] = []
    monkeypatch.setattr(stand_in, "end_at_once", lambda how: done.append(f"kernel: {how.name}"))
    monkeypatch.setattr(ordering, "is_ours", lambda: True)
    return done


def listens(done: list[str], answer: bool) -> Callable[[str, bool], bool]:
    def tell(action: str, at_once: bool) -> bool:
        done.append(f"signal: {action}{' at once' if at_once else ''}")
        return answer

    return tell


@pytest.mark.parametrize(
    ("at_once", "takes", "expected"),
    [
        (False, True, ["signal: reboot"]),
        (True, True, ["signal: reboot at once"]),
        (False, False, ["signal: reboot"]),
        (True, False, ["signal: reboot at once", "kernel: RESTART"]),
    ],
)
def test_the_kernel_is_asked_where_pid_1_hangs_and_force_is_given(
    monkeypatch: pytest.MonkeyPatch, done: list[str], at_once: bool, takes: bool, expected: list[str]
) -> None:
    """And never else."""
    monkeypatch.setattr(ordering, "tell", listens(done, takes))
    status = by_signal.end("reboot", at_once)
    assert done == expected
    assert (status == 0) == takes


def nobody(*_: object, **__: object) -> NoReturn:
    raise NotRunningError("not running here")


@pytest.mark.parametrize("action", ["reboot", None])
def test_a_command_goes_that_way_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, done: list[str], action: str | None
) -> None:
    """`shutdown` of a machine is `poweroff`."""
    monkeypatch.setattr(locate, "connect", nobody)
    monkeypatch.setattr(locate, "may_be_pid_1", lambda _socket: True)
    monkeypatch.setattr(ordering, "tell", listens(done, True))
    assert power.end(None, action, False, wait=True) == 0
    assert done == [f"signal: {action or 'poweroff'}"]


@pytest.mark.parametrize(("pid_1", "ours"), [(False, True), (True, False)])
def test_else_it_is_not_running(monkeypatch: pytest.MonkeyPatch, done: list[str], pid_1: bool, ours: bool) -> None:
    """Where another asyncinit is meant, and where PID 1 is none."""
    monkeypatch.setattr(locate, "connect", nobody)
    monkeypatch.setattr(locate, "may_be_pid_1", lambda _socket: pid_1)
    monkeypatch.setattr(ordering, "is_ours", lambda: ours)
    monkeypatch.setattr(ordering, "tell", listens(done, True))
    with pytest.raises(NotRunningError):
        power.end(None, "reboot", True, wait=True)
    assert done == []


@pytest.mark.parametrize(("pid", "expected"), [(1, ["signal: reboot"]), (77, ["asked 77"])])
def test_silence_of_pid_1_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, done: list[str], pid: int, expected: list[str]
) -> None:
    """It holds the socket open and hangs; any other server is waited for."""

    class Silent:
        server_pid = pid
        address = "/run/it"

        def __init__(self, on_silence: Callable[[object], None]) -> None:
            self.on_silence = on_silence

        def __enter__(self) -> Silent:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def call(self, *_: object) -> dict[str, str]:
            self.on_silence(self)
            done.append(f"asked {pid}")
            return {"action": "reboot"}

    monkeypatch.setattr(locate, "connect", lambda _socket, on_silence: Silent(on_silence))
    monkeypatch.setattr(ordering, "tell", listens(done, True))
    assert power.end(None, "reboot", False, wait=False) == 0
    assert done == expected


def test_who_may_be_pid_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is named, or its own socket, as services have it in their environment."""
    monkeypatch.setattr(locate, "project_socket", lambda: None)
    assert locate.may_be_pid_1(None, {})
    assert locate.may_be_pid_1(None, {"ASYNCINIT_SOCKET": locate.SYSTEM_ADDRESS})
    assert not locate.may_be_pid_1(None, {"ASYNCINIT_SOCKET": "/run/user/1000/asyncinit.sock"})
    assert not locate.may_be_pid_1("/tmp/other.sock", {})
    monkeypatch.setattr(locate, "project_socket", lambda: "/srv/project/control.sock")
    assert not locate.may_be_pid_1(None, {})


@pytest.mark.parametrize("how", How)
def test_the_kernels_way_writes_first(monkeypatch: pytest.MonkeyPatch, how: How) -> None:
    """And a step that fails keeps not from the next."""
    steps: list[str] = []

    def sync() -> NoReturn:
        steps.append("sync")
        raise RuntimeError("a disk that hangs")

    monkeypatch.setattr(stand_in, "_sync", sync)
    monkeypatch.setattr(stand_in, "_leave", lambda how: steps.append(how.name))
    monkeypatch.setattr(stand_in, "say", lambda _text: None)
    stand_in.end_at_once(how)
    assert steps == ["sync", how.name]


def test_real_time_signals_are_numbered_as_elsewhere() -> None:
    """Python's SIGRTMIN is the C library's, and what is sent and understood is what systemd has from there on."""
    assert signal.SIGRTMIN == machine_orders._RTMIN == 34
    assert {number: how.action for number, how in power_signals.SYSTEMD.items()} == {
        37: "halt",
        38: "poweroff",
        39: "reboot",
        40: "kexec",
    }
    assert {number + 10: how for number, how in power_signals.SYSTEMD.items()} == power_signals.SYSTEMD_AT_ONCE
