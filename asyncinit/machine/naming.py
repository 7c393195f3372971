"""Who this machine is: its host name, and the id of /etc/machine-id; knows no network."""

from __future__ import annotations

import errno
import os
import re
import socket

from asyncinit.errors import AsyncinitError
from asyncinit.linux import file_systems, namespaces, unmount
from asyncinit.machine.child import within
from asyncinit.machine.system import System
from asyncinit.machine.written import replace_file

MACHINE_ID = "/etc/machine-id"

_HOST_FILE = "/etc/hostname"
_NAMELESS = "(none)"  # what the kernel has until somebody says better
_LAST_RESORT = "localhost"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_TRANSIENT = "/run/machine-id"
_DISK = 10.0


def set_hostname(system: System) -> str:
    """Set the host name: the kernel command line's, else /etc/hostname's, else what the kernel has."""
    wanted, source = system.words.hostname, "the kernel command line"
    if wanted is None:
        wanted, source = _of_file(system), _HOST_FILE
    if wanted is None:
        now = os.uname().nodename
        wanted = now if now not in ("", _NAMELESS) else _LAST_RESORT
    if not _HOST.fullmatch(wanted):
        raise AsyncinitError(f"{source} has {wanted[:80]!r}, expected at most 64 letters, digits, '-' and '.'")
    socket.sethostname(wanted)
    return wanted


def _of_file(system: System) -> str | None:
    try:
        lines = system.text(_HOST_FILE).splitlines()
    except OSError:
        return None
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), None)


def make_machine_id(system: System) -> str:
    """Make the machine's id if it has none; where it cannot be kept, one for this boot."""
    try:
        if _ID.fullmatch(system.text(MACHINE_ID).strip()):
            return ""
    except FileNotFoundError:
        pass
    made = bytearray(os.urandom(16))
    made[6] = made[6] & 0x0F | 0x40  # a UUID of version 4, as machine-id(5) wants it
    made[8] = made[8] & 0x3F | 0x80
    text = f"{made.hex()}\n"
    try:
        replace_file(system.path(MACHINE_ID), text.encode(), 0o444)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.ENOSPC):
            raise
        return _for_this_boot(system, text)
    return "made"


def _for_this_boot(system: System, text: str) -> str:
    """Show an id that is not kept in the place of an (empty) /etc/machine-id that cannot be written."""
    path = system.path(MACHINE_ID)
    if not os.path.exists(path):
        raise AsyncinitError(f"{MACHINE_ID} cannot be written; an empty one there would do for an id of each boot")
    replace_file(system.path(_TRANSIENT), text.encode(), 0o444)
    file_systems.bind(system.path(_TRANSIENT), path)
    file_systems.restrict(path, file_systems.READ_ONLY)
    return f"made for this boot alone: {MACHINE_ID} cannot be written"


def keep_machine_id(system: System) -> str:
    """Keep the id of this boot for good, once the root can be written; make one where there was none to show it over.

    Nobody ever sees an empty file: it is written where only we see what is below the mount, which is taken away then.
    """
    path = system.path(MACHINE_ID)
    if not file_systems.is_mounted(path):
        return make_machine_id(system)
    outcome = within(_DISK, _write_below, path, system.text(MACHINE_ID))
    if outcome.failure:
        raise AsyncinitError(outcome.failure)
    if outcome.text:
        return outcome.text
    if file_systems.is_mounted(path):  # before Linux 3.18 a file that is replaced stays covered
        unmount.unmount(path, unmount.How.DETACH)
    return "kept"


def _write_below(path: str, text: str) -> str:
    """In a child: write the file that is below the mount at `path`; return why that is not to be, if so."""
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.make_mounts_private()
    unmount.unmount(path, unmount.How.DETACH)
    try:
        replace_file(path, text.encode(), 0o444)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return "it stays one for this boot alone"
    return ""
