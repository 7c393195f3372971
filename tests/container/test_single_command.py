"""examples/single: one command under `asyncinit --`, beside what tini and dumb-init do."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.container.conftest import RunContainer
from tests.container.engine import docker, run_label
from tests.support import wait_until


def test_docker_stop_ends_a_server_that_would_ignore_it_as_pid_1(single: str, run: RunContainer) -> None:
    """The command dies of the SIGTERM that it gets, long before the engine would kill the container."""
    container = run(single)
    wait_until(lambda: "python3" in {name for _, name, _, _ in container.processes()})
    docker("stop", "--time", "60", container.id)
    state = container.state()
    assert state["ExitCode"] == 128 + 15, container.logs()  # 137 would be the engine's kill
    assert not state["OOMKilled"]


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_commands_exit_code_is_the_containers(single: str, run: RunContainer, code: int) -> None:
    """An exit code goes through unchanged."""
    assert run(single, "sh", "-c", f"exit {code}").wait() == code


@pytest.mark.parametrize(("command", "code"), [("/nonexistent", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_run_gives_the_codes_of_a_shell(
    single: str, run: RunContainer, command: str, code: int
) -> None:
    """Not found is 127, not executable is 126, and the log names the command."""
    container = run(single, command)
    assert container.wait() == code
    assert command in container.logs()


def test_orphans_are_reaped_while_the_command_runs(single: str, run: RunContainer) -> None:
    """What the command's children leave behind goes to asyncinit, and leaves no zombie."""
    script = "for n in 1 2 3 4 5 6 7 8 9; do sh -c 'sleep 0.1 & sleep 0.1 & exit 0'; done; exec sleep 1000"
    container = run(single, "sh", "-c", script)
    wait_until(lambda: [row for row in container.processes() if row[1] == "sleep" and row[3] == 1])
    wait_until(lambda: [row[1:3] for row in container.processes()] == [("asyncinit", "S"), ("sleep", "S")])


def test_without_a_right_or_a_writable_file(single: str, run: RunContainer) -> None:
    """Any uid, read-only, no capability, no writable directory: the command runs, with its output."""
    options = ["--user", "12345", "--read-only", "--cap-drop", "ALL"]
    container = run(single, "sh", "-c", "id -u; echo through > /dev/stdout", options=options)
    assert container.wait() == 0
    assert container.logs().split() == ["12345", "through"]


class Terminal:
    """A person at a terminal, with `docker run -it` in it."""

    def __init__(self, *command: str) -> None:
        self.output = ""
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)

    def type(self, text: str) -> None:
        """Type `text`; control characters are keys."""
        os.write(self.master, text.encode())

    def expect(self, pattern: str, timeout: float = 60) -> str:
        """Read until `pattern` appears; return what was read, and forget it."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self.output)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.output!r}"
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.output += os.read(self.master, 65536).decode(errors="replace")
                except OSError:  # the other side is gone
                    raise AssertionError(f"no {pattern!r} before the end in {self.output!r}") from None
        read, self.output = self.output[: match.end()], self.output[match.end() :]
        return read

    def close(self) -> None:
        """End the client, should it still be there."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def shell(single: str) -> Iterator[Terminal]:
    """`docker run -it single bash` at a terminal of its own."""
    options = [
        "--rm",
        "--network",
        "none",
        "--label",
        run_label(),
        "--interactive",
        "--tty",
        "--env",
        "PS1=ready> ",
        "--env",
        "TERM=dumb",
    ]
    terminal = Terminal("docker", "run", *options, single, "bash", "--norc", "-i")
    yield terminal
    terminal.close()


def test_a_shell_at_a_terminal_has_job_control(shell: Terminal) -> None:
    """ctrl-C ends the foreground job alone, ctrl-Z stops it, fg continues it, and the exit code comes through."""
    start = shell.expect("ready> ")
    assert "no job control" not in start
    shell.type("sh -c 'echo first; exec sleep 1000'\n")
    shell.expect("first\r\n")  # written by the job: it has the terminal
    shell.type("\x03")
    shell.expect("ready> ")
    shell.type("echo status $?\n")
    shell.expect("status 130\r\n")
    shell.type("sh -c 'echo second; exec sed -u s/^/read:/'\n")
    shell.expect("second\r\n")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.expect("ready> ")
    shell.type("fg\n")
    shell.expect("fg\r\nsh -c")
    shell.type("third\n")
    shell.expect("read:third\r\n")  # bash says which job it is before the job has the terminal
    shell.type("\x03")
    shell.expect("ready> ")
    shell.type("exit 33\n")
    assert shell.process.wait(timeout=60) == 33
