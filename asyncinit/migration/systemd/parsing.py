"""A unit file's text as assignments with their lines; knows no directive. The syntax is that of systemd.syntax(7)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct


class Assignment(Struct, frozen=True):
    """`key=value` in a section; a line that is none has the key "" and stands whole in `value`."""

    line: int
    section: str
    key: str
    value: str


def parse(text: str) -> Iterator[Assignment]:
    """Return the assignments of a unit file, in order."""
    section = ""
    for number, line in _logical_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        key = key.rstrip()
        if not equals or not key or not section:
            yield Assignment(number, section, "", line)
        else:
            yield Assignment(number, section, key, value.strip())


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Return lines with those joined that a backslash continues; a comment within is skipped, as systemd does."""
    start = 0
    parts: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith(("#", ";")):
            continue
        if not parts:
            start = number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        parts.append(line)
        whole = " ".join(parts).strip()
        parts = []
        if whole:
            yield start, whole
    if whole := " ".join(parts).strip():
        yield start, whole
