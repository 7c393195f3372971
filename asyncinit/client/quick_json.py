"""JSON by the accelerators of Python's json package, without the package: its import takes as long as all of `status`.

Where the accelerators are missing or have changed, the package itself is used. The same values either way; a unit test
compares them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

try:
    from _json import encode_basestring_ascii, make_scanner
except ImportError:
    make_scanner = None  # type: ignore[assignment,misc]


class _Context:
    """What the scanner asks of a JSONDecoder; the names are its."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012 - an attribute's name and type are the scanner's

    @staticmethod
    def parse_constant(name: str) -> float:
        raise ValueError(f"{name} is no JSON")


def loads(data: bytes) -> Any:
    """Return the value of a JSON text in UTF-8; raises ValueError."""
    text = data.decode().strip(" \t\r\n")
    if make_scanner is None:
        import json

        return json.loads(text)
    try:
        value, end = make_scanner(_Context)(text, 0)  # type: ignore[arg-type]
    except StopIteration as stopped:
        raise ValueError(f"no JSON at character {stopped.value}") from None
    if end != len(text):
        raise ValueError(f"more than one value: character {end}")
    return value


def dumps(value: Any) -> str:
    """Return a value of dictionaries, lists, tuples, strings, numbers, booleans and None as JSON, in ASCII."""
    if make_scanner is None:
        import json

        return json.dumps(value)
    return _encode(value)


def _encode(value: Any) -> str:
    if isinstance(value, str):
        return str(encode_basestring_ascii(value))
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_encode(str(key))}: {_encode(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(_encode, value)) + "]"
