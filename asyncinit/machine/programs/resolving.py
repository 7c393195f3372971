"""/etc/resolv.conf: the name servers that the interfaces of a machine know, for the programs of this package.

What each interface knows stands in a file of its own below /run, so that one that goes takes away its own alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from asyncinit.machine.written import make_folder, replace_file

FOLDER = "run/asyncinit/name-servers"
PATH = "etc/resolv.conf"
_MOST_SERVERS = 3  # resolv.conf(5) has no more


def say(interface: str, servers: Sequence[str], search: Sequence[str], root: str = "/") -> None:
    """Say what an interface knows of name servers; nothing at all: that it is gone."""
    path = os.path.join(root, FOLDER, interface)
    if servers or search:
        make_folder(path)
        lines = [f"nameserver {server}" for server in servers] + ([f"search {' '.join(search)}"] if search else [])
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    elif os.path.exists(path):
        os.unlink(path)
    else:
        return
    _write(_together(os.path.join(root, FOLDER)), os.path.join(root, PATH))


def _together(folder: str) -> str:
    lines: list[str] = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            lines += file.read().splitlines()
    servers = [line for line in dict.fromkeys(lines) if line.startswith("nameserver ")][:_MOST_SERVERS]
    search = dict.fromkeys(word for line in lines if line.startswith("search ") for word in line.split()[1:])
    return "".join(f"{line}\n" for line in [*servers, *([f"search {' '.join(search)}"] if search else [])])


def _write(text: str, path: str) -> None:
    """Write the file complete or not at all, where a link says if it is one (into /run, where /etc is read-only)."""
    place = os.path.realpath(path)
    try:
        make_folder(place)
        replace_file(place, f"# Written by asyncinit's network service.\n{text}".encode(), 0o644)
    except OSError as error:
        print(f"cannot write {path}: {(error.strerror or '').lower()}", file=sys.stderr)
