"""What the tests of `-- CMD` share: the wrapper as a child, as PID 1 or not, on pipes or on a terminal of its own."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

from tests.support import PROGRAMS, PYTHON, wait_until

WRAP = [PYTHON, "-I", "-S", str(PROGRAMS / "wrap.py")]
RECORDER = [PYTHON, "-I", "-S", str(PROGRAMS / "recorder.py")]
ON_TERMINAL = [PYTHON, "-I", "-S", str(PROGRAMS / "on_terminal.py")]
PATIENCE = 20.0


def as_pid1(command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` as PID 1 of a fresh PID namespace, which ends with it."""
    program = [shutil.which("unshare") or "unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]
    if os.geteuid() != 0:
        program += ["--user", "--map-root-user"]
    return [*program, "--", *command]


def children(pid: int) -> list[int]:
    """Return the pids of the children of `pid`."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        if stat(int(name))[1] == str(pid):
            found.append(int(name))
    return found


def descendants(pid: int) -> list[int]:
    """Return the pids of all below `pid`."""
    below = children(pid)
    return below + [further for child in below for further in descendants(child)]


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name: state, parent, group, session...; of a dead one "", ""."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return ["", ""]


def is_stopped(pid: int) -> bool:
    """Tell whether the process is stopped by a signal."""
    return stat(pid)[0] == "T"


def is_gone(pid: int) -> bool:
    """Tell whether the process has ended (it may be a zombie)."""
    return stat(pid)[0] in ("", "Z", "X")


def blocks(pid: int, number: int) -> bool:
    """Tell whether a Python has blocked a signal. Within sigwaitinfo(2) it has, though its mask is shown as empty.

    Only a Python: unshare(1), which is the same process before, blocks some for a moment as well.
    """
    try:
        with open(f"/proc/{pid}/status") as status, open(f"/proc/{pid}/wchan") as channel:
            mask = int(status.read().partition("SigBlk:")[2].split()[0], 16)
            blocked = bool(mask >> (number - 1) & 1) or "sigtimedwait" in channel.read()
            return blocked and "python" in os.readlink(f"/proc/{pid}/exe")
    except (OSError, IndexError):
        return False


class Output:
    """What comes out of a descriptor, awaited piece by piece."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.text = ""
        self.ended = False

    def read(self, timeout: float = 0.0) -> None:
        """Take what is there, waiting at most `timeout` seconds for the first of it."""
        while not self.ended and select.select([self.fd], [], [], timeout)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # EIO: the terminal's other end is closed
                data = b""
            self.ended = not data
            self.text += data.decode(errors="replace").replace("\r\n", "\n")
            timeout = 0.0

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until `pattern` (a regular expression) is in the output; drop all up to its end."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.text, re.MULTILINE)):
            if self.ended or time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} does not come after {self.text!r}")
            self.read(0.1)
        self.text = self.text[match.end() :]
        return match

    def rest(self) -> str:
        """Wait for the end of the output and return what was not expected yet."""
        deadline = time.monotonic() + PATIENCE
        while not self.ended:
            assert time.monotonic() < deadline, f"the output does not end after {self.text!r}"
            self.read(0.1)
        return self.text


class Wrapped:
    """A running wrapper; `out` is what it and CMD write to standard output and error."""

    def __init__(self, process: subprocess.Popen[bytes], out: Output, keyboard: int = -1, below: bool = False) -> None:
        self.process = process
        self.out = out
        self.keyboard = keyboard
        self._below = below
        self._pid = 0

    @property
    def pid(self) -> int:
        """The wrapper's own pid as we see it: the process that we started, or (as PID 1) its child."""
        if not self._pid:
            self._pid = wait_until(lambda: children(self.process.pid))[0] if self._below else self.process.pid
        return self._pid

    def signal(self, number: int) -> None:
        """Send a signal to the wrapper alone."""
        os.kill(self.pid, number)

    def type(self, text: str) -> None:
        """Write to the terminal as a keyboard does."""
        os.write(self.keyboard, text.encode())

    def wait(self) -> int:
        """Wait for the end; return the exit code, or -n for signal n."""
        return self.process.wait(PATIENCE)

    def cmd(self) -> int:
        """Return the pid of CMD as we see it."""
        return wait_until(lambda: children(self.pid))[0]


@contextlib.contextmanager
def wrapped(
    *command: str,
    options: Sequence[str] = (),
    pid1: bool = False,
    terminal: bool = False,
    container: bool = False,
    **popen: object,
) -> Iterator[Wrapped]:
    """Run the wrapper with `command` as CMD; at the end nothing of it is left.

    With `container` it is PID 1 and leads the session of the terminal, as with `docker run -it`.
    """
    line = [*WRAP, *options, "--", *command]
    if container:
        line = [*ON_TERMINAL, "--new-session", *line]
    pid1 = pid1 or container
    line = as_pid1(line) if pid1 else line
    with running(line, terminal=terminal or container, controlling=not container, below=pid1, **popen) as run:
        yield run


@contextlib.contextmanager
def running(
    line: Sequence[str], *, terminal: bool = False, controlling: bool = True, below: bool = False, **popen: object
) -> Iterator[Wrapped]:
    """Run a command line in a session of its own, with `terminal` on a new pseudo-terminal (that controls it)."""
    if terminal:
        ours, theirs = pty.openpty()
        wanted = {"stdin": theirs, "stdout": theirs, "stderr": theirs} | popen
        line = [*ON_TERMINAL, *line] if controlling else line
    else:
        ours, theirs = os.pipe()
        wanted = {"stdin": subprocess.DEVNULL, "stdout": theirs, "stderr": theirs} | popen
    process = subprocess.Popen(line, start_new_session=True, **wanted)  # type: ignore[call-overload]
    os.close(theirs)
    try:
        yield Wrapped(process, Output(ours), ours, below)
    finally:
        end_all(process)
        with contextlib.suppress(OSError):
            os.close(ours)


def end_all(process: subprocess.Popen[bytes]) -> None:
    """Kill the leader of a session with all below it and all in its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)  # it stays the parent of what becomes an orphan meanwhile
    session = str(process.pid)
    while True:
        everybody = map(int, filter(str.isdigit, os.listdir("/proc")))
        inside = {pid for pid in everybody if stat(pid)[3:4] == [session]} | set(descendants(process.pid))
        inside = {pid for pid in inside - {process.pid} if not is_gone(pid)}
        if not inside:
            break
        for pid in inside:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
