"""`python -m asyncinit.machine.programs.console_getty`: start a getty on each of the kernel's consoles.

What these are the kernel says itself in /sys: those of `console=` that exist, and its own choice without one. Where it
does not, its command line is read. For each there is an instance of `getty@`, which asyncinit is asked to start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_ACTIVE = "sys/class/tty/console/active"
_FIRST_OF_SCREEN = "tty1"
"""What has a login where the console is the screen (tty0 is whichever of tty1, tty2, ... is seen)."""


def consoles(root: str = "/", is_terminal: Callable[[str], bool] = os.path.exists) -> list[str]:
    """Return the names of the consoles' terminals, each once, in order."""
    try:
        with open(os.path.join(root, _ACTIVE), encoding="ascii") as file:
            names = file.read().split()
    except OSError:
        names = _named(os.path.join(root, "proc/cmdline"))
    names = [_FIRST_OF_SCREEN if name in {"tty", "tty0"} else name for name in names]
    return [name for name in dict.fromkeys(names) if is_terminal(os.path.join(root, "dev", name))]


def _named(path: str) -> list[str]:
    """Return what the kernel's command line calls its consoles."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            words = file.read().split()
    except OSError:
        return []
    return [word.removeprefix("console=").partition(",")[0] for word in words if word.startswith("console=")]


def main() -> None:
    """Have asyncinit start the instances; it goes on without us."""
    names = [f"getty@{name}" for name in consoles()]
    print(f"starting {', '.join(names)}" if names else "the kernel has no console that is a terminal", flush=True)
    if names:
        os.execv(sys.executable, [sys.executable, "-m", "asyncinit", "start", "--no-wait", *names])


if __name__ == "__main__":
    main()
