"""The names of capabilities, and sets of them that have a name; knows no kernel: what one is not has no such number."""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
NAMES = tuple(_NAMES.split())
"""Each at the place that is its number in <linux/capability.h>, without CAP_."""

_DOCKER_DEFAULT = """
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
    SYS_CHROOT
"""
DOCKER_DEFAULT = frozenset(_DOCKER_DEFAULT.split())
"""What Docker gives to a container that asks for nothing."""

SETS = {"all": frozenset(NAMES), "none": frozenset[str](), "docker-default": DOCKER_DEFAULT}
"""Sets by name."""

ALL = (1 << 64) - 1
"""Every capability, those that are yet to come too."""


def bits(words: Iterable[str]) -> int:
    """Return what words say together, as the kernel's bits: names, names of sets, and "~" for what is taken out.

    Where the first one takes out, it is from all.
    """
    found: int | None = None
    for word in words:
        taken = word.startswith("~")
        if found is None:
            found = ALL if taken else 0
        found = found & ~_one(word[1:]) if taken else found | _one(word)
    return found or 0


def _one(word: str) -> int:
    if word == "all":
        return ALL
    return sum(1 << NAMES.index(name) for name in SETS.get(word, (word.removeprefix("CAP_"),)))


def names(found: int) -> list[str]:
    """Return the names of the kernel's bits, in its order; what has no name here is CAP_ and its number."""
    return [f"CAP_{NAMES[number] if number < len(NAMES) else number}" for number in range(64) if found >> number & 1]
