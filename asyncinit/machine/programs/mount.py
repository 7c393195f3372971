"""`python -m asyncinit.machine.programs.mount root|local|remote`: mount what /etc/fstab has.

`root`: the root file system as it says, which is usually for writing. `local` and `remote`: all but that, without and
with the network. What is mounted already stays as it is, the folder to mount on is made where it is missing, and a
device that is not there yet is waited for. One that has come too late for `fsck` is checked first. Where something
without `nofail` is not mounted, the exit status is 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence

from asyncinit.linux import mounts
from asyncinit.machine.programs import fsck, fstab, unchecked
from asyncinit.machine.programs.child import run
from asyncinit.machine.programs.fstab import Entry

_ROOT = "/"


def remount(entries: Sequence[Entry], run: Callable[[Sequence[str]], int] = run) -> int:
    """Mount the root file system with the options that it has in fstab."""
    root = next((entry for entry in entries if entry.target == _ROOT), None)
    if root is None:
        return 0
    options = [option for option in root.options if option not in {"auto", "noauto", "nofail"}]
    if "ro" not in options and "rw" not in options:
        options.insert(0, "rw")
    return 1 if run(["mount", "-o", ",".join(["remount", *options]), _ROOT]) else 0


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
        return remount(entries)
    if len(words) != 1 or words[0] not in {"local", "remote"}:
        print("give one of: root, local, remote", file=sys.stderr)
        return 2
    mounted = {mount.place for mount in mounts.table()}
    return mount_all(chosen(entries, words[0] == "remote", mounted), late=unchecked.told())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
