"""A virtual machine that a test talks to: over its serial console, and through qemu's monitor; knows no test.

    with Guest("login", image.make(...), Hardware(memory=256)) as guest:
        guest.expect(r"login: ")
        guest.send("root\n")
        guest.expect(r"# ")
        assert "ready" in guest.run("asyncinit status")
        guest.press_power_button()
        assert guest.wait_ended() == "guest-shutdown"

What is told about the end is qemu's word for it: `guest-shutdown` (powered off by ACPI), `guest-reset` (reboot(2), a
watchdog, a panic, sysrq), `host-qmp-quit` and the like.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import socket
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.boot import hardware
from tests.boot.hardware import Hardware

PATIENCE = 180.0
"""Seconds for anything that a machine does: an emulated processor is slow, and other tests run beside it."""

_PANIC = "Kernel panic"
_SHOWN = 150
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

running: dict[str, Guest] = {}
"""The machines that are switched on: `conftest` shows what they wrote, where a test fails."""


def run_folder() -> Path:
    """Return the folder that the processes of this test run share."""
    return Path(os.environ["ASYNCINIT_TEST_RUN"])


def once(name: str, story: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `story` gives, which is done once in a test run.

    pytest's processes share it, as JSON; its failure too.
    """
    folder = run_folder() / f"story-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "told"
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            try:
                found = {"facts": story()}
            except Exception:
                found = {"failure": traceback.format_exc()}
            told.write_text(json.dumps(found))
    found = json.loads(told.read_text())
    if "failure" in found:
        pytest.fail(found["failure"], pytrace=False)
    return dict(found["facts"])


class Guest:
    """One machine, from power-on to the end of the `with` block; its serial output is kept in the run's folder.

    `command` is for one that is started in another way: it gets the words that give qemu its monitor.
    """

    def __init__(
        self,
        name: str,
        initramfs: Path | None = None,
        machine: Hardware | None = None,
        command: Callable[[list[str]], list[str]] | None = None,
    ) -> None:
        self.name = name
        self._command = command or (
            lambda more: [*(machine or Hardware()).command(str(hardware.kernel()), str(initramfs)), *more]
        )
        self.events: list[dict[str, Any]] = []
        """qemu's events so far: SHUTDOWN, RESET, WATCHDOG, each with its data."""
        self._markers = itertools.count(1)
        self._seen = 0  # characters of the transcript that `expect` has gone past
        self._waited: dict[str, int] = {}  # events that `wait_event` has given already, by name

    def __enter__(self) -> Self:
        folder = run_folder() / f"guest-{self.name}"
        folder.mkdir(parents=True, exist_ok=True)
        self._serial = folder / "serial"
        self._monitor, theirs = socket.socketpair()
        monitor = f"socket,id=monitor,fd={theirs.fileno()}"
        command = self._command(["-chardev", monitor, "-mon", "chardev=monitor,mode=control"])
        with self._serial.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()]
            )
        theirs.close()
        self._answers = self._monitor.makefile("rb")
        if self._read_answer() is None:  # the greeting
            self._process.wait()
            raise AssertionError(f"qemu does not start: {self._serial.read_text()}")
        running[self.name] = self
        self.monitor("qmp_capabilities")
        return self

    def __exit__(self, kind: object, error: BaseException | None, _where: object) -> None:
        if error is not None:
            error.add_note(self.excerpt())
        running.pop(self.name, None)
        with contextlib.suppress(OSError):
            self._monitor.sendall(b'{"execute": "quit"}')
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._answers.close()
        self._monitor.close()

    # The serial line.

    @property
    def transcript(self) -> str:
        """All that came over the serial line, without colours."""
        return _COLOURS.sub("", self._serial.read_bytes().decode(errors="replace").replace("\r", ""))

    def excerpt(self) -> str:
        """Return the last lines of the transcript, with a heading."""
        lines = self.transcript.splitlines()
        shown = lines[-_SHOWN:]
        return "\n".join([f"---- serial console of {self.name} (last {len(shown)} of {len(lines)} lines)", *shown])

    def expect(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """Wait for a regular expression (^ and $ are a line's) in what came since the last match or typing."""
        compiled = re.compile(pattern, re.M)
        end = time.monotonic() + timeout
        while True:
            ended = self._process.poll() is not None
            text = self.transcript
            found = compiled.search(text, self._seen)
            if found:
                self._seen = found.end()
                return found
            self._fail_if(ended, f"the machine has ended ({self._how_it_ended()}) without {pattern!r}")
            self._fail_if(_PANIC in text[self._seen :], f"the kernel panicked before {pattern!r}")
            self._fail_if(time.monotonic() > end, f"not within {timeout:.0f} s: {pattern!r}")
            time.sleep(0.02)  # the poll interval of this helper

    def send(self, text: str) -> None:
        """Type; what came before is not looked at any more."""
        self._seen = len(self.transcript)
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def run(self, command: str, timeout: float = PATIENCE, check: bool = True) -> str:
        """Run a command in the shell that waits on the console, and return its output; its status has to be 0.

        The first time, `expect` the shell's prompt: what is typed before it reads may be lost.
        """
        number = next(self._markers)
        # The typed line has quotes where the markers have none: the terminal's echo is not taken for them.
        self.send(f"echo be''gin-{number}; {command}; echo e''nd-{number}-$?\n")
        self.expect(rf"^begin-{number}\n", timeout)
        begin = self._seen
        found = self.expect(rf"end-{number}-(\d+)\n", timeout)
        output = self.transcript[begin : found.start()]
        if check and found[1] != "0":
            raise AssertionError(f"{command!r} ended with {found[1]} and said {output!r}")
        return output

    def _fail_if(self, wrong: bool, text: str) -> None:
        if wrong:
            raise AssertionError(text)

    # qemu's monitor.

    def monitor(self, command: str, **arguments: Any) -> Any:
        """Give a QMP command, and return its answer."""
        self._monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = self._read_answer()
            if answer is None:
                raise AssertionError(f"the machine has ended before {command} could be asked")
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise AssertionError(f"qemu refuses {command}: {answer['error']['desc']}")

    def press_power_button(self) -> None:
        """Press it shortly (ACPI; module button, and who listens for it)."""
        self.monitor("system_powerdown")

    def press(self, *keys: str) -> None:
        """Press keys of the keyboard together, named as `ctrl`, `alt`, `delete`."""
        self.monitor("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def press_reset_button(self) -> None:
        """Reset the machine, without a word to the guest; what it wrote before is not looked at any more."""
        self._seen = len(self.transcript)
        self.monitor("system_reset")

    def wait_ended(self, timeout: float = PATIENCE) -> str:
        """Wait until qemu has ended, and return the reason of that (see the module's text)."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the machine has not ended within {timeout:.0f} s") from None
        return self._how_it_ended()

    def wait_event(self, name: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Wait for the next event of qemu's with that name (RESET, WATCHDOG), and return its data.

        The next is the first that no earlier call returned: what came before this one is not missed.
        """
        before = self._waited.get(name, 0)
        end = time.monotonic() + timeout
        while True:
            self._take_events()
            found = [event for event in self.events if event["event"] == name]
            if len(found) > before:
                self._waited[name] = before + 1
                if name == "RESET":
                    self._seen = len(self.transcript)  # a late prompt of the life before is none of this one's
                return dict(found[before].get("data", {}))
            self._fail_if(self._process.poll() is not None, f"the machine has ended without the event {name}")
            self._fail_if(time.monotonic() > end, f"not within {timeout:.0f} s: the event {name}")
            time.sleep(0.02)

    def resets(self) -> int:
        """Return how often the machine was reset."""
        self._take_events()
        return [event["event"] for event in self.events].count("RESET")

    def _how_it_ended(self) -> str:
        if self._process.poll() is None:
            return "it runs"
        while self._read_answer() is not None:
            pass
        reasons = [event["data"]["reason"] for event in self.events if event["event"] == "SHUTDOWN"]
        return str(reasons[-1]) if reasons else f"qemu ended with {self._process.returncode}"

    def _take_events(self) -> None:
        if self._process.poll() is None:
            self.monitor("query-status")  # its answer comes after them

    def _read_answer(self) -> dict[str, Any] | None:
        try:
            line = self._answers.readline()
        except ConnectionResetError:
            line = b""
        if not line:
            return None
        answer = dict(json.loads(line))
        if "event" in answer:
            self.events.append(answer)
        return answer
