"""`python -m asyncinit.machine.programs.mount root|local|remote`: mount what /etc/fstab has.

`root`: the root file system as it says, which is usually for writing, and with their lines' options what the early
steps or an initramfs have mounted: /usr, /proc, /dev/shm and the like. `local` and `remote`: all but that, without and
with the network. What is mounted already stays as it is, the folder to mount on is made where it is missing, and a
device that is not there yet is waited for. One that has come too late for `fsck` is checked first. Where something
without `nofail` is not mounted, the exit status is 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence

from asyncinit.linux import mounts
from asyncinit.linux.file_systems import names_of
from asyncinit.machine.api_file_systems import API_FILE_SYSTEMS
from asyncinit.machine.programs import fsck, fstab, unchecked
from asyncinit.machine.programs.child import run
from asyncinit.machine.programs.fstab import Entry

_ROOT = "/"
_EARLY = {"/usr": ["rw"], **{one.place: names_of(one.flags) for one in API_FILE_SYSTEMS}}
"""What is mounted before fstab is read, with the options that hold unless a line says otherwise."""

_NOT_OF_A_REMOUNT = frozenset(("auto", "noauto", "nofail", "_netdev"))


def remount(entries: Sequence[Entry], mounted: Mapping[str, str], run: Callable[[Sequence[str]], int] = run) -> int:
    """Mount the root file system, and what was mounted before fstab was read, with the options that they have there.

    `mounted` has the type of what is mounted at each place. Where another one than the root cannot be had so, that is
    told, and is no failure: it is there.
    """
    failed = 0
    for entry in entries:
        place = os.path.normpath(entry.target)
        if place == _ROOT:
            failed |= _remount(entry, ["rw"], run)
        elif place not in _EARLY or place not in mounted:
            continue
        elif entry.type not in {mounted[place], "auto"}:
            text = f"is a {mounted[place]} already, and not the {entry.type} that fstab has"
            print(f"{entry.target}: {text}", file=sys.stderr, flush=True)
        elif _remount(entry, _EARLY[place], run):
            text = f"stays without what fstab says of it: {','.join(entry.options)}"
            print(f"{entry.target}: {text}", file=sys.stderr, flush=True)
    return failed


def _remount(entry: Entry, usual: Sequence[str], run: Callable[[Sequence[str]], int]) -> int:
    """Have the options of a line hold, over the usual ones; return 1 where that cannot be."""
    options = [option for option in entry.options if option not in _NOT_OF_A_REMOUNT and not option.startswith("x-")]
    usual = [option for option in usual if option != "rw" or "ro" not in options]
    told = dict.fromkeys(["remount", *usual, *options])
    return 1 if run(["mount", "-o", ",".join(told), os.path.normpath(entry.target)]) else 0


def chosen(entries: Sequence[Entry], remote: bool, mounted: Collection[str]) -> list[Entry]:
    """Return what is to be mounted, in the order of fstab."""
    return [
        entry
        for entry in entries
        if not (entry.is_swap or entry.is_manual or entry.type == "ignore")
        and entry.target.startswith("/")
        and entry.target != _ROOT
        and entry.is_remote is remote
        and os.path.normpath(entry.target) not in mounted
    ]


def mount_all(
    entries: Sequence[Entry],
    run: Callable[[Sequence[str]], int] = run,
    wait: Callable[[str, float], str | None] = fstab.wait_for,
    late: Collection[str] = (),
    check: Callable[[Entry, str], bool] | None = None,
) -> int:
    """Mount these, one after the other; return 1 if one that must be there is not.

    `late` are the targets that `fsck` has waited for in vain: nobody waits for them again, and where one is there now
    it is mounted if `check` has its device in order.
    """
    failed = []
    for entry in entries:
        before = (check or in_order) if entry.target in late else None
        if not _mount(entry, run, wait, before) and not entry.may_fail:
            failed.append(entry)
    if failed:
        print(f"not mounted: {', '.join(entry.target for entry in failed)}", file=sys.stderr)
    return 1 if failed else 0


def in_order(entry: Entry, device: str) -> bool:
    """Check a file system as `fsck` would have done; False: it must not be mounted."""
    options = fsck.said_options()
    status = 0 if options is None else fsck.check_one(entry, device, options)
    if fsck.outcome(status) == fsck.REBOOT:
        fsck.reboot()
    return not status & (fsck.REBOOT | fsck.BROKEN)


def _mount(
    entry: Entry,
    run: Callable[[Sequence[str]], int],
    wait: Callable[[str, float], str | None],
    check: Callable[[Entry, str], bool] | None,
) -> bool:
    spec: str | None = entry.spec
    if entry.names_device:
        spec = wait(entry.spec, entry.patience if check is None else 0.0)
    if spec is None:
        print(f"{entry.target}: there is no {entry.spec}", file=sys.stderr, flush=True)
        return False
    if check is not None and not check(entry, spec):
        return False
    try:
        os.makedirs(entry.target, 0o755, exist_ok=True)
    except OSError as error:
        print(f"{entry.target}: cannot be made: {(error.strerror or '').lower()}", file=sys.stderr, flush=True)
        return False
    kind = [] if entry.type == "auto" else ["-t", entry.type]
    options = [option for option in entry.options if option not in {"nofail", "_netdev"}]  # busybox passes them on
    options = [option for option in options if not option.startswith("x-")]
    return run(["mount", *kind, "-o", ",".join(options or ["defaults"]), spec, entry.target]) == 0


def main(words: Sequence[str]) -> int:
    """Do what the one word says."""
    entries = fstab.entries()
    if list(words) == ["root"]:
        return remount(entries, {mount.place: mount.kind for mount in mounts.table()})
    if len(words) != 1 or words[0] not in {"local", "remote"}:
        print("give one of: root, local, remote", file=sys.stderr)
        return 2
    mounted = {mount.place for mount in mounts.table()}
    return mount_all(chosen(entries, words[0] == "remote", mounted), late=unchecked.told())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
