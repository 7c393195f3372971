"""The tables of docs/reference/configuration.md, made from the keys' own classes.

`python -m asyncinit.config.reference [FILE]` writes them between the page's `<!-- keys: NAME -->` and `<!-- end -->`
marks; what stands around these is written by hand.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from msgspec import UNSET, inspect

from asyncinit.config import keys, settings
from asyncinit.config.write import value

PAGE = "docs/reference/configuration.md"
_TABLES: dict[str, type] = {
    "service": keys.ServiceKeys,
    "directories": keys.DirectoriesTable,
    "ready": keys.ReadyTable,
    "restart": keys.RestartTable,
    "stop": keys.StopTable,
    "escalate": keys.StopStepTable,
    "reload": keys.ReloadTable,
    "hooks": keys.HooksTable,
    "hook": keys.HookTable,
    "init": settings.InitKeys,
    "file": settings.FileKeys,
}
_BEGIN, _CLOSE, _END = "<!-- keys: ", " -->", "<!-- end -->"


def table(struct: type) -> str:
    """Return the documentation of a class of keys: its own, and a table with a row for each key."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    about = " ".join((struct.__doc__ or "").split())
    rows = [f"{about}\n", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    return "\n".join([*rows, *map(_row, info.fields)]) + "\n"


def _row(field: inspect.Field) -> str:
    schema, extra = _told(field.type)
    examples = "".join(f" `{field.encode_name} = {value(example)}`" for example in schema.get("examples", ()))
    meaning = schema.get("description", "") + (f" For example{examples}" if examples else "")
    cells = (f"`{field.encode_name}`", _type_name(field.type), _default(field, extra), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


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


def updated(page: str) -> str:
    """Return `page` with the tables between its marks made anew; raises KeyError for a mark without a table."""
    head, *parts = page.split(_BEGIN)
    result = head
    for part in parts:
        name, _, rest = part.partition(_CLOSE)
        _, end, after = rest.partition(_END)
        result += f"{_BEGIN}{name}{_CLOSE}\n{table(_TABLES[name])}{end}{after}"
    return result


def main(arguments: list[str]) -> None:
    """Write the tables into the page that is named, or into the one of the repository."""
    path = arguments[0] if arguments else PAGE
    with open(path, encoding="utf-8") as file:
        page = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(updated(page))


if __name__ == "__main__":
    main(sys.argv[1:])
