"""A life of `asyncinit run` in order: standard descriptors, configuration, loop, services, end; decides nothing else.

Never returns: it leaves by `os._exit` once all is flushed, since the interpreter's own teardown takes as long as the
whole shutdown of a few services. What escapes the loop ends in the minimal loop, which stops what is left.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from typing import NoReturn

from msgspec.structs import replace

from asyncinit import minimal
from asyncinit.config import places
from asyncinit.config.resolve import Mode
from asyncinit.config.spec import Configuration, LogLevel
from asyncinit.core.outcome import INTERNAL_ERROR
from asyncinit.linux import descriptors
from asyncinit.linux.subreaper import set_subreaper
from asyncinit.runtime.assembly import Assembly
from asyncinit.runtime.configuring.reading import RunOptions, read_declared

# Which loop is used where uvloop is installed; the tests run on both.
_LOOP_VARIABLE = "ASYNCINIT_LOOP"


def run(options: RunOptions) -> NoReturn:
    """Supervise until the end. All signals but the faults must be blocked already."""
    try:
        descriptors.open_standard()
        options = replace(options, mode=Mode.CONTAINER if os.getpid() == 1 else Mode.DEV)
        configuration, warnings = _read(options)
        status = _live(options, configuration, warnings)
    except BaseException:
        traceback.print_exc()
        print("asyncinit: internal error; stopping what is left", file=sys.stderr, flush=True)
        minimal.run(status=INTERNAL_ERROR, end=True)
    os._exit(status)


def _read(options: RunOptions) -> tuple[Configuration, tuple[str, ...]]:
    """Return the configuration and its warnings; where it cannot be used, say why and end."""
    reading = read_declared(options)
    if reading.configuration is None:
        print("\n".join(reading.errors), file=sys.stderr, flush=True)
        os._exit(reading.status)
    return reading.configuration, reading.warnings


def _live(options: RunOptions, configuration: Configuration, warnings: tuple[str, ...]) -> int:
    loop = _new_loop()
    subreaper_problem = _become_subreaper()
    house = Assembly(loop, configuration, options, project=_project(options))
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
