"""mount(2): a file system at its place, and the options of one that is there; must not know what for.

Works without /proc and on every kernel, where `linux.mounting` needs Linux 5.2.
"""

from __future__ import annotations

import os

from asyncinit.linux.libc import call

READ_ONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
"""MS_* of <sys/mount.h>, and, the same, ST_* of statvfs(3)."""
STRICTATIME = 1 << 24
_NAMES = {NOSUID: "nosuid", NODEV: "nodev", NOEXEC: "noexec", STRICTATIME: "strictatime"}

_BIND, _REMOUNT = 0x1000, 0x20
_RELATIME = 1 << 21
_ATIMES = {
    0x400: 0x400,
    0x800: 0x800,
    0x1000: _RELATIME,
}  # ST_NOATIME, ST_NODIRATIME, ST_RELATIME: of statvfs, of mount


def mount(kind: str, place: str, flags: int = 0, options: str = "") -> None:
    """Mount a file system of type `kind` that needs no device; raises OSError (ENODEV: the kernel has none)."""
    _mount(kind, place, kind, flags, options)


def bind(source: str, place: str) -> None:
    """Show the file or folder `source` at `place` too; raises OSError."""
    _mount(source, place, None, _BIND, "")


def names_of(flags: int) -> list[str]:
    """Return what of `flags` restricts, or says when a file was read, as options of mount(8)."""
    return [name for flag, name in _NAMES.items() if flag & flags]


def is_mounted(place: str) -> bool:
    """Tell whether something of another file system is mounted at `place`, also a file; needs no /proc."""
    return os.path.ismount(place)


def flags_of(place: str) -> int:
    """Return which of READ_ONLY, NOSUID, NODEV and NOEXEC hold at `place`; raises OSError."""
    return os.statvfs(place).f_flag & (READ_ONLY | NOSUID | NODEV | NOEXEC)


def restrict(place: str, flags: int) -> None:
    """Add flags to those of what is mounted at `place`; raises OSError."""
    found = os.statvfs(place).f_flag
    kept = sum(given for seen, given in _ATIMES.items() if found & seen)
    _mount(None, place, None, _BIND | _REMOUNT | flags_of(place) | kept | flags, "")


def _mount(source: str | None, place: str, kind: str | None, flags: int, options: str) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, place, kind)]
    try:
        call("mount", *texts, flags, os.fsencode(options) or None)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), place) from None
