"""The examples of pods do what their README shows: its tables of processes are made anew and compared."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.namespace.init import Init
from tests.namespace.sandboxed import Process, look, namespace
from tests.support import ROOT, descendants, wait_until

FOLDER = ROOT / "examples" / "pods"
MODELS = sorted(path.name for path in FOLDER.glob("model-*"))
INSIDE = "model-4-asyncinit-inside"
NAMES = ("web", "worker")


@contextmanager
def running(model: str, tmp_path: Path) -> Iterator[Init]:
    """Run an example as PID 1; all of it is ready."""

    def texts(kind: str) -> dict[str, str]:
        return {path.stem: path.read_text() for path in (FOLDER / model / kind).glob("*.toml")}

    with Init(tmp_path, texts("services.d"), pods=texts("pods.d"), settings="keep_running = true") as init:
        if model == INSIDE:
            wait_until((tmp_path / "pod-shop.sock").exists)
            init.socket = tmp_path / "pod-shop.sock"
        wait_until(lambda: [init.status().get(name, {}).get("state") for name in NAMES] == ["ready"] * 2)
        yield init


def table(init: Init) -> str:
    """Return the processes below asyncinit: what each is, its parent as seen from outside, and both pids inside."""
    names = {init.status()[name]["pid"]: name for name in NAMES}
    outer = init.pid
    found: dict[int, Process] = {}
    for pid in descendants(outer):
        process = look(pid)
        if process is not None and process.state != "Z" and namespace(pid) != namespace(outer):
            found[pid] = process
    own = {outer: "asyncinit"}
    own |= {pid: names.get(pid) or _kind(process) for pid, process in found.items()}
    header = ("PROCESS", "PARENT OUTSIDE", "PID INSIDE", "PARENT INSIDE", "SEES")
    rows = []
    for pid, process in found.items():
        there = {other.pids[0]: other.pids[-1] for p, other in found.items() if namespace(p) == namespace(pid)}
        sees = ", ".join(sorted(own[p] for p in there if p != pid))
        inner = process.pids[-1]
        shown = "1" if inner == 1 else "n"
        rows.append((own[pid], own[process.parent], shown, str(there.get(process.parent, 0)), sees or "itself"))
    rows = [header, *sorted(rows, key=lambda row: (row[0] in NAMES, row))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _kind(process: Process) -> str:
    return "simple init" if process.status["Name"] == "simple-init" else "asyncinit inside"


@pytest.mark.parametrize("model", MODELS)
def test_the_tree_is_as_shown(tmp_path: Path, model: str) -> None:
    """Each process with its parent, from outside and from inside."""
    readme = (FOLDER / "README.md").read_text()
    shown = re.search(rf"^<!-- {model} -->\n```text\n(.*?)```", readme, re.M | re.S)
    assert shown is not None, "it is in the README"
    with running(model, tmp_path) as init:
        assert table(init) == shown[1]


@pytest.mark.parametrize("model", MODELS)
def test_a_stop_ends_as_told(tmp_path: Path, model: str) -> None:
    """SIGTERM does not reach a PID 1 that has no handler for it."""
    with running(model, tmp_path) as init:
        assert init.call("stop", "web").returncode == 0
        ended = init.status()["web"]["last_exit"]["signal"]
        assert ended == (signal.SIGKILL if "application-is-pid-1" in model else signal.SIGTERM)


if __name__ == "__main__":  # prints what the README has
    for name in MODELS:
        import tempfile

        with tempfile.TemporaryDirectory() as folder, running(name, Path(folder)) as one:
            sys.stdout.write(f"<!-- {name} -->\n```text\n{table(one)}```\n\n")
