"""The kernel's consoles by name, as it tells them itself: those of `console=` that exist, or its own choice."""

from __future__ import annotations

ACTIVE = "/sys/class/tty/console/active"


def active(path: str = ACTIVE) -> list[str] | None:
    """Return their names, the last of `console=` at the end; None where the kernel does not tell."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except (OSError, ValueError):
        return None
