"""All processes below asyncinit and whose they are; reads /proc, signals nobody. For a child: it takes time."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from asyncinit.control.types import ProcessEntry, Standing
from asyncinit.linux import proc
from asyncinit.linux.proc import Stat

_LONGEST = 200
_MOST = 500
"""Zombies and strays that are told at most."""


class Family(Struct, frozen=True):
    """asyncinit's own pid, whose each of its children is (of those that have a service), and which are its helpers."""

    root: int
    owners: dict[int, str]
    helpers: frozenset[int]


def below(family: Family) -> Iterator[tuple[Stat, Standing, str | None]]:
    """Yield each process below asyncinit but this one, with its standing, and whose it is, if it is a service's."""
    found = {pid: stat for pid in proc.pids() if (stat := proc.stat(pid)) is not None}
    children: dict[int, list[int]] = {}
    for stat in found.values():
        children.setdefault(stat.ppid, []).append(stat.pid)
    queue = deque((pid, *_standing(pid, family)) for pid in sorted(children.get(family.root, ())))
    while queue:
        pid, standing, service = queue.popleft()
        if pid == os.getpid():
            continue  # this look itself
        yield found[pid], standing, service
        queue.extend((child, standing, service) for child in sorted(children.get(pid, ())))


def census(family: Family) -> tuple[list[ProcessEntry], int]:
    """Return the zombies and strays below asyncinit, and how many processes there are in all."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    entries: list[ProcessEntry] = []
    total = 0
    for stat, standing, service in below(family):
        total += 1
        if (not stat.alive or standing is Standing.STRAY) and len(entries) < _MOST:
            entries.append(_entry(stat, standing, service, now))
    return entries, total


def _standing(pid: int, family: Family) -> tuple[Standing, str | None]:
    if pid in family.owners:
        return Standing.SERVICE, family.owners[pid]
    return (Standing.HELPER if pid in family.helpers else Standing.STRAY), None


def _entry(stat: Stat, standing: Standing, service: str | None, now: float) -> ProcessEntry:
    return ProcessEntry(
        pid=stat.pid,
        parent=stat.ppid,
        age=round(max(0.0, now - stat.start_time / os.sysconf("SC_CLK_TCK")), 2),
        zombie=not stat.alive,
        standing=standing,
        service=service,
        command=_command(stat),
    )


def _command(stat: Stat) -> str:
    text = proc.command_line(stat.pid)
    text = text if text else f"[{stat.name}]"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
