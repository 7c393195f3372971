"""In a project the files of the configuration are watched: what is saved holds, and what is wrong in it is told.

A person who works on a project has asyncinit beside an editor, and would have to ask for each change. On a machine and
in a container that asks who has deployed the files, once all of them are there.

A change is tried first (`Configured.reload`, a dry run): where it makes no difference nothing is said, and where files
have errors these are told and what runs goes on by the last good configuration.
"""

from __future__ import annotations

import os

from asyncinit.config.places import FOLDER, POD_FOLDER
from asyncinit.config.spec import Configuration, LogLevel
from asyncinit.core.engine import Engine
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.configuring.configured import Configured, Outcome, Unusable
from asyncinit.runtime.configuring.reading import RunOptions
from asyncinit.runtime.file_watching.messages import Changed, Failed, Message, Watched
from asyncinit.runtime.file_watching.watcher import FileWatcher

KEY = "the configuration"
"""Who watches, beside the services: no service has such a name."""

_QUIET = 0.2


def own_files(options: RunOptions, configuration: Configuration) -> tuple[str, ...]:
    """Return the files and the folders that a project's services are declared in, also those that are not there yet.

    Of the folder of a file only what is called services.d or the like: around asyncinit.toml is the whole project.
    """
    project = options.project
    assert project is not None
    if project.procfile is not None:
        return tuple(dict.fromkeys(project.files))
    found = list(project.files)
    if options.config is not None:
        above = os.path.dirname(options.config)
        found += [options.config, os.path.join(above, FOLDER), os.path.join(above, POD_FOLDER)]
    for folder in options.services:
        found += [folder, os.path.join(os.path.dirname(os.path.normpath(folder)), POD_FOLDER)]
    for file in configuration.files:
        folder = os.path.dirname(file)
        place = folder if folder.endswith(".d") else file
        if not any(place.startswith(f"{one}/") for one in found):
            found.append(place)
    return tuple(dict.fromkeys(found))


class OwnFiles:
    """Watch the files of `configured`, whose options have a project; `begin` it once."""

    def __init__(self, configured: Configured, engine: Engine, announcer: Announcer, watcher: FileWatcher) -> None:
        self._configured = configured
        self._engine = engine
        self._announcer = announcer
        self._watcher = watcher
        self._base = os.getcwd()
        self._watched: Watched | None = None
        self._changed: Changed | None = None
        self._unseen = True  # the files may have changed between their reading and the moment they were watched
        self._under_way = False
        self._broken = False

    def begin(self) -> None:
        """Have what is declared by now watched, in the place of what was."""
        paths = own_files(self._configured.options, self._configured.configuration)
        watched = Watched(self._base, paths, gitignore=False, quiet=_QUIET)
        self._unseen |= watched != self._watched
        self._watched = watched
        self._watcher.watch(KEY, watched, self._heard)

    def _heard(self, message: Message) -> None:
        if isinstance(message, Failed):
            text = (
                f"the files of the configuration are not watched, `asyncinit reload-config` reads them: {message.text}"
            )
            self._announcer.system(text, LogLevel.WARNING)
        elif isinstance(message, Changed):
            self._changed = message if self._changed is None else self._changed.joined(message)
            self._try()
        elif self._unseen:
            self._try()

    def _try(self) -> None:
        """Look what the files say now, one change after the other."""
        if self._under_way or self._engine.shutting_down or not (self._changed or self._unseen):
            return
        what = str(self._changed or "the files of the configuration have changed")
        self._changed, self._unseen, self._under_way = None, False, True
        self._configured.reload(True, lambda outcome: self._tried(outcome, what))

    def _tried(self, outcome: Outcome, what: str) -> None:
        if isinstance(outcome, Unusable):
            self._tell(outcome, what)
        elif outcome.changed:
            self._broken = False
            self._announcer.system(what)
            self._configured.reload(False, self._done)
            return
        elif self._broken:
            self._broken = False
            self._announcer.system(f"{what}: the configuration is sound again, and nothing has changed")
        self._go_on()

    def _tell(self, outcome: Unusable, what: str) -> None:
        if self._engine.shutting_down:
            return
        self._broken = True
        text = outcome.text or "the configuration has errors, and what runs goes on by the last good one:"
        self._announcer.system(f"{what}: {text}", LogLevel.ERROR)
        for line in outcome.errors:
            self._announcer.system(line, LogLevel.ERROR)

    def _done(self, _outcome: Outcome) -> None:
        self.begin()
        self._go_on()

    def _go_on(self) -> None:
        self._under_way = False
        self._try()
