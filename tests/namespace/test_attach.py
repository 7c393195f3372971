"""A person's terminal joined to that of a service, under a real PID 1."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.joined import Joined
from tests.namespace.init import Init
from tests.support import PYTHON, wait_until

pytestmark = [pytest.mark.namespace, pytest.mark.parametrize("loop", LOOPS)]

# Reads lines, answers them, tells its size when asked and when it changes, and ends with a number.
CONSOLE = """
import os, signal, sys
def size(*_):
    print("size", *os.get_terminal_size(), flush=True)
signal.signal(signal.SIGWINCH, size)
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
print("hello on", os.environ.get("TERM"), flush=True)
while True:
    print("> ", end="", flush=True)
    try:
        line = input()
    except EOFError:
        break
    if line == "size":
        size()
    elif line.startswith("exit"):
        sys.exit(int(line.split()[1]))
    elif line == "flood":
        for _ in range(40000):
            print("x" * 99)
        print("flooded", flush=True)
    else:
        print("you said", line[::-1], flush=True)
"""
RESTARTS = 'restart = { policy = "on-failure", delay = "50ms" }\n'


def console(folder: Path, more: str = "tty = true\n") -> str:
    """Return a service that is a console."""
    (folder / "console.py").write_text(CONSOLE)
    return f'command = ["{PYTHON}", "{folder}/console.py"]\n{more}'


def joined(init: Init, *words: str) -> Joined:
    """Run a command of asyncinit on a terminal of its own."""
    environment = {**init.environment, "TERM": "xterm-test"}
    return Joined([PYTHON, "-m", "asyncinit", "--socket", str(init.socket), *words], environment, str(init.folder))


def test_a_terminal_is_joined(tmp_path: Path, loop: str) -> None:
    """What was written before is shown, what is typed goes in, the size is that of the window; the log has it all; the
    keys leave it, the terminal is as it was, and the service goes on."""
    with Init(tmp_path, {"web": console(tmp_path)}, loop=loop) as init:
        wait_until(lambda: "hello" in "".join(init.lines("web")))
        with joined(init, "attach", "web") as person:
            person.until("hello on .*> ")
            person.type("abc\r")
            person.until("you said cba")
            person.type("size\r")
            person.until("size 100 30")
            assert person.is_raw
            person.resize(40, 132)
            os.kill(person.pid, signal.SIGWINCH)
            person.until("size 132 40")
            person.type(b"\x03")
            person.until("interrupted")
            person.type(b"\x10\x11")
            assert person.wait() == 0
            assert "left web, which goes on" in person.shown.decode()
            assert person.settings == person.before
        assert "you said cba" in init.lines("web")
        assert init.status()["web"]["state"] == "ready"
        assert init.call("shutdown").returncode == 0
        assert init.wait() == 0


def test_the_end_of_the_service_is_its_end(tmp_path: Path, loop: str) -> None:
    """Its exit status is the command's; over a restart one stays joined, and is told of it."""
    with Init(tmp_path, {"web": console(tmp_path, f"tty = true\n{RESTARTS}")}, loop=loop) as init:
        init.wait_state("web", "ready")
        with joined(init, "attach", "web") as person:
            person.until("> ")
            person.type("exit 3\r")
            person.until(r"\[web: exited with 3; restart 1 in .*\]")
            person.until("hello")
            person.type("size\r")
            person.until("size 100 30")
            assert init.call("restart", "web").returncode == 0
            person.until(r"\[web: stopping\]")
            person.until("hello.*> ")
            person.type("exit 0\r")
            assert person.wait() == 0
            assert "web: completed" in person.shown.decode()


def test_who_can_be_joined(tmp_path: Path, loop: str) -> None:
    """Without a terminal, without running, without being there: each is refused, and told what to do."""
    services = {"plain": 'command = ["sleep", "3600"]\n', "off": console(tmp_path, "tty = true\nenabled = false\n")}
    with Init(tmp_path, services, loop=loop) as init:
        init.wait_state("plain", "ready")
        done = init.call("attach", "plain")
        assert (done.returncode, "set tty = true" in done.stderr) == (1, True)
        done = init.call("attach", "off")
        assert (done.returncode, "asyncinit start --attach off" in done.stderr) == (1, True)
        assert init.call("attach", "offf").returncode == 3
        done = init.call("start", "--attach", "plain")
        assert (done.returncode, "runs already" in done.stderr) == (1, True)
        assert init.call("start", "--attach").returncode == 2
        assert init.call("attach", "plain", "--detach-keys", "strg-x").returncode == 2


def test_a_oneshot_in_the_foreground(tmp_path: Path, loop: str) -> None:
    """With what it needs, on a terminal of its own though none is declared, of the person's kind; its exit status is
    the command's, and its output is in the log too."""
    once = console(tmp_path, 'type = "oneshot"\nenabled = false\nrequires = ["db"]\n')
    services = {"db": 'command = ["sleep", "3600"]\nenabled = false\n', "once": once, "other": console(tmp_path)}
    with Init(tmp_path, services, loop=loop) as init:
        init.wait_state("other", "ready")
        for code in (7, 0):
            with joined(init, "start", "--attach", "once") as person:
                person.until("hello on xterm-test.*> ")
                person.type("size\r")
                person.until("size 100 30")
                person.type(f"exit {code}\r")
                assert person.wait() == code
                assert person.settings == person.before
        assert init.status()["db"]["state"] == "ready"
        assert "hello on xterm-test" in init.lines("once")
        assert init.call("start", "once", "--no-wait").returncode == 0
        init.wait_state("once", "completed", 2)
        assert [line for line in init.lines("once") if "hello" in line][-1] != "hello on xterm-test"


def test_a_oneshot_in_a_pipeline(tmp_path: Path, loop: str) -> None:
    """Without a terminal what is piped in is typed, its end is the end of input, and lines end as files have it. What
    comes before the service runs waits for that."""
    hook = 'hooks.pre_start = [["sh", "-c", "until [ -e go ]; do sleep 0.05; done"]]\n'
    once = console(tmp_path, 'type = "oneshot"\nenabled = false\n' + hook)
    with Init(tmp_path, {"once": once, "stays": 'command = ["sleep", "3600"]\n'}, loop=loop) as init:
        init.wait_state("stays", "ready")
        words = f"'{PYTHON}' -m asyncinit --socket '{init.socket}' start --attach once"
        init.environment["TERM"] = "dumb"
        with Joined(
            ["/bin/sh", "-c", f"echo abc | {words} > out; echo status $?"], init.environment, str(tmp_path)
        ) as sh:
            init.wait_state("once", "starting")
            assert init.call("reexec").returncode == 0
            (tmp_path / "go").touch()
            sh.until("status 0")
        text = (tmp_path / "out").read_bytes()
        assert b"you said cba\n" in text and b"\r" not in text


def test_a_pipeline_ends_with_the_process_that_has_read_it(tmp_path: Path, loop: str) -> None:
    """A service that is started again has nothing more to read: whoever piped into it is done, and it is not."""
    services = {"repl": console(tmp_path, "enabled = false\n"), "stays": 'command = ["sleep", "3600"]\n'}
    with Init(tmp_path, services, loop=loop) as init:
        init.wait_state("stays", "ready")
        words = f"'{PYTHON}' -m asyncinit --socket '{init.socket}' start --attach repl"
        line = f"echo abc | {words} > out; echo status $?"
        with Joined(["/bin/sh", "-c", line], init.environment, str(tmp_path)) as sh:
            sh.until("status 0")
        assert b"you said cba\n" in (tmp_path / "out").read_bytes()
        init.wait_state("repl", "ready", 2)


def test_what_fails_before_it_runs(tmp_path: Path, loop: str) -> None:
    """The reason is told, and the exit status is no success."""
    services = {
        "db": 'command = ["false"]\nenabled = false\nrestart = "never"\nready.file = "/nowhere/x"\n',
        "once": console(tmp_path, 'type = "oneshot"\nenabled = false\nrequires = ["db"]\n'),
        "stays": 'command = ["sleep", "3600"]\n',
    }
    with Init(tmp_path, services, loop=loop) as init:
        init.wait_state("stays", "ready")
        with joined(init, "start", "--attach", "once") as person:
            assert person.wait() == 1
            assert "requires db, which has failed" in person.shown.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_as_it_was(tmp_path: Path, loop: str, number: int) -> None:
    """Whatever ends the client but SIGKILL; what the service has switched on in the terminal is off again."""
    program = r"printf '\033[?1049h\033[?25l\033[?2004h'; exec sleep 3600"
    text = f"command = '''{program}'''\nshell = true\ntty = true\n"
    with Init(tmp_path, {"web": text}, loop=loop) as init:
        init.wait_state("web", "ready")
        with joined(init, "attach", "web") as person:
            wait_until(lambda: person.is_raw)
            os.kill(person.pid, number)
            assert person.wait() == -number
            assert person.settings == person.before
        assert init.status()["web"]["state"] == "ready"


def test_several_clients_and_one_that_does_not_read(tmp_path: Path, loop: str) -> None:
    """All see the same, and what is not read holds up neither the service, nor asyncinit, nor the others."""
    with Init(tmp_path, {"web": console(tmp_path)}, loop=loop) as init:
        init.wait_state("web", "ready")
        with joined(init, "attach", "web") as one, joined(init, "attach", "web") as other:
            one.until("> ")
            other.until("> ")
            os.kill(other.pid, signal.SIGSTOP)
            one.type("flood\r")
            wait_until(lambda: "flooded" in init.lines("web") or one.read(), 60)
            one.until("flooded|read in time")
            assert init.call("status").returncode == 0
            os.kill(other.pid, signal.SIGCONT)
            other.until(r"\[\d+ bytes were left out: they were not read in time\]", 60)
            other.type("abc\r")
            one.until("you said cba")
            other.until("you said cba")
            os.kill(other.pid, signal.SIGKILL)
            one.type("def\r")
            one.until("you said fed")


def test_one_who_types_what_is_not_read(tmp_path: Path, loop: str) -> None:
    """A megabyte that is pasted into a service that reads nothing holds up that client alone."""
    text = "command = 'stty raw; exec sleep 3600'\nshell = true\ntty = true\n"
    with Init(tmp_path, {"web": text}, loop=loop) as init:
        init.wait_state("web", "ready")
        with joined(init, "attach", "web") as person:
            wait_until(lambda: person.is_raw)
            os.set_blocking(person.master, False)
            written = 0
            end = time.monotonic() + 2
            while written < 1 << 20 and time.monotonic() < end:
                try:
                    written += os.write(person.master, b"x" * 4096)
                except BlockingIOError:
                    time.sleep(0.01)
            assert init.call("status").returncode == 0
            assert init.call("stop", "web").returncode == 0
            person.wait()
            assert person.settings == person.before


def test_a_reexec_is_not_noticed(tmp_path: Path, loop: str) -> None:
    """The joined terminal goes on, with what is typed meanwhile, and with what is written."""
    with Init(tmp_path, {"web": console(tmp_path)}, loop=loop) as init:
        init.wait_state("web", "ready")
        with joined(init, "attach", "web") as person:
            person.until("> ")
            for number in range(3):
                assert init.call("reexec").returncode == 0
                person.type(f"abc{number}\r")
                person.until(f"you said {number}cba")
            person.resize(40, 132)
            os.kill(person.pid, signal.SIGWINCH)
            person.until("size 132 40")
            person.type("exit 5\r")
            person.until(r"\[web: exited with 5")
            person.until("hello")
            person.type(b"\x10\x11")
            assert person.wait() == 0


def test_a_debugger_stays_joined_while_the_program_is_changed(tmp_path: Path, loop: str) -> None:
    """A service that restarts when its files change, or has failed and is mended: the person stays where they are."""
    more = 'tty = true\nrestart = "never"\nwatch = { paths = "console.py", debounce = "50ms" }\n'
    with Init(tmp_path, {"web": console(tmp_path, more)}, loop=loop) as init:
        wait_until(lambda: init.status().get("web", {"watch": {}})["watch"].get("watching"), 30)
        with joined(init, "attach", "web") as person:
            person.until("> ")
            (tmp_path / "console.py").write_text("raise SystemExit(9)")
            person.until(r"\[web: restarting: console.py changed\]")
            person.until(r"\[web: failed: exited with 9\]")
            (tmp_path / "console.py").write_text(CONSOLE)
            person.until("hello.*> ")
            person.type("abc\r")
            person.until("you said cba")


def test_it_is_stopped_and_continued_as_a_job(tmp_path: Path, loop: str) -> None:
    """A SIGTSTP from elsewhere gives the terminal back until it is continued."""
    with Init(tmp_path, {"web": console(tmp_path)}, loop=loop) as init:
        init.wait_state("web", "ready")
        with joined(init, "attach", "web") as person:
            person.until("> ")
            os.kill(person.pid, signal.SIGTSTP)
            wait_until(lambda: not person.is_raw)
            wait_until(lambda: "T (stopped)" in Path(f"/proc/{person.pid}/status").read_text())
            os.kill(person.pid, signal.SIGCONT)
            wait_until(lambda: person.is_raw)
            person.type("abc\r")
            person.until("you said cba")
