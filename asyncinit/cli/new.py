"""`asyncinit new`: first services for a project, guessed from its files."""

from __future__ import annotations

import os
import shutil
import sys

from asyncinit.cli import screen
from asyncinit.cli.importing import NotImportedError
from asyncinit.config.places import FILE, FOLDER
from asyncinit.config.problems import printable
from asyncinit.errors import why
from asyncinit.migration.project.look import Seen, look
from asyncinit.migration.report import MigrationError
from asyncinit.migration.writing import write

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation


def new(invocation: Invocation) -> int:
    """Look at a project's folder, and write what it seems to run into its services.d; replaces nothing."""
    screen.accept_any_text()
    folder = invocation.values["folder"] or "."
    try:
        os.chdir(folder)
    except OSError as error:
        raise _refused(f"cannot go to {printable(folder)}: {why(error.errno or 0)}") from None
    try:
        seen = look()
        for name in seen.kept:
            print(f"kept     {FOLDER}/{printable(name)}.toml, which is there already")
        if not seen.translation.drafts:
            return 0
        written = write(seen.translation, FOLDER, "asyncinit new")
    except MigrationError as error:
        raise _refused(str(error), error.exit_code) from None
    for path in written.files:
        print(f"wrote    {printable(path)}{_why(seen, path)}")
    for remark in seen.translation.ledger.remarks:
        print(printable(remark))
    if os.path.lexists(FILE):
        print(f"{FILE} is there already: see whether it reads {FOLDER} ([init] services)")
    _advise(seen, folder)
    sys.stdout.flush()
    return 0


def _refused(text: str, exit_code: int = 1) -> NotImportedError:
    error = NotImportedError(text)
    error.exit_code = exit_code
    return error


def _why(seen: Seen, path: str) -> str:
    """Return what a service was guessed from."""
    name = os.path.basename(path).removesuffix(".toml")
    entries = [entry for entry in seen.translation.ledger.entries() if entry.setting.service == name]
    if not entries:
        return "  an example: nothing here says what the project runs"
    setting = entries[0].setting
    place = setting.file if setting.line is None else f"{setting.file}:{setting.line}"
    return f"  from {printable(place)}"


def _advise(seen: Seen, folder: str) -> None:
    """Say what to do next, and which programs are not here."""
    for draft in seen.translation.drafts:
        command = draft.get("command")
        program = command[0] if isinstance(command, list) and command else ""
        here = os.path.join(draft.get("working_directory", ""), program) if "/" in program else program
        if program and shutil.which(here) is None:
            print(f"{draft.name}: there is no {printable(program)} here yet")
    print("\nNext:")
    if folder not in (".", ""):
        print(f"  cd {printable(folder)}")
    print("  asyncinit check services.d    after each change: is everything right?")
    print("  asyncinit dev                 start all of it here; ctrl-C stops it")
