"""The commands as whole processes, against a server whose services exist only here."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asyncinit.config.spec import PowerAction
from asyncinit.control.types import SystemState
from asyncinit.core.status import State
from tests.fake_operations import Running, running_server, service
from tests.support import PYTHON, ROOT, wait_until

COMMAND = [PYTHON, "-m", "asyncinit"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A server with three services, all ready. The loop makes no difference to a client."""
    loop = asyncio.new_event_loop()
    with running_server(loop, str(tmp_path / "control.sock"), "db", "web", "web2") as server:
        yield server
    loop.close()


def environment(address: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ASYNCINIT_SOCKET": address,
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        **more,
    }


def asyncinit(running: Running, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, its output in pipes."""
    return subprocess.run(
        [*COMMAND, *words],
        env=environment(running.address, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, running: Running, *words: str, **more: str) -> None:
        self._main, side = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *words],
            env=environment(running.address, **more),
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
        )
        os.close(side)
        self.seen = ""

    def read(self) -> None:
        if self._main >= 0 and select.select([self._main], [], [], 0.01)[0]:
            try:
                self.seen += os.read(self._main, 1 << 16).decode(errors="replace")
            except OSError:  # EIO: nobody has the other side any more
                os.close(self._main)
                self._main = -1

    def expect(self, text: str) -> None:
        """Read until `text` was shown."""

        def shown() -> bool:
            self.read()
            return text in self.seen

        wait_until(shown)

    def end(self) -> int:
        """Read to the end and return the exit status."""

        def ended() -> bool:
            self.read()
            return self._main < 0

        wait_until(ended)
        return self.process.wait(20)


@contextmanager
def on_terminal(running: Running, *words: str, **more: str) -> Iterator[Terminal]:
    """A command on a terminal, gone at the end."""
    terminal = Terminal(running, *words, **more)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
        terminal.end()


# ---------------------------------------------------------------------------------------------------------------------
# status


def test_status_is_a_table(running: Running) -> None:
    """In a pipe: aligned, sorted, no escape sequences, and what there is to say at the end of the line."""
    running.operations.services_by_name["db"] = service("db", State.WAITING, waiting_on=["web"])
    done = asyncinit(running, "status")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["NAME", "STATE", "PID", "SINCE", "RESTARTS"]
    assert [line[:2] for line in lines[1:]] == [["db", "waiting"], ["web", "ready"], ["web2", "ready"]]
    assert done.stdout.splitlines()[1].endswith("waits for web")
    assert "\x1b" not in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_status_of_one_is_detailed_and_of_a_pattern_a_table(running: Running) -> None:
    """One name gives what is known of it, with its last lines; a pattern chooses rows."""
    running.call(running.operations.log.add, "web", b"GET / 200")
    one = asyncinit(running, "status", "web").stdout
    assert "file:" in one
    assert "services.d/web.toml" in one
    assert "GET / 200" in one
    rows = asyncinit(running, "status", "web*").stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["web", "web2"]


def test_status_json_is_the_design_s(running: Running) -> None:
    """The whole answer as one JSON object, for all or for some."""
    whole = json.loads(asyncinit(running, "status", "--json").stdout)
    assert whole["asyncinit"]["pid"] == os.getpid()
    assert [one["name"] for one in whole["services"]] == ["db", "web", "web2"]
    assert "last_exit" in whole["services"][0]
    some = json.loads(asyncinit(running, "status", "--json", "web2", "db").stdout)
    assert [one["name"] for one in some["services"]] == ["web2", "db"]


def test_status_ready(running: Running) -> None:
    """0 when all are ready; else 1, and what is not is named; names narrow it."""
    done = asyncinit(running, "status", "--ready")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    running.operations.services_by_name["web"] = service("web", State.STARTING, waiting_on=["tcp 127.0.0.1:80"])
    done = asyncinit(running, "status", "--ready")
    assert done.returncode == 1
    assert "web is starting: waits for tcp 127.0.0.1:80" in done.stderr
    assert asyncinit(running, "status", "--ready", "db").returncode == 0
    assert asyncinit(running, "status", "--ready", "web").returncode == 1


def test_status_loads_no_heavy_modules(running: Running) -> None:
    """What costs time is not loaded: click, rich, asyncio, msgspec, json, typing, dataclasses."""
    done = subprocess.run(
        [PYTHON, "-X", "importtime", "-m", "asyncinit", "status"],
        env=environment(running.address),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    loaded = set(lines[lines.index("site") :])
    assert "asyncinit.cli.status" in loaded
    heavy = {"click", "rich", "asyncio", "msgspec", "json", "socket", "typing", "dataclasses", "subprocess", "re"}
    assert not loaded & heavy


def test_colour_only_where_it_is_wanted(running: Running) -> None:
    """A terminal gets colours, unless NO_COLOR is set or it is dumb."""
    for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        with on_terminal(running, "status", **more) as terminal:
            terminal.expect("web2")
            assert terminal.end() == 0
            assert ("\x1b[32mready" in terminal.seen) == coloured


def test_watch_draws_at_events_and_gives_the_terminal_back(running: Running) -> None:
    """Every event draws the table anew; ^C restores the screen and the cursor."""
    with on_terminal(running, "status", "--watch") as terminal:
        terminal.expect("web2")
        running.operations.services_by_name["db"] = service("db", State.FAILED)
        running.call(running.operations.emit, "db", State.FAILED, "db failed")
        terminal.expect("failed")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
        assert terminal.seen.endswith("\x1b[?25h\x1b[?1049l")


def test_watch_in_a_pipe_is_json_lines(running: Running) -> None:
    """With --json each change is one line; it ends well when asyncinit ends."""
    with subprocess.Popen(
        [*COMMAND, "status", "--watch", "--json"], env=environment(running.address), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["asyncinit"]["state"] == "running"
        running.operations.state = SystemState.STOPPING
        running.call(running.operations.emit, None, None, "stopping")
        assert json.loads(process.stdout.readline())["asyncinit"]["state"] == "stopping"
        running.call(running.server.close)
        assert process.wait(20) == 0


def test_watch_in_a_pipe_says_when_asyncinit_has_ended(running: Running) -> None:
    """The last table is not how things are for ever."""
    with subprocess.Popen(
        [*COMMAND, "status", "--watch"], env=environment(running.address), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        running.operations.state = SystemState.STOPPING
        running.call(running.operations.emit, None, None, "stopping")
        while process.stdout.readline().strip():
            pass
        running.call(running.server.close)
        assert process.stdout.read().endswith("asyncinit has ended\n")
        assert process.wait(20) == 0


@pytest.mark.parametrize("words", ["logs -f", "logs -f web", "events -f --json", "events -f web", "status --watch"])
def test_a_server_that_vanishes_is_no_good_end(running: Running, words: str) -> None:
    """Who follows ends with 3 and a line if asyncinit hangs up without having said that it is shutting down."""
    running.call(running.operations.log.add, "web", b"line")
    running.call(running.operations.emit, "web", State.READY, "ready")
    with subprocess.Popen(
        [*COMMAND, *words.split()],
        env=environment(running.address),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        running.call(running.server.close)
        assert process.stderr.read().startswith("asyncinit: asyncinit hung up")
        assert process.wait(20) == 3


def test_watch_says_why_it_ended(running: Running) -> None:
    """Once the screen is given back, a line stands there."""
    with on_terminal(running, "status", "--watch") as terminal:
        terminal.expect("web2")
        running.call(running.server.close)
        assert terminal.end() == 3
        assert "asyncinit hung up" in terminal.seen.rpartition("\x1b[?1049l")[2]


def test_watch_draws_again_when_continued(running: Running) -> None:
    """After SIGCONT the screen is taken and drawn again."""
    with on_terminal(running, "status", "--watch") as terminal:
        terminal.expect("web2")
        terminal.seen = ""
        terminal.process.send_signal(signal.SIGCONT)
        terminal.expect("\x1b[?1049h")
        terminal.expect("web2")


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    """It is named on stderr, once, and waited for."""
    import socket

    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with subprocess.Popen(
            [*COMMAND, "show", "web"],
            env=environment(path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            client, _ = listener.accept()
            with client:
                assert process.stderr is not None
                assert process.stderr.readline() == f"asyncinit: no answer from {path} (pid {os.getpid()}) yet\n"
                client.sendall(b'{"parameters": {"toml": "late"}}\0')
                assert process.communicate(timeout=20) == ("late\n", "")
        assert process.returncode == 0


@pytest.mark.parametrize("words", [["--socket", ""], ["--socket="]])
def test_an_empty_socket_is_wrong_usage(running: Running, words: list[str]) -> None:
    """It names no place; that of the environment is not taken instead."""
    done = asyncinit(running, *words, "status")
    assert (done.returncode, done.stdout) == (2, "")
    assert "must not be empty" in done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# actions


def test_restart_says_what_comes_back(running: Running) -> None:
    """What else goes down comes up again, and is told so."""
    running.operations.affected = ("db",)
    assert asyncinit(running, "restart", "web").stdout.splitlines()[0] == "also restarts db"


def test_actions_tell_each_service_s_end(running: Running) -> None:
    """One line a service on stdout, what else is affected before, what failed on stderr with the reason; 1 then."""
    running.operations.affected = ("db",)
    done = asyncinit(running, "stop", "web*")
    assert done.stdout.splitlines() == ["also stops db", "web   inactive", "web2  inactive"]
    assert done.returncode == 0
    running.operations.failing = {"web"}
    done = asyncinit(running, "start", "web", "web2")
    assert done.stdout.splitlines() == ["also starts db", "web2  ready"]
    assert done.stderr == "asyncinit: web: failed: exited with 1\n"
    assert done.returncode == 1


def test_actions_show_progress_on_a_terminal(running: Running) -> None:
    """While we wait, a terminal sees what happens."""
    running.operations.hold = {"web"}
    with on_terminal(running, "restart", "--only", "web") as terminal:
        wait_until(lambda: running.operations.jobs)
        running.call(running.operations.emit, "web", State.STOPPING, "stopping")
        terminal.expect("web: stopping")
        assert running.operations.jobs[0].only
        running.call(running.operations.finish, running.operations.jobs[0])
        assert terminal.end() == 0


def test_interrupting_only_ends_the_waiting(running: Running) -> None:
    """^C ends the command with 130; the job is not waited for any more, and nothing else is asked."""
    running.operations.hold = {"web"}
    with on_terminal(running, "start", "web") as terminal:
        wait_until(lambda: running.operations.jobs)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
        assert "Traceback" not in terminal.seen
    wait_until(lambda: running.operations.jobs[0].cancelled)
    assert len(running.operations.jobs) == 1


def test_not_waiting(running: Running) -> None:
    """--no-wait returns while the action is still under way."""
    running.operations.hold = {"web"}
    done = asyncinit(running, "restart", "--no-wait", "web")
    assert (done.returncode, done.stderr) == (0, "")
    assert running.operations.jobs[0].names == ["web"]


def test_all(running: Running) -> None:
    """--all means every service; with names it is refused."""
    assert asyncinit(running, "reload", "--all").returncode == 0
    assert running.operations.jobs[0].names == ["db", "web", "web2"]
    assert asyncinit(running, "reload", "--all", "db").returncode == 2


@pytest.mark.parametrize("spelling", ["USR1", "sigusr1", str(int(signal.SIGUSR1))])
def test_signal(running: Running, spelling: str) -> None:
    """A signal by name or number."""
    assert asyncinit(running, "signal", spelling, "web").returncode == 0
    assert running.operations.signals == [(signal.SIGUSR1, ["web"])]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["start"], 2),
        (["start", "nope"], 3),
        (["start", "nope*"], 3),
        (["show", "nope"], 3),
        (["logs", "nope"], 3),
        (["status", "nope"], 3),
        (["start", "refused"], 1),
        (["signal", "FOO", "web"], 2),
        (["signal", "TERM"], 2),
        (["logs", "-n", "x"], 2),
        (["logs", "--since", "yesterday"], 2),
        (["status", "--nope"], 2),
        (["nope"], 2),
        (["--socket", "/nonexistent/s", "status"], 3),
    ],
)
def test_exit_statuses(running: Running, words: list[str], status: int) -> None:
    """Usage 2, not there 3, refused 1; the reason in words on stderr, nothing on stdout."""
    running.operations.services_by_name["refused"] = service("refused")
    done = asyncinit(running, *words)
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_near_miss_is_suggested(running: Running) -> None:
    """A name that is almost right gets the right one shown."""
    assert "did you mean web?" in asyncinit(running, "start", "wev").stderr


def test_show(running: Running) -> None:
    """The declaration, as it comes."""
    assert asyncinit(running, "show", "db").stdout == 'name = "db"\n'


def test_shutdown_waits_for_the_end(running: Running) -> None:
    """It ends well when the server is gone; with --no-wait at once."""
    running.operations.on_shutdown = None
    assert asyncinit(running, "shutdown", "--no-wait").returncode == 0
    with subprocess.Popen([*COMMAND, "shutdown"], env=environment(running.address)) as process:
        wait_until(lambda: len(running.operations.shutdowns) == 2)
        assert process.poll() is None
        running.call(running.server.close)
        assert process.wait(20) == 0


@pytest.mark.parametrize("action", list(PowerAction))
def test_the_end_of_a_machine(running: Running, action: PowerAction) -> None:
    """Each command asks for what it is called, at once with --force; where there is no machine, it says so."""
    running.operations.on_shutdown = None
    done = asyncinit(running, action, "--no-wait")
    assert (done.returncode, "does not run the machine" in done.stderr) == (0, True)
    running.operations.machine = True
    done = asyncinit(running, action, "--no-wait", "-f")
    assert (done.returncode, done.stderr) == (0, "")
    assert running.operations.ends == [(action, False), (action, True)]


# ---------------------------------------------------------------------------------------------------------------------
# logs and events


def test_logs(running: Running) -> None:
    """Lines of all or of some, the newest N, as text with time and name or as JSON."""
    log = running.operations.log
    running.call(log.add, "web", b"one", b"two")
    running.call(log.add, "db", b"three \xff")
    running.call(log.add_event, "web", "ready")
    lines = asyncinit(running, "logs").stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["web | one", "web | two", "db | three \ufffd", "web * ready"]
    assert [line.split()[1] for line in asyncinit(running, "logs", "-n1", "db").stdout.splitlines()] == ["db"]
    entries = [json.loads(line) for line in asyncinit(running, "logs", "--json", "-n", "2").stdout.splitlines()]
    assert [entry["message"] for entry in entries] == ["three \ufffd", "ready"]


def test_logs_follow_until_the_end(running: Running) -> None:
    """-f shows what is there, then what comes, and ends well with the server."""
    running.call(running.operations.log.add, "web", b"old")
    with subprocess.Popen(
        [*COMMAND, "logs", "-f", "web"], env=environment(running.address), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("web | old\n")
        running.call(running.operations.log.add, "db", b"other")
        running.call(running.operations.log.add, "web", b"new")
        assert process.stdout.readline().endswith("web | new\n")
        running.call(running.operations.emit, None, None, "shutting down: requested")
        running.call(running.server.close)
        assert process.wait(20) == 0


def test_who_follows_does_not_spin_once_the_end_is_announced(running: Running) -> None:
    """What still comes between the word that asyncinit shuts down and its end is read, and then waited again."""
    with subprocess.Popen(
        [*COMMAND, "logs", "-f", "web"], env=environment(running.address), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        running.call(running.operations.log.add, "web", b"up")
        assert process.stdout.readline().endswith("web | up\n")
        running.call(running.operations.emit, None, None, "shutting down: requested")

        def used() -> list[str]:
            return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]

        def rests() -> bool:
            before = used()
            subprocess.run(["sleep", "0.5"], check=True)
            return used() == before

        for _ in range(3):
            running.call(running.operations.emit, "db", State.STOPPING, "stopping")
            wait_until(rests)
        running.call(running.server.close)
        assert process.wait(20) == 0


def test_logs_follow_until_interrupted(running: Running) -> None:
    """^C ends it with 130, quietly."""
    running.call(running.operations.log.add, "web", b"old")
    with on_terminal(running, "logs", "-f") as terminal:
        terminal.expect("old")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
        assert "Traceback" not in terminal.seen


def test_lines_cannot_move_the_cursor(running: Running) -> None:
    """What a service wrote reaches a terminal without its control sequences, its colours aside."""
    running.call(running.operations.log.add, "web", b"\x1b[2Jgone \x1b[31mred\x1b]0;title\x07")
    with on_terminal(running, "logs") as terminal:
        terminal.expect("red")
        terminal.end()
        assert "\x1b[2J" not in terminal.seen
        assert "title" not in terminal.seen
        assert "\x1b[31mred" in terminal.seen


def test_a_reader_that_leaves_is_no_error(running: Running) -> None:
    """Into a pipe that nobody reads any more: quiet, and 141 as from SIGPIPE."""
    running.call(running.operations.log.add, "web", *[b"x" * 1000] * 2000)
    process = subprocess.Popen(
        [*COMMAND, "logs"], env=environment(running.address), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 141


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(running: Running, redirections: str) -> None:
    """A standard descriptor that is closed is as /dev/null: the command does its work, and nothing else is said."""
    for words, verbs in (("status", []), ("start web", [["web"]])):
        done = in_shell(running, f"{words} {redirections}")
        assert (done.returncode, done.stderr) == (0, "")
        assert [job.names for job in running.operations.jobs] == verbs


@pytest.mark.parametrize("words", ["status", "status --json", "start web", "logs", "--help"])
def test_output_that_cannot_be_written(running: Running, words: str) -> None:
    """A full device under stdout: one line on stderr, where that can be had, and 1."""
    running.call(running.operations.log.add, "web", b"line")
    done = in_shell(running, f"{words} >/dev/full")
    assert done.returncode == 1
    assert done.stderr == "asyncinit: cannot write: No space left on device\n"
    assert in_shell(running, f"{words} >/dev/full 2>/dev/full").returncode == 1


def in_shell(running: Running, line: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a shell's redirections."""
    return subprocess.run(
        ["sh", "-c", f"exec {PYTHON} -m asyncinit {line}"],
        env=environment(running.address),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_events(running: Running) -> None:
    """What happened, of all or of some; -f goes on."""
    running.call(running.operations.emit, "web", State.READY, "ready")
    running.call(running.operations.emit, None, None, "all services are ready")
    lines = asyncinit(running, "events").stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["web * ready", "asyncinit * all services are ready"]
    assert len(asyncinit(running, "events", "web").stdout.splitlines()) == 1
    with subprocess.Popen(
        [*COMMAND, "events", "-f", "--json", "db"], env=environment(running.address), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        wait_until(lambda: len(running.operations.listeners) == 2)
        running.call(running.operations.emit, "db", State.FAILED, "failed")
        assert json.loads(process.stdout.readline())["new"] == "failed"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_nothing_is_printed_that_the_encoding_cannot_hold(running: Running) -> None:
    """An encoding without the character gets a replacement, not an error."""
    running.operations.services_by_name["db"] = service("db", status_text="größe ✓")
    done = asyncinit(running, "status", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "gr??e ?" in done.stdout


def test_without_a_server(tmp_path: Path) -> None:
    """Commands that need none work; the others end with 3."""
    alone = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ASYNCINIT_SOCKET": str(tmp_path / "none")}
    for words, status in ((["--help"], 0), (["--version"], 0), ([], 0), (["status"], 3), (["logs", "-f"], 3)):
        done = subprocess.run([*COMMAND, *words], env=alone, capture_output=True, timeout=60, check=False, cwd=tmp_path)
        assert done.returncode == status, done


def test_a_server_that_speaks_something_else(tmp_path: Path) -> None:
    """What answers nonsense gets a line, not a traceback."""
    import socket

    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        alone = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ASYNCINIT_SOCKET": path}
        process = subprocess.Popen([*COMMAND, "status"], env=alone, stderr=subprocess.PIPE)
        client, _ = listener.accept()
        with client:
            client.recv(1 << 16)
            client.sendall(b"SSH-2.0\0")
            assert process.stderr is not None
            with process.stderr:
                assert b"is no asyncinit" in process.stderr.read()
    assert process.wait(20) == 1
