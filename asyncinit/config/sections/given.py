"""Values that may be absent, to what a specification has of them and back; knows no table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec import UnsetType

from asyncinit.config import spec, values

T = TypeVar("T")
Keys = dict[str, Any]
"""Keys of a table with their values, as a file would have them."""


def or_none(value: T | UnsetType) -> T | None:
    """Return a value, or None where there is none."""
    return None if isinstance(value, UnsetType) else value


def names(given: Sequence[str]) -> tuple[str, ...]:
    """Return names, each once, in order."""
    return tuple(dict.fromkeys(given))


def account(given: str | int | UnsetType) -> str | None:
    """Return the name or decimal id of a user or group."""
    return None if isinstance(given, UnsetType) else values.account(given)


def command(given: str | Sequence[str] | UnsetType) -> spec.Command | None:
    """Return a command whose words are expanded when it is run."""
    return None if isinstance(given, UnsetType) else spec.Command(values.command(given))


def command_words(given: spec.Command | None) -> list[str]:
    """Return the words of a command, as a file has them."""
    return [] if given is None else list(given.argv)


def filled(keys: Keys) -> Keys:
    """Return the keys that say something: without what is unset or empty."""
    return {key: value for key, value in keys.items() if says(value)}


def says(value: object) -> bool:
    """Tell whether a value is neither unset nor empty."""
    return value is not None and value not in ("", [], {})
