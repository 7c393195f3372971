"""A life of `asyncinit run` in order: standard descriptors, configuration, loop, services, end; decides nothing else.

Never returns: it leaves by `os._exit` once all is flushed, since the interpreter's own teardown takes as long as the
whole shutdown of a few services. What escapes the loop leads to a re-exec (`runtime.reexec`), and too often to the
minimal loop. A program that takes over after a re-exec begins here too, with the state of the one before.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

from msgspec.structs import replace

from asyncinit import fallback, minimal
from asyncinit.config import places
from asyncinit.config.spec import LogLevel
from asyncinit.core import at_start
from asyncinit.core.outcome import INTERNAL_ERROR
from asyncinit.linux import descriptors
from asyncinit.linux.subreaper import set_subreaper
from asyncinit.runtime import early_times, handed
from asyncinit.runtime.assembly import Assembly
from asyncinit.runtime.configuring.reading import Reading, RunOptions, read_declared, read_sound_part
from asyncinit.runtime.reexec.state import State

if TYPE_CHECKING:
    from asyncinit.machine.boot import BroughtUp

# Which loop is used where uvloop is installed; the tests run on both.
_LOOP_VARIABLE = "ASYNCINIT_LOOP"
# For what was not written yet when the minimal loop takes over.
_LAST_WORDS = 0.5


def run(options: RunOptions, brought_up: BroughtUp | None = None) -> NoReturn:
    """Supervise until the end. All signals but the faults must be blocked already.

    `brought_up`: how the early steps of a machine went.
    """
    try:
        descriptors.open_standard()
        given = handed.taken()
        options = replace(options, handed=given is not None)
        reading = Reading(given) if given is not None else _read(options)
        loop = _new_loop()
        house = _begin(loop, options, reading, brought_up)
    except BaseException as error:
        if options.on_machine:
            raise  # PID 1 of a machine has another way out than its end
        _tell(error)
        minimal.say("asyncinit: internal error; stopping what is left")
        minimal.run(status=INTERNAL_ERROR, end=True)
    _live(loop, house)


def go_on(state: State) -> NoReturn:
    """Supervise on from the state of the program before; raises whatever is in the way of it."""
    loop = _new_loop()
    house = Assembly(loop, state.configuration, state.configured.options, carried=state)
    _become_subreaper()
    house.configured.warnings = state.settled.warnings
    house.go_on(state)
    _follow_files(house)
    _live(loop, house)


def _read(options: RunOptions) -> Reading:
    """Return the configuration and its warnings; where it cannot be used, say why and end.

    A machine does not end: it comes up with what is sound, and where that is nothing somebody is asked to help first.
    """
    if options.on_machine:
        reading = read_sound_part(options)
        if reading.astray:
            from asyncinit.machine.emergency import emergency

            emergency("\n".join((reading.astray, *reading.errors)))
            reading = read_sound_part(options)
        return reading
    reading = read_declared(options)
    if reading.configuration is None:
        print("\n".join(reading.errors), file=sys.stderr, flush=True)
        os._exit(reading.status)
    return reading


def _begin(
    loop: asyncio.AbstractEventLoop, options: RunOptions, reading: Reading, brought_up: BroughtUp | None
) -> Assembly:
    subreaper_problem = _become_subreaper()
    assert reading.configuration is not None
    house = Assembly(loop, reading.configuration, options, project=_project(options))
    failures: tuple[str, ...] = ()
    if brought_up is not None:
        failures = brought_up.failures
        house.chronicle.record.early = early_times.remembered(brought_up)
    for text in filter(None, (*reading.errors, reading.astray)):
        house.announcer.system(text, LogLevel.ERROR)
    for text in filter(None, (*failures, *reading.warnings, subreaper_problem)):
        house.announcer.system(text, LogLevel.WARNING)
    house.settled.warnings = house.configured.warnings = (*reading.errors, *reading.warnings)
    house.begin()
    _introduce(house)
    _follow_files(house)
    return house


def _introduce(house: Assembly) -> None:
    """In a project, say what is run and where, and what to do about a failure."""
    configured = house.configured
    if configured.options.project is not None:
        from asyncinit.runtime.beside import Hints, introduction

        for line in introduction(configured.configuration, at_start.started(configured.configuration), os.getcwd()):
            house.announcer.system(line)
        Hints(house.supervisor.engine, house.announcer, house.supervisor.later)


def _follow_files(house: Assembly) -> None:
    """In a project, have what is saved hold; elsewhere somebody asks for it."""
    if house.configured.options.project is not None and not house.supervisor.engine.shutting_down:
        from asyncinit.runtime.configuring.own_files import OwnFiles

        OwnFiles(house.configured, house.supervisor.engine, house.announcer, house.file_watcher).begin()


def _live(loop: asyncio.AbstractEventLoop, house: Assembly) -> NoReturn:
    """Turn the loop until the end, over as many re-execs as it takes."""
    try:
        if house.shutdown.action is not None:
            import asyncinit.machine.last  # noqa: F401  (at the end its file may be out of reach)
        while True:
            try:
                loop.run_forever()
            except BaseException as error:
                _replace(house, error)
            if not house.succession.due:
                _leave(house)
            house.succession.hand_over()
    except BaseException as error:
        _tell(error)
        fallback.run(f"internal error: {error!r}")


def _leave(house: Assembly) -> NoReturn:
    """End with the exit status; PID 1 of a machine ends that, whatever its own end meets with."""
    action = house.shutdown.action
    if action is None:
        status = house.end()
        house.watchdog.release()
        os._exit(status)
    try:
        house.end()
    except BaseException as error:
        _tell(error)
    from asyncinit.machine import last

    last.go(action, house.watchdog.hand_over())


def _replace(house: Assembly, error: BaseException) -> NoReturn:
    """Have another program go on after an exception that nobody has caught."""
    reason = house.escaped(error)
    house.journal.flush(_LAST_WORDS)
    fallback.run(reason)


def _tell(error: BaseException) -> None:
    """Write where it has happened. Waits for no console: behind it are the ways out of what has failed."""
    minimal.say("".join(traceback.format_exception(error)).rstrip())


def _project(options: RunOptions) -> str | None:
    """Return the folder whose services are run, None where they are the system's."""
    if options.project is not None:
        return os.getcwd()
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
