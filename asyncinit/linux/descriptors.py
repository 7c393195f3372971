"""File descriptors: closed standard ones, inherited ones, close-on-exec; must not know what is read or written.

Light on purpose (no import but os): it runs before anything else may open a file.
"""

import os

_SCAN_AT_MOST = 65536
"""How far to look where there is neither /proc nor close_range(2); RLIMIT_NOFILE may be a thousand million."""


def open_standard(path: str = "/dev/null") -> tuple[int, ...]:
    """Open `path` on each of descriptors 0 to 2 that is closed, and return which those were.

    Otherwise the next file that is opened becomes somebody's standard output. Where `path` can't be opened, /dev/null
    and at last a pipe without a reader takes its place, so that afterwards all three are open.
    """
    opened = []
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            _open_at(fd, path)
            opened.append(fd)
    return tuple(opened)


def _open_at(fd: int, path: str) -> None:
    """Open something on `fd`, which is closed while all below it are open."""
    for candidate in (path, "/dev/null"):
        try:
            got = os.open(candidate, os.O_RDWR | os.O_NOCTTY)
            break
        except OSError:
            continue
    else:
        try:
            reader, got = os.pipe()
            os.close(got if fd == 0 else reader)
            got = reader if fd == 0 else got
        except OSError:
            return
    if got != fd:
        os.dup2(got, fd)
        os.close(got)
    os.set_inheritable(fd, True)


def inherited(keep: int = 2) -> list[int]:
    """Return our open descriptors above `keep`, in order, whoever opened them."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        highest = min(os.sysconf("SC_OPEN_MAX"), _SCAN_AT_MOST)
        return [fd for fd in range(keep + 1, highest if highest > 0 else _SCAN_AT_MOST) if is_open(fd)]
    return sorted(fd for fd in map(int, names) if fd > keep and is_open(fd))


def is_open(fd: int) -> bool:
    """Tell whether descriptor `fd` is open."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def close_from(first: int) -> None:
    """Close all descriptors from `first` up; quick however high RLIMIT_NOFILE is."""
    close_others(first, ())


def close_others(first: int, keep: tuple[int, ...]) -> None:
    """Close all descriptors from `first` up but those in `keep`; for a forked child."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        highest = max(keep, default=first) + _SCAN_AT_MOST
        for low, high in _gaps(first, keep, highest):
            os.closerange(low, high)
        return
    for name in names:
        fd = int(name)
        if fd >= first and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass  # the listing's own descriptor, or one that a signal handler closed


def _gaps(first: int, keep: tuple[int, ...], end: int) -> list[tuple[int, int]]:
    """Return the half-open ranges from `first` to `end` without `keep`."""
    gaps = []
    for fd in sorted(keep):
        if fd >= first:
            gaps.append((first, fd))
            first = fd + 1
    return [*gaps, (first, end)]


def set_cloexec(fd: int) -> None:
    """Keep `fd` from the programs that we execute."""
    os.set_inheritable(fd, False)


def cloexec_from(first: int = 3) -> None:
    """Keep every descriptor from `first` up, whoever opened it, from the programs that we execute."""
    for fd in inherited(first - 1):
        try:
            os.set_inheritable(fd, False)
        except OSError:
            pass  # closed since it was listed
