"""`python -m asyncinit.machine.programs.fsck`: check the file systems of /etc/fstab before they are mounted.

Those with a pass number, the lower first, each by the fsck.TYPE that there is for it. Its exit status: 0 all are in
order (or have been repaired), 2 the machine has to be rebooted, 4 one is not in order, 8 one could not be checked.
A device that has not come is left to `mount`, which checks what comes after all right before it mounts that.
`fsck.mode=force|skip` and `fsck.repair=yes|no` of the kernel's command line mean what they mean to systemd.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from asyncinit.linux import mounts
from asyncinit.machine import command_line
from asyncinit.machine.programs import fstab, unchecked
from asyncinit.machine.programs.child import run
from asyncinit.machine.programs.first_of import find
from asyncinit.machine.programs.fstab import Entry

REPAIRED, REBOOT, BROKEN, ERROR = 1, 2, 4, 8
"""What the bits of a fsck's exit status mean, fsck(8)."""


def chosen(entries: Sequence[Entry], writable: Callable[[str], bool]) -> list[Entry]:
    """Return what is to be checked, in order: nothing that is mounted for writing already, or far away."""
    found = [
        entry
        for entry in entries
        if entry.passno and entry.names_device and not entry.is_manual and not entry.is_remote
    ]
    return sorted((entry for entry in found if not writable(entry.target)), key=lambda entry: entry.passno)


def options_of(words: Sequence[str]) -> list[str] | None:
    """Return the options for every fsck, None where nothing shall be checked."""
    said = dict(word.partition("=")[::2] for word in words if word.startswith("fsck."))
    if said.get("fsck.mode") == "skip":
        return None
    repair = {"yes": "-y", "no": "-n"}.get(said.get("fsck.repair", ""), "-a")
    return [repair, *(["-f"] if said.get("fsck.mode") == "force" else [])]


def check(
    entries: Sequence[Entry],
    options: Sequence[str],
    run: Callable[[Sequence[str]], int] = run,
    find: Callable[[str], str | None] = find,
    wait: Callable[[str, float], str | None] = fstab.wait_for,
) -> tuple[int, list[Entry]]:
    """Check file systems; return what the exit statuses say together, and those whose device has not come.

    Repairs are no trouble, and are left out.
    """
    result, absent = 0, []
    for entry in entries:
        device = wait(entry.spec, entry.patience)
        if device is None:
            print(f"{entry.target}: there is no {entry.spec}", file=sys.stderr, flush=True)
            absent.append(entry)
            status = ERROR
        else:
            status = check_one(entry, device, options, run, find)
        result |= status & REBOOT if entry.may_fail else status
    return result & (REBOOT | BROKEN | ERROR), absent


def check_one(
    entry: Entry,
    device: str,
    options: Sequence[str],
    run: Callable[[Sequence[str]], int] = run,
    find: Callable[[str], str | None] = find,
) -> int:
    """Check what is on a device; return the exit status, made of the bits of this module."""
    program = find("fsck" if entry.type == "auto" else f"fsck.{entry.type}")
    if program is None:
        print(f"{entry.target}: not checked: there is no fsck.{entry.type}", flush=True)
        return 0
    status = run([program, *options, device])
    if status > 127 or status & ~0xF:
        status = ERROR  # ended by a signal, called off, or called wrongly
    print(f"{entry.target} ({device}): {_meaning(status)}", flush=True)
    return status


def _meaning(status: int) -> str:
    for bit, text in ((BROKEN, "is not in order"), (ERROR, "cannot be checked"), (REBOOT, "repaired; needs a reboot")):
        if status & bit:
            return text
    return "repaired" if status & REPAIRED else "is in order"


def outcome(status: int) -> int:
    """Return what matters most of what the exit statuses say: what is not in order no reboot repairs."""
    return next((bit for bit in (BROKEN, REBOOT, ERROR) if status & bit), 0)


def is_written(target: str) -> bool:
    """Tell whether something is mounted there for writing: a check of that would do harm."""
    mounted = any(mount.place == target for mount in mounts.table())
    return mounted and not os.statvfs(target).f_flag & os.ST_RDONLY


def said_options() -> list[str] | None:
    """Return what `options_of` makes of the kernel's command line."""
    return options_of(command_line.said())


def reboot(run: Callable[[Sequence[str]], int] = run) -> None:
    """Have the machine rebooted, since a repair takes it."""
    print("what was repaired takes a reboot", flush=True)
    run([sys.executable, "-m", "asyncinit", "reboot", "--no-wait"])


def main() -> int:
    """Check what fstab has."""
    options = said_options()
    if options is None:
        print("not checked, as the kernel's command line says (fsck.mode=skip)")
        return 0
    result, absent = check(chosen(fstab.entries(), is_written), options)
    unchecked.say([entry.target for entry in absent])
    status = outcome(result)
    if status == REBOOT:
        reboot()
    return status


if __name__ == "__main__":
    sys.exit(main())
