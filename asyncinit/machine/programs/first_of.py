"""`python -m asyncinit.machine.programs.first_of COMMAND... [-- COMMAND...]...`: become the first that is there.

What a machine's distribution has of a kind (a syslog, a cron) goes by several names. A part of busybox is there if the
busybox that is there has it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from asyncinit.machine.programs.child import NOT_THERE, output_of

SUPER_USERS_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where daemons are, whatever PATH says."""


def commands_of(words: Sequence[str]) -> list[list[str]]:
    """Return the commands that stand between the words `--`."""
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def first_there(commands: Sequence[Sequence[str]], path: str | None = None) -> list[str]:
    """Return the first command whose program is there, with the program's file before it; else an empty list.

    `path` is where to look, as in the variable PATH, None: in that.
    """
    for command in commands:
        file = find(command[0], path)
        if file is not None and (os.path.basename(command[0]) != "busybox" or _has(file, command[1])):
            return [file, *command]
    return []


def find(program: str, path: str | None = None) -> str | None:
    """Return the file of a program."""
    if path is None:
        path = os.pathsep.join((os.environ.get("PATH", "/usr/bin:/bin"), *SUPER_USERS_PATH))
    return shutil.which(program, path=path)


def _has(busybox: str, part: str) -> bool:
    return part in output_of([busybox, "--list"]).split()


def become(commands: Sequence[Sequence[str]]) -> int:
    """Become the first command that is there; return an exit status where that cannot be, having said why."""
    found = first_there(commands)
    if not found:
        names = [" ".join(command[: 1 + (command[0] == "busybox")]) for command in commands]
        print(f"none of these is there: {', '.join(names)}", file=sys.stderr)
        return NOT_THERE
    try:
        os.execv(found[0], found[1:])
    except OSError as error:
        print(f"cannot run {found[0]}: {(error.strerror or '').lower()}", file=sys.stderr)
    return NOT_THERE


if __name__ == "__main__":
    sys.exit(become(commands_of(sys.argv[1:])))
