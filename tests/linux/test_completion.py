"""Completion in real shells: what stands on the line once the key was pressed."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncinit.core.status import State
from tests.fake_operations import Running
from tests.fake_operations import service as service_status
from tests.linux.test_cli import COMMAND, asyncinit, environment, running  # noqa: F401 - a fixture
from tests.support import PYTHON

Complete = Callable[[str], str]
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SETTING = {
    "bash": "bind 'set bell-style none'; ",
    "zsh": "bindkey -e; autoload -Uz compinit; compinit -D -u; ",
}


@pytest.fixture(params=START)
def complete(request: pytest.FixtureRequest, running: Running, tmp_path: Path) -> Iterator[Complete]:  # noqa: F811
    """Press the key after a line in a real shell on a terminal; what stands there then."""
    shell: str = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    program = tmp_path / "bin" / "asyncinit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {PYTHON} -m asyncinit "$@"\n')
    program.chmod(0o755)
    running.operations.services_by_name["job@8080"] = service_status("job@8080", State.READY)
    main, side = pty.openpty()
    variables = environment(running.address, PS1="$ ", HOME=str(tmp_path), TERM="dumb")
    variables["PATH"] = f"{program.parent}:{variables['PATH']}"
    process = subprocess.Popen(
        START[shell], stdin=side, stdout=side, stderr=side, env=variables, cwd=tmp_path, start_new_session=True
    )
    os.close(side)
    seen = ""

    def until(pattern: str) -> re.Match[str]:
        nonlocal seen
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if found := re.search(pattern, seen):
                seen = ""
                return found
            if select.select([main], [], [], 0.1)[0]:
                seen += os.read(main, 65536).decode(errors="replace").replace("\r", "")
        raise AssertionError(f"not seen: {pattern} in {seen!r}")

    def press(line: str) -> str:
        # What is typed ahead waits until the shell has completed: to the beginning of the line, and have it echoed.
        os.write(main, f"{line}\t\x01echo 'GO''T' '\x05'\r".encode())
        return until(r"\nGOT ([^\n]*)\n")[1]

    os.write(main, f'{SETTING[shell]}eval "$(asyncinit completion {shell})"; echo RE""ADY\r'.encode())
    until(r"\nREADY\n")
    yield press
    process.kill()
    process.wait()
    os.close(main)


def test_what_is_unique_is_completed(complete: Complete, tmp_path: Path) -> None:
    """A command, a service, an instance, an option and its value, a file, a program after --."""
    (tmp_path / "services.d").mkdir()
    (tmp_path / "other.toml").touch()
    for line, expected in {
        "asyncinit resta": "asyncinit restart ",
        "asyncinit stop d": "asyncinit stop db ",
        "asyncinit stop we": "asyncinit stop web",
        "asyncinit stop job": "asyncinit stop job@8080 ",
        "asyncinit stop job@8": "asyncinit stop job@8080 ",
        "asyncinit run --log-f": "asyncinit run --log-format ",
        "asyncinit run --log-format=j": "asyncinit run --log-format=json ",
        "asyncinit run --services s": "asyncinit run --services services.d",
        "asyncinit run --config oth": "asyncinit run --config other.toml ",
        "asyncinit run --config=oth": "asyncinit run --config=other.toml ",
        "asyncinit exec web -- hostnam": "asyncinit exec web -- hostname",
        "asyncinit nothing ": "asyncinit nothing ",
    }.items():
        assert complete(line).startswith(expected.rstrip()), line


def test_fish_gets_the_same_words(running: Running) -> None:  # noqa: F811
    """Each with what it is."""
    if shutil.which("fish") is None:
        pytest.skip("there is no fish here")
    script = f"function asyncinit; end; {asyncinit(running, 'completion', 'fish').stdout}"
    script = script.replace("$words[1] $words[2..-1]", f"{' '.join(COMMAND)} $words[2..-1]")
    done = subprocess.run(
        ["fish", "--no-config", "-c", f'{script}\ncomplete -C "asyncinit stop w"'],
        env=environment(running.address),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["web\tready", "web2\tready"], done.stderr


def test_completing_loads_nothing_heavy(running: Running) -> None:  # noqa: F811
    """Every press of a key waits for it: neither click nor rich, asyncio or msgspec."""
    code = "import sys; sys.argv = ['asyncinit', 'stop', 'w']; from asyncinit.cli.app import main; main()\n"
    code += "print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [PYTHON, "-c", code],
        env=environment(running.address, _ASYNCINIT_COMPLETE="words"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "web\tready\nweb2\tready\n"
    assert not {"click", "rich", "asyncio", "msgspec", "json", "typing", "dataclasses"} & set(done.stderr.split())


def test_without_a_server_there_are_no_names() -> None:
    """And no complaint on the line that somebody writes."""
    done = subprocess.run(
        [*COMMAND, "stop", ""],
        env=environment("/nonexistent", _ASYNCINIT_COMPLETE="words"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_documented_variable_gives_the_script() -> None:
    """_ASYNCINIT_COMPLETE=bash_source prints what `asyncinit completion bash` does."""
    for shell in ("bash", "zsh", "fish"):
        by_variable = subprocess.run(
            COMMAND, env=environment("/x", _ASYNCINIT_COMPLETE=f"{shell}_source"), capture_output=True, check=True
        )
        by_command = subprocess.run(
            [*COMMAND, "completion", shell], env=environment("/x"), capture_output=True, check=True
        )
        assert by_variable.stdout == by_command.stdout != b""
