"""`asyncinit schema`: the JSON Schema of a kind of file, for editors."""

from __future__ import annotations

import sys

from asyncinit.config.schema import text

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation


def schema(invocation: Invocation) -> int:
    """Print the schema of the kind of file that was asked for, a service's where none was."""
    sys.stdout.write(text(invocation.values["kind"] or "service"))
    return 0
