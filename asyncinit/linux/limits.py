"""Our own limit of open files; knows nothing of who needs them. See getrlimit(2), RLIMIT_NOFILE."""

from __future__ import annotations

import resource


def raise_open_files(needed: int) -> tuple[int, int] | None:
    """Raise the soft limit of this process to `needed`, or as far as the hard one allows, if it is lower.

    Returns the limits (soft, hard) as they were if they were changed, so that children can be given them back: programs
    that use select(2), or close every possible descriptor, rely on a low soft limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return None
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if wanted <= soft:
        return None
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft, hard


def set_open_files(soft: int, hard: int) -> None:
    """Set the limits of open files of this process."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
