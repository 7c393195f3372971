"""A project's folder looked at as a whole: which hints count, and the drafts that are made of them."""

from __future__ import annotations

import os
import shlex
from contextlib import chdir

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.places import FOLDER
from asyncinit.config.problems import printable
from asyncinit.migration import procfile
from asyncinit.migration.compose import images, interpolation
from asyncinit.migration.compose.parsing import Value, parse
from asyncinit.migration.project import node, python
from asyncinit.migration.project.files import Hint, is_own, line_of, text_of
from asyncinit.migration.project.guess import Guess, fit
from asyncinit.migration.report import Ledger, MigrationError
from asyncinit.migration.service import Draft, Translation

_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_TARGETS = ("dev", "run", "serve", "start")


class Seen(Struct):
    """What `new` would write; `kept` are the services that are there already."""

    translation: Translation
    kept: tuple[str, ...]


def look() -> Seen:
    """Look at the folder in which we stand. Raises MigrationError for a Procfile that is wrong."""
    ledger = Ledger()
    translation = _procfile()
    if translation is None:
        guesses = [*python.guesses(), *node.guesses()]
        databases = _databases(ledger)
        if not guesses and (whole := _compose(ledger)) is not None:
            translation = whole
        else:
            guesses = guesses or _makefile() or _parts()
            names = _names(guesses, {draft.name for draft in databases})
            drafts = [
                guess.draft(ledger, names[number], _by_name(guesses, names)) for number, guess in enumerate(guesses)
            ]
            for guess, draft in zip(guesses, drafts, strict=True):
                if guess.is_served_by_databases and databases:
                    draft.append(
                        None, "wants", *(each.name for each in databases), note="what the Compose file has too"
                    )
            translation = Translation([*databases, *drafts], ledger)
    drafts = list(translation.drafts) or [_example(translation.ledger)]
    there = [draft.name for draft in drafts if os.path.lexists(os.path.join(FOLDER, f"{draft.name}.toml"))]
    drafts = [draft for draft in drafts if draft.name not in there]
    return Seen(Translation(drafts, translation.ledger), tuple(there))


def _parts() -> list[Guess]:
    """Return what is guessed of the folders of a project that has its parts in them: backend, frontend."""
    found = []
    for folder in sorted(entry.name for entry in os.scandir(".") if entry.is_dir() and is_own(entry.name)):
        try:
            with chdir(folder):
                guesses = [*python.guesses(), *node.guesses()]
        except OSError:
            continue
        for guess in guesses:
            served = guess.name in ("web", "frontend")
            hint = Hint(os.path.join(folder, guess.hint.file), guess.hint.line, guess.hint.text)
            found.append(
                replace(
                    guess,
                    name=folder if served else f"{folder}-{guess.name}",
                    requires=[f"{folder}-{name}" for name in guess.requires],
                    folder=os.path.join(folder, guess.folder) if guess.folder else folder,
                    hint=hint,
                )
            )
    return found


def _names(guesses: list[Guess], taken: set[str]) -> list[str]:
    """Return what each is called: by its own name, where another has that with a number."""
    names = []
    for guess in guesses:
        base = name = fit(guess.name)
        number = 2
        while name in taken:
            name = f"{base}-{number}"
            number += 1
        taken.add(name)
        names.append(name)
    return names


def _by_name(guesses: list[Guess], names: list[str]) -> dict[str, str]:
    return {guess.name: name for guess, name in zip(guesses, names, strict=True)}


def _procfile() -> Translation | None:
    path = next((name for name in ("Procfile.dev", "Procfile") if os.path.isfile(name)), None)
    if path is None:
        return None
    return procfile.translate([path, *([".env"] if os.path.isfile(".env") else [])])


def _compose_file() -> str | None:
    return next((name for name in _COMPOSE if os.path.isfile(name)), None)


def _compose(ledger: Ledger) -> Translation | None:
    """Return all services of a Compose file, where nothing else says what the project runs."""
    from asyncinit.migration.compose.translate import translate

    path = _compose_file()
    try:
        return translate([path]) if path is not None else None
    except MigrationError as error:
        ledger.remark(f"nothing was taken from {path}: {error}")
        return None


def _databases(ledger: Ledger) -> list[Draft]:
    """Return the services of a Compose file whose programs are known: what the project needs beside itself."""
    path = _compose_file()
    text = text_of(path) if path is not None else None
    if path is None or text is None:
        return []
    try:
        services = parse(path, text).table.get("services", Value(path, 1, {}))
    except MigrationError as error:
        ledger.remark(f"nothing was taken from {path}: {error}")
        return []
    drafts, unknown = [], []
    for name, value in services.table.items():
        image = value.table["image"].text if "image" in value.table else None
        known = images.known(image) if image else None
        if known is None or image is None:
            unknown += [name] if "build" not in value.table else []
            continue
        command = known.started_with(_command(value))
        draft = Guess(fit(name), command, Hint(path, value.line, f"image: {image}")).draft(ledger, fit(name), {})
        draft.remark(f"{known.note}, in the place of the image", "command")
        if known.port:
            draft.put(None, "ready.tcp", f"127.0.0.1:{known.port}", "what wants it starts when it can be reached")
        if known.user:
            draft.put(None, "user", known.user, "who it runs as there; where you are not root, as yourself")
            draft.put(None, "prefer", ["user"])
        drafts.append(draft)
    if unknown:
        names = ", ".join(map(printable, unknown))
        ledger.remark(f"{path} has {names}, too: what they run is in their images, and none of it is in these files")
    return drafts


def _command(value: Value) -> list[str]:
    """Return the command that a Compose file gives a service; none where it is none that can be read."""
    command = value.table.get("command")
    if command is None:
        return []
    try:
        words = [item.text or "" for item in command.items] or shlex.split(command.text or "")
    except ValueError:
        return []
    return [interpolation.kept(word, {}) for word in words]


def _makefile() -> list[Guess]:
    text = text_of("Makefile") or ""
    for target in _TARGETS:
        line = line_of(text, rf"^{target}\s*:(?!=)")
        if line is not None:
            return [
                Guess("app", ["make", target], Hint("Makefile", line, f"{target}:"), note="a target of the Makefile")
            ]
    return []


def _example(ledger: Ledger) -> Draft:
    draft = Draft("example", ledger, how="written")
    draft.remark("Nothing here says what the project runs: this is an example, to be replaced.")
    draft.put(None, "description", "Says what time it is")
    draft.put(None, "command", ["sh", "-c", "while true; do date; sleep 5; done"], "a program and its arguments")
    draft.put(None, "restart", "on-failure", "always is the default")
    return draft
