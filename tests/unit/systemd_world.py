"""Units that are written, translated and checked: what tests of the translator of systemd have in common."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from asyncinit.migration.report import Entry, Verdict
from asyncinit.migration.service import Translation
from asyncinit.migration.systemd.translate import translate
from asyncinit.migration.writing import write

START = "[Service]\nExecStart=/bin/x\n"


def put(folder: Path, files: dict[str, str]) -> None:
    """Write files, with the folders that they are in."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def translated(folder: Path, files: dict[str, str]) -> Translation:
    """Write units into a folder and translate all of them, whose result has to pass the check."""
    put(folder, files)
    translation = translate([str(folder)], ())
    write(translation, str(folder / "services.d"), "test", dry_run=True)
    return translation


def services(folder: Path, files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return what the units of a folder become: the services' keys by name, as the files have them."""
    translation = translated(folder, files)
    written = write(translation, str(folder / "services.d"), "test", dry_run=True)
    return {Path(path).stem: tomllib.loads(text) for path, text in written.files.items()}


def service(folder: Path, text: str) -> dict[str, Any]:
    """Return the keys of the service that a unit becomes, without those that only say systemd's defaults."""
    keys = services(folder, {"web.service": text})["web"]
    assumed = {("working_directory",): "/", ("restart", "policy"): "never", ("stop", "timeout"): "90s"}
    assumed |= {("ready", "timeout"): "90s", ("enabled",): False}
    keys.pop("prefer", None)
    for path, value in assumed.items():
        table = keys.get(path[0], {}) if len(path) == 2 else keys
        if table.get(path[-1]) == value:
            del table[path[-1]]
    return {key: value for key, value in keys.items() if value != {}}


def verdicts(folder: Path, text: str) -> dict[str, tuple[Verdict, str]]:
    """Return what is said of each setting of a unit, by its name, the last one of each."""
    found: dict[str, tuple[Verdict, str]] = {}
    for entry in entries(folder, text):
        found[entry.setting.name.rpartition(" ")[2]] = entry.verdict, entry.note
    return found


def entries(folder: Path, text: str) -> tuple[Entry, ...]:
    """Return the report of a unit."""
    return translated(folder, {"web.service": text}).ledger.entries()
