"""Find a program and say why it cannot be executed; looks at files only, starts nothing.

The kernel answers ENOENT when a script's interpreter or a binary's loader is missing, ENOEXEC for a script without its
first line, EACCES for a directory: what the kernel leaves unsaid is found out here, after the failure.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from typing import Literal

from asyncinit.errors import SpawnError, why

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SCRIPT_LINE = 256  # BINPRM_BUF_SIZE: so much of a script's first line the kernel reads


def find(program: str, environment: Mapping[str, str]) -> str:
    """Return the path to execute for `program`: itself with a slash in it, else the first executable in PATH.

    An empty entry of PATH is skipped: a program of the current directory must be named by "./". Raises SpawnError where
    nothing is found, telling what was found but may not be executed from what is not there at all.
    """
    if not program:
        raise SpawnError("execute the command", errno.ENOENT, "its first word is empty")
    if "/" in program:
        return program
    path = environment.get("PATH") or DEFAULT_PATH
    refused = ""
    for folder in path.split(":"):
        if not folder:
            continue
        candidate = f"{folder.rstrip('/')}/{program}"
        try:
            mode = os.stat(candidate).st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(mode) and os.access(candidate, os.X_OK, effective_ids=True):
            return candidate
        refused = refused or candidate
    if refused:
        raise SpawnError(f"execute {refused}", errno.EACCES, explain(refused, errno.EACCES))
    raise SpawnError(f"execute {program}", errno.ENOENT, f"not found in PATH ({path})")


def explain(path: str, error: int) -> str:
    """Return why `path` could not be executed, as precisely as its file tells; `error` is execve's errno."""
    try:
        return _explain(path, error) or why(error)
    except (OSError, ValueError):
        return why(error)


def _explain(path: str, error: int) -> str:
    match error:
        case errno.E2BIG:
            return "its arguments and environment are too long together, or one of them is"
        case errno.ENOENT:
            return _explain_absence(path)
        case errno.EACCES:
            return _explain_refusal(path)
        case errno.ENOEXEC:
            with open(path, "rb") as file:
                head = file.read(4)
            if head == b"\x7fELF":
                return "exec format error; it was built for another kind of machine"
            return "exec format error; " + ("is the #! line missing?" if head else "the file is empty")
    return ""


def _explain_refusal(path: str) -> str:
    info = os.stat(path)
    if stat.S_ISDIR(info.st_mode):
        return "it is a directory"
    if not stat.S_ISREG(info.st_mode):
        return "it is not a regular file"
    if os.statvfs(path).f_flag & os.ST_NOEXEC:
        return "permission denied; its file system is mounted noexec"
    if not info.st_mode & 0o111:
        return f"permission denied; it is not executable (mode {stat.S_IMODE(info.st_mode):04o})"
    if os.access(path, os.X_OK, effective_ids=True):
        interpreter = _interpreter(path)
        if interpreter and not os.access(interpreter, os.X_OK, effective_ids=True):
            return f"permission denied; its interpreter {interpreter} is not executable"
    return ""


def _explain_absence(path: str) -> str:
    if os.path.islink(path) and not os.path.exists(path):
        return f"it is a symbolic link to {os.readlink(path)}, which does not exist"
    interpreter = _interpreter(path)
    if not interpreter or os.path.exists(interpreter):
        return ""
    if interpreter.endswith("\r"):
        return f"its #! line ends with a carriage return (a DOS line end), so {interpreter[:-1]!r} is not found"
    return f"its interpreter {interpreter} does not exist"


def _interpreter(path: str) -> str:
    """Return what must be there to run `path`: the program of its #! line, or a binary's loader (elf(5)); or ""."""
    with open(path, "rb") as file:
        head = file.read(_SCRIPT_LINE)
        if head.startswith(b"#!"):
            line = head[2:].split(b"\n", 1)[0].strip(b" \t")
            return os.fsdecode(line.replace(b"\t", b" ").split(b" ", 1)[0])
        if head[:4] != b"\x7fELF" or len(head) < 64:
            return ""
        wide = head[4] == 2
        order: Literal["little", "big"] = "little" if head[5] == 1 else "big"

        def number(data: bytes, at: int, size: int) -> int:
            return int.from_bytes(data[at : at + size], order)

        table = number(head, 32, 8) if wide else number(head, 28, 4)
        size, count = (number(head, at, 2) for at in ((54, 56) if wide else (42, 44)))
        for index in range(min(count, 64)):
            file.seek(table + index * size)
            entry = file.read(size)
            if number(entry, 0, 4) == 3:  # PT_INTERP
                file.seek(number(entry, 8, 8) if wide else number(entry, 4, 4))
                length = number(entry, 32, 8) if wide else number(entry, 16, 4)
                return os.fsdecode(file.read(min(length, 4096)).rstrip(b"\0"))
    return ""
