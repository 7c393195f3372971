"""Say in a drop-in whether a service is enabled: NAME.d/90-enabled.toml, where it counts and can be written.

The file is written beside its place, read back, and renamed: nobody ever sees a part of it. Where the service's own
files say the same, there is no such drop-in.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from asyncinit.config.declared import gather
from asyncinit.config.listing import DROP_INS
from asyncinit.config.load import read
from asyncinit.config.names import meant
from asyncinit.config.origins import origins_of
from asyncinit.config.places import FOLDER, SHIPPED, SYSTEM_FILE, SYSTEM_FOLDERS, configuration_file
from asyncinit.config.problems import printable
from asyncinit.config.resolve import Mode
from asyncinit.config.spec import Instances
from asyncinit.config.write import dumps
from asyncinit.errors import AsyncinitError, UnknownServiceError, why

FILE = "90-enabled.toml"
"""The drop-in's name: drop-ins are merged in the order of their names, and this shall come late."""


@dataclass(eq=False)
class EnablingError(AsyncinitError):
    """It could not be said; nothing is changed. `text` says why, for people."""

    text: str

    def __str__(self) -> str:
        return self.text


class Said(Struct, frozen=True):
    """What was done: `written` is the drop-in, None where none is needed; `removed` are those that are gone.

    `before` is what held until now. `failed` has the places that would have been better, with what was in the way.
    """

    before: bool
    written: str | None = None
    removed: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


class _Places(Struct, frozen=True):
    """Where the configuration is read from, and the drop-ins of a service that this module may write, best first."""

    config: str | None
    services: Sequence[str]
    root: str
    mode: Mode
    name: str
    candidates: tuple[str, ...]
    profiles: tuple[str, ...]

    def enabled(self) -> tuple[bool, str]:
        """Return whether the service is enabled by what the files say now, and where that stands."""
        instances = Instances((self.name,))
        profiles = self.profiles
        loaded = read(self.config, self.services, self.mode, root=self.root, instances=instances, profiles=profiles)
        spec = loaded.configuration.services.get(self.name)
        if spec is None:
            about = [str(problem) for problem in loaded.errors if problem.service in {self.name, None}]
            text = "; ".join(about or [f"{self.name} cannot be used as it is declared"])
            raise EnablingError(text)
        origin = origins_of(loaded.configuration.sources, self.name).get("enabled", "")
        return spec.enabled and not spec.summoned, origin


def say_enabled(
    name: str,
    enabled: bool,
    *,
    config: str | None = None,
    services: Sequence[str] = (),
    mode: Mode = Mode.CONTAINER,
    root: str = "/",
    profiles: Sequence[str] = (),
) -> Said:
    """Have the files say that `name` is enabled, or not; the other arguments as for `config.load.read`.

    What counts is what they say with `profiles`; what is written then holds with every profile.

    Nothing outside `root` is written, wherever the links in it lead.

    Raises UnknownServiceError, EnablingError.
    """
    places = _places(name, config, services, mode, root, tuple(profiles))
    before, _ = places.enabled()
    contents = {path: content for path in places.candidates if (content := _content(path, root)) is not None}
    if before is enabled and set(contents) <= set(places.candidates[:1]):
        return Said(before)  # it is said already, in the best place
    try:
        return _say(places, enabled, before, tuple(contents))
    except BaseException:
        for path in places.candidates:
            _restore(path, contents.get(path))
        raise


def _places(
    name: str, config: str | None, services: Sequence[str], mode: Mode, root: str, profiles: tuple[str, ...]
) -> _Places:
    machine = mode is Mode.MACHINE
    found = gather(config, services, root, profiles=profiles, machine=machine)
    loaded = read(config, services, mode, root=root, instances=Instances((name,)), profiles=profiles)
    if name not in loaded.configuration.services and name not in found.known:
        raise UnknownServiceError(name, meant(name, loaded.configuration.services))
    system = tuple(os.path.join(root, folder) for folder in SYSTEM_FOLDERS)
    file = configuration_file(config, root, machine)
    own = os.path.dirname(found.listing.files.get(name, ""))
    folders = [own, *reversed(found.folders)] if own else list(reversed(found.folders))
    packaged = {SHIPPED, *system}
    if services or (file is not None and file != os.path.join(root, SYSTEM_FILE)) or not set(folders) & packaged:
        folders = [folder for folder in folders if folder != SHIPPED]
        folders += [] if folders else [os.path.join(os.path.dirname(file or ""), FOLDER)]
    else:
        folders = [*(folder for folder in folders if folder not in packaged), system[1], system[2]]
    paths = (os.path.join(folder, name + DROP_INS, FILE) for folder in dict.fromkeys(folders))
    return _Places(config, services, root, mode, name, tuple(paths), profiles)


def _say(places: _Places, enabled: bool, before: bool, there: tuple[str, ...]) -> Said:
    removed = tuple(path for path in there if _remove(path))
    if len(removed) == len(there) and places.enabled()[0] is enabled:
        return Said(before, removed=removed)
    failed: list[tuple[str, str]] = []
    for path in places.candidates:
        if not _is_below(path, places.root):
            failed.append((path, f"a link leads out of {printable(places.root)}"))
            continue
        try:
            _write(path, enabled)
        except OSError as error:
            failed.append((path, why(error.errno or 0)))
            continue
        holds, origin = places.enabled()
        if holds is not enabled:
            raise EnablingError(f"{printable(origin)} says otherwise, and wins over {printable(path)}")
        return Said(before, path, tuple(gone for gone in removed if gone != path), tuple(failed))
    tried = "; ".join(f"cannot write {printable(path)}: {reason}" for path, reason in failed)
    raise EnablingError(tried or "there is no folder for it")


def _write(path: str, enabled: bool) -> None:
    """Write the drop-in, complete or not at all; raises OSError."""
    data = {"enabled": enabled}
    folder, name = os.path.split(path)
    made = not os.path.isdir(folder)
    os.makedirs(folder, 0o755, exist_ok=True)
    beside = os.path.join(folder, f".{name}.{os.getpid()}")  # hidden: nobody reads it as a drop-in
    try:
        with open(beside, "w", encoding="utf-8") as file:
            file.write(f"# Written by `asyncinit {'enable' if enabled else 'disable'}`.\n{dumps(data)}")
            file.flush()
            os.fsync(file.fileno())
        with open(beside, "rb") as again:
            if tomllib.load(again) != data:
                raise EnablingError(f"{printable(path)} reads back as something else than was written")
        os.rename(beside, path)
    except BaseException:
        try:
            os.unlink(beside)
            if made:
                os.rmdir(folder)
        except OSError:
            pass  # it was not made, or something else is there
        raise


def _is_below(path: str, root: str) -> bool:
    """Tell whether a path that is given below `root` is there, with all links followed."""
    if os.path.commonpath([os.path.abspath(path), os.path.abspath(root)]) != os.path.abspath(root):
        return True  # it was not given so
    whole = os.path.realpath(root)
    return os.path.commonpath([os.path.realpath(path), whole]) == whole


def _content(path: str, root: str) -> bytes | None:
    if not _is_below(path, root):
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _remove(path: str) -> bool:
    """Remove a drop-in, and its folder if it was the last one; tell whether it is gone."""
    try:
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass  # what the folder has beside it stays
    return not os.path.lexists(path)


def _restore(path: str, content: bytes | None) -> None:
    if content is None:
        _remove(path)
    if content is None or _content(path, "/") == content:
        return
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    except OSError:
        pass  # it could be removed a moment ago; what is in the way now is beyond us
