"""Signals and exit statuses as systemd names them; knows no directive."""

from __future__ import annotations

from asyncinit.config import ends
from asyncinit.config.values import BadValueError
from asyncinit.migration.systemd.words import Untranslatable


def signal(text: str) -> str:
    """Return the name of a signal. Raises Untranslatable."""
    try:
        return ends.format_signal(ends.signal_number(int(text) if text.isdigit() else text))
    except BadValueError:
        raise Untranslatable("is no signal") from None


_STATUSES = {
    "SUCCESS": 0,
    "FAILURE": 1,
    "INVALIDARGUMENT": 2,
    "NOTIMPLEMENTED": 3,
    "NOPERMISSION": 4,
    "NOTINSTALLED": 5,
    "NOTCONFIGURED": 6,
    "NOTRUNNING": 7,
    "USAGE": 64,
    "DATAERR": 65,
    "NOINPUT": 66,
    "NOUSER": 67,
    "NOHOST": 68,
    "UNAVAILABLE": 69,
    "SOFTWARE": 70,
    "OSERR": 71,
    "OSFILE": 72,
    "CANTCREAT": 73,
    "IOERR": 74,
    "TEMPFAIL": 75,
    "PROTOCOL": 76,
    "NOPERM": 77,
    "CONFIG": 78,
    "CHDIR": 200,
    "NICE": 201,
    "FDS": 202,
    "EXEC": 203,
    "EXCEPTION": 255,
}


def status(text: str) -> int | str:
    """Return an exit code, or the name of a signal. Raises Untranslatable."""
    if text.isdigit() and int(text) <= 255:
        return int(text)
    return _STATUSES[text] if text in _STATUSES else signal(text)
