"""The keys of the files as blocks: a table for each class of `config.keys` and `config.settings`; writes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, inspect

from asyncinit.config import keys, settings
from asyncinit.config.sections import (
    condition,
    directories,
    health,
    hooks,
    limits,
    log,
    mounts,
    namespaces,
    pods,
    ready,
    reload,
    restart,
    security,
    sockets,
    stop,
    timer,
    watch,
)
from asyncinit.config.write import value
from asyncinit.reference.blocks import Block, Paragraph, Table

TABLES: dict[str, type] = {
    "service": keys.ServiceFileKeys,
    "condition": condition.ConditionTable,
    "directories": directories.DirectoriesTable,
    "limits": limits.LimitsTable,
    "limit": limits.NumberPair,
    "namespaces": namespaces.NamespacesTable,
    "mounts": mounts.MountTable,
    "security": security.SecurityTable,
    "seccomp": security.SeccompTable,
    "landlock": security.LandlockTable,
    "ready": ready.ReadyTable,
    "restart": restart.RestartTable,
    "stop": stop.StopTable,
    "escalate": stop.StopStepTable,
    "reload": reload.ReloadTable,
    "hooks": hooks.HooksTable,
    "hook": hooks.HookTable,
    "log": log.LogTable,
    "timer": timer.TimerTable,
    "watch": watch.WatchTable,
    "sockets": sockets.SocketTable,
    "health": health.HealthTable,
    "pod": pods.PodFileKeys,
    "init": settings.InitKeys,
    "file": settings.FileKeys,
}
"""Each class of keys, by the name of its part of the page."""


def describe(struct: type) -> list[Block]:
    """Return what a class of keys says of itself, and a table with a row for each key."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    about = Paragraph(" ".join((struct.__doc__ or "").split()))
    return [about, Table(("key", "type", "default", "meaning"), tuple(map(_row, info.fields)))]


def _row(field: inspect.Field) -> tuple[str, ...]:
    schema, extra = _told(field.type)
    examples = "".join(f" `{field.encode_name} = {value(example)}`" for example in schema.get("examples", ()))
    meaning = schema.get("description", "") + (f" For example{examples}" if examples else "")
    return f"`{field.encode_name}`", _type_name(field.type), _default(field, extra), meaning


def _told(type_: inspect.Type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a field's annotations say: of the schema (description, examples), and for us alone."""
    schema: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    while isinstance(type_, inspect.Metadata):
        schema = {**(type_.extra_json_schema or {}), **schema}
        extra = {**(type_.extra or {}), **extra}
        type_ = type_.type
    return schema, extra


def _default(field: inspect.Field, extra: dict[str, Any]) -> str:
    if "default" in extra:
        return str(extra["default"])
    if field.required:
        return "required"
    default = field.default if field.default is not msgspec.NODEFAULT else _made(field)
    if default is UNSET or default in ("", [], {}) or isinstance(default, msgspec.Struct):
        return ""
    return f"`{value(default)}`"


def _made(field: inspect.Field) -> Any:
    return field.default_factory() if callable(field.default_factory) else UNSET


def _type_name(type_: inspect.Type) -> str:  # noqa: PLR0911 - one line a type
    match type_:
        case inspect.Metadata():
            kind = (type_.extra or {}).get("kind")
            return kind.name if kind is not None else _type_name(type_.type)
        case inspect.UnionType():
            return " or ".join(dict.fromkeys(_type_name(member) for member in type_.types))
        case inspect.ListType():
            return f"list of {_type_name(type_.item_type)}"
        case inspect.DictType():
            return f"table of {_type_name(type_.value_type)}"
        case inspect.StructType():
            return "table"
        case inspect.LiteralType():
            return ", ".join(f"`{value(word)}`" for word in type_.values)
        case _:
            return {"BoolType": "boolean", "IntType": "integer", "FloatType": "number"}.get(
                type(type_).__name__, "text"
            )
