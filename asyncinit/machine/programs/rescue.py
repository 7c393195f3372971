"""`python -m asyncinit.machine.programs.rescue`: a shell on the console for one person, below the reason why.

asyncinit has stopped its own services that use the console; whoever else has it loses it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from asyncinit.linux import signals
from asyncinit.machine import console_shell

REASON = "ASYNCINIT_RESCUE"
"""The variable that says why; without it somebody has asked for this."""

NOBODY = 78
"""The exit status where there can be no shell, and hardly ever that of a shell's last command (EX_CONFIG)."""

_ASKED = """
One person at the console: nothing else is started.
`asyncinit start NAME` starts a service, `exit` (or Ctrl-D) boots as usual, `reboot` reboots.

"""
_FAILED = """
The boot has failed:

    {reason}

What came up runs. `asyncinit status` shows it, `asyncinit explain NAME` and `asyncinit logs NAME` say more.
Put it right, then `exit` (or Ctrl-D): the files are read again, and the boot is tried once more. `reboot` reboots.

"""


def text(environment: Mapping[str, str]) -> str:
    """Return what a person is told."""
    reason = environment.get(REASON, "")
    if not reason and (service := environment.get("MONITOR_SERVICE")):  # by its `on_failure`
        reason = f"{service} has failed ({environment.get('MONITOR_SERVICE_RESULT', 'unknown')})"
    return _FAILED.format(reason="\n    ".join(reason.splitlines())) if reason else _ASKED


def main() -> NoReturn:
    """Become the shell; where there can be none, end with a word about that."""
    what = console_shell.program()
    if what is None:
        print("nobody may be let in at the console ([init] rescue_shell), or there is no shell", file=sys.stderr)
        sys.exit(NOBODY)
    device = console_shell.consoles()[0]
    try:
        console_shell.take(device, alone=True)
        os.write(1, (text(os.environ) + what.note).encode(errors="replace"))
        os.chdir("/root" if os.path.isdir("/root") else "/")
        signals.reset_in_child()
        kept = {name: value for name, value in os.environ.items() if name != REASON}
        os.execve(what.path, what.words, {**kept, **console_shell.environment(device, what)})
    except OSError as error:
        print(f"cannot run {what.path} on {device}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        sys.exit(NOBODY)


if __name__ == "__main__":
    main()
