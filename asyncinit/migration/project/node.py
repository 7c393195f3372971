"""What a package.json would run: its script `dev` or `start`, and those of its workspaces; writes nothing."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from asyncinit.migration.compose.parsing import parse
from asyncinit.migration.project.files import Hint, line_of, text_of
from asyncinit.migration.project.guess import Guess
from asyncinit.migration.report import MigrationError

_FILE = "package.json"
_WORKSPACES = "pnpm-workspace.yaml"
_LOCKS = (
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lockb", "bun"),
    ("bun.lock", "bun"),
    ("package-lock.json", "npm"),
)
_SCRIPTS = ("dev", "start", "serve")
_SERVERS = ("vite", "next", "nuxt", "astro", "webpack", "react-scripts", "ng ", "svelte-kit", "remix")
_ALL_AT_ONCE = ("turbo", "lerna", "nx ", "concurrently", "npm-run-all", "--workspaces", "pnpm -r")


def guesses() -> Iterator[Guess]:
    """Yield what is guessed of the project in which we stand."""
    text = text_of(_FILE)
    data = _data(text) if text is not None else None
    if text is None or data is None:
        return
    manager = next((name for lock, name in _LOCKS if os.path.isfile(lock)), "npm")
    found = list(_workspaces(data, manager))
    own = _guess("", text, data, manager)
    # A script at the top that starts those of the workspaces would start each twice.
    if own is not None and not (found and any(word in own.hint.text for word in _ALL_AT_ONCE)):
        found.insert(0, own)
    yield from found


def _data(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _workspaces(data: dict[str, Any], manager: str) -> Iterator[Guess]:
    patterns = data.get("workspaces")
    patterns = patterns.get("packages") if isinstance(patterns, dict) else patterns
    patterns = [pattern for pattern in patterns if isinstance(pattern, str)] if isinstance(patterns, list) else _pnpm()
    left_out = {folder for pattern in patterns if pattern.startswith("!") for folder in _folders(pattern[1:])}
    for folder in dict.fromkeys(folder for pattern in patterns for folder in _folders(pattern)):
        text = text_of(os.path.join(folder, _FILE)) if folder not in left_out else None
        inner = _data(text) if text is not None else None
        if text is not None and inner is not None and (found := _guess(folder, text, inner, manager)) is not None:
            yield found


def _pnpm() -> list[str]:
    """Return the patterns of pnpm, which has them in a file of their own."""
    text = text_of(_WORKSPACES)
    try:
        packages = parse(_WORKSPACES, text).table.get("packages") if text is not None else None
    except MigrationError:
        return []
    return [item.text for item in packages.items if item.text] if packages is not None else []


def _folders(pattern: str) -> list[str]:
    """Return the folders of the project that a pattern names."""
    if "\0" in pattern or os.path.isabs(pattern) or ".." in pattern.split("/"):
        return []
    found = sorted(glob.glob(pattern, recursive=True))
    return [os.path.normpath(folder) for folder in found if "node_modules" not in folder.split("/")]


def _guess(folder: str, text: str, data: dict[str, Any], manager: str) -> Guess | None:
    scripts = data.get("scripts")
    script = next((name for name in _SCRIPTS if isinstance(scripts, dict) and isinstance(scripts.get(name), str)), None)
    if script is None or not isinstance(scripts, dict):
        return None
    words = scripts[script]
    line = line_of(text, rf'"{re.escape(script)}"\s*:')
    hint = Hint(os.path.join(folder, _FILE), line, f"scripts.{script}: {words}")
    front = any(server in words for server in _SERVERS)
    name = os.path.basename(folder) or ("frontend" if front else "web")
    note = "restarts by itself when files change" if script == "dev" else ""
    return Guess(name, [manager, "run", script], hint, folder=folder, note=note)
