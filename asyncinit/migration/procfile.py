"""A Procfile, and environment files with it, to drafts: what `asyncinit dev` runs as it is, as files to go on with."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from asyncinit.config import dotenv, procfile
from asyncinit.config.problems import printable
from asyncinit.config.project import ENVIRONMENT_FILE, PORT
from asyncinit.migration.report import Ledger, MigrationError, Setting
from asyncinit.migration.service import Draft, Translation
from asyncinit.migration.sources import read_source

_A_TYPE = 100  # ports from one entry to the next, as foreman gives them
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=(?:[^\s\"'\\#$`]*|\"[^\"\\$`\n]*\"|'[^'\n]*')", re.ASCII)


def translate(sources: Sequence[str]) -> Translation:
    """Translate a Procfile; files called .env or NAME.env are environment files. Raises MigrationError."""
    ledger = Ledger()
    files = [path for path in sources if _is_environment(path)]
    procfiles = [path for path in sources if path not in files]
    if len(procfiles) != 1:
        raise MigrationError("name one Procfile, and with it the environment files that belong to it")
    (path,) = procfiles
    content = read_source(path).encode()
    found = procfile.parse(path, content)
    if found.problems:
        raise MigrationError("\n".join(map(str, found.problems)))
    drafts = [_draft(entry, number, ledger, path) for number, entry in enumerate(found.entries)]
    for file in files:
        _environment(file, drafts, ledger)
    beside = os.path.join(os.path.dirname(path), ENVIRONMENT_FILE)
    if not files and os.path.isfile(beside):
        ledger.remark(f"{printable(beside)} was not named, and nothing of it is in these files")
    return Translation(drafts, ledger)


def _is_environment(path: str) -> bool:
    name = os.path.basename(path)
    return name.startswith(".env") or name.endswith(".env")


def _draft(entry: procfile.Entry, number: int, ledger: Ledger, path: str) -> Draft:
    text = f"{entry.name}: {entry.command}"
    setting = ledger.add(path, entry.line, entry.name, entry.command, text=text, service=entry.name)
    draft = Draft(entry.name, ledger, origin=path)
    draft.put(setting, "command", entry.command, "a shell runs it, as it runs those of a Procfile")
    draft.put(None, "shell", True)
    draft.put(None, "restart", "never", "a Procfile's process is not started again; a service is, by default")
    folder = os.path.dirname(os.path.abspath(path))
    if folder != os.getcwd():
        draft.put(None, "working_directory", folder, "the Procfile's folder")
    port = str(PORT + number * _A_TYPE)
    draft.put(None, ("environment", "PORT"), port, "what foreman gives it: 5000, and 100 more for each entry")
    return draft


def _environment(path: str, drafts: Sequence[Draft], ledger: Ledger) -> None:
    """Give all drafts the variables of a file: the file itself where asyncinit reads it in the same way, else each."""
    text = read_source(path)
    found = dotenv.parse(path, text.encode())
    if found.problems:
        raise MigrationError("\n".join(map(str, found.problems)))
    lines = [line.strip() for line in text.splitlines()]
    same = all(not line or line.startswith("#") or _PLAIN.fullmatch(line) for line in lines)
    for variable in found.variables:
        shown = f"{variable.name}=..."
        setting = ledger.add(path, variable.line, variable.name, variable.value, text=shown)
        for draft in drafts:
            if variable.name == "PORT":
                _port(variable.value, draft, drafts.index(draft), setting)
            elif same:
                file = os.path.abspath(path)
                draft.append(setting, "environment_file", file)
            else:
                draft.put(setting, ("environment", variable.name), variable.value.replace("$", "$$"))
    if not found.variables:
        return
    if not same:
        ledger.remark(
            f"{printable(path)} is written as no environment_file can be, so its values stand in the files themselves: "
            "mind what is secret"
        )


def _port(value: str, draft: Draft, number: int, setting: Setting) -> None:
    if not (value.isascii() and value.isdecimal() and len(value) <= 5):
        raise MigrationError(f"{printable(setting.file)}:{setting.line}: PORT is no number")
    note = f"PORT of {setting.place}, and 100 more for each entry"
    draft.drop(("environment", "PORT"))
    draft.put(setting, ("environment", "PORT"), str(int(value) + number * _A_TYPE), note)
