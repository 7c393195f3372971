"""A thousand random edits of a project while its services run: nothing is lost, nothing is doubled, nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.developing import Folder, three
from tests.support import wait_until

_SEED = "ASYNCINIT_TEST_SEED"
# Beyond what a file that is saved again and again is held up for at most (`runtime.file_watching.brake`).
_PATIENCE = 90.0
_NAMES = [f"s{number}" for number in range(8)]

# Writes each start down, leaves a daemon behind, and runs with what it has read of its source.
_SERVICE = """\
command = "echo $NAME $$ >> ledger; (setsid sleep 5000 &); exec sleep $(cat src/$NAME)"
shell = true
environment = {{ NAME = "{name}", VERSION = "{version}" }}
restart = {{ delay = "20ms", max_delay = "200ms" }}
stop = {{ timeout = "2s" }}
[watch]
paths = ["src/{name}"]
debounce = "50ms"
"""


class Editor:
    """A person, or a tool, who edits at random; what shall hold in the end is in `versions` and `drop_ins`."""

    def __init__(self, project: Folder, chance: random.Random) -> None:
        self.project = project
        self.chance = chance
        self.services = project.folder / "services.d"
        self.sources = project.folder / "src"
        self.count = 1_000_000  # each number that is written is a new one, and a time to sleep
        self.versions: dict[str, int] = {}
        self.drop_ins: dict[str, int] = {}
        self.sources.mkdir()
        self.services.mkdir()
        for name in _NAMES:
            self.write_source(self.sources / name)
            if name < "s5":
                self.write_service(name)

    def number(self) -> int:
        self.count += 1
        return self.count

    def write_source(self, path: Path) -> None:
        path.write_text(f"{self.number()}\n")

    def write_service(self, name: str) -> None:
        self.versions[name] = self.number()
        (self.services / f"{name}.toml").write_text(_SERVICE.format(name=name, version=self.versions[name]))

    def replace(self, path: Path, text: str) -> None:
        """Write beside it and rename, as most editors do."""
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(text)
        beside.rename(path)

    # -----------------------------------------------------------------------------------------------------------------

    def edit(self) -> None:
        """Make one edit."""
        name = self.chance.choice(_NAMES)
        edits: dict[Callable[[str], None], int] = {
            self.source_written: 20,
            self.source_replaced: 20,
            self.source_touched: 8,
            self.source_removed: 8,
            self.sources_made_anew: 1,
            self.sources_moved: 1,
            self.service_added_or_changed: 12,
            self.service_touched: 8,
            self.service_removed: 6,
            self.service_broken: 4,
            self.drop_in_written: 6,
            self.drop_in_removed: 4,
            self.services_moved: 1,
            self.process_killed: 1,
        }
        self.chance.choices(list(edits), list(edits.values()))[0](name)

    def source_written(self, name: str) -> None:
        self.write_source(self.sources / name)

    def source_replaced(self, name: str) -> None:
        self.replace(self.sources / name, f"{self.number()}\n")

    def source_touched(self, name: str) -> None:
        (self.sources / name).touch()

    def source_removed(self, name: str) -> None:
        (self.sources / name).unlink(missing_ok=True)

    def sources_made_anew(self, _name: str) -> None:
        shutil.rmtree(self.sources)
        self.sources.mkdir()
        for name in _NAMES:
            self.write_source(self.sources / name)

    def sources_moved(self, _name: str) -> None:
        away = self.sources.with_name("away")
        self.sources.rename(away)
        away.rename(self.sources)

    def service_added_or_changed(self, name: str) -> None:
        self.write_service(name)

    def service_touched(self, name: str) -> None:
        if name in self.versions:
            (self.services / f"{name}.toml").touch()

    def service_removed(self, name: str) -> None:
        if self.versions.pop(name, None) is not None:
            (self.services / f"{name}.toml").unlink()
            self.drop_in_removed(name)

    def service_broken(self, name: str) -> None:
        """Save half of a file; the last edits mend it."""
        self.versions[name] = 0
        (self.services / f"{name}.toml").write_text('command = "sleep\n')

    def drop_in_written(self, name: str) -> None:
        if name in self.versions:
            self.drop_ins[name] = self.number()
            folder = self.services / f"{name}.d"
            folder.mkdir(exist_ok=True)
            self.replace(folder / "more.toml", f'environment = {{ DROP_IN = "{self.drop_ins[name]}" }}\n')

    def drop_in_removed(self, name: str) -> None:
        if self.drop_ins.pop(name, None):
            shutil.rmtree(self.services / f"{name}.d")

    def services_moved(self, _name: str) -> None:
        away = self.services.with_name("services.away")
        self.services.rename(away)
        time.sleep(self.chance.choice((0, 0, 0.3)))  # long enough, or not, to be read without them
        away.rename(self.services)

    def process_killed(self, _name: str) -> None:
        if victims := sleepers(self.project):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(victims)[0], signal.SIGKILL)

    def mend(self) -> None:
        """Leave everything sound."""
        for name in _NAMES:
            source = self.sources / name
            if not source.exists() or not source.read_text():  # a touch has made it anew, with nothing in it
                self.write_source(source)
            if self.versions.get(name) == 0:
                self.write_service(name)


def sleepers(project: Folder) -> list[tuple[int, str, str, dict[str, str]]]:
    """Return of each live `sleep` of the project its pid, service, argument and environment."""
    found = []
    for pid in project.programs("sleep"):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            block = Path(f"/proc/{pid}/environ").read_text().split("\0")
            environment = dict(entry.split("=", 1) for entry in block if "=" in entry)
            if words[0] == "sleep":  # not the shell between its fork and its exec
                found.append((pid, environment["NAME"], words[1], environment))
    return found


def mains(project: Folder) -> Counter[str]:
    """Return how many main processes each service has."""
    return Counter(name for _, name, argument, _ in sleepers(project) if argument != "5000")


def state(project: Folder) -> list[tuple[str, str, str | None, str | None]]:
    """Return what runs: service, what it has read, its version, its drop-in; of its daemon "5000" alone."""
    return sorted(
        (name, argument, environment.get("VERSION"), environment.get("DROP_IN"))
        if argument != "5000"
        else (name, argument, None, None)
        for _, name, argument, environment in sleepers(project)
    )


def wanted(editor: Editor) -> list[tuple[str, str, str | None, str | None]]:
    """Return what has to run by what the files say."""
    expected: list[tuple[str, str, str | None, str | None]] = []
    for name, version in editor.versions.items():
        drop_in = editor.drop_ins.get(name)
        source = (editor.sources / name).read_text().strip()
        expected.append((name, source, str(version), None if drop_in is None else str(drop_in)))
        expected.append((name, "5000", None, None))
    return sorted(expected)


@pytest.mark.slow
def test_random_edits(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Whatever is written, moved, broken and removed: no service ever runs twice, and in the end each runs once.

    That is: each by its last declaration and its last source, with one daemon, and nothing else; and after the end
    nothing at all. ASYNCINIT_TEST_SEED repeats a run.
    """
    seed = int(os.environ.get(_SEED) or random.randrange(10**9))
    print(f"{_SEED}={seed}")
    chance = random.Random(seed)
    uv = "uvloop" in type(loop).__module__
    project = Folder(tmp_path, {}, "uvloop" if uv else "asyncio")
    editor = Editor(project, chance)
    with project.dev("-q") as run:
        wait_until(lambda: len(mains(project)) == len(editor.versions))
        guarded = three(run)
        for number in range(1000 if uv else 300):
            editor.edit()
            time.sleep(chance.choice((0, 0, 0, 0, 0.002, 0.01, 0.05)))
            run.out.read()
            if number % 10 == 0:
                twice = {name: count for name, count in mains(project).items() if count > 1}
                assert not twice, f"seed {seed}, edit {number}"
        editor.mend()
        with contextlib.suppress(AssertionError):  # what differs is told below
            wait_until(lambda: (run.out.read(), state(project) == wanted(editor))[1], _PATIENCE)
        assert state(project) == wanted(editor), f"seed {seed}"
        assert three(run) == guarded
        ledger = [line.split() for line in (tmp_path / "ledger").read_text().splitlines()]
        running = {(name, str(pid)) for pid, name, argument, _ in sleepers(project) if argument != "5000"}
        assert running <= {(name, pid) for name, pid in ledger}
        assert project.client("status").stdout.count(" ready ") == len(editor.versions)
        run.signal(signal.SIGINT)
        run.wait()
        project.nothing_left()
