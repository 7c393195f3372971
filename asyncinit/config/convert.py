"""Compare what a file says with the keys that are declared, leaf by leaf; say all that is wrong in the user's words.

msgspec's own conversion stops at the first problem, and speaks of JSON. This walker goes through the same types
(`msgspec.inspect`) and collects. What it has let pass, `pruned` of what it has not, msgspec then converts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from asyncinit.config.foreign import value_meant
from asyncinit.config.hints import unknown_key
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.kinds import Kind
from asyncinit.config.masking import is_secret
from asyncinit.config.problems import Finding, Path, described, shown
from asyncinit.config.sections.pods import PodKeys
from asyncinit.config.settings import FileKeys
from asyncinit.config.values import BadValueError, close_to

MOST = 200
"""Problems that one document is given: beyond it, it is not a configuration file."""

_GUESSED = 50  # problems that are worth a search for what was meant, which takes time


def examine(data: dict[str, Any], root: type) -> list[Finding]:
    """Return all that is wrong with `data` as a `root` (`ServiceFileKeys`, `PodFileKeys`, `FileKeys`)."""
    walk = _Walk()
    try:
        walk.table(data, _struct(root), (), 0)
    except _EnoughError:
        walk.findings.append(Finding((), f"has more than {MOST} problems; these are the first"))
    return walk.findings


def pruned(data: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return `data` without what is at `paths`; inside a list, without the whole list; an empty path is all of it."""
    deeper: dict[str | int, list[Path]] = {}
    for path in paths:
        if not path:
            return {}
        deeper.setdefault(path[0], []).append(path[1:])
    result = {}
    for key, value in data.items():
        if key not in deeper:
            result[key] = value
        elif isinstance(value, dict) and all(rest and isinstance(rest[0], str) for rest in deeper[key]):
            result[key] = pruned(value, deeper[key])
    return result


def misspelt(findings: Iterable[Finding], key: str) -> bool:
    """Tell whether one of `findings` is `key` in another spelling: then it is not missing."""
    return any(finding.suggestion == key for finding in findings)


_structs: dict[type, inspect.StructType] = {}
_fields_of: dict[type, dict[str, inspect.Field]] = {}


def _struct(root: type) -> inspect.StructType:
    """Return what is known of a class of keys; asyncinit.toml's are worked out with those of the files beside it."""
    if root not in _structs:
        together = (FileKeys, ServiceKeys, PodKeys) if root is FileKeys else (root,)
        for kind, struct in zip(together, inspect.multi_type_info(together), strict=True):
            assert isinstance(struct, inspect.StructType)
            _structs[kind] = struct
    return _structs[root]


def _fields(struct: inspect.StructType) -> dict[str, inspect.Field]:
    if struct.cls not in _fields_of:
        _fields_of[struct.cls] = {field.encode_name: field for field in struct.fields}
    return _fields_of[struct.cls]


class _EnoughError(Exception):
    """There are more problems than anyone wants to read."""


class _Walk:
    """One document's walk: where it is, and what it has found."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def report(self, finding: Finding) -> None:
        if len(self.findings) >= MOST:
            raise _EnoughError
        self.findings.append(finding)

    def table(self, value: dict[str, Any], struct: inspect.StructType, path: Path, base: int) -> None:
        """Check a table of known keys."""
        if issubclass(struct.cls, (ServiceKeys, PodKeys)):
            base = len(path)
        fields = _fields(struct)
        before = len(self.findings)
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                suggest = len(self.findings) < _GUESSED
                self.report(unknown_key(struct, (*path, key), base, item, suggest))
            else:
                self.value(item, field.type, (*path, key), base)
        for key, field in fields.items():
            if field.required and key not in value and not misspelt(self.findings[before:], key):
                self.report(Finding((*path, key), "is missing", expected=_expected(field.type)))

    def value(self, value: object, type_: inspect.Type, path: Path, base: int) -> None:
        """Check one value against its type, then its parts, then its kind."""
        found = (id(type_), type(value))
        if found in _picked:
            picked = _picked[found]
        else:
            picked = _picked[found] = _pick(type_, value, None)
        if picked is None:
            self.report(_mismatch(value, type_, path))
            return
        plain, kind = picked
        before = len(self.findings)
        match plain:
            case inspect.StructType():
                assert isinstance(value, dict)
                self.table(value, plain, path, base)
            case inspect.DictType():
                assert isinstance(value, dict)
                self.entries(value, plain, path, base)
            case inspect.ListType():
                assert isinstance(value, list)
                for index, item in enumerate(value):
                    self.value(item, plain.item_type, (*path, index), base)
            case inspect.LiteralType() if value not in plain.values:
                self.report(_not_one_of(value, type_, plain, path))
            case inspect.StrType():
                assert isinstance(value, str)
                if "\0" in value:
                    self.report(Finding(path, "has a NUL character, which no program can be given"))
            case inspect.IntType() | inspect.FloatType():
                self.number(value, plain, path)
        if kind is not None and len(self.findings) == before:
            self.kind(value, kind, path)

    def entries(self, value: dict[str, Any], type_: inspect.DictType, path: Path, base: int) -> None:
        """Check a table whose keys are the user's."""
        for key, item in value.items():
            before = len(self.findings)
            self.value(key, type_.key_type, (*path, key), base)
            if len(self.findings) == before:
                self.value(item, type_.value_type, (*path, key), base)

    def number(self, value: Any, type_: inspect.IntType | inspect.FloatType, path: Path) -> None:
        """Check a number against the limits of its type (written so that nan is outside)."""
        low, high = type_.ge, type_.le
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            self.report(Finding(path, found=shown(value), expected=_expected(type_)))

    def kind(self, value: object, kind: Kind, path: Path) -> None:
        """Check what only the kind's own function knows."""
        try:
            kind.parse(value)
        except BadValueError as error:
            expected = error.expected or ("" if error.problem else kind.expected)
            self.report(Finding(path, error.problem, _found(value, path), expected, error.suggestion))


_UNLIMITED = ("unlimited", "infinity", "infinite", "inf", "max", "no", "never")
_picked: dict[tuple[int, type], tuple[inspect.Type, Kind | None] | None] = {}
# What `_pick` found, by the type's identity: the types live as long as `_structs` and `_fields_of`.


def _pick(type_: inspect.Type, value: object, kind: Kind | None) -> tuple[inspect.Type, Kind | None] | None:
    """Return the plain type among `type_` that `value` has, with its kind; None: it has none of them."""
    if isinstance(type_, inspect.Metadata):
        return _pick(type_.type, value, (type_.extra or {}).get("kind", kind))
    match type_:
        case inspect.UnionType():
            members = (_pick(member, value, kind) for member in type_.types)
            return next((member for member in members if member), None)
        case inspect.BoolType():
            fits = isinstance(value, bool)
        case inspect.StrType() | inspect.LiteralType():
            fits = isinstance(value, str)
        case inspect.IntType():
            fits = isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case inspect.ListType():
            fits = isinstance(value, list)
        case inspect.DictType() | inspect.StructType():
            fits = isinstance(value, dict)
        case _:
            fits = False
    return (type_, kind) if fits else None


def _expected(type_: inspect.Type) -> str:  # noqa: PLR0911 - one line a type
    """Return what a type takes, to be read after "expected"."""
    match type_:
        case inspect.Metadata():
            kind = (type_.extra or {}).get("kind")
            return kind.expected if kind is not None else _expected(type_.type)
        case inspect.UnionType():
            return " or ".join(dict.fromkeys(_expected(member) for member in type_.types))
        case inspect.LiteralType():
            return ("one of {}" if len(type_.values) > 1 else "{}").format(", ".join(map(shown, type_.values)))
        case inspect.IntType() | inspect.FloatType():
            return _number(type_)
        case inspect.ListType():
            return "a list"
        case inspect.StructType():
            return "a table"
        case inspect.DictType():
            return "a table"
        case inspect.BoolType():
            return "true or false"
        case _:
            return "a string"


def _number(type_: inspect.IntType | inspect.FloatType) -> str:
    name = "an integer" if isinstance(type_, inspect.IntType) else "a number"
    if type_.ge is not None and type_.le is not None:
        return f"{name} from {type_.ge} to {type_.le}"
    return name


def _mismatch(value: object, type_: inspect.Type, path: Path) -> Finding:
    suggestion = value_meant(str(path[-1]), value) if isinstance(value, bool) else ""
    if suggestion:
        pass
    elif isinstance(value, str | bool) and _pick(type_, True, None):
        folded = str(value).casefold()
        suggestion = {"true": "true", "yes": "true", "on": "true"}.get(folded, "")
        suggestion = suggestion or {"false": "false", "no": "false", "off": "false"}.get(folded, "")
    elif isinstance(value, int | float) and not isinstance(value, bool) and _is_text(type_) and not _is_hidden(path):
        suggestion = _as_text(shown(value), type_)
    elif isinstance(value, dict) and _takes_list_of(type_, value):
        suggestion = f"[[{path[-1]}]]"
    elif isinstance(value, str) and _takes_list_of(type_, value):
        suggestion = f"[{shown(value)}]"
    return Finding(path, found=_found(value, path), expected=_expected(type_), suggestion=suggestion)


def _as_text(text: str, type_: inspect.Type) -> str:
    """Return what a number was meant to be where a text is expected: the same in quotes, if that would do."""
    picked = _pick(type_, text, None)
    if picked is not None and picked[1] is not None:
        try:
            picked[1].parse(text)
        except BadValueError as error:
            return error.suggestion
    return f'"{text}"'


def _is_text(type_: inspect.Type) -> bool:
    """Tell whether any text will do, so that a number was only not quoted."""
    while isinstance(type_, inspect.Metadata):
        kind = (type_.extra or {}).get("kind")
        if kind is not None and kind.name == "octal digits":
            return False
        type_ = type_.type
    return isinstance(type_, inspect.StrType)


def _takes_list_of(type_: inspect.Type, value: object) -> bool:
    picked = _pick(type_, [], None)
    return (
        picked is not None and isinstance(picked[0], inspect.ListType) and bool(_pick(picked[0].item_type, value, None))
    )


def _not_one_of(value: object, type_: inspect.Type, literal: inspect.LiteralType, path: Path) -> Finding:
    known = [word for word in literal.values if isinstance(word, str)]
    meant = value_meant(str(path[-1]), value)
    if not meant and "none" in known and str(value).casefold() in _UNLIMITED:
        meant = '"none"'
    if not meant and (guess := close_to(str(value), known)):
        meant = shown(guess)
    return Finding(path, found=shown(value), expected=_expected(type_), suggestion=meant)


def _is_hidden(path: Path) -> bool:
    if "environment" not in path:
        return False
    return path[-1] == "environment" or is_secret(str(path[path.index("environment") + 1]))


def _found(value: object, path: Path) -> str:
    return described(value) if _is_hidden(path) else shown(value)
