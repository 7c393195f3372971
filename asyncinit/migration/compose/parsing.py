"""YAML as a tree of texts with their lines: what a scalar means is its key's business; knows no key.

YAML 1.1, which PyYAML reads, makes numbers of `22:22` and a boolean of `yes`; Compose does not. So nothing here is made
into anything: a scalar stays the text that stands there. Aliases are shared, not copied, and what they would come to
is counted before anyone walks through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from asyncinit.config.problems import printable, shown
from asyncinit.migration.report import MigrationError

if TYPE_CHECKING:
    import yaml

MOST = 50_000
"""Values that a file comes to with its aliases: beyond it, it is meant to do harm, or the wrong file."""

DEEPEST = 50
EXIT_UNAVAILABLE = 69


class Value(Struct):
    """A value: a text, None for null, a list or a table; `line` is where it stands, for a table's entry its key's."""

    file: str
    line: int
    data: str | list[Value] | dict[str, Value] | None

    @property
    def table(self) -> dict[str, Value]:
        """Its entries; none where it is no table."""
        return self.data if isinstance(self.data, dict) else {}

    @property
    def items(self) -> list[Value]:
        """Its items; none where it is no list."""
        return self.data if isinstance(self.data, list) else []

    @property
    def text(self) -> str | None:
        """Its text, None where it is none or null."""
        return self.data if isinstance(self.data, str) else None

    @property
    def where(self) -> str:
        """How an error begins that is about it."""
        return f"{printable(self.file)}:{self.line}"

    def flat(self) -> str:
        """Return it on one line, for people."""
        if isinstance(self.data, dict):
            return "{" + ", ".join(f"{key}: {value.flat()}" for key, value in self.data.items()) + "}"
        if isinstance(self.data, list):
            return "[" + ", ".join(item.flat() for item in self.data) + "]"
        return self.data or ""


def parse(path: str, text: str) -> Value:
    """Return a file's only document. Raises MigrationError."""
    try:
        import yaml
    except ImportError:
        raise MigrationError(
            "Compose files are read by PyYAML, which is not installed: pip install 'asyncinit[compose]'",
            EXIT_UNAVAILABLE,
        ) from None
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise MigrationError(f"{printable(path)}: is empty")
        _count(path, node, {})
        return _value(path, loader, node, 0)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise MigrationError(f"{printable(path)}:{line}: {printable(error.problem or 'is no YAML')}") from None
    except (yaml.YAMLError, RecursionError) as error:
        told = "is nested too deeply" if isinstance(error, RecursionError) else printable(str(error).split("\n")[0])
        raise MigrationError(f"{printable(path)}: {told}") from None
    finally:
        loader.dispose()


def _count(path: str, node: Any, seen: dict[int, int | None]) -> int:
    """Return how many values a node comes to. Raises MigrationError when they are too many, or have no end."""
    known = seen.get(id(node), 0)
    if known is None:
        raise MigrationError(f"{printable(path)}:{node.start_mark.line + 1}: is inside itself, by an alias")
    if known:
        return known
    seen[id(node)] = None
    total = 1
    for child in _children(node):
        total += _count(path, child, seen)
        if total > MOST:
            raise MigrationError(f"{printable(path)}: comes to more than {MOST} values with its aliases")
    seen[id(node)] = total
    return total


def _children(node: Any) -> Iterator[Any]:
    for item in node.value if not isinstance(node.value, str) else ():
        yield from item if isinstance(item, tuple) else (item,)


def _value(path: str, loader: yaml.SafeLoader, node: Any, depth: int) -> Value:
    import yaml

    line = node.start_mark.line + 1
    if not node.tag.startswith("tag:yaml.org,"):
        told = f"has the tag {shown(node.tag)}; let Compose carry it out first (docker compose config)"
        raise MigrationError(f"{printable(path)}:{line}: {told}")
    if depth > DEEPEST:
        raise MigrationError(f"{printable(path)}:{line}: is nested too deeply")
    if isinstance(node, yaml.SequenceNode):
        return Value(path, line, [_value(path, loader, item, depth + 1) for item in node.value])
    if isinstance(node, yaml.MappingNode):
        _refuse_duplicates(path, node)
        loader.flatten_mapping(node)
        table = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise MigrationError(f"{printable(path)}:{key.start_mark.line + 1}: has a key that is no text")
            value = _value(path, loader, item, depth + 1)
            table[key.value] = Value(path, key.start_mark.line + 1, value.data)
        return Value(path, line, table)
    null = node.tag == "tag:yaml.org,2002:null"
    return Value(path, line, None if null else node.value)


def _refuse_duplicates(path: str, node: Any) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if name in lines:
            raise MigrationError(f"{printable(path)}:{line}: {shown(name)} was there before, on line {lines[name]}")
        lines[name] = line
