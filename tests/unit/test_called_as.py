"""asyncinit called as one of sysvinit's programs: what it takes their options for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncinit.cli.called_as import ask_pid_1, main, read_halt, read_shutdown
from asyncinit.cli.outcome import UsageError
from asyncinit.machine.init_request import Ask, InitRequest, parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("halt", ("halt", False)),
        ("halt -p", ("poweroff", False)),
        ("poweroff", ("poweroff", False)),
        ("poweroff -n -d -i -h", ("poweroff", False)),
        ("reboot -p", ("reboot", False)),
        ("reboot -f", ("reboot", True)),
        ("reboot --force --no-wall", ("reboot", True)),
        ("reboot -nf", ("reboot", True)),
        ("halt --reboot", ("reboot", False)),
        ("reboot -w", None),
        ("poweroff --wtmp-only", None),
    ],
)
def test_halt_and_its_like(line: str, expected: tuple[str, bool] | None) -> None:
    """Each does what it is called, -f at once; -w only writes a record, of which there is none."""
    name, *words = line.split()
    assert read_halt(name, words) == expected


@pytest.mark.parametrize("line", ["reboot now", "halt -x", "poweroff --when=5", "reboot -d 5"])
def test_halt_and_its_like_refuse(line: str) -> None:
    """What would be understood in another way than it was meant."""
    name, *words = line.split()
    with pytest.raises(UsageError):
        read_halt(name, words)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("now", ("poweroff", None)),
        ("-h now", ("poweroff", None)),
        ("-hP +0", ("poweroff", None)),
        ("-H now", ("halt", None)),
        ("-r now new kernel", ("reboot", "new kernel")),
        ("-t 5 -r -f now", ("reboot", None)),
        ("--reboot now", ("reboot", None)),
    ],
)
def test_shutdown(line: str, expected: tuple[str, str | None]) -> None:
    """Its action, and the message with it."""
    assert read_shutdown(line.split()) == expected


@pytest.mark.parametrize("line", ["", "-r", "-h +5", "-h 23:00", "-c", "-k now"])
def test_shutdown_refuses(line: str) -> None:
    """To wait until later, to cancel, or only to warn: that is not done, and nothing else in its place."""
    with pytest.raises(UsageError):
        read_shutdown(line.split())


@pytest.mark.parametrize("words", [[], ["7"], ["06"], ["0", "6"], ["--help"], ["-t", "5"]])
@pytest.mark.parametrize("name", ["init", "telinit"])
def test_telinit_refuses(name: str, words: list[str]) -> None:
    """What is no runlevel."""
    with pytest.raises(UsageError):
        main(name, words)


def test_telinit_writes_a_request(tmp_path: Path) -> None:
    """The same that sysvinit's writes; where nobody reads it, that is an error at once."""
    path = tmp_path / "initctl"
    os.mkfifo(path)
    with pytest.raises(OSError):
        ask_pid_1("6", str(path))
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    ask_pid_1("6", str(path))
    assert parse(os.read(fd, 4096)) == ([InitRequest(Ask.RUNLEVEL, "6")], b"", 0)
    os.close(fd)
