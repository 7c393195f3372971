"""[[namespaces.mounts]]: what is mounted for a service alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.kinds import Kind
from asyncinit.config.problems import Finding, shown
from asyncinit.config.sections.given import Keys, filled, or_none
from asyncinit.config.values import BadValueError


def target(value: str) -> str:
    """Return the place of a mount, an absolute path without "..", in its shortest form."""
    if not value.startswith(("/", "$")):
        raise BadValueError("is not an absolute path")
    if ".." in value.split("/"):
        raise BadValueError('has ".." in it')
    return os.path.normpath("/" + value.lstrip("/")) if value.startswith("/") else value


def source(value: str) -> str:
    """Return a path that exists outside; a "-" before it: it may be absent."""
    if not value.removeprefix("-").startswith(("/", "$")):
        raise BadValueError("is not an absolute path")
    return value


Target = Annotated[str, Meta(extra={"kind": Kind("path", 'an absolute path such as "/data"', target)})]
Source = Annotated[
    str, Meta(extra={"kind": Kind("path", 'an absolute path, with "-" before it if it may be absent', source)})
]
Bytes = Annotated[int | str, Meta(extra={"kind": Kind("size", 'a size such as "64K" or "8M", or "none"', values.size)})]
Option = Literal["nosuid", "nodev", "noexec"]


class MountTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Something that is mounted for the service alone: a `bind` shows a file or folder from outside, a `tmpfs` is empty
    and in memory, `proc`, `sysfs` and `devpts` are the kernel's own, an `overlay` lays folders over one another."""

    type: Annotated[
        Literal["bind", "tmpfs", "proc", "sysfs", "devpts", "overlay"], Meta(description="What is mounted.")
    ] = "bind"
    target: Annotated[
        Target | UnsetType,
        Meta(
            description="Where: a path as the service sees it. What is missing of it is made.",
            examples=["/data"],
            extra={"default": "required, but of a `bind` its source"},
        ),
    ] = UNSET
    source: Annotated[
        Source | UnsetType,
        Meta(
            description='`bind`: what is shown, as asyncinit sees it; "-" before it: may be absent.',
            examples=["/srv/data"],
        ),
    ] = UNSET
    read_only: Annotated[bool, Meta(description="Nobody can write there, with all that is mounted below.")] = False
    recursive: Annotated[bool, Meta(description="`bind`: with what is mounted below the source.")] = True
    options: Annotated[
        list[Option] | UnsetType,
        Meta(
            description="Ignore set-user-id bits, devices, or executable files there.",
            extra={"default": "none of a `bind` or `overlay`, those that fit of the others"},
        ),
    ] = UNSET
    size: Annotated[
        Bytes | UnsetType, Meta(description="`tmpfs`: most that it holds.", extra={"default": "half of the memory"})
    ] = UNSET
    mode: Annotated[kinds.Mode | UnsetType, Meta(description="`tmpfs`: its mode.", extra={"default": '"0755"'})] = UNSET
    lower: Annotated[
        list[Source],
        Meta(description="`overlay`: folders that are read, the uppermost first.", examples=[["/srv/base"]]),
    ] = []
    upper: Annotated[
        Source | UnsetType,
        Meta(description="`overlay`: the folder that is written to.", extra={"default": "none: it is read-only"}),
    ] = UNSET
    work: Annotated[
        Source | UnsetType, Meta(description="`overlay`: an empty folder on the file system of `upper`.")
    ] = UNSET


_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "tmpfs": ("nosuid", "nodev"),
    "proc": ("nosuid", "nodev", "noexec"),
    "sysfs": ("nosuid", "nodev", "noexec"),
    "devpts": ("nosuid", "noexec"),
}
"""The options of each type where none are given."""

_OF: Mapping[str, frozenset[str]] = {
    "source": frozenset({"bind"}),
    "recursive": frozenset({"bind"}),
    "size": frozenset({"tmpfs"}),
    "mode": frozenset({"tmpfs"}),
    "lower": frozenset({"overlay"}),
    "upper": frozenset({"overlay"}),
    "work": frozenset({"overlay"}),
}
"""Keys that mean something for some types alone."""


def resolve(declared: MountTable) -> spec.Mount:
    """Return what one of the tables declares."""
    shown_ = or_none(declared.source) or ""
    path = shown_.removeprefix("-")
    place = declared.target
    options = _OPTIONS.get(declared.type, ()) if isinstance(declared.options, UnsetType) else declared.options
    size = declared.size
    most = None if isinstance(size, UnsetType) or values.size(size) == spec.NONE else int(values.size(size))
    return spec.Mount(
        kind=spec.MountKind(declared.type),
        target=target(path if isinstance(place, UnsetType) else place),
        source=path,
        optional=shown_.startswith("-"),
        read_only=declared.read_only or (declared.type == "overlay" and isinstance(declared.upper, UnsetType)),
        recursive=declared.recursive,
        nosuid="nosuid" in options,
        nodev="nodev" in options,
        noexec="noexec" in options,
        size=most,
        mode=0o755 if isinstance(declared.mode, UnsetType) else values.octal(declared.mode),
        lower=tuple(declared.lower),
        upper=or_none(declared.upper) or "",
        work=or_none(declared.work) or "",
    )


def declare(mount: spec.Mount) -> Keys:
    """Return the table that resolves to `mount`."""
    kind = str(mount.kind)
    options = [option for option in ("nosuid", "nodev", "noexec") if getattr(mount, option)]
    keys: Keys = {
        "type": kind,
        "source": ("-" if mount.optional else "") + mount.source,
        "target": mount.target,
        "read_only": (mount.read_only and (kind != "overlay" or bool(mount.upper))) or None,
        "recursive": None if mount.recursive else False,
        "lower": list(mount.lower),
        "upper": mount.upper,
        "work": mount.work,
    }
    if mount.kind is spec.MountKind.TMPFS:
        keys |= {"size": None if mount.size is None else values.format_size(mount.size), "mode": f"{mount.mode:04o}"}
    usual = list(_OPTIONS.get(kind, ()))
    return filled(keys) | ({} if options == usual else {"options": options})


def check(tables: Sequence[object]) -> Iterator[Finding]:
    """Check what the keys of each mount must agree on."""
    for index, table in enumerate(tables):
        if isinstance(table, dict):
            for key, problem, expected in _problems(table):
                yield Finding(("namespaces", "mounts", index, *key), problem, expected=expected)


def _problems(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the key, the problem and what was expected of one mount."""
    kind = table.get("type", "bind")
    if not isinstance(kind, str) or kind not in MOUNT_TYPES:
        return  # told elsewhere
    for key in table:
        if key in _OF and kind not in _OF[key]:
            yield (key,), f"means nothing for a mount of type {kind}", ""
    if kind == "bind" and "source" not in table:
        yield (), "does not say what is mounted", "source = PATH"
    if "target" not in table and kind != "bind":
        yield (), "does not say where it is mounted", "target = PATH"
    if table.get("target") in ("/", "//"):
        yield ("target",), "is the root itself", "root = PATH in [namespaces]"
    if kind == "overlay":
        yield from _problems_of_overlay(table)


def _problems_of_overlay(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    if not table.get("lower"):
        yield (), "has nothing to read", "lower = [PATH]"
    for one, other in (("upper", "work"), ("work", "upper")):
        if one in table and other not in table:
            yield (one,), f"needs {other} beside it", f"{other} = PATH"
    for key in ("lower", "upper", "work"):
        paths = table.get(key)
        for path in paths if isinstance(paths, list) else [paths]:
            if isinstance(path, str) and path.startswith("-"):
                yield (key,), f"cannot be left out, as the dash of {shown(path)} says", "a path"


MOUNT_TYPES = frozenset(("bind", *_OPTIONS, "overlay"))
"""The types of mounts that can be declared."""
