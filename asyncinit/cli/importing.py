"""`asyncinit import FORMAT FILE...`: other programs' files to service files, and what became of each setting."""

from __future__ import annotations

import json
import shlex
import sys

from asyncinit.cli import screen
from asyncinit.cli.outcome import complain
from asyncinit.client.errors import ClientError
from asyncinit.config.places import FOLDER
from asyncinit.config.problems import printable
from asyncinit.migration.formats import translator
from asyncinit.migration.report import MigrationError, Verdict, counted, share
from asyncinit.migration.writing import Written, write

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncinit.cli.declaring import Invocation
    from asyncinit.migration.report import Entry, Ledger

_COLOURS = {
    Verdict.TRANSLATED: screen.GREEN,
    Verdict.APPROXIMATED: screen.YELLOW,
    Verdict.NOT_NEEDED: screen.DIM,
    Verdict.NO_EQUIVALENT: screen.RED,
}
_LONGEST = 60


class NotImportedError(ClientError):
    """Nothing was written; the text says why."""


def translate(invocation: Invocation) -> int:
    """Translate, check, write, and tell what became of each setting."""
    screen.accept_any_text()
    values = invocation.values
    name, output = values["format"], values["output"] or FOLDER
    try:
        translation = translator(name)(values["files"])
        written = write(
            translation, output, f"asyncinit import {name}", force=values["force"], dry_run=values["dry_run"]
        )
    except MigrationError as error:
        refused = NotImportedError(str(error))
        refused.exit_code = error.exit_code
        raise refused from None
    if values["json"]:
        print(json.dumps(_as_data(translation.ledger, written, values["dry_run"]), indent=2))
    else:
        _tell(translation.ledger, written, values["dry_run"])
        if written.files and not values["dry_run"]:
            print(f"next: read what is approximated, then `asyncinit run --services {shlex.quote(printable(output))}`")
    return 0


def _tell(ledger: Ledger, written: Written, dry_run: bool) -> None:
    entries = ledger.entries()
    sys.stdout.write(_table(entries))
    for remark in ledger.remarks:
        print(printable(remark))
    print(_summary(entries))
    for path, text in written.files.items():
        if dry_run:
            print(f"\n==> {printable(path)}\n{text}", end="")
        else:
            print(f"{'replaced' if path in written.replaced else 'wrote'} {printable(path)}")
    for warning in written.warnings:
        complain(str(warning))


def _table(entries: Sequence[Entry]) -> str:
    rows = [("SETTING", "RESULT", "WHERE", "AS")]
    colours: dict[int, str | None] = {}
    for number, entry in enumerate(entries, 1):
        text = "; ".join(filter(None, (", ".join(entry.keys), entry.note)))
        setting = screen.shorten(printable(entry.setting.text), _LONGEST)
        rows.append((setting, entry.verdict.value, printable(entry.setting.place), printable(text)))
        colours[number] = _COLOURS[entry.verdict]
    return screen.table(rows, None, colours if screen.wants_colour() else None)


def _summary(entries: Sequence[Entry]) -> str:
    counts = ", ".join(f"{number} {verdict.value}" for verdict, number in counted(entries).items() if number)
    many = f"{len(entries)} setting{'' if len(entries) == 1 else 's'}"
    return f"{many}: {counts or 'nothing to translate'} ({share(entries):.0%} taken care of)"


def _as_data(ledger: Ledger, written: Written, dry_run: bool) -> dict[str, object]:
    entries = ledger.entries()
    return {
        "settings": [
            {
                "file": entry.setting.file,
                "line": entry.setting.line,
                "service": entry.setting.service or None,
                "setting": entry.setting.name,
                "text": entry.setting.text,
                "verdict": entry.verdict.value,
                "keys": list(entry.keys),
                "note": entry.note,
            }
            for entry in entries
        ],
        "remarks": ledger.remarks,
        "counts": {verdict.value: number for verdict, number in counted(entries).items()},
        "share": round(share(entries), 4),
        "files": [
            {"path": path, "replaced": path in written.replaced, **({"text": text} if dry_run else {})}
            for path, text in written.files.items()
        ],
        "warnings": [str(warning) for warning in written.warnings],
    }
