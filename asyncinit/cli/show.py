"""`asyncinit show`: the merged declaration of a service, as the server has it."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.server import connect

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation


def show(invocation: Invocation) -> int:
    """Print the service's declaration."""
    with connect(invocation.socket) as server:
        text: str = server.call("Show", {"name": invocation.values["name"]})["toml"]
    screen.accept_any_text()
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return 0
