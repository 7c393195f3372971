"""Log files and memory as one history: every line once, whatever the file's format, compressed or not."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.cli.log_files import LogFile
from asyncinit.cli.log_history import History
from asyncinit.config.spec import LogFormat
from asyncinit.control.types import timestamp
from asyncinit.runtime.output.format import choose

START = 1795454030.0
FORMATS = ["text", "json", "raw"]


def entry(time: float, message: str, service: str = "web", stream: str = "stdout", cursor: int = 1) -> dict[str, Any]:
    return {"time": timestamp(time), "service": service, "stream": stream, "message": message, "cursor": cursor}


def written(form: str, lines: list[tuple[float, str]], service: str = "web") -> bytes:
    """What a log file has of these lines."""
    made = choose(LogFormat(form), terminal=False, environment={})
    return b"".join(made.lines(time, service, "stdout", message.encode() + b"\n", False) for time, message in lines)


def history(path: Path, form: str, *services: str) -> History:
    files = [{"path": str(path), "format": form, "stream": None}]
    return History([{"name": name, "log": {"files": files}} for name in services or ("web",)], 0)


def messages(entries: Any) -> list[str]:
    return [one["message"] for one in entries]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("remembered", [0, 1, 7, 30])
@pytest.mark.parametrize("same_time", [False, True])
def test_each_line_once(tmp_path: Path, form: str, remembered: int, same_time: bool) -> None:
    """What is in memory is not told again from the file, even where all lines were read in the same moment."""
    lines = [(START + (0 if same_time else number), f"line {number}") for number in range(30)]
    path = tmp_path / "web.log"
    path.write_bytes(written(form, lines))
    os.utime(path, (START + 100, START + 100))
    memory = [entry(time, message) for time, message in lines[30 - remembered :]]
    assert messages(history(path, form).with_memory(memory, None, None)) == [message for _, message in lines]
    assert messages(history(path, form).with_memory(memory, None, 10)) == [message for _, message in lines[-10:]]


@pytest.mark.parametrize("form", FORMATS)
def test_lines_that_the_file_does_not_have_yet(tmp_path: Path, form: str) -> None:
    """A full disk: what only memory has comes after what the file has, and nothing twice."""
    lines = [(START, f"line {number}") for number in range(20)]
    path = tmp_path / "web.log"
    path.write_bytes(written(form, lines[:15]))
    memory = [entry(*line) for line in lines[10:]]
    assert messages(history(path, form).with_memory(memory, None, None)) == [message for _, message in lines]


@pytest.mark.parametrize("form", FORMATS)
def test_lines_that_came_meanwhile(tmp_path: Path, form: str) -> None:
    """What was written to the file after memory was asked is told later, by who follows."""
    lines = [(START, f"line {number}") for number in range(20)]
    path = tmp_path / "web.log"
    path.write_bytes(written(form, lines))
    memory = [entry(*line) for line in lines[10:15]]
    assert messages(history(path, form).with_memory(memory, None, None)) == [message for _, message in lines[:15]]


@pytest.mark.parametrize("form", FORMATS)
def test_old_files(tmp_path: Path, form: str) -> None:
    """The old ones are read from the highest number on, compressed or not; a pair that a crash left is read once."""
    path = tmp_path / "web.log"
    parts = [[(START + 10 * part + number, f"{part}.{number}") for number in range(5)] for part in range(4)]
    for part, name in enumerate(("web.log.3.gz", "web.log.2.gz", "web.log.1", "web.log")):
        data = written(form, parts[part])
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        os.utime(tmp_path / name, (START + 10 * part + 5,) * 2)
    (tmp_path / "web.log.1.gz").write_bytes(gzip.compress(written(form, parts[2])))
    every = [message for part in parts for _, message in part]
    assert messages(history(path, form).with_memory([], None, None)) == every
    for count in (1, 5, 6, 13, 100):
        assert messages(history(path, form).with_memory([], None, count)) == every[-count:]
    if form != "raw":
        assert messages(history(path, form).with_memory([], START + 12, None)) == every[7:]
    assert messages(history(path, form).with_memory([], START + 1000, None)) == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_since_in_a_large_file(tmp_path: Path, form: str) -> None:
    """The begin is found by halves, and no line is missed."""
    lines = [(START + number / 10, f"line {number} {'x' * 100}") for number in range(40_000)]
    path = tmp_path / "web.log"
    path.write_bytes(written(form, lines))
    found = messages(history(path, form).with_memory([], START + 3000, None))
    assert found == [message for time, message in lines if time >= START + 3000]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_file_of_several_services(tmp_path: Path, form: str) -> None:
    """Each has its own lines of it, merged in order of time; lines of no service that was asked for are left out."""
    path = tmp_path / "all.log"
    data = b""
    for number in range(30):
        data += written(form, [(START + number, f"line {number}")], ("web", "db", "other")[number % 3])
    path.write_bytes(data)
    found = list(history(path, form, "web", "db").with_memory([], None, None))
    assert [(one["service"], one["message"]) for one in found] == [
        (("web", "db")[number % 3], f"line {number}") for number in range(30) if number % 3 != 2
    ]


def test_what_is_no_line_of_ours(tmp_path: Path) -> None:
    """Half a line of a crash, bytes that are no text, somebody's note: passed over, and the others are there."""
    path = tmp_path / "web.log"
    good = written("json", [(START, "a")])
    path.write_bytes(b'{"time": "2026\n' + good + b"\xff\xfe\n\n[]\nnull\n" + good)
    assert messages(history(path, "json").with_memory([], None, None)) == ["a", "a"]
    path.write_bytes(b"x\n" + written("text", [(START, "a | b * c"), (START, "")]) + b"2026 web\n")
    assert messages(history(path, "text").with_memory([], None, None)) == ["a | b * c", ""]


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Memory is shown, and why there is no more."""
    found = messages(history(tmp_path / "web.log", "text").with_memory([entry(START, "x")], None, None))
    assert found == ["x"]
    assert f"web: cannot read {tmp_path}/web.log: No such file or directory" in capsys.readouterr().err


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=12), st.data())
def test_no_line_is_lost_or_told_twice(lines: list[tuple[int, str]], data: st.DataObject) -> None:
    """Whatever the lines and their times, the whole file with any end of it in memory gives the file."""
    remembered = data.draw(st.integers(0, len(lines)))
    ordered = sorted(lines, key=lambda line: line[0])
    texts = [f"{letter}{number}" for number, (_, letter) in enumerate(ordered)]
    file = LogFile("/nowhere", "text", "web", None)
    from asyncinit.cli.log_files import Line
    from asyncinit.cli.log_history import _timed_before

    parsed = [
        Line(timestamp(START + time), "web", "stdout", text) for (time, _), text in zip(ordered, texts, strict=True)
    ]
    known = [
        entry(START + time, text)
        for (time, _), text in list(zip(ordered, texts, strict=True))[len(ordered) - remembered :]
    ]
    before = [line.message for line in _timed_before(file, iter(parsed), known)]
    assert before + messages(known) == texts
