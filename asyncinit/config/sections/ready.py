"""[ready]: when a service counts as ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from asyncinit.config import kinds, spec, values
from asyncinit.config.problems import Finding
from asyncinit.config.sections.given import Keys
from asyncinit.config.sections.signs import (
    COMBINED,
    PROBES,
    ProbeKeys,
    check_parts,
    declare_sign,
    is_probed,
    list_of_signs,
    resolve_sign,
)


class SignKeys(ProbeKeys, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One sign of readiness: a part of `all` or `any`."""

    notify: Annotated[bool, Meta(description="By sd_notify: `READY=1` to `NOTIFY_SOCKET`.")] = False
    notify_fd: Annotated[
        Annotated[int, Meta(ge=3, le=1023)] | UnsetType,
        Meta(description="By a newline on this descriptor, as s6 does it.", examples=[3]),
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


_Parts = Annotated[list[SignKeys], list_of_signs]


class ReadyTable(SignKeys, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When a service counts as ready, for those that wait for it. One kind at most; without one, it is ready once its
    program is executed. A oneshot is ready when it has exited successfully, and takes `timeout` alone."""

    all: Annotated[
        _Parts | UnsetType,
        Meta(
            description="When each of these has been seen, in whatever order.",
            examples=[[{"notify": True}, {"tcp": "127.0.0.1:8080"}]],
        ),
    ] = UNSET
    any: Annotated[_Parts | UnsetType, Meta(description="When one of these has been seen.")] = UNSET
    timeout: Annotated[kinds.Duration, Meta(description="Not ready after this: the start has failed.")] = "none"
    interval: Annotated[
        kinds.Positive, Meta(description="Between probes, after quick ones at 0, 50, 100, 200 ms, ...")
    ] = "1s"
    probe_timeout: Annotated[kinds.Positive, Meta(description="A probe without an answer after this has failed.")] = (
        "1s"
    )


READY_KINDS = ("notify", "notify_fd", *PROBES, "pid_file", "log", *COMBINED)
"""Keys of [ready] of which a service has one."""


def check(table: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what the parts of combined kinds must agree on among themselves."""
    return check_parts("ready", table, [kind for kind in READY_KINDS if kind not in COMBINED])


def resolve(declared: ReadyTable) -> spec.Ready:
    """Return what the table declares."""
    return spec.Ready(
        **asdict(resolve_sign(declared)),
        timeout=values.duration(declared.timeout),
        interval=values.duration(declared.interval),
        probe_timeout=values.duration(declared.probe_timeout),
    )


def declare(ready: spec.Ready) -> Keys:
    """Return the keys that resolve to `ready`."""
    keys = declare_sign(ready)
    keys["timeout"] = values.format_duration(ready.timeout)
    if is_probed(ready):
        keys["interval"] = values.format_duration(ready.interval)
        keys["probe_timeout"] = values.format_duration(ready.probe_timeout)
    return keys
