"""`python -m asyncinit.machine.programs.console_getty`: start a getty on each of the kernel's consoles.

What these are the kernel says itself in /sys: those of `console=` that exist, and its own choice without one. Where it
does not, its command line is read. For each there is an instance of `getty@`, which asyncinit is asked to start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from asyncinit.machine import command_line
from asyncinit.machine.consoles import ACTIVE, active

_FIRST_OF_SCREEN = "tty1"
"""What has a login where the console is the screen (tty0 is whichever of tty1, tty2, ... is seen)."""


def consoles(root: str = "/", is_terminal: Callable[[str], bool] = os.path.exists) -> list[str]:
    """Return the names of the consoles' terminals, each once, in order."""
    names = active(os.path.join(root, ACTIVE.lstrip("/")))
    if names is None:
        said = [word for word in command_line.said(root) if word.startswith("console=")]
        names = [word.removeprefix("console=").partition(",")[0] for word in said]
    names = [_FIRST_OF_SCREEN if name in {"tty", "tty0"} else name for name in names]
    return [name for name in dict.fromkeys(names) if is_terminal(os.path.join(root, "dev", name))]


def main() -> None:
    """Have asyncinit start the instances; it goes on without us."""
    names = [f"getty@{name}" for name in consoles()]
    print(f"starting {', '.join(names)}" if names else "the kernel has no console that is a terminal", flush=True)
    if names:
        os.execv(sys.executable, [sys.executable, "-m", "asyncinit", "start", "--no-wait", *names])


if __name__ == "__main__":
    main()
