"""What is left on a machine without asyncinit: a shell on the console that is a real one, reaping, and the way out."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncinit.linux.reboot import How
from asyncinit.machine import console_shell, stand_in
from asyncinit.machine.console_shell import Program
from tests.support import ROOT, wait_until

PATIENCE = 20.0


class Console:
    """A program that stands in on a terminal of ours."""

    def __init__(self, shell: str = "/bin/sh", *more: str) -> None:
        self.master, self._slave = os.openpty()
        program = str(ROOT / "tests/programs/stands_in.py")
        self.process = subprocess.Popen(
            [sys.executable, program, os.ttyname(self._slave), shell, *more],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout is not None
        self.orphan = int(self.process.stdout.readline().split()[1])
        self.shown = ""

    def type(self, line: str) -> None:
        os.write(self.master, f"{line}\n".encode())

    def expect(self, text: str) -> str:
        """Read until `text` is shown; return all that was shown since the last such wait."""
        end = time.monotonic() + PATIENCE
        while text not in self.shown and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 4096).decode(errors="replace")
        before, found, self.shown = self.shown.partition(text)
        assert found, before
        return before

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self.master)
        os.close(self._slave)

    def rest(self) -> str:
        self.process.wait(timeout=PATIENCE)
        assert self.process.stdout is not None
        return self.process.stdout.read()  # `communicate` would miss what came together with the first line


@pytest.fixture
def console() -> Iterator[Console]:
    console = Console()
    yield console
    console.close()


def test_a_person_has_a_whole_shell_and_is_told_why(console: Console) -> None:
    """In a session of its own with the console as its terminal, so that ^C ends what runs in it and not the shell."""
    console.expect("the reason")
    console.type("echo leads $(ps -o sid= -p $$) $$; tty; echo $HOME $PATH")
    line = console.expect("/dev/pts/").split("leads", 2)[-1].split()
    assert line[0] == line[1]
    console.type("sleep 1000; echo inter''rupted")
    wait_until(lambda: "sleep" in children(line[0]))
    os.write(console.master, b"\x03")
    console.type("echo still''here")
    console.expect("stillhere")
    console.type("exit")
    assert console.rest() == "over\n"


def children(pid: str) -> list[str]:
    """The names of a process's children."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/comm").read_text().strip() for child in found]


def test_orphans_are_reaped_meanwhile(console: Console) -> None:
    """It is PID 1 that waits: nothing of others stays a zombie."""
    console.expect("the reason")
    wait_until(lambda: not Path(f"/proc/{console.orphan}").exists())


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGINT, How.RESTART),
        (signal.SIGTERM, How.RESTART),
        (signal.SIGUSR1, How.HALT),
        (signal.SIGUSR2, How.POWER_OFF),
        (signal.SIGRTMIN + 3, How.HALT),
        (signal.SIGRTMIN + 4, How.POWER_OFF),
        (signal.SIGRTMIN + 5, How.RESTART),
    ],
)
def test_the_usual_commands_end_the_machine(console: Console, number: int, how: How) -> None:
    """What reboot, poweroff and halt send to PID 1, and ctrl-alt-del; the shell is ended."""
    console.expect("the reason")
    console.process.send_signal(number)
    assert console.rest() == f"order: {how.name}\n"


def test_other_signals_change_nothing(console: Console) -> None:
    """A hang-up is no wish."""
    console.expect("the reason")
    console.process.send_signal(signal.SIGHUP)
    console.process.send_signal(signal.SIGALRM)
    console.type("echo here''too")
    console.expect("heretoo")


def test_for_good_the_shell_comes_back() -> None:
    """Whoever leaves it is not locked out; the text comes with each."""
    console = Console("/bin/sh", "respawn")
    try:
        for _ in range(3):
            console.expect("the reason")
            console.type("exit")
        console.expect("the reason")
    finally:
        console.close()


def test_a_shell_that_cannot_run_says_so_and_does_not_spin() -> None:
    """With nothing to run the wait is over, and there is a word about it on the console."""
    console = Console("/nonexistent/sh")
    try:
        console.expect("asyncinit: cannot run /nonexistent/sh")
        assert console.rest() == "over\n"
    finally:
        console.close()


# ---------------------------------------------------------------------------------------------------------------------
# Who is let in


def root_of(folder: Path, password: str = "x", shadow: str | None = "root:*:1::::::\n", **files: str) -> str:
    """A root file system with root's account, a shell and sulogin."""
    programs = {"bin/sh": "", "sbin/sulogin": ""}
    texts = {"etc/passwd": f"root:{password}:0:0:root:/root:/bin/sh\n", **programs, **files}
    if shadow is not None:
        texts["etc/shadow"] = shadow
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return f"{folder}/"


@pytest.mark.parametrize("shadow", ["root:$y$j9T$abc:1::::::\n", "daemon:*:1::::::\nroot:abc:1::::::\n"])
def test_whoever_has_a_password_is_asked_for_it(tmp_path: Path, shadow: str) -> None:
    """sulogin does that."""
    assert console_shell.program(root_of(tmp_path, shadow=shadow)) == Program("/sbin/sulogin", ("/sbin/sulogin",))


def _busybox(*applets: str) -> str:
    return "ELF\0[\0" + "\0".join(applets) + "\0zcat\0"


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ({"usr/bin/busybox": _busybox("login", "sulogin"), "bin/login": ""}, ("/usr/bin/busybox", "busybox sulogin")),
        ({"bin/busybox": _busybox("login", "nologin"), "bin/login": ""}, ("/bin/login", "/bin/login root")),
        ({"bin/busybox": _busybox("login", "nologin")}, ("/bin/busybox", "busybox login root")),
    ],
)
def test_without_sulogin_others_ask_for_it(tmp_path: Path, programs: dict[str, str], found: tuple[str, str]) -> None:
    """That of busybox where it has one, then login: whoever has a password is never let in without."""
    root = root_of(tmp_path, shadow="root:abc:1::::::\n", **programs)
    (tmp_path / "sbin/sulogin").unlink()
    assert console_shell.program(root) == Program(found[0], (*found[1].split(),))


def test_where_nothing_asks_for_it_that_is_said(tmp_path: Path) -> None:
    """A machine that can neither boot nor be entered would be a brick."""
    root = root_of(tmp_path, shadow="root:abc:1::::::\n", **{"bin/busybox": _busybox("nologin"), "sbin/busybox": ""})
    (tmp_path / "sbin/sulogin").unlink()
    what = console_shell.program(root)
    assert what is not None
    assert (what.path, what.words) == ("/bin/sh", ("-sh",))
    assert "root has a password, but nothing here asks for it" in what.note


@pytest.mark.parametrize(
    "shadow", ["root:*:1::::::\n", "root:!:1::::::\n", "root:!$y$abc:1:::\n", "root::1:::\n", None]
)
def test_without_a_password_there_is_nothing_to_ask_for(tmp_path: Path, shadow: str | None) -> None:
    """sulogin would let nobody in then."""
    assert console_shell.program(root_of(tmp_path, shadow=shadow)) == Program("/bin/sh", ("-sh",))


def test_roots_own_shell_is_taken_where_it_is_there(tmp_path: Path) -> None:
    """Else one of the usual ones, so that a broken account lets in all the same."""
    root = root_of(tmp_path)
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/zsh\n")
    assert console_shell.program(root) == Program("/bin/sh", ("-sh",))
    (tmp_path / "bin/zsh").write_text("")
    (tmp_path / "bin/zsh").chmod(0o755)
    assert console_shell.program(root) == Program("/bin/zsh", ("-zsh",))
    (tmp_path / "etc/passwd").unlink()
    assert console_shell.program(root) == Program("/bin/sh", ("-sh",))


_FILE = "etc/asyncinit/asyncinit.toml"
_REFUSING = [
    "[init]\nrescue_shell = false\n",
    "init.rescue_shell = false",
    "init = { rescue_shell = false }",
    'init = { start = ["#"], rescue_shell = false }',
    '[init]\n"rescue_shell" = false\n',
    "[init]\n'rescue_shell'=false\n",
    '["init"]\nrescue_shell = "no"\n',  # whatever else it is, it is no yes
]
_LETTING = [
    "[init]\nrescue_shell = true\n",
    "# rescue_shell = false\n",
    "[services.app]\ncommand = 'x'\n[services.app.environment]\nrescue_shell = 'false'\n",
    "broken [\n# rescue_shell = false\n",
    "broken [\nrescue_shell = true",
    "",
]


@pytest.mark.parametrize("text", [*_REFUSING, *(f"{text}\nbroken [" for text in _REFUSING)])
def test_nobody_is_let_in_where_that_is_said(tmp_path: Path, text: str) -> None:
    """In whatever way a sound file says so; and by any line of a file that is broken."""
    assert console_shell.program(root_of(tmp_path, **{_FILE: text})) is None


@pytest.mark.parametrize("text", _LETTING)
def test_else_they_are(tmp_path: Path, text: str) -> None:
    """Also where those are words of somebody else's."""
    assert console_shell.program(root_of(tmp_path, **{_FILE: text})) is not None


@pytest.mark.parametrize(
    "files",
    [
        {"proc/cmdline": "console=ttyS0 -- --config /data/own.toml\n"},
        {"proc/cmdline": "console=ttyS0\n", "proc/1/cmdline": "python3\0/sbin/init\0boot\0--config=/data/own.toml\0"},
    ],
)
def test_the_file_in_force_counts(tmp_path: Path, files: dict[str, str]) -> None:
    """That which the kernel's command line names, or the arguments of PID 1; not that of the usual place."""
    no, yes = "[init]\nrescue_shell = false\n", "[init]\nrescue_shell = true\n"
    refusing, letting = tmp_path / "refusing", tmp_path / "letting"
    assert console_shell.program(root_of(refusing, **files, **{_FILE: yes, "data/own.toml": no})) is None
    assert console_shell.program(root_of(letting, **files, **{_FILE: no, "data/own.toml": yes})) is not None


def test_that_is_found_out_without_msgspec() -> None:
    """What stands in is for a machine on which it may be broken."""
    code = (
        "import sys; sys.modules['msgspec'] = None\n"
        "from asyncinit.machine import let_in, stand_in\n"
        "print(let_in.command_line.understand('quiet -- --config /own.toml').config)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "/own.toml\n"


def test_every_console_of_the_kernel_has_one(tmp_path: Path) -> None:
    """The last of `console=` comes first; what has no device is left out."""
    active = tmp_path / "active"
    active.write_text("null zero nothinglikeit\n")
    assert console_shell.consoles(str(active)) == ["/dev/zero", "/dev/null"]
    assert console_shell.consoles(str(tmp_path / "none")) == ["/dev/console"]


def test_a_line_is_never_waited_for() -> None:
    """A reader that takes nothing costs the line, not our time."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 65536)
    except BlockingIOError:
        os.set_blocking(writer, True)
    before = os.dup(2)
    try:
        os.dup2(writer, 2)
        stand_in.say("nobody reads this")
    finally:
        os.dup2(before, 2)
        for fd in (before, reader, writer):
            os.close(fd)
