"""A shell on the machine's consoles for a person who has to look after it; decides neither when nor for how long.

Each console gets a process with a session of its own and the console as its controlling terminal, so that ^C and job
control work. Where root has a password it is what asks for it: `sulogin`, that of busybox, or `login`. Else, and where
none of these is there, it is root's shell. Whoever does not want that (a console that strangers reach) says
`rescue_shell = false` in [init] (`let_in`).
"""

from __future__ import annotations

import gc
import mmap
import os
import re
import signal
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from asyncinit.linux import signals, terminal
from asyncinit.linux.close_range import close_all_but
from asyncinit.linux.oom_score import own_score
from asyncinit.machine.consoles import ACTIVE, active
from asyncinit.machine.let_in import read_text, refused

_FOLDERS = ("/sbin", "/usr/sbin", "/bin", "/usr/bin")
_ASKING = (("sulogin",), ("login", "root"))
"""What asks for root's password, as words; the first that is there is taken, as a program of its own or busybox's."""
_SHELLS = ("/bin/sh", "/bin/bash", "/bin/ash", "/usr/bin/sh")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOCKED = ("!", "*")
UNATTENDED = 30.0
"""Seconds until a machine is rebooted at which nobody can be let in: long enough to read why."""
LEAST = 2.0
"""Seconds from the start of a shell until the boot goes on: one that ends at once must not make a boot that spins."""
_UNASKED = "root has a password, but nothing here asks for it: there is neither sulogin nor login.\n\n"


class Program(NamedTuple):
    """What is executed: `path` with `words`; `note` is what a person should know of that."""

    path: str
    words: tuple[str, ...]
    note: str = ""


def consoles(path: str = ACTIVE) -> list[str]:
    """Return the devices of the consoles that the kernel writes to, the first of them the last of `console=`."""
    places = [f"/dev/{name}" for name in reversed(active(path) or ())]
    return [place for place in places if os.path.exists(place)] or ["/dev/console"]


def program(root: str = "/") -> Program | None:
    """Return what lets a person in; None: the configuration says that nobody is, or there is no shell."""
    if refused(root):
        return None
    name, password, shell = _root(root)
    note = ""
    if name and password and not password.startswith(_LOCKED):
        if (asking := _asking(root)) is not None:
            return asking
        note = _UNASKED
    for path in (shell, *_SHELLS):
        if path and os.access(root + path, os.X_OK):
            return Program(path, (f"-{os.path.basename(path)}",), note)  # a login shell: it reads /etc/profile
    return None


def _asking(root: str) -> Program | None:
    """Return what asks for root's password, None where nothing does."""
    boxes = [path for folder in _FOLDERS if os.access(root + (path := f"{folder}/busybox"), os.X_OK)]
    for words in _ASKING:
        for folder in _FOLDERS:
            path = f"{folder}/{words[0]}"
            if os.access(root + path, os.X_OK):
                return Program(path, (path, *words[1:]))
        for path in boxes:
            if _has_applet(root + path, words[0]):
                return Program(path, ("busybox", *words))
    return None


def _has_applet(path: str, name: str) -> bool:
    """Tell whether a busybox can do that: the names of its applets stand in it one after the other.

    Not every one lists them (`--list` is a feature), and here is no place to wait for a child.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(f"\0{name}\0".encode()) >= 0
    except (OSError, ValueError):
        return False


def start(device: str, what: Program, text: str) -> int:
    """Run a program on a console, below a text that says why; return its pid. Raises OSError.

    As PID 1 it takes the console from everybody else, or two would read what is typed.
    """
    alone = os.getpid() == 1
    with own_score.given_back():
        pid = os.fork()
    if pid == 0:
        _become(device, what, text, alone)
    return pid


def hang_up(pids: Sequence[int]) -> None:
    """End the sessions of such programs, which are our children."""
    for number in (signal.SIGHUP, signal.SIGCONT, signal.SIGKILL):
        for pid in pids:
            try:
                os.killpg(pid, number)
            except OSError:
                pass


def take(device: str, alone: bool) -> None:
    """Make a console the controlling terminal of our session, which has none, and our standard descriptors.

    `alone`: whoever else had it open has it no more. Raises OSError.
    """
    fd = _open(device)
    terminal.make_controlling(fd, steal=os.geteuid() == 0)
    if alone:
        fd = _taken_from_all(device, fd)
    _make_sane(fd)
    for number in (0, 1, 2):
        os.dup2(fd, number)


def _taken_from_all(device: str, fd: int) -> int:
    """Return the console opened anew, after it was taken from everybody; as it is, where that cannot be."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # we are among those that it is taken from
    try:
        terminal.hang_up()
        fd = _open(device)
        terminal.make_controlling(fd, steal=True)
    except OSError:
        pass
    # A blocked signal is kept whatever is set for it, but setting this drops it (signal(7)).
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return fd


def _become(device: str, what: Program, text: str, alone: bool) -> NoReturn:
    try:
        gc.disable()  # no destructor of what our parent has open may run here
        os.setsid()
        take(device, alone)
        close_all_but()
        if alone:
            _see_processes()
        os.write(1, (text + what.note).encode(errors="replace"))
        os.chdir("/root" if os.path.isdir("/root") else "/")
        signals.reset_in_child()
        os.execve(what.path, what.words, environment(device, what))
    except BaseException as error:
        try:
            os.write(2, f"asyncinit: cannot run {what.path} on {device}: {error}\n".encode(errors="replace"))
        except OSError:
            pass
    finally:
        os._exit(127)


def _see_processes() -> None:
    """Mount /proc, where no early step has yet: many programs need it, and our own know PID 1 by it."""
    try:
        from asyncinit.linux import file_systems

        if not file_systems.is_mounted("/proc"):
            file_systems.mount("proc", "/proc", file_systems.NOSUID | file_systems.NODEV | file_systems.NOEXEC)
    except (ImportError, SyntaxError, OSError):
        pass  # a shell without it is better than none


def _open(device: str) -> int:
    """Open a console; where that cannot be, because /dev is not there yet, take the one that the kernel gave us."""
    try:
        fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)  # a serial line would wait for its carrier
    except OSError:
        if not os.isatty(0):
            raise
        return 0
    os.set_blocking(fd, True)
    return fd


def environment(device: str, what: Program) -> dict[str, str]:
    """Return what a shell on that console has in its environment."""
    screen = re.fullmatch(r"/dev/(tty\d+|console)", device)
    return {
        "HOME": "/root",
        "LOGNAME": "root",
        "USER": "root",
        "PATH": _PATH,
        "SHELL": what.path,
        "TERM": os.environ.get("TERM") or ("linux" if screen else "vt220"),
    }


def _make_sane(fd: int) -> None:
    """Have the terminal show what is typed, whatever was there before has made of it."""
    import termios

    try:
        flags = termios.tcgetattr(fd)
        flags[0] = (flags[0] | termios.ICRNL | termios.IXON) & ~(termios.INLCR | termios.IGNCR)
        flags[1] |= termios.OPOST | termios.ONLCR
        flags[2] |= termios.CREAD
        flags[3] |= termios.ISIG | termios.ICANON | termios.ECHO | termios.ECHOE | termios.ECHOK | termios.IEXTEN
        termios.tcsetattr(fd, termios.TCSANOW, flags)
    except termios.error:
        pass  # it is no terminal in the full sense; the shell may do all the same


def _root(root: str) -> tuple[str, str, str]:
    """Return root's name, password and shell, as far as they are known."""
    fields = _line(root, "etc/passwd")
    if len(fields) < 7:
        return "", "", ""
    password = fields[1]
    if password == "x":
        shadow = _line(root, "etc/shadow")
        password = shadow[1] if len(shadow) > 1 else ""
    return fields[0], password, fields[6]


def _line(root: str, path: str) -> list[str]:
    for line in read_text(root, path).splitlines():
        if line.startswith("root:"):
            return line.split(":")
    return []
