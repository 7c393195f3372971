"""What asyncinit knows of causes, times and edges: why something is so, how long it took, what it would do."""

from __future__ import annotations

from asyncinit.config.spec import ServiceType
from asyncinit.control.types.wire import Wire
from asyncinit.core.status import State


class ExplainParameters(Wire, frozen=True):
    """Parameters of Explain."""

    name: str


class ExplainLink(Wire, frozen=True):
    """One service of the chain; `text` reads after its name."""

    service: str
    state: State
    text: str


class ExplainReply(Wire, frozen=True):
    """Reply of Explain: the service, then what is the cause of its state; what would follow; so many left out."""

    chain: list[ExplainLink]
    next: list[str]
    more: int


class StartTimes(Wire, frozen=True):
    """The first start of a service, in seconds since asyncinit began; null: it has not come to that.

    `waiting`: it was wanted. `preparing`: all that it waited for was there. `starting`: its process was made. `ready`:
    it was ready, or had completed. `ended`: the first attempt had ended otherwise. `after`: what it started after.
    """

    name: str
    type: ServiceType
    state: State
    waiting: float
    preparing: float | None
    starting: float | None
    ready: float | None
    ended: float | None
    attempts: int
    after: list[str]


class EarlyStep(Wire, frozen=True):
    """One early step of a machine, in seconds as in EarlyTimes; `failure` null: it went well."""

    name: str
    began: float
    took: float
    failure: str | None


class EarlyTimes(Wire, frozen=True):
    """What a machine did before its services, in seconds since the kernel handed over to user space.

    `kernel`: what the kernel itself took until then, null where it has not told: then all is since the early steps
    began. `begun`: they began; until then an initramfs may have run, and the interpreter started. `done`: they were
    over. `loaded`: the program and the configuration were read, and the services' turn came (`begun` of Startup).
    """

    kernel: float | None
    begun: float
    done: float
    loaded: float
    steps: list[EarlyStep]


class StartupReply(Wire, frozen=True):
    """Reply of Startup: `finished` null while the first start goes on; `early` null where there is no machine."""

    begun: str
    finished: float | None
    early: EarlyTimes | None
    services: list[StartTimes]


class StopShare(Wire, frozen=True):
    """What a service would get of the shutdown, if all take all that they get; seconds since its begin.

    `declared`: what its own time limits add up to, null: without limit. `waits_for`: what stops before it.
    """

    name: str
    declared: float | None
    begins: float | None
    granted: float | None
    waits_for: list[str]


class ShutdownPlanReply(Wire, frozen=True):
    """Reply of ShutdownPlan: `timeout` and `budget` in seconds, null: no limit; in the order of stopping."""

    timeout: float | None
    budget: float | None
    services: list[StopShare]


class GraphNode(Wire, frozen=True):
    """A service and the names that it declares."""

    name: str
    type: ServiceType
    state: State
    enabled: bool
    requires: list[str]
    wants: list[str]
    after: list[str]
    before: list[str]
    binds_to: list[str]


class GraphReply(Wire, frozen=True):
    """Reply of Graph."""

    services: list[GraphNode]


class ExecPlanParameters(Wire, frozen=True):
    """Parameters of ExecPlan."""

    name: str


class ExecPlanReply(Wire, frozen=True):
    """Reply of ExecPlan: what a process of the service would run with; null: as the caller has it.

    `environment` are NAME=value; `left_out` the names of those whose value is no UTF-8. `running`: it is that of the
    processes that run, else what a start would give them. `pid`: in the namespaces of that process; null: in ours.
    `capabilities` are the words of [security] capabilities, null: no bound.
    """

    environment: list[str]
    left_out: list[str]
    uid: int | None
    gid: int | None
    groups: list[int] | None
    user: str
    working_directory: str | None
    umask: int | None
    running: bool
    pid: int | None
    capabilities: list[str] | None
    ambient_capabilities: list[str]
    no_new_privileges: bool
