"""How a command ends: errors to a line on stderr and an exit status; knows no command."""

from __future__ import annotations

import os
import sys

from asyncinit.client.errors import EXIT_USAGE, ClientError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""128+n, as if SIGINT and SIGPIPE had their default action."""


class UsageError(ClientError):
    """The command line asks for something that makes no sense."""

    exit_code = EXIT_USAGE


def guard(command: Callable[[], int]) -> int:
    """Run a command and return its exit status; what it raises on purpose becomes a line on stderr.

    ^C and a reader that has gone (`| head`) end it quietly. What asyncinit was asked to do goes on without us.
    """
    try:
        status = command()
        sys.stdout.flush()
        return status
    except ClientError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end, which must not fail again.
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, 1)
        os.close(null)
        return EXIT_BROKEN_PIPE


def complain(text: str) -> None:
    """Write a line on stderr, after what was printed before."""
    sys.stdout.flush()
    print(f"asyncinit: {text}", file=sys.stderr)
