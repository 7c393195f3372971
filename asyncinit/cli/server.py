"""How commands reach the running asyncinit, wait for it, and learn why it left; knows no command."""

from __future__ import annotations

from asyncinit.cli.outcome import complain
from asyncinit.client import locate
from asyncinit.client.errors import NotRunningError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from asyncinit.client.connection import Connection

_LAST_WORDS = 0.5
"""Seconds to wait for the other connection's end; they end together unless only this client was hung up on."""

_told_silent: set[str] = set()


def connect(address: str | None) -> Connection:
    """Connect as `client.locate.connect` does; where there is no answer, say so once and go on waiting."""
    try:
        return locate.connect(address, on_silence=tell_silence)
    except NotRunningError as error:
        raise NotRunningError(f"{error}{_what_starts_it(address)}") from None


def _what_starts_it(address: str | None) -> str:
    """Return what to type where a project is here that nobody runs."""
    import os

    from asyncinit.config import places

    if address is not None:
        return ""
    if places.declared(None, ()):
        return "; asyncinit run starts what is declared here"
    return "; asyncinit dev starts the Procfile here" if os.path.lexists(places.PROCFILE) else ""


def tell_silence(connection: Connection) -> None:
    """Say once that there is no answer yet."""
    if connection.address not in _told_silent:
        _told_silent.add(connection.address)
        complain(f"no answer from {connection.address} (pid {connection.server_pid}) yet")


def announces_end(event: dict[str, Any]) -> bool:
    """Tell whether an event is asyncinit's word that it is shutting down."""
    return bool(event["kind"] == "shutdown")


def until_the_end(server: Connection, replies: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the replies that follow; stop when asyncinit has ended as it said.

    The words are heard on a connection of its own: who follows some services is not told of the whole. Raises
    NotRunningError if asyncinit vanished without a word, or hung up on us alone.
    """
    import select

    with connect(server.address) as beside:
        word = _Word(beside)
        try:
            yield next(replies)
            while True:
                if not (server.has_message() or word.gone):
                    readable = select.select([server, beside], [], [])[0]
                    if beside in readable:
                        word.listen()
                    if server not in readable:
                        continue
                yield next(replies)
        except StopIteration:
            return
        except NotRunningError:
            while not word.said and not word.gone and select.select([beside], [], [], _LAST_WORDS)[0]:
                word.listen()
            if not word.said:
                raise


class _Word:
    """Listens whether asyncinit says that it is shutting down."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._replies = connection.stream("Events", {"follow": True})
        self.said = False
        self.gone = False
        self.listen()

    def listen(self) -> None:
        """Take what has come; to be called when there is something to read."""
        try:
            while True:
                events = next(self._replies)["events"]  # taken also once it is said, or it would stay to be read
                self.said = self.said or any(map(announces_end, events))
                if not self._connection.has_message():
                    return
        except (NotRunningError, StopIteration):
            self.gone = True
