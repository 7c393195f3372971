"""A control server over services that exist only here: what the tests of server, client and commands talk to."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from asyncinit.config.spec import LogLevel, PowerAction, ServiceType
from asyncinit.control.types import (
    ActionResult,
    EventEntry,
    EventKind,
    ExplainLink,
    ExplainReply,
    GraphNode,
    GraphReply,
    ReasonStatus,
    ServiceStatus,
    ServiceUsage,
    SystemState,
    SystemStatus,
    TimerStatus,
    UsageReply,
    timestamp,
)
from asyncinit.core.status import Code, State
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime.control.operations import JobState, RefusedError, Verb
from asyncinit.runtime.control.server import ControlServer
from asyncinit.runtime.output.entries import Entry, EventRecord

START = 1795454030.123


def service(name: str, state: State = State.READY, **changes: object) -> ServiceStatus:
    """A status with every key, to be changed where a test cares."""
    running = state in {State.READY, State.RELOADING, State.UNHEALTHY, State.STARTING, State.STOPPING}
    values: dict[str, object] = {
        "name": name,
        "type": ServiceType.SERVICE,
        "state": state,
        "reason": None,
        "pid": os.getpid() if running else None,
        "since": timestamp(START),
        "ready_since": timestamp(START) if state is State.READY else None,
        "restarts": 0,
        "last_exit": None,
        "waiting_on": [],
        "next_start": None,
        "status_text": None,
        "armed": False,
        "successor": None,
        "draining": [],
        "requires": [],
        "not_applied": [],
        "health": None,
        "file": f"services.d/{name}.toml",
        "log": None,
    }
    return ServiceStatus(**(values | changes))  # type: ignore[arg-type]


@dataclass
class FakeJob:
    """A request under way; `done` is called by the test, or at once by the fake."""

    verb: Verb
    names: Sequence[str]
    only: bool
    done: Callable[[list[ActionResult]], None]
    affected: tuple[str, ...] = ()
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True

    def freeze(self) -> JobState:
        return JobState(self.verb, list(self.names), list(self.affected))


class FakeJournal:
    """Lines and events in a list, with followers."""

    def __init__(self) -> None:
        self.items: list[Entry | EventRecord] = []
        self.followers: dict[int, tuple[Collection[str] | None, Callable[[Sequence[Entry]], None]]] = {}
        self.event_followers: dict[int, Callable[[EventRecord], None]] = {}

    @property
    def cursor(self) -> int:
        return len(self.items)

    def add(self, service: str, *messages: bytes, stream: str = "stdout") -> None:
        first = len(self.items) + 1
        batch = [Entry(START + first, service, stream, text, first + n) for n, text in enumerate(messages)]
        self.items += batch
        for services, callback in list(self.followers.values()):
            if services is None or service in services:
                callback(batch)

    def add_event(self, service: str | None, text: str) -> None:
        number = len(self.items) + 1
        record = EventRecord(START + number, number, service, text, LogLevel.INFO, {})
        self.items.append(record)
        for callback in list(self.event_followers.values()):
            callback(record)

    def last(self, services: Collection[str] | None, count: int) -> list[Entry]:
        lines = [item for item in self.items if isinstance(item, Entry)]
        lines = [line for line in lines if services is None or line.service in services]
        return lines[-count:] if count else []

    def events(self, count: int | None = None, services: Collection[str] | None = None) -> list[EventRecord]:
        found = [item for item in self.items if isinstance(item, EventRecord)]
        found = [record for record in found if services is None or record.service in services]
        return found if count is None else found[-count:] if count else []

    def subscribe(
        self, services: Collection[str] | None, callback: Callable[[Sequence[Entry]], None]
    ) -> Callable[[], None]:
        self.followers[id(callback)] = (services, callback)
        return lambda: self.followers.pop(id(callback), None) and None

    def subscribe_events(self, callback: Callable[[EventRecord], None]) -> Callable[[], None]:
        self.event_followers[id(callback)] = callback
        return lambda: self.event_followers.pop(id(callback), None) and None


class FakeWork:
    """Something that is found out on the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
        self.cancel = loop.call_soon(tell).cancel


class FakeInsight:
    """Edges between services, and what they use: as a test says."""

    def __init__(self, operations: FakeOperations) -> None:
        self._operations = operations
        self.needs: dict[str, dict[str, list[str]]] = {}
        self.usages: list[ServiceUsage] = []
        self.moment = 100.0

    def explain(self, name: str) -> ExplainReply:
        state = self._operations.services_by_name[name].state
        link = ExplainLink(service=name, state=state, text=f"has been {state} for 5 s")
        return ExplainReply(chain=[link], next=["nothing would follow"], more=0)

    def graph(self) -> GraphReply:
        none: dict[str, list[str]] = {key: [] for key in ("requires", "wants", "after", "before", "binds_to")}
        return GraphReply(
            services=[
                GraphNode(name=name, type=one.type, state=one.state, enabled=True, **(none | self.needs.get(name, {})))
                for name, one in sorted(self._operations.services_by_name.items())
            ]
        )

    def usage(self, names: Sequence[str] | None, done: Callable[[UsageReply], None]) -> FakeWork:
        self.moment += 2.0
        chosen = [usage for usage in self.usages if names is None or usage.name in names]
        return FakeWork(self._operations.loop, lambda: done(UsageReply(moment=self.moment, services=chosen)))


@dataclass
class FakeOperations:
    """Services as a dictionary; records what it was asked to do.

    Actions finish on the loop's next turn; `hold` names services whose actions only end by `jobs[n].done`.
    """

    loop: asyncio.AbstractEventLoop
    services_by_name: dict[str, ServiceStatus] = field(default_factory=dict)
    log: FakeJournal = field(default_factory=FakeJournal)
    jobs: list[FakeJob] = field(default_factory=list)
    signals: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    shutdowns: list[str] = field(default_factory=list)
    ends: list[tuple[PowerAction | None, bool]] = field(default_factory=list)
    machine: bool = False
    hold: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    affected: tuple[str, ...] = ()
    state: SystemState = SystemState.RUNNING
    listeners: dict[int, Callable[[EventEntry], None]] = field(default_factory=dict)
    recent: list[EventEntry] = field(default_factory=list)
    timers_given: list[TimerStatus] = field(default_factory=list)
    on_shutdown: Callable[[], None] | None = None
    reexecs: list[Callable[[str], None]] = field(default_factory=list)
    told: FakeInsight = field(init=False)

    def __post_init__(self) -> None:
        self.told = FakeInsight(self)

    def insight(self) -> FakeInsight:
        return self.told

    def system(self) -> SystemStatus:
        return SystemStatus(
            profiles=[], version="0.1.0", pid=os.getpid(), state=self.state, ready=self._ready(), since=timestamp(START)
        )

    def _ready(self) -> bool:
        return all(one.state in {State.READY, State.COMPLETED} for one in self.services_by_name.values())

    def services(self, names: Sequence[str] | None = None) -> list[ServiceStatus]:
        if names is None:
            return [self.services_by_name[name] for name in sorted(self.services_by_name)]
        for name in names:
            self._check(name)
        return [self.services_by_name[name] for name in names]

    def _check(self, name: str) -> None:
        if name not in self.services_by_name:
            near = [known for known in self.services_by_name if known[:2] == name[:2]]
            raise UnknownServiceError(name, near[0] if near else "")

    def templates(self) -> FakeOperations:
        return self

    def missing(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name.startswith("made@") and name not in self.services_by_name]

    def make(self, names: Sequence[str], answer: Callable[[str], None]) -> Callable[[], None]:
        """Make them on the loop's next turn; "made@never" cannot be made, and "made@nobody" comes to nothing."""

        def made() -> None:
            if "made@never" not in names:
                new = [name for name in names if name != "made@nobody"]
                self.services_by_name |= {name: service(name) for name in new}
            answer("cannot make made@never" if "made@never" in names else "")

        handle = self.loop.call_soon(made)
        return handle.cancel

    def act(self, verb: Verb, names: Sequence[str], only: bool, done: Callable[[list[ActionResult]], None]) -> FakeJob:
        for name in names:
            self._check(name)
        if "refused" in names:
            raise RefusedError("asyncinit is shutting down")
        job = FakeJob(verb, names, only, done, self.affected)
        self.jobs.append(job)
        if not self.hold & set(names):
            self.loop.call_soon(self.finish, job)
        return job

    def go_on(self, state: JobState, done: Callable[[list[ActionResult]], None]) -> FakeJob:
        self.jobs.append(FakeJob(state.verb, state.names, False, done, tuple(state.affected)))
        return self.jobs[-1]

    def reexec(self, failed: Callable[[str], None]) -> None:
        self.reexecs.append(failed)

    def finish(self, job: FakeJob) -> None:
        """End a job well, but for the services that fail."""
        after = State.INACTIVE if job.verb is Verb.STOP else State.READY
        results = []
        for name in job.names:
            state = State.FAILED if name in self.failing else after
            why = ReasonStatus(code=Code.EXIT_CODE, text="exited with 1") if name in self.failing else None
            self.services_by_name[name] = service(name, state, reason=why)
            self.emit(name, state, f"{name} is {state}")
            results.append(ActionResult(name=name, ok=why is None, state=state, text=why.text if why else ""))
        if not job.cancelled:
            job.done(results)

    def emit(self, name: str | None, new: State | None, text: str) -> None:
        kind = EventKind.SHUTDOWN if name is None else EventKind.STATE
        moment = timestamp(time.time())
        entry = EventEntry(time=moment, service=name, old=None, new=new, reason=None, text=text, kind=kind)
        self.recent.append(entry)
        for callback in list(self.listeners.values()):
            callback(entry)

    def recent_events(self) -> list[EventEntry]:
        return list(self.recent)

    def signal(self, number: int, names: Sequence[str]) -> None:
        for name in names:
            self._check(name)
        self.signals.append((number, names))

    def timers(self, names: Sequence[str] | None = None) -> list[TimerStatus]:
        found = {timer.name: timer for timer in self.timers_given}
        if names is None:
            return list(found.values())
        for name in names:
            self._check(name)
            if name not in found:
                raise RefusedError(f"{name} has no timer")
        return [found[name] for name in names]

    def show(self, name: str) -> str:
        self._check(name)
        return f'name = "{name}"\n'

    def journal(self) -> FakeJournal:
        return self.log

    def on_event(self, callback: Callable[[EventEntry], None]) -> Callable[[], None]:
        self.listeners[id(callback)] = callback
        return lambda: self.listeners.pop(id(callback), None) and None

    def shutdown(self, reason: str, action: PowerAction | None, at_once: bool) -> PowerAction | None:
        self.shutdowns.append(reason)
        self.ends.append((action, at_once))
        if self.on_shutdown is not None:
            self.on_shutdown()
        return action if self.machine else None


class Running:
    """A server that runs in a thread of this process, until the `with` ends."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        operations: FakeOperations,
        server: ControlServer,
        said: list[str],
    ) -> None:
        self.loop = loop
        self.operations = operations
        self.server = server
        self.said = said
        assert server.address is not None
        self.address = server.address

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Run something on the server's loop and wait until it is done."""
        done = threading.Event()

        def run() -> None:
            function(*arguments)
            done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(20)


@contextmanager
def running_server(
    loop: asyncio.AbstractEventLoop,
    path: str,
    *names: str,
    control_read: str = "owner",
    may_say: bool = False,
) -> Iterator[Running]:
    """Serve services of these names (all ready) at `path`, in a thread."""
    operations = FakeOperations(loop, {name: service(name) for name in names})
    said: list[str] = []
    server = ControlServer(
        loop,
        operations,
        say=said.append,
        control_socket=path,
        control_read=control_read,
        environment={},
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Running(loop, operations, server, said)
    operations.on_shutdown = lambda: loop.call_soon(server.close)  # type: ignore[assignment,func-returns-value]
    try:
        yield running
    finally:
        running.call(running.server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
    assert may_say or not said, said
