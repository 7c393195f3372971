"""Values out as TOML: what is written is read back and compared, or not given at all; knows no key.

The `toml` package lays the document out; its own string and table functions corrupt backslash-x, ESC, quoted keys and
tables in lists, so these are ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import toml

from asyncinit.config.problems import bare_or_quoted, quoted


class Encoder(toml.TomlEncoder):  # type: ignore[type-arg]
    """toml's encoder, with texts, keys and tables in lists written right."""

    def __init__(self) -> None:
        super().__init__(dict)
        self.dump_funcs[str] = quoted
        self.dump_funcs[dict] = self.inline
        self.dump_funcs[tuple] = self.dump_list
        self.dump_funcs[int] = str
        self.dump_funcs[float] = repr  # never without a point or an exponent: that would be an integer

    def dump_value(self, v: Any) -> Any:
        """Return a value as it is written; raises ValueError for what TOML has no kind of."""
        if type(v) not in self.dump_funcs:
            raise ValueError(f"cannot be written as TOML: {type(v).__name__}")
        return super().dump_value(v)

    def inline(self, table: Mapping[str, Any]) -> str:
        """Return a table on one line."""
        pairs = ", ".join(f"{bare_or_quoted(key)} = {self.dump_value(value)}" for key, value in table.items())
        return f"{{ {pairs} }}" if pairs else "{}"

    def dump_list(self, v: Any) -> str:
        """Return a list on one line."""
        return f"[{', '.join(str(self.dump_value(item)) for item in v)}]"

    def dump_sections(self, o: Any, sup: str) -> tuple[str, dict[str, Any]]:
        """Return the lines of a table's values, and its tables by their written keys."""
        plain = {key: value for key, value in o.items() if not isinstance(value, dict)}
        lines = [f"{bare_or_quoted(key)} = {self.dump_value(value)}\n" for key, value in plain.items()]
        return "".join(lines), {bare_or_quoted(key): value for key, value in o.items() if isinstance(value, dict)}


def dumps(data: Mapping[str, Any]) -> str:
    """Return `data` as a TOML document; raises ValueError if TOML cannot say it, rather than saying something else."""
    text = toml.dumps(dict(data), encoder=Encoder())
    _compare(text, data)
    return text


def value(data: object) -> str:
    """Return one value as it stands after "key = "; raises ValueError as `dumps` does."""
    text = str(Encoder().dump_value(data))
    _compare(f"x = {text}\n", {"x": data})
    return text


def _compare(text: str, data: Mapping[str, Any]) -> None:
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"cannot be written as TOML: {error}") from None
    if not same(read, data):
        raise ValueError("cannot be written as TOML: it reads as something else")


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, their types too: 1, 1.0 and true are three things; nan is itself."""
    if isinstance(one, dict) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))  # noqa: PLR0124
