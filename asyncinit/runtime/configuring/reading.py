"""Read what is declared, as `asyncinit run` was told to: at the start, and again in a child; changes nothing.

What the command line and the environment say is laid over what the files say, each time alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config import places
from asyncinit.config.load import read
from asyncinit.config.project import NO_PROJECT, Project
from asyncinit.config.resolve import Mode
from asyncinit.config.spec import NO_INSTANCES, NONE, Configuration, InitSpec, Instances, LogFormat, LogLevel
from asyncinit.core.at_start import chosen
from asyncinit.core.outcome import BAD_CONFIGURATION, USAGE
from asyncinit.errors import AsyncinitError
from asyncinit.runtime.configuring.instances import together
from asyncinit.runtime.configuring.wanted import as_wanted, check_counted, instances_of
from asyncinit.runtime.main_command import with_command
from asyncinit.wrapper.options import UsageError, parse_grace

_GRACE_VARIABLE = "ASYNCINIT_GRACE"
# A root folder with nothing in it: the services of a project are its own, and never the system's.
_NOWHERE = "/dev/null"
_LEVELS = (LogLevel.ERROR, LogLevel.WARNING, LogLevel.INFO, LogLevel.DEBUG)


class RunOptions(Struct, frozen=True):
    """What `asyncinit run` was told; `verbosity` counts -v less -q, `log_format` None is the configuration's.

    `mode` is what asyncinit runs; who starts it says so, and a re-exec carries it over. `target` is started in
    the place of what [init] start names. `handed`: an asyncinit outside has declared all.

    For `asyncinit dev`: `project` is what it reads beside service files, or in their place; `names` are the services to
    start; with the end of `exit_with` all ends; `tied`: no process of ours shall outlive us.
    """

    mode: Mode = Mode.CONTAINER
    target: str | None = None
    config: str | None = None
    services: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    scope: str = "group"
    rewrite: Mapping[int, int] = {}
    exit_codes: Mapping[int, int] = {}
    ready_fd: int | None = None
    log_format: str | None = None
    verbosity: int = 0
    handed: bool = False
    project: Project | None = None
    names: tuple[str, ...] = ()
    exit_with: str | None = None
    tied: bool = False

    @property
    def on_machine(self) -> bool:
        """Whether the end of all is the end of a machine."""
        return self.mode is Mode.MACHINE


class Reading(Struct, frozen=True):
    """What came of it: a configuration with its warnings, or (`configuration` None) all that is wrong, a line each.

    `status` is the exit status of a start that is refused for it. With `sound_part` there is always a configuration, of
    what is sound, and beside it what is wrong; `astray` says why what should be started is not known then.
    """

    configuration: Configuration | None = None
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    status: int = BAD_CONFIGURATION
    astray: str = ""


def read_sound_part(options: RunOptions) -> Reading:
    """Read the files of a machine, which has to come up with what is sound; never raises for what is in them."""
    try:
        loaded = read(options.config, options.services, options.mode, profiles=options.profiles)
    except AsyncinitError as error:
        return Reading(Configuration(InitSpec(keep_running=True), {}), errors=(str(error),), astray=str(error))
    errors = tuple(map(str, loaded.errors))
    errors += tuple(f"{name} is left out: {reason}" for name, reason in loaded.left_out.items())
    warnings = tuple(str(one) for one in loaded.problems if one not in loaded.errors)
    configuration, astray = loaded.configuration, ""
    try:
        configuration = replace(configuration, init=_settings(configuration, options))
    except UsageError as error:
        errors += (str(error),)
    if options.target is not None and options.target not in configuration.services:
        astray = f"there is no {options.target} to start, as the kernel command line wants it"
    elif options.target is None and loaded.start_lost:
        astray = "nothing of what [init] start names can be used"
    elif not configuration.init.start and all(_as_shipped(configuration, name) for name in chosen(configuration)):
        astray = "there is no service to start: none is declared, or none of them is enabled"
    return Reading(configuration, warnings, errors, astray=astray)


def _as_shipped(configuration: Configuration, name: str) -> bool:
    """Tell whether nobody has said anything of a service that came with asyncinit: such a one is no reason to boot."""
    origin = configuration.sources.origins.get(name)
    layers = () if origin is None else origin.layers
    return len(layers) == 1 and os.path.dirname(layers[0].path) == places.SHIPPED


def read_declared(options: RunOptions, main: str | None = None, instances: Instances = NO_INSTANCES) -> Reading:
    """Read the files; never raises for what is in them. `main` is the name that CMD has as a service already.

    `instances` shall be there beside those that are declared.
    """
    if options.handed:
        return Reading(errors=("its services are declared outside of its pod: reload the configuration there",))
    project = options.project or NO_PROJECT
    counted = {} if project.procfile is not None else dict(project.formation)
    try:
        loaded = read(
            options.config,
            options.services,
            options.mode,
            may_be_empty=bool(options.command),
            root="/" if options.project is None else _NOWHERE,
            instances=together(instances_of(options.names, counted), instances),
            project=project,
            profiles=options.profiles,
        )
    except AsyncinitError as error:
        return Reading(errors=(f"asyncinit: {error}",))
    if loaded.errors:
        return Reading(errors=tuple(map(str, loaded.problems)))
    configuration = loaded.configuration
    if main is not None and main in configuration.services:
        origin = configuration.services[main].origin
        return Reading(errors=(f"{origin}: {main} cannot be added: it is the name of the command that runs",))
    try:
        check_counted(configuration, counted)
        configuration = as_wanted(configuration, options.names, options.exit_with)
        configuration = replace(configuration, init=_settings(configuration, options))
    except (UsageError, AsyncinitError) as error:
        return Reading(errors=(f"asyncinit: {error}",), status=USAGE)
    if options.command:
        configuration = with_command(configuration, options.command, options.scope, options.rewrite, main)
    return Reading(configuration, tuple(str(problem) for problem in loaded.problems))


def _settings(configuration: Configuration, options: RunOptions) -> InitSpec:
    """Lay the command line and the environment over [init]; raises UsageError."""
    init = configuration.init
    text = os.environ.get(_GRACE_VARIABLE, "")
    grace = NONE if text == "none" else parse_grace(text)
    level = _LEVELS.index(init.log_level) + options.verbosity
    return replace(
        init,
        start=(options.target,) if options.target in configuration.services else init.start,
        shutdown_timeout=init.shutdown_timeout if grace is None else grace,
        log_format=LogFormat(options.log_format) if options.log_format else init.log_format,
        log_level=_LEVELS[max(0, min(level, len(_LEVELS) - 1))],
        exit_codes={**init.exit_codes, **options.exit_codes},
    )
