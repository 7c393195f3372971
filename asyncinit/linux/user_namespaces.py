"""User namespaces: entering a new one, and which ids of the outside its own are; must not know what it is for.

Who may map what (user_namespaces(7)): root of the outside any ids, from outside, so a child that was forked before
writes the maps. Everybody else one id, his own, and setgroups(2) is forbidden inside then; more by newuidmap(1), which
looks into /etc/subuid. Everything is in units of (first inside, first outside, how many).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from asyncinit.errors import why
from asyncinit.linux.libc import call

_CLONE_NEWUSER = 0x10000000  # <linux/sched.h>
_PROGRAMS = {"uid_map": "/usr/bin/newuidmap", "gid_map": "/usr/bin/newgidmap"}

Range = tuple[int, int, int]


class Maps(NamedTuple):
    """Which ids of the outside those of a user namespace are."""

    uids: tuple[Range, ...]
    gids: tuple[Range, ...]


class MapError(OSError):
    """The ids could not be mapped; `strerror` says why, and what to do."""


def maps_of_ours(uid: int, gid: int) -> Maps:
    """Return what we may map: as root every id that we know to itself, else `uid` and `gid` to ours."""
    if os.geteuid() == 0:
        return Maps(_identity("/proc/self/uid_map"), _identity("/proc/self/gid_map"))
    return Maps(((uid, os.geteuid(), 1),), ((gid, os.getegid(), 1),))


def _identity(path: str) -> tuple[Range, ...]:
    with open(path, "rb") as file:
        ranges = [tuple(map(int, line.split())) for line in file]
    return tuple((inside, inside, count) for inside, _outside, count in ranges)


def enter(maps: Maps, more: int = 0) -> None:
    """Leave our user namespace for a new one, where we have all rights; `more`: CLONE_NEW* that belong to it.

    Call it in a forked child that has no threads. Raises OSError where the kernel refuses the namespace, MapError where
    it refuses the ids.
    """
    ours = ((os.geteuid(), 1), (os.getegid(), 1))
    if os.geteuid() != 0 and tuple(tuple(ids[0][1:]) for ids in maps if len(ids) == 1) == ours:
        call("unshare", _CLONE_NEWUSER | more)
        _write_own(maps)
        return
    start_reader, start = os.pipe2(os.O_CLOEXEC)
    answer, answer_writer = os.pipe2(os.O_CLOEXEC)
    us = os.getpid()
    writer = os.fork()
    if writer == 0:
        os.close(start)
        _map_from_outside(us, maps, start_reader, answer_writer)
    os.close(start_reader)
    os.close(answer_writer)
    try:
        try:
            call("unshare", _CLONE_NEWUSER | more)
            os.write(start, b"1")
        finally:
            os.close(start)
        failure = _read_all(answer)
    finally:
        os.close(answer)
        os.waitpid(writer, 0)
    if failure != b"1":
        number, _, text = failure.decode(errors="replace").partition(" ")
        raise MapError(int(number) if number.isdecimal() else errno.EPROTO, text or "nobody wrote the maps")


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 4096):
        parts.append(part)
    return b"".join(parts)


def _write_own(maps: Maps) -> None:
    try:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", _text(maps.uids))
        _write("/proc/self/gid_map", _text(maps.gids))
    except OSError as error:
        raise MapError(error.errno or 0, f"{error.filename}: {why(error.errno or 0)}") from error


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())  # at once: the kernel takes the first write alone
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from error
    finally:
        os.close(fd)


def _text(ranges: Iterable[Range]) -> str:
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in ranges)


def _map_from_outside(pid: int, maps: Maps, start: int, answer: int) -> NoReturn:
    """In a child: wait until process `pid` is in its namespace, map its ids, tell how it went, and end."""
    try:
        if os.read(start, 1):
            for name, ranges in (("uid_map", maps.uids), ("gid_map", maps.gids)):
                _map(pid, name, ranges)
            os.write(answer, b"1")
    except OSError as error:
        os.write(answer, f"{error.errno or 0} {error.strerror}".encode(errors="replace")[:4000])
    finally:
        os._exit(0)


def _map(pid: int, name: str, ranges: Sequence[Range]) -> None:
    try:
        _write(f"/proc/{pid}/{name}", _text(ranges))
    except OSError as error:
        if error.errno == errno.EPERM and os.geteuid() != 0:
            _map_by_program(pid, name, ranges)
            return
        text = f"{name}: {why(error.errno or 0)}"
        if error.errno == errno.EPERM:
            text += "; asyncinit's own user namespace does not have these ids, or it has not CAP_SETUID and CAP_SETGID"
        raise OSError(error.errno, text) from error


def _map_by_program(pid: int, name: str, ranges: Sequence[Range]) -> None:
    program = _PROGRAMS[name]
    file = "/etc/subuid" if name == "uid_map" else "/etc/subgid"
    words = [program, str(pid), *(str(number) for ids in ranges for number in ids)]
    try:
        child = os.posix_spawn(program, words, {"PATH": "/usr/bin:/bin"}, setsigmask=())
    except FileNotFoundError:
        text = (
            f"{name}: without root only its own id can be mapped; for more there has to be {program} (package uidmap)"
        )
        raise OSError(errno.EPERM, text) from None
    _, status = os.waitpid(child, 0)
    if status:
        text = f"{name}: {os.path.basename(program)} refused; the ranges have to be in {file} for uid {os.getuid()}"
        raise OSError(errno.EPERM, text)


class First(NamedTuple):
    """The root of a user namespace, or its first user where it has none; `groups`: setgroups(2) is allowed there."""

    uid: int
    gid: int
    groups: bool


def first_of(process: int | str = "self") -> First:
    """Return the first user of the user namespace of a process. Raises OSError."""
    folder = f"/proc/{process}"
    return First(_first(f"{folder}/uid_map"), _first(f"{folder}/gid_map"), _may_set_groups(folder))


def become_first(first: First | None = None) -> None:
    """After `enter`: be the first user of our user namespace, if we are nobody in there.

    `first` is who that is, found out before where /proc is not of our PID namespace any more. Our rights in the
    namespace stay. Of the groups from outside none is kept.
    """
    uid, gid, groups = first or first_of()
    if set(os.getresuid()) == {uid} and set(os.getresgid()) == {gid}:
        return
    if groups:
        os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _may_set_groups(folder: str) -> bool:
    try:
        with open(f"{folder}/setgroups", "rb") as file:
            return file.read().strip() != b"deny"
    except OSError:
        return True


def _first(path: str) -> int:
    with open(path, "rb") as file:  # bytes: in a root of its own no codec can be loaded any more
        return min(int(line.split()[0]) for line in file)
