"""`asyncinit pod enter`: run a command where the members of a pod are, or as one of them would."""

from __future__ import annotations

import errno
import os

from asyncinit.cli.execute import replace_by, run_as
from asyncinit.cli.joining import run_where
from asyncinit.cli.outcome import UsageError, complain
from asyncinit.cli.pods import fetch
from asyncinit.cli.server import connect
from asyncinit.client.errors import EXIT_FAILED, EXIT_NOT_ALLOWED
from asyncinit.errors import SpawnError, why
from asyncinit.linux import namespaces

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation


def enter(invocation: Invocation) -> int:
    """Run CMD in a pod, on this terminal and with its own exit status."""
    words, program = invocation.values["words"], invocation.program
    if not program or not 1 <= len(words) <= 2:
        raise UsageError("pod enter: asyncinit pod enter NAME [SERVICE] -- CMD...")
    with connect(invocation.socket) as server:
        pod = fetch(server, words[:1])[0]
    if len(words) == 2:
        if words[1] not in {member["name"] for member in pod["members"]}:
            complain(f"{words[1]} is not in pod {pod['name']}")
            return EXIT_FAILED
        return run_as(invocation.socket, words[1], program)
    if pod["pid"] is None:
        complain(f"pod {pod['name']} is {pod['state']}, and there is nothing to enter")
        return EXIT_FAILED
    try:
        return run_where(pod["pid"], lambda: _with_its_proc(pod["name"], program), pod["share"])
    except SpawnError as error:
        complain(f"pod {pod['name']}: {error}")
        return EXIT_NOT_ALLOWED if error.errno in (errno.EPERM, errno.EACCES) else EXIT_FAILED


def _with_its_proc(pod: str, program: tuple[str, ...]) -> int:
    """Execute the program with the file systems that are here, but a /proc of the pod's."""
    try:
        namespaces.unshare(namespaces.CLONE_NEWNS)
        namespaces.make_mounts_private()
        namespaces.mount_proc()
    except OSError as error:
        complain(f"pod {pod}: cannot mount its /proc: {why(error.errno or 0)}")
        return EXIT_FAILED
    return replace_by(program, dict(os.environ))
