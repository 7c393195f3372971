"""What a service runs: its image or build, command, environment, directory, user; knows no other key."""

from __future__ import annotations

import os
import re
import shlex

from asyncinit.config.problems import printable, shown
from asyncinit.migration.compose import images
from asyncinit.migration.compose.files import pairs
from asyncinit.migration.compose.parsing import Value
from asyncinit.migration.compose.service import HERE, Service
from asyncinit.migration.report import MigrationError, Setting, Verdict

_WHAT = ["image", "build", "entrypoint", "command"]
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_FIRST_START = re.compile(r"(?:POSTGRES|MYSQL|MARIADB|MONGO_INITDB|RABBITMQ_DEFAULT)_")
_HOST_NAMED = re.compile(r"HOST|SERVER|ADDR|ENDPOINT", re.IGNORECASE)


def translate(service: Service) -> None:
    """Say what is run, and how."""
    table = service.value.table
    settings = {key: service.add(key, table[key]) for key in _WHAT if key in table}
    built = _dockerfile(service, table.get("build"))
    if "build" in settings:
        note = "nothing is built: what the Dockerfile installs has to be on this machine"
        service.ledger.say(settings["build"], Verdict.APPROXIMATED, note)
    _command(service, settings, built)
    if "image" in settings and service.ledger.is_open(settings["image"]):
        service.ledger.say(settings["image"], Verdict.APPROXIMATED, "there are no images: its programs have to be here")
    if built is not None:
        for name, text in built.environment.items():
            if name != "PATH":  # the image's own folders
                service.put(None, ("environment", name), text.replace("$", "$$"), f"ENV of {_short(built.file)}")
    if "env_file" in table:
        _environment_files(service, table["env_file"])
    if "environment" in table:
        _environment(service, table["environment"])
    _directory(service, built)
    if "user" in table:
        _user(service, table["user"])


# ---------------------------------------------------------------------------------------------------------------------
# The command


def _command(service: Service, settings: dict[str, Setting], built: images.Dockerfile | None) -> None:
    """Say what is run: as Docker puts it together, or what stands in for an image, or that it is not known."""
    known = _known(service)
    meant = _meant(service, built, known)
    if meant is None:
        _unknown(service, settings)
        return
    words, note = meant
    if not words or not words[0]:
        raise MigrationError(
            f"{service.value.where}: services.{printable(service.name)}: runs nothing: its command is empty"
        )
    of = [settings[key] for key in ("entrypoint", "command") if key in settings]
    of = of or [settings[key] for key in ("image", "build") if key in settings]
    for setting in of:
        service.put(setting, "command", words, note, exact=not note)
    if known is not None and known.user:
        service.put(None, "user", known.user, "who it runs as there")
    if built is not None and built.stop_signal and "stop_signal" not in service.value.table:
        service.put(None, "stop.signal", built.stop_signal, f"STOPSIGNAL of {_short(built.file)}")


def _meant(
    service: Service, built: images.Dockerfile | None, known: images.Program | None
) -> tuple[list[str], str] | None:
    """Return the command, and what is to be said of it; None where it is only in the image."""
    entrypoint, own = _words(service, "entrypoint"), _words(service, "command")
    if entrypoint is not None:
        return [*entrypoint, *(own or [])], ""
    if built is not None and (own or built.command or built.entrypoint):
        words = [*(built.entrypoint or []), *(own if own is not None else built.command or [])]
        return words, "" if own and not built.entrypoint else f"what {_short(built.file)}:{built.line} runs"
    if known is not None:
        words = known.started_with(own or [])
        return words, "" if words == own else f"in the place of the image: {known.note}"
    if own is not None and not (own and own[0].startswith("-")):
        return own, "the image's ENTRYPOINT, where it has one, would stand before it"
    return None


def _words(service: Service, key: str) -> list[str] | None:
    """Return a command as its words, None where there is none (or an empty one, which is the image's)."""
    value = service.value.table.get(key)
    if value is None or value.data is None:
        return None
    if isinstance(value.data, list):
        words = [item.text or "" for item in value.items]
    else:
        try:
            words = shlex.split(value.text or "")
        except ValueError as error:
            raise MigrationError(f"{value.where}: {key}: {str(error).lower()}") from None
    return [service.at_home(service.live(word)) for word in words]


def _known(service: Service) -> images.Program | None:
    image = service.value.table.get("image")
    text = service.fixed(image) if image is not None else None
    return images.known(text) if text else None


def _unknown(service: Service, settings: dict[str, Setting]) -> None:
    """Write a service that says what is missing, and does not start by itself."""
    of = settings.get("image") or settings.get("build")
    what = of.value if of is not None else service.draft.name
    program = f"fill-in-what-{_UNFIT.sub('-', what).strip('-')}-runs"  # its start fails, with this name in the message
    note = "TO BE FILLED IN: what the image runs is not in the Compose file"
    service.put(settings.get("command"), "command", [program, *(_words(service, "command") or [])], note, exact=False)
    service.put(None, "enabled", False)
    service.missing = True
    if of is not None:
        service.ledger.say(of, Verdict.NO_EQUIVALENT, "what it runs is only in the image: fill in the command")
    service.ledger.remark(f"{service.draft.name} is not enabled: fill in its command, then take out enabled = false")


def _dockerfile(service: Service, build: Value | None) -> images.Dockerfile | None:
    if build is None:
        return None
    context = build if build.text else build.table.get("context")
    folder = service.fixed(context) if context is not None else "."
    if folder is None or "://" in folder:
        return None
    name = build.table.get("dockerfile")
    file = (service.fixed(name) if name is not None else None) or "Dockerfile"
    target = build.table.get("target")
    stage = (service.fixed(target) if target is not None else None) or ""
    found = images.dockerfile(os.path.join(service.absolute(folder, build), file), stage)
    if found is not None and found.folder:
        service.binds.append((service.absolute(folder, build), found.folder))  # its files come from there
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Its surroundings


def _environment(service: Service, environment: Value) -> None:
    known = _known(service)
    for name, value in pairs(environment):
        setting = service.add(f"environment.{name}", value, hidden=True)
        if not name or "=" in name:
            raise MigrationError(f"{value.where}: environment: {shown(name)} is no name of a variable")
        if value.data is None and name in service.variables:
            note = f"from {_short(service.dotenv)}, unless asyncinit is started with it"
            service.put(setting, ("environment", name), service.live(f"${{{name}}}"), note)
            continue
        if value.data is None:
            service.ledger.say(setting, Verdict.NOT_NEEDED, "a service has what asyncinit is started with")
            continue
        if value.text is None:
            raise MigrationError(f"{value.where}: environment.{printable(name)}: expected a text")
        if known is not None and _FIRST_START.match(name):
            note = "only the image reads it, at its first start: make the user and the database yourself"
            service.ledger.say(setting, Verdict.NO_EQUIVALENT, note)
            continue
        plain = service.live(value.text)
        text = service.at_home(plain)
        if _HOST_NAMED.search(name) and service.is_service(plain):
            text = HERE
        note = "" if text == plain else f"the other service is on this machine, at {HERE}"
        service.put(setting, ("environment", name), text, note, exact=not note)


def _environment_files(service: Service, value: Value) -> None:
    files = []
    for item in value.items or [value]:
        path = item.table.get("path", item)
        text = path.text or ""
        optional = "required" in item.table and (item.table["required"].text or "") == "false"
        file = service.live(service.absolute(text, path)) if text[:1] != "$" else service.live(text)
        files.append(f"-{file}" if optional else file)
    note = "its lines are read as systemd's are: no `$` is replaced, and a # within a line is no comment"
    setting = service.add("env_file", value)
    service.put(setting, "environment_file", files, note, exact=False)


def _directory(service: Service, built: images.Dockerfile | None) -> None:
    """Say where it runs: the folder outside that is its directory in the container, else the project's."""
    value = service.value.table.get("working_dir")
    inside = service.fixed(value) if value is not None else built.folder if built is not None else ""
    setting = service.add("working_dir", value) if value is not None else None
    if not inside:
        if service.folder != os.getcwd():
            service.put(None, "working_directory", service.folder, "the folder of the Compose file")
        return
    outside = service.outside(inside)
    if outside is not None:
        service.put(setting, "working_directory", outside, f"{inside} in the container", exact=False)
    elif setting is not None:
        note = "a folder of the image: it has to be here as well"
        service.put(setting, "working_directory", inside, note, exact=False)


def _user(service: Service, value: Value) -> None:
    setting = service.add("user", value)
    text = service.fixed(value, setting)
    if text is None:  # it would run with more rights
        told = f"user: {shown(value.text or '')} takes no variable here, and has one without a value"
        raise MigrationError(f"{value.where}: {told}: write it out, or say it in the .env beside the file")
    user, _, group = text.partition(":")
    if user:
        service.put(setting, "user", user)
    if group:
        service.put(setting, "group", group)


def _short(path: str) -> str:
    return os.path.basename(path)
