"""How a command ends: errors to a line on stderr and an exit status; knows no command."""

from __future__ import annotations

import os
import sys

from asyncinit.client.errors import EXIT_FAILED, EXIT_USAGE, ClientError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""128+n, as if SIGINT and SIGPIPE had their default action."""


class UsageError(ClientError):
    """The command line asks for something that makes no sense."""

    exit_code = EXIT_USAGE


def open_missing() -> None:
    """Open what is closed of descriptors 0 to 2 on /dev/null, so that no socket of ours becomes our stdout."""
    if sys.stdin is not None and sys.stdout is not None and sys.stderr is not None:
        return
    from asyncinit.linux.descriptors import open_standard

    open_standard()
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115


def guard(command: Callable[[], int]) -> int:
    """Run a command and return its exit status; what it raises on purpose becomes a line on stderr.

    ^C and a reader that has gone (`| head`) end it quietly; output that cannot be written is a failure. What asyncinit
    was asked to do goes on without us.
    """
    try:
        return _carry_out(command)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE
    except OSError as error:
        _drop_unwritable()
        where = f"{error.filename}: " if error.filename is not None else "cannot write: "
        try:
            complain(where + (error.strerror or str(error)))
        except OSError:
            pass  # stderr is no better
        return EXIT_FAILED
    finally:
        _drop_unwritable()


def _carry_out(command: Callable[[], int]) -> int:
    try:
        status = command()
        sys.stdout.flush()
        return status
    except ClientError as error:
        complain(str(error))
        return error.exit_code


def _drop_unwritable() -> None:
    """Lead what cannot be written to nowhere: the interpreter flushes once more at its end, which must not fail."""
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, descriptor)
            os.close(null)


def complain(text: str) -> None:
    """Write a line on stderr, after what was printed before."""
    sys.stdout.flush()
    print(f"asyncinit: {text}", file=sys.stderr)
