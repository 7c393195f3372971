"""Units to drafts: the way in."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence

from asyncinit.migration.report import Ledger, MigrationError, Setting
from asyncinit.migration.service import Draft, Translation
from asyncinit.migration.sources import read_source
from asyncinit.migration.systemd.parsing import parse


def translate(sources: Sequence[str]) -> Translation:
    """Translate unit files. Raises MigrationError."""
    ledger = Ledger()
    return Translation([_service(path, ledger) for path in sources], ledger)


def _service(path: str, ledger: Ledger) -> Draft:
    name, dot, kind = os.path.basename(path).rpartition(".")
    if kind != "service" or not dot:
        raise MigrationError(f"{path} is no service's unit: its name does not end in .service")
    draft = Draft(name, ledger, origin=path)
    for one in parse(read_source(path)):
        setting = ledger.add(path, one.line, f"[{one.section}] {one.key}", one.value, service=name)
        translate_one = _DIRECTIVES.get((one.section, one.key))
        if translate_one is not None:
            translate_one(draft, setting)
    return draft


def _description(draft: Draft, setting: Setting) -> None:
    draft.put(setting, "description", setting.value)


def _start(draft: Draft, setting: Setting) -> None:
    draft.put(setting, "command", shlex.split(setting.value))


_DIRECTIVES: dict[tuple[str, str], Callable[[Draft, Setting], None]] = {
    ("Unit", "Description"): _description,
    ("Service", "ExecStart"): _start,
}
