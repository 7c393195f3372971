"""Files to a `Configuration`: the way in for everyone else; knows no key.

`load` is for those who want all or nothing, `read` for those who go on with what is sound.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from asyncinit.config.declared import gather
from asyncinit.config.places import configuration_file
from asyncinit.config.problems import ConfigErrors, Problem
from asyncinit.config.project import NO_PROJECT, Project
from asyncinit.config.resolve import Mode
from asyncinit.config.spec import NO_INSTANCES, Configuration, Instances
from asyncinit.config.whole import Loaded, assemble

__all__ = ["ConfigErrors", "Loaded", "Mode", "Problem", "load", "read"]


def load(
    config: str | None = None,
    services: Sequence[str] = (),
    mode: Mode = Mode.CONTAINER,
    *,
    may_be_empty: bool = False,
    root: str = "/",
    profiles: Sequence[str] = (),
) -> Configuration:
    """Return what is declared, or raise `ConfigErrors` with every error and warning of every file.

    `config` is the file of `--config`, None: ./asyncinit.toml, then the system's. `services` are the folders of
    `--services`, which replace all others. `may_be_empty`: no service at all is no error (there is a CMD). `root` is
    where the system's own folders are looked for. `profiles` are active, of which the later win. Opens ordinary files
    only, and never waits for one.
    """
    loaded = read(config, services, mode, may_be_empty=may_be_empty, root=root, profiles=profiles)
    if loaded.errors:
        raise ConfigErrors(loaded.problems)
    return loaded.configuration


def read(
    config: str | None = None,
    services: Sequence[str] = (),
    mode: Mode = Mode.CONTAINER,
    *,
    may_be_empty: bool = False,
    root: str = "/",
    instances: Instances = NO_INSTANCES,
    pods: Sequence[str] = (),
    project: Project = NO_PROJECT,
    profiles: Sequence[str] = (),
) -> Loaded:
    """Return what is sound of what is declared, and all problems; arguments as those of `load`.

    `instances` shall be there beside those that are declared, as far as they have a template. `pods` are folders of
    pods, in place of all others. `project` has what `asyncinit dev` reads beside these files, or in their place.

    A service with an error is left out, with those that would take an error from [defaults] and those that require one
    of these, and none of them is in `start`; the rest is a consistent whole.
    """
    machine = mode is Mode.MACHINE
    found = gather(config, services, root, pods, profiles, machine=machine, project=project)
    folder = os.path.dirname(configuration_file(config, root, machine) or "") if project.procfile is None else ""
    return assemble(found, mode, folder, may_be_empty, instances)
