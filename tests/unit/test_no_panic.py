"""Whatever escapes before the loop of a machine is up: PID 1 does not end, it starts from its beginning."""

from __future__ import annotations

import signal
import sys
from types import SimpleNamespace
from typing import NoReturn

import pytest

from asyncinit import minimal
from asyncinit.cli import boot
from asyncinit.machine import emergency, recognition, stand_in
from asyncinit.machine.console_shell import Program
from asyncinit.runtime import entry as life
from asyncinit.runtime.configuring.reading import Mode, RunOptions


class Ended(BaseException):
    """Stands for what never returns."""


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(2), ImportError("gone"), KeyboardInterrupt()])
def test_nothing_escapes_from_the_first_program(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Neither an exception nor a wish to exit is the end of a machine's PID 1."""
    caught: list[BaseException] = []

    def boot_machine(_words: list[str]) -> NoReturn:
        raise error

    def start_again(found: BaseException) -> NoReturn:
        caught.append(found)
        raise Ended

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    from asyncinit import __main__ as entry  # this blocks all signals

    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    monkeypatch.setattr(recognition, "is_machine", lambda *_: True)
    monkeypatch.setattr(boot, "boot_machine", boot_machine)
    monkeypatch.setattr(emergency, "start_again", start_again)
    with pytest.raises(Ended):
        entry._bring_up_machine(["boot"])
    assert caught == [error]


def test_an_error_before_the_loop_is_not_the_end_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to whoever knows a way out; in a container asyncinit ends."""

    def fail(_options: RunOptions) -> NoReturn:
        raise RuntimeError("broken")

    monkeypatch.setattr(life, "_read", fail)
    with pytest.raises(RuntimeError, match="broken"):
        life.run(RunOptions(mode=Mode.MACHINE))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done instead of starting shells, executing and ending a machine, in order."""
    done: list[str] = []

    def once(_name: str) -> NoReturn:
        raise Ended

    monkeypatch.setattr(stand_in, "say", lambda _text: None)
    monkeypatch.setattr(stand_in, "pause", lambda _seconds: None)
    monkeypatch.setattr(
        stand_in, "attend", lambda text, **_: done.append(f"shell {text.split()[:1]}" if text else "wait")
    )
    monkeypatch.setattr(stand_in, "end", lambda how: (done.append(f"end {how.name}"), once("end")))
    monkeypatch.setattr(stand_in, "run", lambda reason: (done.append(f"stand in: {reason}"), once("run")))
    monkeypatch.setattr(emergency, "execute_again", lambda _variables: (done.append("exec"), once("exec")))
    monkeypatch.setattr(emergency.console_shell, "program", lambda: Program("/bin/sh", ("-sh",)))
    return done


def test_it_starts_from_its_beginning_after_the_shell(stage: list[str]) -> None:
    """By an exec: whoever was in the shell may have repaired a module."""
    with pytest.raises(Ended):
        try:
            emergency.start_again(RuntimeError("broken"))
        finally:
            assert stage[:2] == ["shell ['asyncinit']", "exec"]


def test_where_it_cannot_be_executed_somebody_stands_in(stage: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a shell for good."""

    def refuse(_variables: object) -> NoReturn:
        raise OSError(2, "no such file")

    monkeypatch.setattr(emergency, "execute_again", refuse)
    with pytest.raises(Ended):
        emergency.start_again(RuntimeError("broken"))
    assert stage[-1].startswith("stand in: asyncinit itself fails: RuntimeError: broken; and then FileNotFoundError")


def test_a_machine_that_lets_nobody_in_reboots(stage: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while in which the reason can be read."""
    monkeypatch.setattr(emergency.console_shell, "program", lambda: None)
    with pytest.raises(Ended):
        emergency.emergency("the reason")
    assert stage == ["wait", "end RESTART"]


class Boots(BaseException):
    """Stands for the kernel that boots."""


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 5, signal.SIGRTMIN + 15])
def test_the_smallest_loop_ends_a_machine_when_told(monkeypatch: pytest.MonkeyPatch, number: int, others: int) -> None:
    """With nothing left it waits, each signal counts, and a wish has the kernel sync, make all read-only and boot."""
    pressed: list[bytes] = []
    signals = [*[int(signal.SIGHUP)] * others, number]

    def wait(_signals: object) -> object:
        if not signals:
            raise AssertionError("a wish was thrown away")
        return SimpleNamespace(si_signo=signals.pop(0))

    def press(_fd: int, key: bytes) -> None:
        pressed.append(key)
        if key == b"b":
            raise Boots

    def pause() -> NoReturn:
        error = sys.exc_info()[1]
        assert error is not None
        raise error  # what was caught, and would be tried again

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handler = signal.getsignal(signal.SIGCHLD)
    monkeypatch.setattr(minimal.os, "getpid", lambda: 1)
    monkeypatch.setattr(minimal, "owns_pid_namespace", lambda: False)
    monkeypatch.setattr(minimal, "_reap", lambda *_: (True, False))
    monkeypatch.setattr(minimal, "signal_all", lambda _number: None)
    monkeypatch.setattr(minimal, "kill_all", lambda: None)
    monkeypatch.setattr(minimal, "_pause", pause)
    monkeypatch.setattr(minimal.os, "open", lambda path, _flags: pressed.append(path.encode()) or 99)
    monkeypatch.setattr(minimal.os, "close", lambda _fd: None)
    monkeypatch.setattr(minimal.os, "write", press)
    monkeypatch.setattr(minimal.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(minimal._signal, "sigwaitinfo", wait)
    try:
        with pytest.raises(Boots):
            minimal.run(status=70)
    finally:
        monkeypatch.undo()
        signal.signal(signal.SIGCHLD, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert pressed == [b"/proc/sysrq-trigger", b"s", b"u", b"b"]


def test_the_emergency_shell_alone_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only that cannot be imported, something stands in with a shell for good."""
    reasons: list[str] = []

    def stands_in(reason: str) -> NoReturn:
        reasons.append(reason)
        raise Ended

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    from asyncinit import __main__ as entry
    from asyncinit import fallback

    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    monkeypatch.setattr(fallback, "_stand_in", stands_in)
    monkeypatch.setattr(fallback, "_read_on", lambda: None)
    monkeypatch.setattr(fallback.recognition, "is_first", lambda: True)
    monkeypatch.setattr(recognition, "is_machine", lambda *_: True)
    monkeypatch.setattr(entry, "_is_first", lambda: True)
    monkeypatch.setattr(minimal, "say", lambda _text: None)
    monkeypatch.setattr(minimal, "run", lambda **_: (_ for _ in ()).throw(Boots))
    monkeypatch.setitem(sys.modules, "asyncinit.machine.emergency", None)
    with pytest.raises(Boots):  # only after what stands in, which never returns
        entry._bring_up_machine(["boot"])
    assert len(reasons) == 1
    assert reasons[0].startswith("cannot import what a machine begins with: ModuleNotFoundError")
