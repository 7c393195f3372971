"""What the tests of `asyncinit dev` share: a project, what runs of it, and the processes that are anywhere of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support import PYTHON, ROOT, wait_until
from tests.wrapping import Wrapped, children, is_gone, running

_MARK = "ASYNCINIT_TEST_PROJECT"


class Three(NamedTuple):
    """The processes of a guarded asyncinit."""

    outer: int
    inner: int
    asyncinit: int


class Folder:
    """A project in `folder`, with these files; each process of it is found by a mark in its environment."""

    def __init__(self, folder: Path, files: Mapping[str, str], loop: str = "asyncio") -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("PORT", "ASYNCINIT_SOCKET")},
            "PYTHONPATH": str(ROOT),
            "ASYNCINIT_LOOP": loop,
            _MARK: self.mark,
        }
        self.write(files)

    def write(self, files: Mapping[str, str]) -> None:
        """Make files, and the folders that they are in."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    @contextlib.contextmanager
    def dev(
        self,
        *arguments: str,
        below: str = ".",
        terminal: bool = False,
        prefix: Sequence[str] = (),
        program: Sequence[str] = (PYTHON, "-m", "asyncinit", "dev"),
    ) -> Iterator[Wrapped]:
        """Run `asyncinit dev`; at the end nothing of it is left, even if that is our work."""
        line = [*prefix, *program, *arguments]
        try:
            with running(line, terminal=terminal, cwd=self.folder / below, env=self.environment) as run:
                yield run
        finally:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def client(self, *words: str, below: str = ".") -> subprocess.CompletedProcess[str]:
        """Run another command of asyncinit in the project."""
        return subprocess.run(
            [PYTHON, "-m", "asyncinit", *words],
            cwd=self.folder / below,
            env={name: value for name, value in self.environment.items() if name != _MARK},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    def processes(self, also: str = "") -> list[int]:
        """Return every live process of the project, wherever it is in the tree; with `also` in its environment."""
        wanted = {f"{_MARK}={self.mark}".encode(), *([also.encode()] if also else [])}
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if wanted <= set(Path(f"/proc/{name}/environ").read_bytes().split(b"\0")) and not is_gone(int(name)):
                    found.append(int(name))
        return found

    def nothing_left(self) -> None:
        """Wait until no process of the project is alive."""
        wait_until(lambda: not self.processes())

    def programs(self, *words: str) -> list[int]:
        """Return the live processes of the project whose command line has these words."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if all(word in line for word in words):
                    found.append(pid)
        return found


def three(run: Wrapped) -> Three:
    """Return the pids of a guarded asyncinit, once it guards."""
    inner = wait_until(lambda: children(run.pid))[0]
    return Three(run.pid, inner, wait_until(lambda: children(inner))[0])
