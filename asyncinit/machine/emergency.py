"""The emergency shell: what a boot that cannot go on by itself leads to; decides nothing about the boot.

PID 1 waits for it, reaping all, and whoever looks after the machine says how it goes on: the end of the shell lets the
boot go on, and the usual commands end the machine.
"""

from __future__ import annotations

import time
import traceback
from typing import NoReturn

from asyncinit.linux.program import execute_again
from asyncinit.linux.reboot import How
from asyncinit.machine import console_shell, stand_in
from asyncinit.machine.console_shell import LEAST, UNATTENDED

_TEXT = """
asyncinit cannot boot this machine by itself:

    {reason}

This is an emergency shell. Put it right, then `exit` (or Ctrl-D) to go on booting.
`reboot` reboots; `reboot -f` does so at once.

"""


def emergency(reason: str) -> None:
    """Let a person in who is told the reason; returns when the boot shall go on.

    Where nobody may be let in (`rescue_shell = false`) the machine is rebooted after half a minute: what it lacked may
    be there then.
    """
    stand_in.say(f"asyncinit: emergency: {reason}")
    if console_shell.program() is None:
        stand_in.say(f"asyncinit: nobody may be let in here; rebooting in {UNATTENDED:g} s")
        stand_in.attend("", seconds=UNATTENDED)
        stand_in.end(How.RESTART)
    begun = time.monotonic()
    stand_in.attend(_TEXT.format(reason="\n    ".join(reason.splitlines())))
    stand_in.pause(begun + LEAST - time.monotonic())
    stand_in.say("asyncinit: the emergency shell has ended; going on")


def start_again(error: BaseException) -> NoReturn:
    """After a failure that leaves nothing to go on with: the emergency shell, and then asyncinit from its beginning.

    Never returns, never raises: where even that is impossible, there is nothing left but the shell.
    """
    reason = f"asyncinit itself fails: {type(error).__name__}: {error}"
    try:
        stand_in.say("".join(traceback.format_exception(error)).rstrip())
        emergency(reason)
        execute_again({})
    except BaseException as another:
        reason = f"{reason}; and then {type(another).__name__}: {another}"
    stand_in.run(reason)
