"""[ready]: when a service counts as ready."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.sections.given import Keys, command


class ReadyTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When a service counts as ready, for those that wait for it. One kind at most; without one, it is ready once its
    program is executed. A oneshot is ready when it has exited successfully, and takes `timeout` alone."""

    notify: Annotated[bool, Meta(description="By sd_notify: `READY=1` to `NOTIFY_SOCKET`.")] = False
    notify_fd: Annotated[
        Annotated[int, Meta(ge=3, le=1023)] | UnsetType,
        Meta(description="By a newline on this descriptor, as s6 does it.", examples=[3]),
    ] = UNSET
    tcp: Annotated[
        kinds.TcpAddress | UnsetType,
        Meta(description="When this address takes a connection.", examples=["127.0.0.1:8080"]),
    ] = UNSET
    unix: Annotated[
        kinds.UnixAddress | UnsetType,
        Meta(description="When this socket takes a connection.", examples=["/run/x.sock"]),
    ] = UNSET
    http: Annotated[
        kinds.HttpAddress | UnsetType,
        Meta(
            description="When GET of this address gives a status from 200 to 399. No redirect is followed, no TLS.",
            examples=["http://127.0.0.1:8080/healthz"],
        ),
    ] = UNSET
    file: Annotated[kinds.File | UnsetType, Meta(description="When this file is there.", examples=["/run/x"])] = UNSET
    command: Annotated[
        kinds.Command | UnsetType, Meta(description="When this command exits with 0.", examples=[["pg_isready"]])
    ] = UNSET
    pid_file: Annotated[
        kinds.File | UnsetType,
        Meta(
            description="When this file names a live process of the service, then its main one: for daemons that fork.",
            examples=["/run/x.pid"],
        ),
    ] = UNSET
    log: Annotated[
        kinds.Filled | UnsetType,
        Meta(description="When a line of output has this in it; `*` stands for any text.", examples=["listening on *"]),
    ] = UNSET
    timeout: Annotated[kinds.Duration, Meta(description="Not ready after this: the start has failed.")] = "none"
    interval: Annotated[
        kinds.Positive, Meta(description="Between probes, after quick ones at 0, 50, 100, 200 ms, ...")
    ] = "1s"
    probe_timeout: Annotated[kinds.Positive, Meta(description="A probe without an answer after this has failed.")] = (
        "1s"
    )


READY_KINDS = ("notify", "notify_fd", "tcp", "unix", "http", "file", "command", "pid_file", "log")
"""Keys of [ready] of which a service has one."""


def resolve(declared: ReadyTable) -> spec.Ready:
    """Return what the table declares."""
    given = {key: getattr(declared, key) for key in READY_KINDS}
    kind = next((key for key, value in given.items() if value is not UNSET and value is not False), "exec")
    address = given.get(kind)
    return spec.Ready(
        kind=spec.ReadyKind(kind),
        address=address if isinstance(address, str) and kind != "command" else "",
        descriptor=-1 if isinstance(declared.notify_fd, UnsetType) else declared.notify_fd,
        command=command(declared.command),
        timeout=values.duration(declared.timeout),
        interval=values.duration(declared.interval),
        probe_timeout=values.duration(declared.probe_timeout),
    )


def declare(ready: spec.Ready) -> Keys:
    """Return the keys that resolve to `ready`."""
    keys: Keys = {}
    match ready.kind:
        case spec.ReadyKind.EXEC:
            pass
        case spec.ReadyKind.NOTIFY:
            keys["notify"] = True
        case spec.ReadyKind.NOTIFY_FD:
            keys["notify_fd"] = ready.descriptor
        case spec.ReadyKind.COMMAND:
            keys["command"] = list(ready.command.argv) if ready.command else []
        case _:
            keys[str(ready.kind)] = ready.address
    keys["timeout"] = values.format_duration(ready.timeout)
    if ready.kind in spec.PROBE_KINDS or ready.kind is spec.ReadyKind.PID_FILE:
        keys["interval"] = values.format_duration(ready.interval)
        keys["probe_timeout"] = values.format_duration(ready.probe_timeout)
    return keys
