"""`python -m asyncinit.machine.programs.getty TERMINAL`: ask for a login on the terminal that we have.

Our standard descriptors are that terminal already, which controls our session: asyncinit has seen to it (`tty`). So
this only becomes the agetty, the getty or the login that is there, told what it needs to know.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from asyncinit.machine.programs.first_of import become

_SPEEDS = "115200,57600,38400,9600"


def type_of(terminal: str) -> str:
    """Return what TERM shall be there: the kernel's own console knows more than what is at a serial line."""
    return "linux" if terminal.removeprefix("tty").isdecimal() else "vt220"


def commands(terminal: str) -> list[list[str]]:
    """Return what may ask for the login, the best first."""
    kind = type_of(terminal)
    # The speed is the kernel's, which has set it by console=; 0 leaves it alone. The terminal is "-", what is open.
    local = ["--noclear"] if kind == "linux" else ["--keep-baud"]
    speed = [] if kind == "linux" else [_SPEEDS]
    return [
        ["agetty", *local, *speed, "-", kind],
        ["getty", "-L", "0", "-", kind],
        ["busybox", "getty", "-L", "0", "-", kind],
        ["login"],
        ["busybox", "login"],
    ]


def main(words: Sequence[str]) -> int:
    """Become what is there."""
    if len(words) != 1:
        print("give the name of the terminal, such as tty1 or ttyS0", file=sys.stderr)
        return 2
    return become(commands(words[0].removeprefix("/dev/")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
