"""The connections to the asyncinit that is shown: calls and streams on a loop, connected again when it comes back.

Knows no service and no screen. Nothing waits: what is answered is called back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from asyncinit.client.connection import Connection
from asyncinit.client.errors import CallError, ClientError, NotRunningError

Answered = Callable[[dict[str, Any], bool], None]
"""Told an answer, and whether it is the last one of its call."""
Failed = Callable[[ClientError], None]

_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect again; a socket that is not there tells nobody when it comes."""


class Conversation:
    """Calls on one connection, answered in their order; `ended` is told, once, that asyncinit has hung up."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Connection, ended: Failed) -> None:
        self._loop = loop
        self._connection = connection
        self._ended = ended
        self._waiting: deque[tuple[Answered, Failed]] = deque()
        self._open = True
        self.address = connection.address
        self.server_pid = connection.server_pid
        loop.add_reader(connection.fileno(), self._read)

    @property
    def waits(self) -> bool:
        """Whether something that was asked is not answered yet."""
        return bool(self._waiting)

    def ask(
        self,
        method: str,
        parameters: Mapping[str, object],
        answered: Answered,
        failed: Failed,
        more: bool = False,
    ) -> None:
        """Call a method; `answered` or `failed` is called later, or at once where nobody is there any more."""
        self._waiting.append((answered, failed))
        try:
            self._connection.ask(method, parameters, more)
        except NotRunningError as error:
            self._end(error)

    def close(self) -> None:
        """Hang up; nobody is told anything any more."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._connection.fileno())
            self._connection.close()

    def _read(self) -> None:
        try:
            for answer, continues in self._connection.arrived():
                if not self._waiting:
                    continue  # nothing was asked: not our server's way
                answered, failed = self._waiting[0]
                if not continues:
                    self._waiting.popleft()
                if isinstance(answer, CallError):
                    failed(answer)
                else:
                    answered(answer, not continues)
                if not self._open:
                    return
        except ClientError as error:
            self._end(error)

    def _end(self, error: ClientError) -> None:
        if not self._open:
            return
        self.close()
        waiting, self._waiting = self._waiting, deque()
        for _, failed in waiting:
            failed(error)
        self._ended(error)


class Link:
    """The way to one asyncinit: a conversation for short calls, and one of its own for each that goes on.

    `connected` is called when it is there (again), `lost` when it is not any more, with the reason.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        connected: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._address = connection.address
        self._connected = connected
        self._lost = lost
        self._again: asyncio.TimerHandle | None = None
        self._attempts = 0
        self._main: Conversation | None = Conversation(loop, connection, self._main_ended)
        self._streams: set[Conversation] = set()

    @property
    def up(self) -> bool:
        """Whether asyncinit is connected."""
        return self._main is not None

    @property
    def waits(self) -> bool:
        """Whether a short call is not answered yet."""
        return self._main is not None and self._main.waits

    @property
    def server_pid(self) -> int:
        """The pid of asyncinit as we see it."""
        return 0 if self._main is None else self._main.server_pid

    def call(self, method: str, parameters: Mapping[str, object], answered: Answered, failed: Failed) -> None:
        """Call a method that answers once and soon."""
        if self._main is None:
            failed(NotRunningError("asyncinit is not there"))
        else:
            self._main.ask(method, parameters, answered, failed)

    def stream(
        self,
        method: str,
        parameters: Mapping[str, object],
        answered: Answered,
        failed: Failed,
        more: bool = True,
    ) -> Callable[[], None]:
        """Call a method that answers more than once, or (`more` False) takes its time; return what ends that."""

        def ended(_error: ClientError) -> None:
            self._streams.discard(conversation)

        def last_answered(answer: dict[str, Any], last: bool) -> None:
            if last:
                end()
            answered(answer, last)

        def last_failed(error: ClientError) -> None:
            end()
            failed(error)

        def end() -> None:
            self._streams.discard(conversation)
            conversation.close()

        try:
            conversation = Conversation(self._loop, Connection(self._address), ended)
        except ClientError as error:
            failed(error)
            return lambda: None
        self._streams.add(conversation)
        conversation.ask(method, parameters, last_answered, last_failed, more)
        return end

    def close(self) -> None:
        """Hang up for good."""
        if self._again is not None:
            self._again.cancel()
        for conversation in (*self._streams, *([self._main] if self._main else ())):
            conversation.close()

    def _main_ended(self, error: ClientError) -> None:
        self._main = None
        self._attempts = 0
        self._try_later()
        self._lost(str(error))

    def _try_later(self) -> None:
        pause = _PAUSES[min(self._attempts, len(_PAUSES) - 1)]
        self._attempts += 1
        self._again = self._loop.call_later(pause, self._try)

    def _try(self) -> None:
        try:
            connection = Connection(self._address)
        except ClientError:
            self._try_later()
            return
        self._main = Conversation(self._loop, connection, self._main_ended)
        self._connected()
