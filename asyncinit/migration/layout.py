"""A draft as the text of a TOML file that people read and go on with: each key with a comment on where it is from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from asyncinit.config.keys import ServiceKeys
from asyncinit.config.problems import bare_or_quoted, printable
from asyncinit.config.sections.pods import PodKeys
from asyncinit.config.write import same, value
from asyncinit.migration.report import Entry, MigrationError, Verdict
from asyncinit.migration.service import Draft, Path

WIDEST = 100
"""A list that is longer stands on several lines."""

_LONGEST = 160


def text_of(draft: Draft, entries: list[Entry], command: str) -> str:
    """Return the file of a draft; `entries` are those of the settings that are about it.

    Raises MigrationError if TOML cannot say it.
    """
    keys = (PodKeys if draft.pod else ServiceKeys).__struct_fields__
    order = {key: position for position, key in enumerate(keys)}
    data = dict(sorted(draft.data.items(), key=lambda item: order.get(item[0], len(order))))
    try:
        lines = [*_head(draft, entries, command), *_table(draft, data, ())]
        text = "\n".join(lines).strip("\n") + "\n"
        read = tomllib.loads(text)
    except ValueError as error:
        raise MigrationError(f"{printable(draft.name)} cannot be written: {error}") from None
    if not same(read, data):
        raise MigrationError(f"{printable(draft.name)} cannot be written: it reads as something else; this is a bug")
    return text


def _head(draft: Draft, entries: list[Entry], command: str) -> Iterator[str]:
    origin = f" from {printable(draft.origin)}" if draft.origin else ""
    yield f"# {printable(draft.name)}: {draft.how}{origin} by `{printable(command)}`."
    yield from (f"# {printable(line)}" for line in draft.remarks.get((), ()))
    for verdict, title in ((Verdict.NO_EQUIVALENT, "No equivalent here:"), (Verdict.NOT_NEEDED, "Not needed here:")):
        found = [entry for entry in entries if entry.verdict is verdict]
        if found:
            yield f"#\n# {title}"
            yield from (f"#   {_shortened(entry.setting.text)}  ({printable(entry.setting.place)})" for entry in found)
    yield ""


def _shortened(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _table(draft: Draft, data: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Return the lines of a table: first its values, then the tables in it."""
    later = []
    for key, item in data.items():
        if _is_section(item, path):
            later.append(key)
        else:
            yield from _remarks(draft, (*path, key))
            yield f"{bare_or_quoted(key)} = {_written(item)}{_origin(draft, (*path, key))}"
    for key in later:
        item, inner = data[key], (*path, key)
        name = ".".join(map(bare_or_quoted, inner))
        if isinstance(item, dict):
            yield ""
            yield from _remarks(draft, inner)
            # What a table is from as a whole stands beside its name.
            yield f"[{name}]{_origin(draft, inner)}"
            yield from _table(draft, item, inner)
            continue
        for number, one in enumerate(item):
            yield ""
            yield from _remarks(draft, inner) if number == 0 else ()
            yield f"[[{name}]]{_origin(draft, inner) if number == 0 else ''}"
            yield from (f"{bare_or_quoted(each)} = {_written(what)}" for each, what in one.items())


def _is_section(item: object, path: Path) -> bool:
    """Tell whether a value is written as a section of its own: tables near the top, and what [[...]] is for."""
    if isinstance(item, list):
        return bool(item) and len(path) < 2 and all(isinstance(one, dict) for one in item) and path != ("hooks",)
    return isinstance(item, dict) and bool(item) and not path


def _written(item: Any) -> str:
    text = value(item)
    if isinstance(item, list) and item and (len(text) > WIDEST or all(isinstance(one, list | dict) for one in item)):
        return "[\n" + "".join(f"  {value(one)},\n" for one in item) + "]"
    return text


def _remarks(draft: Draft, path: Path) -> Iterator[str]:
    yield from (f"# {_shortened(line)}" for line in draft.remarks.get(path, ()))


def _origin(draft: Draft, path: Path) -> str:
    places: dict[str, dict[str, None]] = {}
    for setting in draft.sources.get(path, ()):
        places.setdefault(printable(setting.name), {})[printable(setting.place)] = None
    text = "; ".join(f"{name}, {_together(list(where))}" for name, where in places.items())
    return f"  # {text}" if text else ""


def _together(places: list[str]) -> str:
    """Return places with the name of a file once: web.service:3, 5."""
    texts: list[str] = []
    before = ""
    for place in places:
        file, colon, line = place.rpartition(":")
        texts.append(line if colon and file == before else place)
        before = file
    return ", ".join(texts)
