"""`asyncinit import FORMAT FILE...`: other programs' files to service files, and what became of each setting."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap

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
_WORDS = max(len(verdict.value) for verdict in Verdict)


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
    text, width = _table(entries), _width()
    if width is not None and max(map(len, text.splitlines())) > width:
        text = _paragraphs(entries, width)
    sys.stdout.write(text)
    for line in (*map(printable, ledger.remarks), _summary(entries)):
        print(line if width is None else textwrap.fill(line, width, break_on_hyphens=False))
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


def _width() -> int | None:
    """Return how wide the terminal is; None where there is none, so that lines are long, and one a setting."""
    return os.get_terminal_size(1).columns or None if screen.is_terminal() else None


def _paragraphs(entries: Sequence[Entry], width: int) -> str:
    """Return the entries under the name of what they are about, each with its words below it, for a narrow terminal."""
    lines, before = [], None
    coloured = screen.wants_colour()
    for entry in entries:
        if entry.setting.service != before:
            before = entry.setting.service
            lines += ["", f"{printable(before) if before else 'about no service'}:"]
        verdict = entry.verdict.value.ljust(_WORDS)
        place = f"{printable(entry.setting.place)}  "
        room = max(width - 4 - _WORDS - len(place), screen.NARROWEST)
        setting = screen.shorten(printable(entry.setting.text), room)
        lines.append(f"  {screen.paint(verdict, _COLOURS[entry.verdict] if coloured else None)}  {place}{setting}")
        words = "; ".join(filter(None, (", ".join(key.partition(": ")[2] for key in _own(entry)), entry.note)))
        indent = " " * (4 + _WORDS)
        lines += textwrap.wrap(
            printable(words), max(width, len(indent) + 20), initial_indent=indent, subsequent_indent=indent
        )
    return "\n".join(lines[1:]) + "\n\n"


def _own(entry: Entry) -> Sequence[str]:
    """Return the keys of an entry, those of several services once."""
    return list({key.partition(": ")[2]: key for key in entry.keys}.values())


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
