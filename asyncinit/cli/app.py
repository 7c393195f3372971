"""The command's entry: argv to a command's exit status; click is only loaded for what the quick parser leaves to it."""

from __future__ import annotations

import os
import sys

from asyncinit.cli.arguments import parse
from asyncinit.cli.commands import find_command
from asyncinit.cli.outcome import guard, open_missing

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence

COMPLETION_VARIABLE = "_ASYNCINIT_COMPLETE"
SYSVINIT_NAMES = frozenset({"init", "telinit", "halt", "poweroff", "reboot", "shutdown"})
"""Of programs that asyncinit is too, where links of these names lead to it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line (sys.argv's) and return the exit status."""
    open_missing()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if COMPLETION_VARIABLE in os.environ:
        from asyncinit.cli.completion import answer

        return guard(lambda: answer(os.environ[COMPLETION_VARIABLE], words))
    name = os.path.basename(sys.argv[0])
    if name in SYSVINIT_NAMES and os.getpid() != 1:
        from asyncinit.cli import called_as

        return guard(lambda: called_as.main(name, words))
    if os.getpid() == 1:
        if not words:
            words = ["run"]
        elif not words[0].startswith("-") and find_command(words[0]) is None:
            line = " ".join(words)
            print(f"asyncinit: no such command: {words[0]}", file=sys.stderr)
            print(f"to run {line} under asyncinit: asyncinit -- {line}", file=sys.stderr)
            return 2
    invocation = parse(words)
    if invocation is not None:
        return guard(invocation.execute)
    from asyncinit.cli.click_app import main as click_main

    return guard(lambda: click_main(words))
