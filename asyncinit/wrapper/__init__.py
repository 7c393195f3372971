"""`asyncinit -- CMD` without services: a tini. It must not load asyncio, a parser of files, or anything else slow.

`asyncinit -- CMD` is started once per container, often with CMD as a short-lived program, so each import is counted:
annotations are not evaluated from `__future__`, and classes are plain.
"""

import os

from asyncinit import minimal
from asyncinit.linux import descriptors
from asyncinit.wrapper import command, loop
from asyncinit.wrapper.options import UsageError, WrapOptions, parse, parse_grace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn
else:
    import _signal

__all__ = ["UsageError", "WrapOptions", "parse", "run"]

USAGE = 2
INTERNAL = 70


def run(options: WrapOptions) -> "NoReturn":
    """Run CMD, forward every signal to it, reap, clean up after it, and leave with its status by `os._exit`.

    All signals but the faults must be blocked already, by the first statement of the program. The status is CMD's
    own, 128+n if signal n ended it, 127 if it was not found and 126 if it could not be executed, 2 for a bad
    ASYNCINIT_GRACE; then `options.exit_codes` is applied.
    """
    supervised = None
    try:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, minimal.CATCHABLE)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # if inherited as ignored, no status would ever come
        descriptors.open_standard()
        if options.grace is None:
            options.grace = parse_grace(os.environ.get("ASYNCINIT_GRACE", ""))
        if os.getpid() != 1:
            _become_subreaper()
        supervised = loop.Wrapper(options)
        status = supervised.supervise()
    except UsageError as error:
        command.complain(str(error))
        os._exit(USAGE)
    except BaseException as error:
        status = _rescue(options, supervised, error)
    os._exit(options.exit_codes.get(status, status))


def _become_subreaper() -> None:
    """Adopt the orphans below us; without that, which is said, everything else still works."""
    from asyncinit.linux.subreaper import set_subreaper

    try:
        set_subreaper()
    except Exception as error:
        command.complain(f"cannot adopt orphans, which will go to another process: {error}")


def _rescue(options: WrapOptions, supervised: "loop.Wrapper | None", error: BaseException) -> int:
    """Return the status after an exception, but first wait for CMD if it runs: no error of ours may take it down."""
    if supervised is not None and supervised.status is not None:
        return supervised.status
    if supervised is not None and supervised.pid:
        command.complain(f"internal error: {error!r}; from now on only reaping")
        minimal.run(supervised.pid, status=INTERNAL)
    if supervised is None or not isinstance(error, OSError):
        command.complain(f"internal error: {error!r}")
        return INTERNAL
    status, text = command.explain(options.command[0], error)
    command.complain(text)
    return status
