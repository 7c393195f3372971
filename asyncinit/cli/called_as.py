"""asyncinit called by the names of sysvinit's programs: init, telinit, halt, poweroff, reboot, shutdown.

For machines whose /sbin has links to asyncinit in their place. init and telinit write into /run/initctl as sysvinit's
do, so that both sides may be either's; the others ask over the control socket and wait for the end.
"""

from __future__ import annotations

import os

from asyncinit.cli.outcome import UsageError
from asyncinit.cli.power import end
from asyncinit.client.errors import NotRunningError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence

_PIPE = "/run/initctl"
_LEVELS = "0123456sSqQuU"
_ENDS = {"0": "poweroff", "6": "reboot"}

_ACTIONS = {
    "p": "poweroff",
    "-poweroff": "poweroff",
    "-halt": "halt",
    "-reboot": "reboot",
}
_FORCE = frozenset({"f", "-force"})
_ONLY_RECORD = frozenset({"w", "-wtmp-only"})
_OF_NO_USE = frozenset({"n", "d", "i", "h", "-no-sync", "-no-wtmp", "-no-wall"})
"""What we write no record for, or always do."""

_SHUTDOWN_ACTIONS = {
    "h": "poweroff",
    "P": "poweroff",
    "H": "halt",
    "r": "reboot",
    "-poweroff": "poweroff",
    "-halt": "halt",
    "-reboot": "reboot",
}
_SHUTDOWN_OF_NO_USE = frozenset({"f", "F", "n", "a", "-no-wall"})
_AT_ONCE = frozenset({"now", "+0", "0"})


def main(name: str, arguments: Sequence[str]) -> int:
    """Carry out what the program `name` would do; return its exit status."""
    if name in ("init", "telinit"):
        return _telinit(name, arguments)
    if name == "shutdown":
        action, reason = read_shutdown(arguments)
        return end(None, action, False, wait=True, reason=reason)
    wish = read_halt(name, arguments)
    return 0 if wish is None else end(None, wish[0], wish[1], wait=True)


def read_halt(name: str, arguments: Sequence[str]) -> tuple[str, bool] | None:
    """Return what halt, poweroff or reboot is asked for, and whether at once; None: only to write a record of it."""
    action, at_once, record = name, False, False
    for option in _options(name, arguments):
        if option in _ACTIONS:
            action = _ACTIONS[option] if name == "halt" or option != "p" else action
        elif option in _FORCE:
            at_once = True
        elif option in _ONLY_RECORD:
            record = True
        elif option not in _OF_NO_USE:
            raise UsageError(f"{name}: -{option} is not known here; -f ends all at once")
    return None if record else (action, at_once)


def read_shutdown(arguments: Sequence[str]) -> tuple[str, str | None]:
    """Return what shutdown is asked for, and the message with it."""
    action = "poweroff"
    words: list[str] = []
    given = iter(arguments)
    for word in given:
        if word == "-t":
            next(given, None)  # services have times of their own
        elif word.startswith("-") and len(word) > 1 and not words:
            for option in _options("shutdown", [word]):
                if option in _SHUTDOWN_ACTIONS:
                    action = _SHUTDOWN_ACTIONS[option]
                elif option not in _SHUTDOWN_OF_NO_USE:
                    raise UsageError(f"shutdown: -{option} is not known here")
        else:
            words.append(word)
    if not words or words[0] not in _AT_ONCE:
        raise UsageError("shutdown: asyncinit begins at once, and has to be told so: shutdown [-h|-H|-P|-r] now")
    return action, " ".join(words[1:]) or None


def _options(name: str, arguments: Sequence[str]) -> list[str]:
    """Return each option by its letter, or by its word with one dash before it."""
    found: list[str] = []
    for word in arguments:
        if word.startswith("--"):
            found.append(word[1:])
        elif word.startswith("-") and len(word) > 1:
            found += word[1:]
        else:
            raise UsageError(f"{name}: {word} is not known here")
    return found


def _telinit(name: str, arguments: Sequence[str]) -> int:
    """Have PID 1 change the runlevel: 0, 6, 1 or s, 2 to 5; q reads the configuration again, u replaces asyncinit."""
    words = list(arguments)
    while words and words[0] == "-t":
        del words[:2]
    if len(words) != 1 or len(words[0]) != 1 or words[0] not in _LEVELS:
        levels = "0 (poweroff), 6 (reboot), 1 or s (rescue), 2 to 5 (what starts by default), q (reload), u (reexec)"
        raise UsageError(f"{name}: one of {levels}; asyncinit --help tells what else there is")
    level = words[0]
    try:
        ask_pid_1(level)
    except OSError as error:
        if level in _ENDS:
            return end(None, _ENDS[level], False, wait=True)
        reason = error.strerror or str(error)
        raise NotRunningError(f"no asyncinit is PID 1 of this machine ({_PIPE}: {reason.lower()})") from None
    return 0


def ask_pid_1(level: str, path: str = _PIPE) -> None:
    """Write one request, whole; raises OSError where nobody reads."""
    from asyncinit.machine.init_request import Ask, InitRequest, encode

    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        os.write(fd, encode(InitRequest(Ask.RUNLEVEL, level)))
    finally:
        os.close(fd)
