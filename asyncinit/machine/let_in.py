"""Whether the configuration lets anybody in at the console: `rescue_shell` in [init]; knows nothing of shells.

It is asked where nothing else of the configuration can be used, so it needs no more than the file: that which is in
force, by its value where it is sound. In one that cannot be parsed any line counts that may be meant to refuse.
"""

from __future__ import annotations

import os
import re
import sys

from asyncinit.machine import command_line

_FILE = "etc/asyncinit/asyncinit.toml"
_KEY = "rescue_shell"
_PERHAPS_REFUSED = re.compile(rf"""^(?![ \t]*#).*\b{_KEY}["']?[ \t]*=(?![ \t]*true\b)""", re.M)


def refused(root: str = "/") -> bool:
    """Tell whether nobody is to be let in."""
    text = read_text(root, in_force(root))
    try:
        import tomllib  # not before: it may be what is broken

        init = tomllib.loads(text).get("init", {})
    except Exception:
        return _PERHAPS_REFUSED.search(text) is not None
    return isinstance(init, dict) and init.get(_KEY, True) is not True


def in_force(root: str = "/") -> str:
    """Return the configuration file, which the kernel's command line or the arguments of PID 1 may name."""
    line = read_text(root, "proc/cmdline")
    words = [word for word in read_text(root, "proc/1/cmdline").split("\0") if word]
    given = command_line.understand("", words or sys.argv[1:]).config
    return given or command_line.understand(line).config or _FILE


def read_text(root: str, path: str) -> str:
    """Return what is in a file, nothing where it cannot be read."""
    try:
        with open(os.path.join(root, path.lstrip("/")), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
