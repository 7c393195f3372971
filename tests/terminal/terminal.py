"""A real terminal for a test: a window of a tmux server of its own, typed into, read, compared; knows no command.

Nothing of the person's who runs the tests is used: no configuration, no server, no environment. A screen is compared
with the one that is kept in `screens/`, after what is never the same twice (times, pids, sizes) was masked. To keep the
screens anew, after a look at what has changed:

    ASYNCINIT_SCREENS=keep .venv/bin/python -m pytest tests/terminal; git diff tests/terminal/screens
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support import ROOT, descendants

SCREENS = Path(__file__).parent / "screens"
KEEP = os.environ.get("ASYNCINIT_SCREENS") == "keep"
DEADLINE = 60.0
_POLL = 0.05
_SETTLED = 0.5
"""Seconds that a screen has to stay as it is before it is kept."""

PROMPT = "$ "
_SETTINGS = """
set -g status off
set -g default-terminal tmux-256color
set -s escape-time 0
set -g history-limit 5000
"""

# What is never the same twice: its pattern, and the letter that stands for it. Blanks before it go with it, and its
# width stays, so that columns stay columns.
_COLUMNS = (
    (re.compile(r" +\d+d\d\dh(?= |$)| +\d+h\d\dm(?= |$)| +\d+m\d\ds(?= |$)| +\d+[smhd](?= |$)", re.M), "T"),
    (re.compile(r" +\d+\.\d%(?= |$)| +\d+%(?= |$)", re.M), "%"),
    (re.compile(r" +\d+(\.\d)?[BKMG](?= |$)", re.M), "M"),
)
# And in sentences, where the width is not kept.
_WORDS = (
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d{3})?\b"), lambda found: re.sub(r"\d", "0", found[0])),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "0000-00-00"),
    (re.compile(r"\bpid:?( +)\d+"), r"pid\1N"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min|h)\b( \d+ (s|min))?"), "N s"),
    (re.compile(r"\buid \d+"), "uid N"),
    (re.compile(r"/(tmp/|home/me/)[\w./-]+"), "/tmp/..."),
)


def masked(screen: str) -> str:
    """Return a screen with what is never the same twice replaced."""
    for pattern, letter in _COLUMNS:
        screen = pattern.sub(lambda found, letter=letter: letter.rjust(len(found[0])), screen)  # type: ignore[misc]
    for words, replacement in _WORDS:
        screen = words.sub(replacement, screen)  # type: ignore[arg-type]
    return "\n".join(line.rstrip() for line in screen.splitlines()).rstrip("\n") + "\n"


class Server:
    """A tmux server with its socket in a folder of its own; the `with` ends it, and all that it has started."""

    def __init__(self, folder: Path, columns: int = 80, rows: int = 24) -> None:
        self.folder = folder
        self._place = Path(tempfile.mkdtemp(prefix="asyncinit-tmux-"))  # short: it has to fit a socket's address
        (self._place / "settings").write_text(_SETTINGS)
        self._size = (columns, rows)
        self._windows = 0
        self._pid = 0
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self._place),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "SHELL": "/bin/sh",
            "TERM": "xterm-256color",
        }

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        started = descendants(self._pid) if self._pid else []
        if self._pid:
            self.tmux("kill-server", check=False)
        deadline = time.monotonic() + 10
        while any(_lives(pid) for pid in started):
            if time.monotonic() > deadline:
                for pid in filter(_lives, started):
                    os.kill(pid, signal.SIGKILL)
                break
            time.sleep(_POLL)
        shutil.rmtree(self._place, ignore_errors=True)

    def processes(self) -> list[str]:
        """Return the command lines of all that runs in the terminals, without their shells."""
        found = []
        for pid in descendants(self._pid):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            except OSError:
                continue
            found.append(b" ".join(words).decode(errors="replace"))
        return [command for command in found if command not in {"", "sh"}]

    def tmux(self, *words: str, check: bool = True) -> str:
        """Have tmux do something, and return what it says."""
        command = ["tmux", "-f", str(self._place / "settings"), "-u", "-S", str(self._place / "socket"), *words]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=30, check=False, cwd=self.folder
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def window(self, environment: Mapping[str, str] | None = None, term: str = "tmux-256color") -> Terminal:
        """Return a new terminal with a plain shell in the folder; `term` is what programs in it take it for."""
        columns, rows = self._size
        name = f"window-{self._windows}"
        self._windows += 1
        more = [f"{key}={value}" for key, value in {"PS1": PROMPT, "TERM": term, **(environment or {})}.items()]
        shell = ["env", "-u", "TMUX", "-u", "TMUX_PANE", *more, "sh"]
        self.tmux("new-session", "-d", "-s", name, "-x", str(columns), "-y", str(rows), *shell)
        self._pid = self._pid or int(self.tmux("display-message", "-p", "-t", name, "#{pid}"))
        terminal = Terminal(self, name)
        terminal.wait(PROMPT.rstrip())
        return terminal


class Terminal:
    """One window: what stands on it, and what is typed into it."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._server.tmux("send-keys", "-t", self._name, "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names: Enter, C-c, Up, Escape, Space."""
        self._server.tmux("send-keys", "-t", self._name, *keys)

    def run(self, command: str) -> None:
        """Type a command and Enter."""
        self.type(command)
        self.press("Enter")

    def resize(self, columns: int, rows: int) -> None:
        """Have another size."""
        self._server.tmux("resize-window", "-t", self._name, "-x", str(columns), "-y", str(rows))

    def close(self) -> None:
        """Close the window, as a person does: what runs in it is hung up on."""
        self._server.tmux("kill-session", "-t", self._name)

    def screen(self, colours: bool = False) -> str:
        """Return what stands on the screen; with `colours`, as a terminal would be sent it."""
        return self._server.tmux("capture-pane", "-p", *(["-e", "-N"] if colours else []), "-t", self._name)

    def wait(self, *texts: str, gone: str = "", timeout: float = DEADLINE) -> str:
        """Wait until all these texts are on the screen, and `gone` is not; return what is on it."""
        what = f"{texts}, without {gone!r}" if gone else f"{texts}"
        return self.wait_for(
            lambda screen: all(text in screen for text in texts) and not (gone and gone in screen), what, timeout
        )

    def wait_for(self, condition: Callable[[str], bool], what: str = "", timeout: float = DEADLINE) -> str:
        """Wait until a condition holds of the screen, and return it; `what` that is, in words."""
        deadline = time.monotonic() + timeout
        while not condition(screen := self.screen()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what or condition}\n{screen}")
            time.sleep(_POLL)
        return screen

    def compare(self, name: str) -> None:
        """Wait until the screen is, masked, the one that is kept under a name; or keep it."""
        path = SCREENS / f"{name}.txt"
        if KEEP:
            path.write_text(self._settled())
            return
        expected = path.read_text()
        deadline = time.monotonic() + DEADLINE
        while (screen := masked(self.screen())) != expected:
            if time.monotonic() > deadline:
                difference = difflib.unified_diff(
                    expected.splitlines(), screen.splitlines(), f"{name}, as it is kept", "the screen", lineterm=""
                )
                raise AssertionError("\n".join(difference) + f"\n\nthe whole screen:\n{screen}")
            time.sleep(_POLL)

    def _settled(self) -> str:
        """Return the masked screen once it stays as it is."""
        seen, since = masked(self.screen()), time.monotonic()
        deadline = since + DEADLINE
        while time.monotonic() - since < _SETTLED:
            time.sleep(_POLL)
            now = masked(self.screen())
            if now != seen:
                seen, since = now, time.monotonic()
            assert time.monotonic() < deadline, f"the screen does not settle:\n{now}"
        return seen


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
