"""asyncinit with faults that can be asked for by signals; run it as `python faulty_init.py run ...`.

34+20: an exception that nobody catches ends the loop. 34+21: the same, and the next program fails as it takes over.
"""

from __future__ import annotations

if __name__ == "__main__":
    # The signals are blocked by this import, as by the entry module; not where a test imports the names below.
    from asyncinit import __main__ as entry  # isort: skip

import os
import sys
from pathlib import Path

ESCAPES = 34 + 20
FAILS_AT_TAKEOVER = 34 + 21
MARK = Path("fail-at-takeover")


def break_signals() -> None:
    """Make a signal handler that raises what no handler of exceptions gets."""
    from asyncinit.runtime.orders import Orders

    sound = Orders.handle

    def handle(self, info) -> None:
        if info.number == FAILS_AT_TAKEOVER:
            MARK.touch()
        if info.number in {ESCAPES, FAILS_AT_TAKEOVER}:
            raise SystemExit("a fault that was asked for")
        sound(self, info)

    Orders.handle = handle


def break_takeover() -> None:
    """Fail where the state is given to the parts, but not in the child that only reads it."""
    from asyncinit.runtime.reexec import gathering

    def fail(*_: object) -> None:
        raise RuntimeError("the take-over fails as it was asked for")

    gathering._take_over_processes = fail


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] or "ASYNCINIT_STATE" in os.environ:
        break_signals()
        if MARK.exists():
            break_takeover()
    sys.exit(entry.main())
