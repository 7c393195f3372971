"""[[sockets]], and the keys that say when what has them runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.problems import Finding, Severity, shown
from asyncinit.config.sections.given import Keys, account, filled


class SocketTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A socket that asyncinit opens before the service starts and keeps open while it restarts. One of `tcp`, `udp`,
    `unix` and `unix_datagram` says where; the service finds it as sd_listen_fds(3) has it, from descriptor 3 up, in the
    order of the file."""

    tcp: Annotated[
        kinds.ListenAddress | UnsetType,
        Meta(description="Connections to this address; `*` is every address.", examples=["127.0.0.1:8080", "*:80"]),
    ] = UNSET
    udp: Annotated[
        kinds.ListenAddress | UnsetType, Meta(description="Datagrams to this address.", examples=["[::1]:53"])
    ] = UNSET
    unix: Annotated[
        kinds.ListenPath | UnsetType,
        Meta(description="Connections to this path, or to `@` and an abstract name.", examples=["/run/web.sock"]),
    ] = UNSET
    unix_datagram: Annotated[
        kinds.ListenPath | UnsetType, Meta(description="Datagrams to this path or name.", examples=["/run/log.sock"])
    ] = UNSET
    name: Annotated[
        kinds.SocketName | UnsetType,
        Meta(
            description="What `LISTEN_FDNAMES` calls it.",
            examples=["http"],
            extra={"default": "the service's name"},
        ),
    ] = UNSET
    backlog: Annotated[
        Annotated[int, Meta(ge=1, le=2**31 - 1)],
        Meta(description="Connections that may wait until they are accepted."),
    ] = spec.BACKLOG
    reuse_port: Annotated[
        bool, Meta(description="`tcp`, `udp`: others may have the same address (`SO_REUSEPORT`).")
    ] = False
    ipv6_only: Annotated[
        bool, Meta(description="`tcp`, `udp`: an IPv6 address takes no IPv4; without it `[::]` and `*` take both.")
    ] = False
    freebind: Annotated[bool, Meta(description="`tcp`, `udp`: the address need not exist yet (`IP_FREEBIND`).")] = False
    user: Annotated[
        kinds.Account | UnsetType,
        Meta(description="`unix`: who owns the file.", extra={"default": "the service's user"}),
    ] = UNSET
    group: Annotated[
        kinds.Account | UnsetType, Meta(description="`unix`: its group.", extra={"default": "the service's group"})
    ] = UNSET
    mode: Annotated[kinds.Mode, Meta(description="`unix`: its access mode.")] = "0660"


KINDS = tuple(str(kind) for kind in spec.SocketKind)
"""Keys of [[sockets]] of which a socket has one."""

OF_SERVERS = ("sockets", "on_demand", "idle_stop", "handover")
"""Keys of a service that stays; a oneshot takes none of them, of the defaults either."""

_FIRST = 3  # SD_LISTEN_FDS_START
_OF_INTERNET = ("reuse_port", "ipv6_only", "freebind")
_OF_FILES = ("user", "group", "mode")

Table = Mapping[str, Any]


def resolve(declared: Sequence[SocketTable], service: str) -> tuple[spec.Socket, ...]:
    """Return what the tables of `service` declare."""
    return tuple(_resolve(table, service) for table in declared)


def _resolve(declared: SocketTable, service: str) -> spec.Socket:
    given = {kind: getattr(declared, kind) for kind in KINDS}
    kind = next(key for key, value in given.items() if not isinstance(value, UnsetType))
    return spec.Socket(
        kind=spec.SocketKind(kind),
        address=given[kind],
        name=service if isinstance(declared.name, UnsetType) else declared.name,
        backlog=declared.backlog,
        reuse_port=declared.reuse_port,
        ipv6_only=declared.ipv6_only,
        freebind=declared.freebind,
        user=account(declared.user),
        group=account(declared.group),
        mode=values.octal(declared.mode),
    )


def declare(sockets: Sequence[spec.Socket]) -> list[Keys]:
    """Return the tables that resolve to `sockets`."""
    return [_declare(socket) for socket in sockets]


def _declare(socket: spec.Socket) -> Keys:
    keys: Keys = {str(socket.kind): socket.address, "name": socket.name}
    if socket.kind.stream:
        keys["backlog"] = socket.backlog
    if socket.kind.local:
        return filled({**keys, "user": socket.user, "group": socket.group, "mode": f"{socket.mode:04o}"})
    return keys | {key: True for key in _OF_INTERNET if getattr(socket, key)}


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def check_tables(sockets: object) -> Iterator[Finding]:
    """Check what the keys of each socket, and the sockets of one service, must agree on."""
    seen: dict[tuple[str, str], int] = {}
    for index, table in enumerate(sockets if isinstance(sockets, list) else ()):
        if not isinstance(table, dict):
            continue
        given = [key for key in KINDS if key in table]
        if not given:
            expected = f"one of {', '.join(KINDS)}"
            yield Finding(("sockets", index), "does not say where it is", expected=expected)
        for other in given[1:]:
            problem = f"cannot stand beside {given[0]}: each of [[sockets]] is one socket"
            yield Finding(("sockets", index, other), problem)
        if len(given) != 1:
            continue
        (kind,) = given
        for key in _misplaced(kind, table):
            yield Finding(("sockets", index, key), f"means nothing for a socket of kind {kind}")
        address = table[kind]
        if isinstance(address, str) and seen.setdefault((kind, address), index) != index:
            yield Finding(("sockets", index, kind), f"is {shown(address)}, which another of [[sockets]] is already")


def _misplaced(kind: str, table: Table) -> Iterator[str]:
    of = spec.SocketKind(kind)
    for key in table:
        wrong_family = key in (_OF_INTERNET if of.local else _OF_FILES)
        abstract = key in _OF_FILES and str(table[kind]).startswith("@")
        if wrong_family or abstract or (key == "backlog" and not of.stream):
            yield key


def check_service(own: Table, whole: Table) -> Iterator[Finding]:
    """Check what depends on sockets, and what they depend on; `own` is what the service says without the defaults."""
    kind = whole.get("type", "service")
    sockets = whole.get("sockets")
    sockets = sockets if isinstance(sockets, list) else []
    if kind == "oneshot":
        for key in OF_SERVERS:
            if own.get(key) not in (None, False, "none"):
                yield Finding((key,), "cannot be used here: a oneshot completes, and serves nobody")
        return
    if own.get("on_demand") is True and not sockets:
        problem = "is for a service that has [[sockets]], on which a first connection can come"
        yield Finding(("on_demand",), problem)
    if own.get("idle_stop") not in (None, "none") and whole.get("on_demand") is not True:
        problem = "is for a service with on_demand = true: nothing would start it again"
        yield Finding(("idle_stop",), problem)
    yield from _check_readiness(whole, sockets)
    yield from _check_folders(whole, sockets)
    if whole.get("handover") == "overlap":
        yield from _check_overlap(whole)


def _check_overlap(whole: Table) -> Iterator[Finding]:
    """Two instances share what has one name: a file that tells of the old one, a terminal that only one can have."""
    ready = whole.get("ready")
    for key in ("pid_file", "file"):
        if isinstance(ready, dict) and key in ready:
            problem = 'is the same file for both instances of handover = "overlap", and is there from the old one'
            yield Finding(("ready", key), problem, suggestion="notify, notify_fd, log or command")
    if isinstance(whole.get("tty"), str):
        problem = 'is a terminal, which the two instances of handover = "overlap" cannot both have'
        yield Finding(("tty",), problem, suggestion="true")


def _check_readiness(whole: Table, sockets: Sequence[object]) -> Iterator[Finding]:
    ready = whole.get("ready")
    if not isinstance(ready, dict):
        return
    number = ready.get("notify_fd")
    last = _FIRST + len(sockets) - 1
    if sockets and isinstance(number, int) and number <= last:
        problem = f"is the descriptor of one of its [[sockets]], which are {_FIRST} to {last}"
        yield Finding(("ready", "notify_fd"), problem, suggestion=str(last + 1))
    for key in ("tcp", "unix"):
        address = ready.get(key)
        if address is not None and any(isinstance(one, dict) and one.get(key) == address for one in sockets):
            problem = "is one of its [[sockets]], which takes connections before the service runs: it tells nothing"
            yield Finding(("ready", key), problem, suggestion="notify or http", severity=Severity.WARNING)


def _check_folders(whole: Table, sockets: Sequence[object]) -> Iterator[Finding]:
    """A runtime directory is removed when the service has ended, and a socket in it would go with it."""
    directories = whole.get("directories")
    names = directories.get("runtime") if isinstance(directories, dict) else None
    for index, table in enumerate(sockets):
        for key in ("unix", "unix_datagram"):
            address = table.get(key) if isinstance(table, dict) else None
            for name in names if isinstance(names, list) and isinstance(address, str) else ():
                if str(address).startswith(f"/run/{name}/"):
                    problem = f"is in /run/{name} of directories.runtime, which is removed whenever the service ends"
                    yield Finding(("sockets", index, key), problem)
