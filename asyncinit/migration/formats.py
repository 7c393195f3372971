"""Which formats can be imported: a table of translators, each loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from asyncinit.migration.service import Translation

FORMATS = {
    "compose": "asyncinit.migration.compose.translate",
    "procfile": "asyncinit.migration.procfile",
    "supervisord": "asyncinit.migration.supervisord.translate",
    "systemd": "asyncinit.migration.systemd.translate",
}
"""Each format with the module that has its `translate(sources)`: the words after FORMAT on the command line."""


def translator(name: str) -> Callable[[Sequence[str]], Translation]:
    """Return the translator of a format."""
    translate: Callable[[Sequence[str]], Translation] = import_module(FORMATS[name]).translate
    return translate
