"""What was probably meant by a key that does not exist: another table's, a later version's, another program's."""

from __future__ import annotations

from functools import cache

from msgspec import inspect

from asyncinit.config.foreign import KEYS, NOT_NEEDED, folded
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.problems import Finding, Path, bare_or_quoted
from asyncinit.config.profiles import KEY
from asyncinit.config.sections.pods import PodKeys
from asyncinit.config.settings import FileKeys, FileProfileKeys, InitKeys
from asyncinit.config.values import close_to

_TOP = "at the top level, before the first [table]"
_NOT_NESTED = (ServiceKeys, PodKeys, FileKeys, FileProfileKeys, InitKeys)


def struct_of(type_: inspect.Type) -> inspect.StructType | None:
    """Return the table that a key can hold, looking through its annotations, short forms and lists."""
    while isinstance(type_, inspect.Metadata):
        type_ = type_.type
    if isinstance(type_, inspect.UnionType):
        return next((found for member in type_.types if (found := struct_of(member))), None)
    if isinstance(type_, inspect.ListType) and isinstance(type_.item_type, inspect.StructType):
        return type_.item_type  # [[sockets]]; a list whose items may be tables too, as [hooks] has, is no table
    return type_ if isinstance(type_, inspect.StructType) else None


@cache
def _tables(root: type) -> dict[str, frozenset[str]]:
    """Return the keys of each table of a struct; "" is its top level."""
    top = inspect.type_info(root)
    assert isinstance(top, inspect.StructType)
    found = {"": frozenset(field.encode_name for field in top.fields)}
    for field in top.fields:
        table = struct_of(field.type)
        if table is not None and not issubclass(table.cls, (ServiceKeys, PodKeys, InitKeys)):
            found[field.encode_name] = frozenset(inner.encode_name for inner in table.fields)
    return found


def unknown_key(struct: inspect.StructType, path: Path, base: int, value: object, suggest: bool = True) -> Finding:
    """Return what to say of the key at the end of `path`, which `struct` does not have.

    `base` is how many parts of the path lead to the service (or to the file's top level) that it belongs to.
    """
    key = str(path[-1])
    listed = len(path) - base == 3 and isinstance(path[base + 1], int)
    table = str(path[base]) if listed or len(path) - base == 2 else ""
    inner = not issubclass(struct.cls, _NOT_NESTED)
    problem = f"is not a key of {_header(table, listed)}" if inner and table else "is not a known key"
    if not suggest:
        return Finding(path, problem)
    if issubclass(struct.cls, _NOT_NESTED) and (special := _at_top(struct, path, key, base, value)):
        return special
    own = _own(struct, value)
    if folded(key) in NOT_NEEDED and not _places(key, table):
        return Finding(path, NOT_NEEDED[folded(key)])
    meant = " or ".join(_places(key, table)) or _same(own, key) or _foreign(key, inner) or _spelt(own, key)
    return Finding(path, problem, suggestion=meant or _spelt_elsewhere(key, inner))


def _own(struct: inspect.StructType, value: object) -> list[str]:
    """Return the keys that `struct` has; a table beside a service's or a pod's may have been meant as profiles."""
    profiles = [KEY] if struct.cls in (ServiceKeys, PodKeys) and isinstance(value, dict) else []
    return [field.encode_name for field in struct.fields] + profiles


def _at_top(struct: inspect.StructType, path: Path, key: str, base: int, value: object) -> Finding | None:
    """Return what to say of a key at the top level of a service, a pod or a file; None: what is said of any key."""
    own = _own(struct, value)
    if key == KEY and issubclass(struct.cls, (ServiceKeys, PodKeys)):
        return Finding(path, "cannot be used here: [profile.NAME] stands in a file's own table, and in no other")
    if issubclass(struct.cls, ServiceKeys):
        return _table_of_service_file(path, key) if isinstance(value, dict) and base == 0 else None
    if issubclass(struct.cls, PodKeys):
        return _of_pod(path, key, own)
    if struct.cls is InitKeys:
        of_service = f"[defaults] {key}" if key in _tables(ServiceKeys)[""] else ""
        return Finding(path, "is not a key of [init]", suggestion=of_service or _spelt(own, key))
    return _of_profile(path, key, own) if struct.cls is FileProfileKeys else _top_of_file(path, key, value)


def _header(table: str, listed: bool) -> str:
    return f"[[{bare_or_quoted(table)}]]" if listed else f"[{bare_or_quoted(table)}]"


def _places(key: str, table: str) -> list[str]:
    """Return the other places of a service that have just this key, the top level first and alone if it has."""
    tables = _tables(ServiceKeys)
    if table and key in tables[""]:
        return [f"{key} {_TOP}"]
    return [f"[{name}] {key}" for name, keys in tables.items() if name and name != table and key in keys]


def _spelt(known: list[str], key: str) -> str:
    word = folded(key)
    return word if word in known else close_to(word, known)


def _same(known: list[str], key: str) -> str:
    """Return the key that differs from this one by no more than how it is written."""
    return next((one for one in known if one.replace("_", "") == folded(key).replace("_", "")), "")


def _foreign(key: str, nested: bool) -> str:
    meant = KEYS.get(folded(key), "")
    return f"{meant} {_TOP}" if meant and nested and not meant.startswith("[") else meant


def _spelt_elsewhere(key: str, nested: bool) -> str:
    tables = _tables(ServiceKeys).items()
    every = {name: place for place, keys in tables for name in keys if place or nested}
    name = close_to(key, every)
    if not name:
        return ""
    return f"[{every[name]}] {name}" if every[name] else f"{name} {_TOP}"


def _of_pod(path: Path, key: str, own: list[str]) -> Finding:
    if key in _tables(ServiceKeys)[""]:
        return Finding(path, "is a key of a service, not of a pod")
    return Finding(path, "is not a key of a pod", suggestion=_spelt(own, key))


def _of_profile(path: Path, key: str, own: list[str]) -> Finding:
    if key in ("services", "pods"):
        return Finding(path, f"cannot be used here: [{key}.NAME.profile.PROFILE] is the place for it")
    table = next(
        (name for name, keys in (("init", InitKeys), ("defaults", ServiceKeys)) if key in _tables(keys)[""]), ""
    )
    meant = f"{table}.{key}" if table else _spelt(own, key)
    return Finding(path, "is not a table of a profile", expected="init or defaults", suggestion=meant)


def _table_of_service_file(path: Path, key: str) -> Finding | None:
    if key in ("init", "defaults", "services", "pods"):
        return Finding(path, "belongs into asyncinit.toml, not into a service's file")
    if key.casefold() in ("service", "unit", "program", "process"):
        return Finding(
            path, "is not a known table: in a service's file its keys stand at the top level, without a header"
        )
    return None


def _top_of_file(path: Path, key: str, value: object) -> Finding:
    if key in _tables(InitKeys)[""]:
        return Finding(path, "is not a known key here", suggestion=f"[init] {key}")
    if key in _tables(ServiceKeys)[""]:
        return Finding(path, "is a key of a service", suggestion=f"[services.NAME] {key} or [defaults] {key}")
    if isinstance(value, dict) and "command" in value:
        return Finding(path, "is not a known table", suggestion=f"[services.{bare_or_quoted(key[:60])}]")
    guess = _spelt(list(_tables(FileKeys)[""]), key)
    return Finding(
        path,
        "is not a known table" if isinstance(value, dict) else "is not a known key",
        expected="[init], [defaults], [services.NAME] or [pods.NAME]",
        suggestion=f"[{guess}]" if guess else "",
    )
