"""`python -m asyncinit.machine.programs.modules`: load the kernel modules that the machine's files name.

/etc/modules, the files *.conf of modules-load.d (of two with the same name /etc wins over /run, and that over
/usr/lib), and `modules_load=` of the kernel's command line. One that does not load is named, and the others load.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence

from asyncinit.machine import command_line
from asyncinit.machine.programs.child import run

FOLDERS = ("usr/lib/modules-load.d", "run/modules-load.d", "etc/modules-load.d")
"""Below the root folder, the strongest last."""
_OPTIONS = ("modules_load=", "modules-load=")


def named_modules(root: str = "/") -> list[list[str]]:
    """Return the modules to load, in order and each once, with the parameters that stand beside it."""
    files: dict[str, str] = {}
    for folder in FOLDERS:
        place = os.path.join(root, folder)
        if os.path.isdir(place):
            files |= {name: os.path.join(place, name) for name in os.listdir(place) if name.endswith(".conf")}
    found: dict[str, list[str]] = {}
    for path in (*(files[name] for name in sorted(files)), os.path.join(root, "etc/modules")):
        for words in _lines(path):
            found.setdefault(words[0], words)
    for word in command_line.said(root):
        for option in _OPTIONS:
            for name in word.removeprefix(option).split(",") if word.startswith(option) else ():
                found.setdefault(name, [name])
    return [words for name, words in found.items() if name]


def _lines(path: str) -> Iterator[list[str]]:
    for line in _text(path).splitlines():
        words = line.split()
        if words and not words[0].startswith(("#", ";")):
            yield words


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        print(f"cannot read {path}: {(error.strerror or '').lower()}", file=sys.stderr)
        return ""


def load(modules: Sequence[Sequence[str]], run: Callable[[Sequence[str]], int] = run) -> int:
    """Load modules, and return 1 if one would not."""
    failed = [words[0] for words in modules if run(["modprobe", "-b", *words])]
    if failed:
        print(f"not loaded: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(load(named_modules()))
