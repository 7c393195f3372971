"""What a Python project would run: Django, FastAPI, Flask, Celery, its own scripts; writes nothing."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from asyncinit.migration.project.files import Hint, line_of, sources, text_of
from asyncinit.migration.project.guess import Guess

_FILE = "pyproject.toml"
_REQUIREMENTS = ("requirements.txt", "requirements/base.txt", "requirements-dev.txt")
_MADE = {
    name: re.compile(rf"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?{name}\(", re.MULTILINE)
    for name in ("FastAPI", "Starlette", "Flask", "Celery")
}
_FACTORY = re.compile(r"^def ((?:create|make|get)_app)\((?:\w[^,)=]*=[^,)]*(?:,\s*|(?=\))))*\)", re.MULTILINE)
"""A function that makes the application and needs nothing for it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def guesses() -> Iterator[Guess]:
    """Yield what is guessed of the project in which we stand."""
    text = text_of(_FILE)
    data = _data(text) if text is not None else {}
    wanted = _dependencies(data, text or "")
    if text is None and not wanted and not os.path.isfile("manage.py"):
        return
    before = _runner()
    web = _django(before, wanted) or _web(before, wanted)
    for guess in [*web, *_celery(before, wanted)]:
        guess.is_served_by_databases = True
        yield guess
    if not web:
        yield from _scripts(before, data, text or "")


def _data(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _dependencies(data: dict[str, Any], text: str) -> dict[str, Hint]:
    """Return what the project depends on, in lower case, with where it says so."""
    lists = [_at(data, "project", "dependencies")]
    for table in (_at(data, "project", "optional-dependencies"), _at(data, "dependency-groups")):
        lists += table.values() if isinstance(table, dict) else []
    names = [word for each in lists if isinstance(each, list) for word in each if isinstance(word, str)]
    poetry = _at(data, "tool", "poetry", "dependencies")
    names += poetry if isinstance(poetry, dict) else []
    found = {}
    for word in names:
        if name := _NAME.match(word):
            pattern = rf"[\"']?{re.escape(name[0])}\b"
            found[name[0].lower()] = Hint(_FILE, line_of(text, pattern), word)
    for path in _REQUIREMENTS:
        for number, line in enumerate((text_of(path) or "").split("\n"), 1):
            if name := _NAME.match(line.strip()):
                found.setdefault(name[0].lower(), Hint(path, number, line.strip()))
    return found


def _runner() -> list[str]:
    """Return the words before a program of the project's environment."""
    for lock, words in (("uv.lock", ["uv", "run"]), ("poetry.lock", ["poetry", "run"]), ("Pipfile", ["pipenv", "run"])):
        if os.path.isfile(lock):
            return words
    for folder in (".venv", "venv"):
        if os.path.isfile(os.path.join(folder, "bin", "python")):
            return [f"{folder}/bin/"]
    return []


def _command(before: list[str], *words: str) -> list[str]:
    if before and before[0].endswith("/"):
        return [before[0] + words[0], *words[1:]]
    return [*before, *words]


def _django(before: list[str], wanted: dict[str, Hint]) -> list[Guess]:
    text = text_of("manage.py")
    if text is None or ("django" not in wanted and "django" not in text):
        return []
    hint = Hint("manage.py", 1, "a Django project")
    python = "python3" if not before else "python"
    migrate = Guess("migrate", _command(before, python, "manage.py", "migrate", "--noinput"), hint, kind="oneshot")
    command = _command(before, python, "manage.py", "runserver", "127.0.0.1:${PORT}")
    return [migrate, Guess("web", command, hint, port=8000, requires=["migrate"])]


def _web(before: list[str], wanted: dict[str, Hint]) -> list[Guess]:
    for name, library in (("FastAPI", "fastapi"), ("Starlette", "starlette"), ("Flask", "flask")):
        if library not in wanted:
            continue
        found = _made(name)
        if found is None:
            continue
        target, hint = found
        module, _, variable = target.partition(":")
        if name == "Flask":  # which calls a function itself
            words = ["flask", "--app", target, "run", "--debug", "--port", "${PORT}"]
            return [Guess("web", _command(before, *words), hint, port=5000)]
        folder = ["--app-dir", "src"] if hint.file.startswith("src/") else []
        factory = ["--factory"] if hint.text.startswith("def ") else []
        words = ["uvicorn", f"{module}:{variable}", *factory, *folder, "--reload", "--port", "${PORT}"]
        return [Guess("web", _command(before, *words), hint, port=8000)]
    return []


def _made(name: str) -> tuple[str, Hint] | None:
    """Return MODULE:VARIABLE of the application that a source file makes, and where."""
    for path in sources(".", ".py"):
        text = text_of(path) or ""
        found = _MADE[name].search(text)
        if found is None and name != "Celery" and f"{name}(" in text:
            found = _FACTORY.search(text)
        if found is not None:
            line = text.count("\n", 0, found.start()) + 1
            module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if not all(part.isidentifier() for part in module.split(".")):
                continue  # nobody can import it
            text = found[0].strip()
            return f"{module}:{found[1]}", Hint(path, line, text if text.startswith("def ") else f"{text}...)")
    return None


def _celery(before: list[str], wanted: dict[str, Hint]) -> Iterator[Guess]:
    found = _made("Celery") if "celery" in wanted else None
    if found is not None:
        target, hint = found
        words = ["celery", "--app", target.partition(":")[0], "worker", "--loglevel", "info"]
        note = "it needs its broker: requires = [...] names the service, if that is one of these"
        yield Guess("worker", _command(before, *words), hint, note=note)


def _scripts(before: list[str], data: dict[str, Any], text: str) -> Iterator[Guess]:
    scripts = _at(data, "project", "scripts")
    for name in scripts if isinstance(scripts, dict) else ():
        hint = Hint(_FILE, line_of(text, rf"^[\"']?{re.escape(name)}[\"']?\s*="), f"scripts.{name}")
        note = "a command of the project: whether it serves for good, its name does not tell"
        yield Guess(name, _command(before, name), hint, note=note, enabled=False)
