"""The commands that end all: shutdown, poweroff, reboot, halt, kexec."""

from __future__ import annotations

from asyncinit.cli.act import tell_progress
from asyncinit.cli.outcome import complain
from asyncinit.cli.server import connect
from asyncinit.client.errors import NotRunningError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation


def shutdown(invocation: Invocation) -> int:
    """End asyncinit, and on a machine switch that off."""
    return end(invocation.socket, None, _at_once(invocation), wait=not invocation.values["no_wait"])


def power(invocation: Invocation) -> int:
    """End asyncinit, and do with the machine what the command is called."""
    action = invocation.declared.name
    return end(invocation.socket, action, _at_once(invocation), wait=not invocation.values["no_wait"])


def _at_once(invocation: Invocation) -> bool:
    return bool(invocation.values["force"])


def end(socket: str | None, action: str | None, at_once: bool, *, wait: bool, reason: str | None = None) -> int:
    """Ask for the end, wait until it is there, and tell where it is another one than was asked for."""
    with connect(socket) as server:
        # Followed before it is asked for, so that nothing of it is missed.
        events = None
        if wait:
            watcher = connect(server.address)
            events = watcher.stream("Events", {"follow": True, "names": None})
            next(events)
        wish: dict[str, Any] = {"reason": reason, "action": action, "at_once": at_once or None}
        answer = server.call("Shutdown", {key: value for key, value in wish.items() if value is not None})
        if action is not None and answer.get("action") is None:
            complain(f"this asyncinit does not run the machine: it ends, and there is no {action}")
        if events is not None:
            try:
                tell_progress(event for reply in events for event in reply["events"])
            except NotRunningError:
                pass  # it has ended: what we waited for
            finally:
                watcher.close()
    return 0
