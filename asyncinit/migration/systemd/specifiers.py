"""The specifiers of systemd (%i, %n, %t): what is known when a unit is translated; knows no directive.

What an instance of a template is called is known to asyncinit alone: `INSTANCE_MARK` stands for it until a value is
put into a draft, where it becomes ${INSTANCE}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asyncinit.migration.systemd.names import UnitName, unescape
from asyncinit.migration.systemd.words import Untranslatable

INSTANCE_MARK = "\ue0ff"
"""Stands for the name of the instance; a character that no file has a use for."""

_FIXED = {
    "%": "%",
    "t": "/run",
    "S": "/var/lib",
    "C": "/var/cache",
    "L": "/var/log",
    "E": "/etc",
    "T": "/tmp",
    "V": "/var/tmp",
    "h": "/root",
    "s": "/bin/sh",
    "u": "root",
    "U": "0",
    "g": "root",
    "G": "0",
    "d": "${CREDENTIALS_DIRECTORY}",
}
"""Those of a system's units, which root's systemd runs."""

_OF_THE_MACHINE = {
    "H": "the machine's name",
    "l": "the machine's name",
    "q": "the machine's name",
    "m": "the machine's id",
    "b": "the id of this boot",
    "v": "the kernel's release",
    "a": "the architecture",
    **dict.fromkeys("ABMowW", "the system's release"),
    "c": "the unit's cgroup",
}

_OF_THE_NAME: Mapping[str, Callable[[UnitName], str]] = {
    "n": str,
    "N": lambda name: name.stem,
    "p": lambda name: name.prefix,
    "P": lambda name: unescape(name.prefix),
    "j": lambda name: name.prefix.rpartition("-")[2],
    "J": lambda name: unescape(name.prefix.rpartition("-")[2]),
    "i": lambda name: INSTANCE_MARK if name.template else name.instance,
    "I": lambda name: INSTANCE_MARK if name.template else unescape(name.instance),
    "f": lambda name: "/" + (INSTANCE_MARK if name.template else unescape(name.instance or name.prefix)),
}


def expand(text: str, name: UnitName, path: str) -> str:
    """Return `text` with what its specifiers stand for. Raises Untranslatable for what only a machine knows."""
    parts: list[str] = []
    position = 0
    while (found := text.find("%", position)) >= 0:
        parts.append(text[position:found])
        parts.append(_one(text[found + 1 : found + 2], name, path))
        position = found + 2
    return "".join((*parts, text[position:]))


def _one(letter: str, name: UnitName, path: str) -> str:
    if letter in _FIXED and letter:
        return _FIXED[letter]
    if of_name := _OF_THE_NAME.get(letter):
        return of_name(name)
    if letter in ("y", "Y"):
        return path if letter == "y" else path.rpartition("/")[0]
    if letter in _OF_THE_MACHINE:
        raise Untranslatable(f"%{letter} is {_OF_THE_MACHINE[letter]}, which is not known here")
    return "%" + letter
