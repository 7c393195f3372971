"""The JSON Schemas of the files, for editors; made from the same classes as everything else.

Draft 7, the newest that taplo (Even Better TOML) reads. There what stands beside a `$ref` counts for nothing, so a
table stands where it is used; only a whole service or pod inside another file is a definition. Where a key takes
several types, what concerns each stands side by side instead of in an `anyOf`, because of which an editor could say no
more than "not valid under any of the given schemas".
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from msgspec import UNSET, inspect

from asyncinit.config.keys import ServiceFileKeys, ServiceKeys
from asyncinit.config.sections.pods import PodFileKeys, PodKeys
from asyncinit.config.settings import FileKeys
from asyncinit.config.shapes import SHAPES, Schema
from asyncinit.config.write import value as written

KINDS: dict[str, type] = {"service": ServiceFileKeys, "pod": PodFileKeys, "global": FileKeys}
"""The kinds of file, by what they are called: in services.d, in pods.d, and asyncinit.toml."""

_DRAFT = "http://json-schema.org/draft-07/schema#"
_TITLES: dict[type, str] = {
    ServiceFileKeys: "asyncinit: a service (services.d/NAME.toml)",
    PodFileKeys: "asyncinit: a pod (pods.d/NAME.toml)",
    FileKeys: "asyncinit.toml",
}
_WHOLE = frozenset((ServiceKeys, ServiceFileKeys, PodKeys, PodFileKeys))
_TYPES = {"BoolType": "boolean", "IntType": "integer", "FloatType": "number", "StrType": "string"}
_LINK = re.compile(r"\[([^]]+)\]\((?!https?:)[^)]*\)")  # relative to a page of the documentation: leads nowhere else


def json_schema(kind: str = "service") -> Schema:
    """Return the schema of a kind of file, one of `KINDS`."""
    return _Making(KINDS[kind]).document()


def text(kind: str) -> str:
    """Return the same as a file."""
    return json.dumps(json_schema(kind), indent=1, ensure_ascii=False) + "\n"


class _Making:
    """One document in the making."""

    def __init__(self, root: type) -> None:
        self.root = root
        self.definitions: dict[str, Schema] = {}

    def document(self) -> Schema:
        """Return the whole."""
        info = inspect.type_info(self.root)
        assert isinstance(info, inspect.StructType)
        made = self.keys(info)
        title = {"$schema": _DRAFT, "title": _TITLES[self.root], "description": _said(self.root.__doc__ or "")}
        return {**title, **made, **({"definitions": self.definitions} if self.definitions else {})}

    def table(self, struct: inspect.StructType) -> Schema:
        """Return the schema of a table: in full, or a reference where it is a whole service or pod."""
        if struct.cls not in _WHOLE:
            return self.keys(struct)
        name = struct.cls.__name__
        if name not in self.definitions:
            self.definitions[name] = self.keys(struct)
        return {"$ref": f"#/definitions/{name}"}

    def keys(self, struct: inspect.StructType) -> Schema:
        """Return what a table takes, with all of its keys."""
        properties = {field.encode_name: self.key(field) for field in struct.fields}
        required = [field.encode_name for field in struct.fields if field.required]
        made = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**made, **({"required": required} if required else {})}

    def key(self, field: inspect.Field) -> Schema:
        """Return what a key takes, and what is said of it."""
        made = self.value(field.type)
        told, extra = _annotations(field.type)
        about = _said(told.get("description", ""))
        if extra.get("default"):
            about += f"\n\nDefault: {_said(str(extra['default']))}."
        examples = list(told.get("examples", ()))
        if examples:
            about += "\n\nFor example " + ", ".join(f"`{field.encode_name} = {written(each)}`" for each in examples)
        if "$ref" in made:
            made = {"allOf": [made]}
        default = _default(field) if "default" not in extra else UNSET
        made = {"description": about, **made}
        return made if default is UNSET else {**made, "default": default}

    def value(self, type_: inspect.Type) -> Schema:  # noqa: PLR0911 - one line a type
        """Return what a value takes."""
        if isinstance(type_, inspect.Metadata):
            kind = (type_.extra or {}).get("kind")
            shape = SHAPES.get(kind.parse, {}) if kind is not None else {}
            return _shaped(self.value(type_.type), shape)
        match type_:
            case inspect.UnionType():
                return _side_by_side([self.value(each) for each in type_.types])
            case inspect.ListType():
                return {"type": "array", "items": self.value(type_.item_type)}
            case inspect.DictType():
                return self.entries(type_)
            case inspect.StructType():
                return self.table(type_)
            case inspect.LiteralType():
                return {"type": "string", "enum": list(type_.values)}
            case inspect.IntType() | inspect.FloatType():
                bounds = {"minimum": type_.ge, "maximum": type_.le}
                found = {name: bound for name, bound in bounds.items() if bound is not None}
                return {"type": _TYPES[type(type_).__name__], **found}
            case _:
                return {"type": _TYPES[type(type_).__name__]}

    def entries(self, type_: inspect.DictType) -> Schema:
        """Return what a table takes whose keys are the user's."""
        names = {name: what for name, what in self.value(type_.key_type).items() if name != "type"}
        made = {"type": "object", "additionalProperties": self.value(type_.value_type)}
        return {**made, **({"propertyNames": names} if names else {})}


_OF_TYPE = {
    "pattern": "string",
    "minLength": "string",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "minItems": "array",
}
"""What says nothing of any type but this one."""


def _shaped(made: Schema, shape: Schema) -> Schema:
    """Return `made` with what its kind adds, as far as it has the type that this is about."""
    types = [made["type"]] if isinstance(made.get("type"), str) else made.get("type", [])
    has = {"number" if each == "integer" else each for each in types}
    return {**made, **{name: what for name, what in shape.items() if _OF_TYPE.get(name) in {None, *has}}}


def _side_by_side(members: list[Schema]) -> Schema:
    """Return what takes any of `members`, each of which is of types of its own."""
    if len(members) == 1:
        return members[0]
    types: list[str] = []
    for member in members:
        types += [member["type"]] if isinstance(member.get("type"), str) else member.get("type", [])
    types = [each for each in types if not (each == "integer" and "number" in types)]
    choosy = [member for member in members if member.keys() & {"enum", "anyOf"}]
    made: Schema = {"type": types}
    for member in members:
        if member not in choosy:
            assert "$ref" not in member and not made.keys() & member.keys() - {"type"}, member
            made |= {name: what for name, what in member.items() if name != "type"}
    if choosy:
        others = [each for each in types if not any(each in ([one["type"]], one["type"]) for one in choosy)]
        made["anyOf"] = [*choosy, {"type": others}]
    return made


def _annotations(type_: inspect.Type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a field's annotations say: to everyone (description, examples), and to us alone."""
    told: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    while isinstance(type_, inspect.Metadata):
        told = {**(type_.extra_json_schema or {}), **told}
        extra = {**(type_.extra or {}), **extra}
        type_ = type_.type
    return told, extra


def _said(words: str) -> str:
    return _LINK.sub(r"\1", " ".join(words.split()))


def _default(field: inspect.Field) -> Any:
    """Return a key's default where it is a plain value."""
    default: Any = field.default
    if default is msgspec.NODEFAULT and callable(field.default_factory):
        default = field.default_factory()
    return UNSET if default is msgspec.NODEFAULT or isinstance(default, msgspec.Struct) else default
