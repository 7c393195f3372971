"""PID 1 of a machine that asyncinit has failed on, for a terminal: `stands_in.py DEVICE PROGRAM [respawn]`.

Makes an orphan first. A wish for the machine's end is told, and is the end of this program only.
"""

from __future__ import annotations

import os
import sys

from asyncinit.linux.subreaper import set_subreaper
from asyncinit.machine import stand_in
from asyncinit.machine.console_shell import Program


def told(how: stand_in.How) -> None:
    print(f"order: {how.name}", flush=True)
    os._exit(0)


def make_an_orphan() -> int:
    """A process whose parent ends before it; it ends at once itself."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        pid = os.fork()
        if pid:
            os.write(writer, b"%d" % pid)
        os._exit(0)
    return int(os.read(reader, 20))


if __name__ == "__main__":
    device, path, *more = sys.argv[1:]
    stand_in._AGAIN = 0.05
    set_subreaper()
    print(f"orphan: {make_an_orphan()}", flush=True)
    what = Program(path, (f"-{os.path.basename(path)}",))
    stand_in.attend("the reason\n", respawn=bool(more), devices=[device], what=what, order=told)
    print("over", flush=True)
