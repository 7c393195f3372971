"""`asyncinit boot`, and PID 1 of a machine by any name: bring it up, then supervise its services for good."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from asyncinit.cli.declaring import Invocation

# The kernel gives its init none. Programs of a distribution are in these folders.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def boot(invocation: Invocation) -> NoReturn:
    """Where this is no machine's PID 1: supervise as `run` does, and say so."""
    from asyncinit.cli import run
    from asyncinit.cli.declaring import Invocation
    from asyncinit.cli.lives import RUN
    from asyncinit.cli.outcome import complain

    complain("not PID 1 of a machine: running as asyncinit run does; nothing is mounted or set up")
    values = {option.key: option.default for option in RUN.options} | invocation.values
    run.run(Invocation(RUN, values, invocation.socket, invocation.program))


def boot_machine(words: Sequence[str]) -> NoReturn:
    """Be PID 1 of this machine; `words` are its arguments: `boot`, and whatever the kernel made of its command line.

    Never returns. All signals but the faults shall be blocked by now.
    """
    from asyncinit.machine import console

    unopened = console.hold()
    from asyncinit.cli.outcome import open_missing

    open_missing()
    os.environ.setdefault("PATH", _PATH)
    from asyncinit.machine.boot import bring_up
    from asyncinit.machine.boot_log import BootLog
    from asyncinit.machine.booted import tell_python
    from asyncinit.machine.emergency import emergency
    from asyncinit.machine.system import System

    tell_python(os.environ)
    system = System(arguments=words[1:] if words[:1] == ["boot"] else words, unopened=unopened)
    log = BootLog()
    brought_up = bring_up(system, log, emergency)
    log.close()
    if system.words.emergency:
        emergency("the kernel command line asks for it")
    from asyncinit.config.profiles import active
    from asyncinit.config.resolve import Mode
    from asyncinit.runtime import entry
    from asyncinit.runtime.configuring.reading import RunOptions

    said = system.words
    entry.run(
        RunOptions(
            mode=Mode.MACHINE,
            config=said.config,
            services=said.services,
            profiles=active(said.profiles, {}),
            log_format=said.log_format,
            verbosity=said.verbosity,
            target=said.target,
        ),
        brought_up,
    )
