"""A package of which a part is missing or half written, after a power cut in an upgrade: PID 1 of a machine stays."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import PYTHON, package, wait_until
from tests.wrapping import blocks

# It takes itself for PID 1 of a machine, whose end would be another one.
FIRST = """
import os, sys
from asyncinit import minimal
os.getpid = lambda: 1
minimal.owns_pid_namespace = lambda: False
minimal._leave = lambda status, ending: os._exit(9) if ending else None
sys.argv = ["/sbin/init"]
from asyncinit.__main__ import main
main()
"""
FIRST_OF_ALL = (
    *("machine/stand_in.py", "machine/console_shell.py", "machine/child.py"),
    *("linux/reboot.py", "linux/descriptors.py", "machine/recognition.py"),
)
HALF = "def half(:\n"
BROKEN = [("machine/stand_in.py", None), *((module, HALF) for module in FIRST_OF_ALL)]


@contextmanager
def init(folder: Path, broken: str, text: str | None, state: str) -> Iterator[subprocess.Popen[str]]:
    """PID 1 whose module `broken` has `text`, or is not there; `state`: after a re-exec."""
    code = package(folder)
    if text is None:
        (code / broken).unlink()
    else:
        (code / broken).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(folder), **({"ASYNCINIT_STATE": state} if state else {})}
    environment.pop("container", None)
    process = subprocess.Popen(
        [PYTHON, "-c", FIRST], cwd=folder, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("broken", "text"), BROKEN)
@pytest.mark.parametrize("state", ["", "999"], ids=["boot", "reexec"])
def test_it_stays_and_can_be_ended(tmp_path: Path, broken: str, text: str | None, state: str) -> None:
    """It says what is missing, waits, and a wish for the machine's end is one."""
    with init(tmp_path, broken, text, state) as process:
        assert process.stderr is not None
        told = ""
        while "only reap" not in told and "nothing is supervised" not in told:
            line = process.stderr.readline()
            assert line, told
            told += line
        assert "Error" in told
        wait_until(lambda: blocks(process.pid, signal.SIGTERM))
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 9


def test_a_line_of_a_way_out_is_never_waited_for() -> None:
    """A console that somebody has stopped with ^S, or a reader that has gone to sleep, holds nobody."""
    reader, writer = os.pipe()
    script = (
        "import os\nfrom asyncinit import minimal\nfrom asyncinit.runtime import entry\n"
        "os.set_blocking(2, False)\n"
        "try:\n    while True: os.write(2, b'x' * 65536)\nexcept BlockingIOError: os.set_blocking(2, True)\n"
        "minimal.say('nobody reads this')\nentry._tell(RuntimeError('nor this'))\n"
        "from asyncinit import fallback\nminimal.run = lambda **_: os._exit(7)\nfallback.run('nor this')\n"
    )
    process = subprocess.Popen([PYTHON, "-c", script], stderr=writer, stdin=subprocess.DEVNULL)
    try:
        assert process.wait(30) == 7
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def test_a_line_is_written_whatever_standard_error_is(tmp_path: Path) -> None:
    """A file keeps the order of what others write there, a terminal, a pipe and a socket have it, too."""
    script = "import os; from asyncinit import minimal; os.write(2, b'a\\n'); minimal.say('b'); os.write(2, b'c\\n')"
    path = tmp_path / "errors"
    with path.open("wb") as file:
        subprocess.run([PYTHON, "-c", script], stderr=file, check=True)
    assert path.read_text() == "a\nb\nc\n"
    for pair in (socket.socketpair(), None):
        if pair is None:
            reader, writer = os.openpty()
        else:
            reader, writer = (one.detach() for one in pair)
        subprocess.run([PYTHON, "-c", script], stderr=writer, check=True)
        assert select.select([reader], [], [], 10)[0]
        assert os.read(reader, 99).split() == [b"a", b"b", b"c"]
        os.close(reader)
        os.close(writer)
