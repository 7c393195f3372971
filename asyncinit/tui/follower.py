"""Keeps what `top` knows true: asks when asyncinit tells of a change, and measures while it is shown; no screen.

What changes is told by events; then those services alone are asked for, a few times a second at most. Processor time
and memory, and what health probes say, have no event: they are measured every two seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from asyncinit.cli.server import announces_end
from asyncinit.cli.status import translate_pids
from asyncinit.client.connection import Connection
from asyncinit.client.errors import CallError, ClientError
from asyncinit.tui.lines import KEPT, Lines
from asyncinit.tui.link import Link
from asyncinit.tui.services import Services

SAMPLE = 2.0
"""Seconds between two measurements."""

_GATHER = 0.05
_BETWEEN = 0.15
"""Seconds that changes are gathered, and that lie between two questions for them."""

_LINGER = 0.1
"""Seconds that a service is selected before its log is asked for: who passes by wants none."""

_AGAIN = 1.0
"""Seconds until what was hung up on is asked for again."""

_SHUTTING_DOWN = "asyncinit is shutting down"
_ENDED = "asyncinit has ended"


class Follower:
    """What is known of an asyncinit: `services`, the `lines` of one of them, `nodes` of the graph.

    `changed` is called when services or the state of the connection have changed, `logged` when lines have. `visible`
    is to return the names of services that are on the screen.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        changed: Callable[[], None],
        logged: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._changed = changed
        self._logged = logged
        self.visible: Callable[[], Sequence[str]] = tuple
        self.services = Services()
        self.lines = Lines()
        self.nodes: dict[str, dict[str, Any]] = {}
        self.trouble = ""
        self._stale: set[str] = set()
        self._all_stale = False
        self._asking = False
        self._ask_later: asyncio.TimerHandle | None = None
        self._measures = True
        self._measuring = False
        self._again: asyncio.TimerHandle | None = None
        self._end_events: Callable[[], None] = lambda: None
        self._end_log: Callable[[], None] = lambda: None
        self._log_later: asyncio.TimerHandle | None = None
        self.link = Link(loop, connection, self._connected, self._lost)
        self._sample_later = loop.call_later(0, self._sample)
        self._begin()

    def close(self) -> None:
        """End everything."""
        for timer in (self._ask_later, self._log_later, self._sample_later, self._again):
            if timer is not None:
                timer.cancel()
        self.link.close()

    # -----------------------------------------------------------------------------------------------------------------
    # The connection

    def _begin(self) -> None:
        self._stale.clear()
        self._asking, self._all_stale, self._measures, self._measuring = False, False, True, False
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._end_events()
        # First to be told of changes, then what there is: nothing falls between.
        self._end_events = self.link.stream("Events", {"follow": True}, self._told, self._events_failed)
        self._refresh_all()

    def _connected(self) -> None:
        self.trouble = ""
        self._begin()
        if self.services.selected is not None:
            self.lines.cursor = None  # another asyncinit counts from the beginning
            self.lines.remark("connected again")
            self._follow_log(self.services.selected)
        self._changed()

    def _lost(self, why: str) -> None:
        ended = self.services.system.get("state") == "stopping"
        self.trouble = _ENDED if ended else f"no connection, trying again: {why}"
        self._end_log()
        self._changed()

    def _events_failed(self, error: ClientError) -> None:
        """Ask again later: this connection alone was hung up on, or asyncinit has ended, which `_lost` is told."""
        if isinstance(error, CallError):
            self.trouble = str(error)
            self._changed()
        if self._again is None:
            self._again = self._loop.call_later(_AGAIN, self._begin_again)

    def _begin_again(self) -> None:
        self._again = None
        if self.link.up:
            self._begin()

    # -----------------------------------------------------------------------------------------------------------------
    # Services

    def _told(self, answer: dict[str, Any], _last: bool) -> None:
        for event in answer["events"]:
            if announces_end(event):  # may be read late, when it has ended already
                self.services.system["state"] = "stopping"
                self.trouble = _SHUTTING_DOWN if self.link.up else _ENDED
                self._changed()
            if event["service"] is None or event["service"] not in self.services.by_name:
                self._all_stale = True
            else:
                self._stale.add(event["service"])
        self._ask_soon(_GATHER)

    def _refresh_all(self) -> None:
        self._all_stale = True
        self._ask_soon(0)

    def _ask_soon(self, pause: float) -> None:
        if not self._asking and self._ask_later is None and (self._stale or self._all_stale):
            self._ask_later = self._loop.call_later(pause, self._ask)

    def _ask(self) -> None:
        self._ask_later = None
        if not self.link.up:
            return
        everything, names = self._all_stale, sorted(self._stale)
        self._stale.clear()
        self._all_stale = False
        self._asking = True
        if everything:
            self.link.call("Graph", {}, self._graph, lambda _error: None)
        self.link.call(
            "Status",
            {} if everything else {"names": names},
            lambda answer, _last: self._status(answer, everything),
            self._status_failed,
        )

    def _status(self, answer: dict[str, Any], everything: bool) -> None:
        translate_pids(answer, self.link.server_pid)
        self._take(answer)
        if everything:
            self.services.replace(answer["services"])
        else:
            self.services.update(answer["services"])
        self._asking = False
        self._ask_soon(_BETWEEN)
        self._changed()

    def _take(self, answer: dict[str, Any]) -> None:
        """Take what an answer says of asyncinit itself; it has answered, so it is not silent."""
        self.services.system = answer["asyncinit"]
        self.trouble = _SHUTTING_DOWN if answer["asyncinit"]["state"] == "stopping" else ""

    def _status_failed(self, error: ClientError) -> None:
        self._asking = False
        if isinstance(error, CallError) and error.name.endswith("NoSuchService"):
            self._all_stale = True  # one has gone meanwhile
        elif self.link.up:
            self.trouble = str(error)
            self._changed()
        self._ask_soon(_BETWEEN)

    def _graph(self, answer: dict[str, Any], _last: bool) -> None:
        self.nodes = {node["name"]: node for node in answer["services"]}
        self._changed()

    def refresh_graph(self, done: Callable[[], None], failed: Callable[[ClientError], None]) -> None:
        """Ask for the graph of now."""

        def answered(answer: dict[str, Any], last: bool) -> None:
            self._graph(answer, last)
            done()

        self.link.call("Graph", {}, answered, failed)

    def states(self) -> dict[str, str]:
        """Return the state of each service."""
        return {name: status["state"] for name, status in self.services.by_name.items()}

    # -----------------------------------------------------------------------------------------------------------------
    # What has no event

    def _sample(self) -> None:
        self._sample_later = self._loop.call_later(SAMPLE, self._sample)
        if not self.link.up:
            return
        if self.link.waits:
            self.trouble = "no answer from asyncinit yet"
            self._changed()
            return
        if self._measures and not self._measuring:
            self._measuring = True
            # Not among the short calls: a loaded machine may need a while for it.
            self.link.stream("Usage", {}, self._used, self._usage_failed, more=False)
        # By the way: what its health probes say, and what a service says of itself.
        known = [name for name in self.visible() if name in self.services.by_name]
        if known:
            self._stale.update(known)
            self._ask_soon(0)
        self._changed()

    def _used(self, answer: dict[str, Any], _last: bool) -> None:
        self._measuring = False
        self.services.measure(answer["moment"], answer["services"])
        self._changed()

    def _usage_failed(self, error: ClientError) -> None:
        self._measuring = False
        # An asyncinit that runs since before this command was installed cannot measure.
        self._measures = not isinstance(error, CallError)

    # -----------------------------------------------------------------------------------------------------------------
    # The log

    def show_log(self, name: str | None) -> None:
        """Follow the log of another service, if it stays selected for a moment."""
        self._end_log()
        self._end_log = lambda: None
        self.lines.clear()
        if self._log_later is not None:
            self._log_later.cancel()
            self._log_later = None
        if name is not None:
            self._log_later = self._loop.call_later(_LINGER, self._follow_log, name)
        self._logged()

    def _follow_log(self, name: str) -> None:
        self._log_later = None
        self._end_log()
        asked = {"names": [name], "lines": KEPT, "after": self.lines.cursor, "follow": True}
        self._end_log = self.link.stream("Logs", asked, self._logs, self._log_failed)

    def _logs(self, answer: dict[str, Any], _last: bool) -> None:
        self.lines.add(answer["entries"], answer["dropped"])
        self._logged()

    def _log_failed(self, error: ClientError) -> None:
        if not self.link.up or self.services.selected is None:
            return
        if isinstance(error, CallError):
            self.lines.remark(str(error))
            self._logged()
        elif self._log_later is None:  # this connection alone was hung up on
            self._log_later = self._loop.call_later(_AGAIN, self._follow_log, self.services.selected)
