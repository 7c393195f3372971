"""A life of `asyncinit run` in order: standard descriptors, configuration, loop, services, end; decides nothing else.

Never returns: it leaves by `os._exit` once all is flushed, since the interpreter's own teardown takes as long as the
whole shutdown of a few services. What escapes the loop ends in the minimal loop, which stops what is left.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from msgspec.structs import replace

from asyncinit import minimal
from asyncinit.config import places
from asyncinit.config.load import read
from asyncinit.config.problems import ConfigErrors
from asyncinit.config.resolve import Mode
from asyncinit.config.spec import NONE, Configuration, InitSpec, LogFormat, LogLevel
from asyncinit.core.outcome import BAD_CONFIGURATION, INTERNAL_ERROR, USAGE
from asyncinit.errors import AsyncinitError
from asyncinit.linux import descriptors
from asyncinit.linux.subreaper import set_subreaper
from asyncinit.runtime.assembly import Assembly
from asyncinit.runtime.main_command import with_command
from asyncinit.wrapper.options import UsageError, parse_grace

# Which loop is used where uvloop is installed; the tests run on both.
_LOOP_VARIABLE = "ASYNCINIT_LOOP"
_GRACE_VARIABLE = "ASYNCINIT_GRACE"
_LEVELS = (LogLevel.ERROR, LogLevel.WARNING, LogLevel.INFO, LogLevel.DEBUG)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `asyncinit run` was told; `verbosity` counts -v less -q, `log_format` None is the configuration's."""

    config: str | None = None
    services: Sequence[str] = ()
    command: Sequence[str] = ()
    scope: str = "group"
    rewrite: Mapping[int, int] = field(default_factory=dict)
    exit_codes: Mapping[int, int] = field(default_factory=dict)
    ready_fd: int | None = None
    log_format: str | None = None
    verbosity: int = 0


def run(options: RunOptions) -> NoReturn:
    """Supervise until the end. All signals but the faults must be blocked already."""
    try:
        descriptors.open_standard()
        configuration, warnings = _configuration(options)
        status = _live(options, configuration, warnings)
    except _Refused as refused:
        print(refused.text, file=sys.stderr, flush=True)
        status = refused.status
    except BaseException:
        traceback.print_exc()
        print("asyncinit: internal error; stopping what is left", file=sys.stderr, flush=True)
        minimal.run(status=INTERNAL_ERROR, end=True)
    os._exit(status)


class _Refused(Exception):  # noqa: N818  # it ends the start, and is no error of ours
    """The start is refused, with what to print and the exit status."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text


def _configuration(options: RunOptions) -> tuple[Configuration, tuple[str, ...]]:
    """Read the configuration and lay the command line and the environment over it; return it with its warnings."""
    mode = Mode.CONTAINER if os.getpid() == 1 else Mode.DEV
    try:
        loaded = read(options.config, options.services, mode, may_be_empty=bool(options.command))
    except AsyncinitError as error:
        raise _Refused(BAD_CONFIGURATION, f"asyncinit: {error}") from error
    if loaded.errors:
        raise _Refused(BAD_CONFIGURATION, str(ConfigErrors(loaded.problems)))
    configuration = replace(loaded.configuration, init=_settings(loaded.configuration.init, options))
    if options.command:
        configuration = with_command(configuration, options.command, options.scope, options.rewrite)
    return configuration, tuple(str(problem) for problem in loaded.problems)


def _settings(init: InitSpec, options: RunOptions) -> InitSpec:
    text = os.environ.get(_GRACE_VARIABLE, "")
    try:
        grace = NONE if text == "none" else parse_grace(text)
    except UsageError as error:
        raise _Refused(USAGE, f"asyncinit: {error}") from error
    level = _LEVELS.index(init.log_level) + options.verbosity
    return replace(
        init,
        shutdown_timeout=init.shutdown_timeout if grace is None else grace,
        log_format=LogFormat(options.log_format) if options.log_format else init.log_format,
        log_level=_LEVELS[max(0, min(level, len(_LEVELS) - 1))],
        exit_codes={**init.exit_codes, **options.exit_codes},
    )


def _live(options: RunOptions, configuration: Configuration, warnings: tuple[str, ...]) -> int:
    loop = _new_loop()
    subreaper_problem = _become_subreaper()
    house = Assembly(loop, configuration, ready_fd=options.ready_fd, rewrite=options.rewrite, project=_project(options))
    house.insight.warnings = warnings
    for text in filter(None, (*warnings, subreaper_problem)):
        house.announcer.system(text, LogLevel.WARNING)
    house.begin()
    loop.run_forever()
    return house.end()


def _project(options: RunOptions) -> str | None:
    """Return the folder whose services are run, None where they are the system's."""
    if options.config is not None:
        return os.path.dirname(os.path.abspath(options.config))
    here = options.services or os.path.exists(places.FILE) or os.path.isdir(places.FOLDER)
    return os.getcwd() if here else None


def _become_subreaper() -> str:
    """Have the orphans of our services come to us where we are not PID 1; return why that is not so, or nothing."""
    if os.getpid() == 1:
        return ""
    try:
        set_subreaper()
    except OSError as error:
        return f"cannot become a subreaper ({error.strerror}): what services leave behind goes to another process"
    return ""


def _new_loop() -> asyncio.AbstractEventLoop:
    if os.environ.get(_LOOP_VARIABLE) != "asyncio":
        try:
            import uvloop

            loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
            return loop
        except ImportError:
            pass
    return asyncio.new_event_loop()
