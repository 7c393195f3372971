"""The parts of a machine's last steps that can be tried where there is no machine to end."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncinit.config.spec import PowerAction
from asyncinit.linux import proc, reboot
from asyncinit.linux.unmount import swaps
from asyncinit.machine import last, last_resort
from asyncinit.machine.last_words import LastWords
from asyncinit.machine.remaining import Machine, is_storage_daemon
from asyncinit.machine.unmounting import find_users
from asyncinit.machine.writing import StalledError, unwritten, write_out
from tests.support import wait_until


def test_no_machine_is_ended_here() -> None:
    """Whatever calls the last steps: only PID 1 of a machine is let."""
    with pytest.raises(last.NotAMachineError):
        last.go(PowerAction.REBOOT)


def test_steps_are_told_apart() -> None:
    """Each has a name of its own and a need; what may block has a deadline or asks for one itself."""
    names = [step.name for step in last.LAST]
    assert len(set(names)) == len(names)
    assert all(step.need.endswith(".") for step in last.LAST)


def test_writing_goes_on_while_there_is_progress() -> None:
    """However long it takes."""
    left = iter(range(100, 0, -1))
    began = time.monotonic()
    write_out(lambda: time.sleep(1.0), lambda: next(left), patience=0.6)
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("left", [lambda: 7, lambda: None])
def test_writing_that_stalls_is_given_up(left: Callable[[], int | None]) -> None:
    """And how much is left is told, where it is known."""
    with pytest.raises(StalledError) as caught:
        write_out(lambda: time.sleep(20), left, patience=0.3)
    assert caught.value.left == left()


def test_what_waits_to_be_written(tmp_path: Path) -> None:
    """As the kernel counts it; nothing where it does not say."""
    assert unwritten() is not None
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 100 kB\nDirty:   12 kB\nWriteback: 3 kB\nWritebackTmp: 50 kB\n")
    assert unwritten(str(file)) == 15
    assert unwritten(str(tmp_path / "none")) is None


def test_swaps(tmp_path: Path) -> None:
    """Their paths, with what is escaped in them."""
    file = tmp_path / "swaps"
    file.write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n/my\\040swap file 1 0 -3\n")
    assert swaps(str(file)) == ["/dev/sda2", "/my swap"]
    assert swaps(str(tmp_path / "none")) == []


def test_a_loaded_kernel(tmp_path: Path) -> None:
    """As /sys says."""
    file = tmp_path / "kexec_loaded"
    assert not reboot.kexec_loaded(str(file))
    file.write_text("0\n")
    assert not reboot.kexec_loaded(str(file))
    file.write_text("1\n")
    assert reboot.kexec_loaded(str(file))


def test_who_uses_a_place(tmp_path: Path) -> None:
    """Whoever has a file open there, or stands there; found by names alone."""
    with subprocess.Popen(["sleep", "1000"], cwd=tmp_path) as process:
        try:
            read = os.open(tmp_path, os.O_RDONLY)
            users = find_users(str(tmp_path)).splitlines()
            os.close(read)
        finally:
            process.kill()
    assert users == [f"sleep ({process.pid})"]


def test_kernel_threads_and_storage_daemons() -> None:
    """The kernel's threads have no program; a daemon asks to be spared by its name, if it is root's."""
    assert not proc.is_kernel_thread(os.getpid())
    if proc.stat(2) is not None and proc.stat(2).name == "kthreadd":  # type: ignore[union-attr]
        assert proc.is_kernel_thread(2)
    with subprocess.Popen(["@sleep", "1000"], executable="/bin/sleep") as process:
        try:
            wait_until(lambda: proc.command_line(process.pid))
            assert is_storage_daemon(seen(process.pid)) == (os.getuid() == 0)
        finally:
            process.kill()
    assert not is_storage_daemon(seen(os.getpid()))


def seen(pid: int, state: str = "S") -> proc.Stat:
    found = proc.stat(pid)
    assert found is not None
    return found._replace(state=state)


def test_a_process_in_state_d_is_not_judged_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was seen as a storage daemon once is spared; of any other one nothing is known until it is asked."""
    with (
        subprocess.Popen(["@sleep", "1000"], executable="/bin/sleep") as storage,
        subprocess.Popen(["sleep", "1000"]) as other,
    ):
        try:
            wait_until(lambda: proc.command_line(storage.pid) and proc.command_line(other.pid))
            stats = {process.pid: seen(process.pid, "D") for process in (storage, other)}
            awake = {pid: stat._replace(state="S") for pid, stat in stats.items()}
            now = dict(stats)
            monkeypatch.setattr(proc, "pids", lambda: list(now))
            monkeypatch.setattr(proc, "stat", now.get)
            monkeypatch.setattr(proc, "status_field", lambda *_: "0\t0\t0\t0")
            monkeypatch.setattr(Machine, "_reap", lambda _self: None)

            def left(machine: Machine) -> list[tuple[int, bool]]:
                return [(process.pid, process.doubtful) for process in machine.processes()]

            machine = Machine((), lambda: None)
            assert sorted(left(machine)) == sorted((pid, True) for pid in stats)
            machine.settle()
            assert left(machine) == [(other.pid, False)]
            machine = Machine((), lambda: None)
            now.update(awake)
            assert left(machine) == [(other.pid, False)]
            now.update(stats)
            assert left(machine) == [(other.pid, False)]
            now.update({pid: stat._replace(start_time=1) for pid, stat in stats.items()})
            assert sorted(left(machine)) == sorted((pid, True) for pid in stats)
            monkeypatch.setattr(proc, "status_field", lambda *_: "1	1	1	1")
            assert sorted(left(machine)) == sorted((pid, False) for pid in stats)
        finally:
            storage.kill()
            other.kill()


def test_who_does_not_answer_has_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arguments cannot be read within a moment: it hangs, and nobody hangs with it."""
    with subprocess.Popen(["@sleep", "1000"], executable="/bin/sleep") as process:
        try:
            stat = seen(process.pid, "D")
            monkeypatch.setattr(proc, "pids", lambda: [stat.pid])
            monkeypatch.setattr(proc, "stat", lambda _pid: stat)
            monkeypatch.setattr(proc, "status_field", lambda *_: "0\t0\t0\t0")
            monkeypatch.setattr(proc, "command_line", lambda _pid: time.sleep(1000))
            monkeypatch.setattr(Machine, "_reap", lambda _self: None)
            machine = Machine((), lambda: None)
            machine.settle()
            assert [one.doubtful for one in machine.processes()] == [False]
        finally:
            process.kill()


def test_last_words_arrive() -> None:
    """On the console, a line each."""
    master, slave = pty.openpty()
    words = LastWords(os.ttyname(slave), "/nowhere")
    words.say("rebooting")
    assert os.read(master, 100).startswith(b"asyncinit: rebooting\r")
    os.close(master)
    os.close(slave)
    words.say("nobody hears it")


def test_a_stuck_console_holds_up_nobody() -> None:
    """A terminal that takes nothing costs a moment once, and no more after that."""
    master, slave = pty.openpty()
    words = LastWords(os.ttyname(slave), "/nowhere")
    for _ in range(1000):
        words.say("x" * 500)
        if words._stuck:
            break
    began = time.monotonic()
    for _ in range(100):
        words.say("x" * 500)
    assert words._stuck
    assert time.monotonic() - began < 20
    os.close(master)
    os.close(slave)


RESORT = """
import os, sys, time
from asyncinit.config.spec import PowerAction
from asyncinit.linux import reboot
from asyncinit.machine import last_resort
path = sys.argv[1]
reboot.open_sysrq = lambda: os.open(path, os.O_WRONLY | os.O_APPEND)
last_resort._BREATH = 0.01
resort = last_resort.LastResort(PowerAction.REBOOT, 60.0)
resort.put_off(float(sys.argv[2]))
os.waitpid(resort.pid, 0)
"""


def test_the_last_resort_presses_keys(tmp_path: Path) -> None:
    """When the deadline is over that it was told last: sync, read-only, reboot."""
    keys = tmp_path / "keys"
    keys.touch()
    subprocess.run([sys.executable, "-c", RESORT, str(keys), "0.1"], check=True, timeout=60)
    assert keys.read_text() == "sub"


def test_one_key_that_fails_is_no_reason() -> None:
    """The next is pressed all the same."""
    pressed = []

    def press(key: str) -> None:
        if key == "s":
            raise OSError
        pressed.append(key)

    last_resort.press("sub", press, lambda _seconds: None)
    assert pressed == ["u", "b"]
