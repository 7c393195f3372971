"""The commands that end all: shutdown, poweroff, reboot, halt, kexec."""

from __future__ import annotations

from asyncinit.cli.act import tell_progress
from asyncinit.cli.outcome import complain
from asyncinit.cli.server import tell_silence
from asyncinit.client import locate
from asyncinit.client.errors import NotRunningError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection


def shutdown(invocation: Invocation) -> int:
    """End asyncinit, and on a machine switch that off."""
    return end(invocation.socket, None, _at_once(invocation), wait=not invocation.values["no_wait"])


def power(invocation: Invocation) -> int:
    """End asyncinit, and do with the machine what the command is called."""
    action = invocation.declared.name
    return end(invocation.socket, action, _at_once(invocation), wait=not invocation.values["no_wait"])


def _at_once(invocation: Invocation) -> bool:
    return bool(invocation.values["force"])


class _SilentError(Exception):
    """PID 1 of this machine listens at its control socket, and does not answer."""


def end(socket: str | None, action: str | None, at_once: bool, *, wait: bool, reason: str | None = None) -> int:
    """Ask for the end, wait until it is there, and tell where it is another one than was asked for.

    PID 1 of a machine is sent a signal where it does not answer: another one than asyncinit may stand there.
    """
    try:
        server = locate.connect(socket, on_silence=_give_up_on_pid_1)
    except NotRunningError:
        if not (locate.may_be_pid_1(socket) and _is_our_machine()):
            raise
    else:
        try:
            return _ask(server, action, at_once, wait, reason)
        except _SilentError:
            pass
    from asyncinit.cli import by_signal

    return by_signal.end(action, at_once)


def _is_our_machine() -> bool:
    from asyncinit.machine import ordering

    return ordering.is_ours()


def _give_up_on_pid_1(connection: Connection) -> None:
    if connection.server_pid == 1 and _is_our_machine():
        raise _SilentError
    tell_silence(connection)


def _ask(server: Connection, action: str | None, at_once: bool, wait: bool, reason: str | None) -> int:
    with server:
        # Followed before it is asked for, so that nothing of it is missed.
        events = None
        if wait:
            watcher = locate.connect(server.address, on_silence=_give_up_on_pid_1)
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
