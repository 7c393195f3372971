"""What a sign that a service works is in a file: the kinds of [ready] and [health] to a resolved sign and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec
from asyncinit.config.problems import Finding
from asyncinit.config.sections.given import Keys, command, command_words


class ProbeKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One sign that is probed: a part of `all` or `any` of [health]."""

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


list_of_signs = Meta(
    extra={
        "kind": kinds.Kind(
            "list of tables", 'a list of tables, such as [{ tcp = "127.0.0.1:80" }, { file = "/run/x" }]', list
        )
    }
)
"""What marks a list of parts, each a table with one kind."""

PROBES = ("tcp", "unix", "http", "file", "command")
"""Keys of the kinds that are asked."""

COMBINED = ("all", "any")
"""Keys of the kinds that are made of others."""


def is_given(value: object) -> bool:
    """Tell whether a kind is chosen by this value of its key."""
    return not isinstance(value, UnsetType) and value is not False


def resolve_sign(declared: Struct) -> spec.Sign:
    """Return the sign that a table's keys declare; of kind `exec` where there is none."""
    given = ((key, getattr(declared, key, False)) for key in spec.ReadyKind)
    found: tuple[str, Any] = next((one for one in given if is_given(one[1])), ("exec", None))
    kind, value = found
    match kind:
        case "all" | "any":
            return spec.Sign(spec.ReadyKind(kind), parts=tuple(map(resolve_sign, value)))
        case "command":
            return spec.Sign(spec.ReadyKind.COMMAND, command=command(value))
        case "notify_fd":
            return spec.Sign(spec.ReadyKind.NOTIFY_FD, descriptor=value)
        case "notify" | "exec":
            return spec.Sign(spec.ReadyKind(kind))
    return spec.Sign(spec.ReadyKind(kind), value)


def declare_sign(sign: spec.Sign) -> Keys:
    """Return the keys that resolve to `sign`."""
    match sign.kind:
        case spec.ReadyKind.EXEC:
            return {}
        case spec.ReadyKind.ALL | spec.ReadyKind.ANY:
            return {str(sign.kind): [declare_sign(part) for part in sign.parts]}
        case spec.ReadyKind.NOTIFY:
            return {"notify": True}
        case spec.ReadyKind.NOTIFY_FD:
            return {"notify_fd": sign.descriptor}
        case spec.ReadyKind.COMMAND:
            return {"command": command_words(sign.command)}
    return {str(sign.kind): sign.address}


def is_probed(sign: spec.Sign) -> bool:
    """Tell whether any of it is asked again and again."""
    return sign.kind in spec.PROBE_KINDS | {spec.ReadyKind.PID_FILE} or any(map(is_probed, sign.parts))


def check_parts(section: str, table: Mapping[str, Any], kinds: Iterable[str]) -> Iterator[Finding]:
    """Check the lists of `all` and `any` in a parsed table: one kind a part, and some parts."""
    for key in COMBINED:
        parts = table.get(key)
        if not isinstance(parts, list):
            continue
        if not parts:
            yield Finding((section, key), "is empty: it combines signs", expected=f'{key} = [{{ file = "/run/x" }}]')
        descriptors: list[object] = []
        for index, part in enumerate(parts):
            if not isinstance(part, dict):
                continue  # told elsewhere
            given = [kind for kind in kinds if is_given(part.get(kind, False))]
            place = (section, key, index)
            if len(given) > 1:
                yield Finding(place, f"has {given[0]} and {given[1]}: each part is one of them")
            elif not given and not part.keys() - {"notify"}:  # an unknown key is told, and is the mistake
                yield Finding(place, "has no kind", expected=f"one of {', '.join(kinds)}")
            if (number := part.get("notify_fd")) is not None:
                if number in descriptors:
                    yield Finding((*place, "notify_fd"), f"has {number}, which another part has too")
                descriptors.append(number)
