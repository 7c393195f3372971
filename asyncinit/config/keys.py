"""The keys of a service, as files have them: each key's type, default and meaning, once; resolves nothing.

The walker (`convert`), the reference page, `hints` and the JSON Schema all read these classes. `UNSET` is a key without
a default of its own; where the default depends on other keys, `extra={"default": ...}` tells it. A `|` of types is a
short form beside the long one. Keys are only ever added; one goes away only after a minor version that warns of it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from asyncinit.config import kinds
from asyncinit.config.sections import limits, namespaces, security
from asyncinit.config.sections.condition import ConditionTable
from asyncinit.config.sections.directories import DirectoriesTable
from asyncinit.config.sections.health import HealthTable
from asyncinit.config.sections.hooks import HooksTable
from asyncinit.config.sections.limits import LimitsTable
from asyncinit.config.sections.log import LogTable
from asyncinit.config.sections.namespaces import NamespacesTable
from asyncinit.config.sections.ready import ReadyTable
from asyncinit.config.sections.reload import ReloadTable
from asyncinit.config.sections.restart import Policy, RestartTable
from asyncinit.config.sections.security import Profile, SecurityTable
from asyncinit.config.sections.sockets import SocketTable
from asyncinit.config.sections.stop import StopTable
from asyncinit.config.sections.timer import TimerTable
from asyncinit.config.sections.watch import WatchTable


class ServiceKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A service: the keys of a table that is laid over others, [defaults] or a profile. None is required."""

    description: Annotated[kinds.Line, Meta(description="One line for people.")] = ""
    type: Annotated[
        Literal["service", "oneshot", "target"],
        Meta(
            description="`oneshot`: done when it exits with success. `target`: a name for a group, without a command."
        ),
    ] = "service"
    command: Annotated[
        kinds.Command | UnsetType,
        Meta(
            description="The program and its arguments: a list, or a string split like a shell's words. No shell runs.",
            examples=[["nginx", "-g", "daemon off;"]],
            extra={"default": "required, but not for a target"},
        ),
    ] = UNSET
    shell: Annotated[bool, Meta(description="Give `command`, a string, to `/bin/sh -c` as it is.")] = False
    enabled: Annotated[
        bool, Meta(description="false: known; started on request, or because something requires it.")
    ] = True
    instances: Annotated[
        Annotated[int, Meta(ge=0, le=1000)] | list[kinds.InstanceName] | UnsetType,
        Meta(
            description="For a template, `NAME@.toml`: the instances that there are, by name, or how many (1, 2, ...).",
            examples=[["8080", "8081"], 4],
            extra={"default": "those that others name"},
        ),
    ] = UNSET
    essential: Annotated[
        bool, Meta(description="When it ends for good, the whole system shuts down with its exit status.")
    ] = False
    prefer: Annotated[
        list[str],
        Meta(
            description="Keys that are applied where possible; a service fails by name over all others.",
            examples=[["user"]],
        ),
    ] = []
    working_directory: Annotated[
        kinds.Folder | UnsetType, Meta(description="Where it runs.", extra={"default": "where asyncinit runs"})
    ] = UNSET
    user: Annotated[
        kinds.Account | UnsetType,
        Meta(
            description="Who runs it: a name or an id. Sets `HOME`, `USER`, `LOGNAME`, `SHELL` and the groups.",
            extra={"default": "asyncinit's own"},
        ),
    ] = UNSET
    group: Annotated[kinds.Account | UnsetType, Meta(description="Its group.", extra={"default": "the user's"})] = UNSET
    supplementary_groups: Annotated[
        list[kinds.Account] | UnsetType, Meta(description="Its further groups.", extra={"default": "the user's"})
    ] = UNSET
    umask: Annotated[
        kinds.Umask | UnsetType,
        Meta(description="Bits that new files do not get.", extra={"default": "asyncinit's own"}),
    ] = UNSET
    environment: Annotated[
        dict[kinds.Variable, str],
        Meta(
            description="Variables, over those of `environment_file`, over those that asyncinit was given.",
            examples=[{"PORT": "8080"}],
        ),
    ] = {}
    environment_file: Annotated[
        kinds.EnvironmentFile | list[kinds.EnvironmentFile],
        Meta(
            description='Files of NAME=value lines, later ones win; "-" before a path: may be absent.',
            examples=[["/etc/default/web", "-/run/secrets/web.env"]],
        ),
    ] = []
    clear_environment: Annotated[bool, Meta(description="Pass on nothing that asyncinit was given.")] = False
    unset_environment: Annotated[
        list[kinds.Variable], Meta(description="Variables that are not passed on.", examples=[["LANG"]])
    ] = []
    tty: Annotated[
        kinds.Terminal, Meta(description="true: a pseudo-terminal of its own; a path: that terminal controls it.")
    ] = False
    success_exit: Annotated[
        list[kinds.End],
        Meta(
            description="Exit codes and signals that are success; replaces the default.", examples=[[0, 143, "SIGTERM"]]
        ),
    ] = field(default_factory=lambda: [0])
    watchdog: Annotated[
        kinds.Limit,
        Meta(
            description="Once ready it says `WATCHDOG=1` (sd_notify) this often, else it gets SIGABRT, is stopped, and "
            "[restart] decides. It is told so by `WATCHDOG_USEC`.",
            examples=["30s"],
        ),
    ] = "none"
    requires: Annotated[
        list[kinds.ServiceName],
        Meta(
            description="Services that must be ready first. It fails if one has failed for good, and stops before.",
            examples=[["db", "migrate"]],
        ),
    ] = []
    wants: Annotated[
        list[kinds.ServiceName],
        Meta(description="Started too, and waited for until ready or once failed; their failure does not matter."),
    ] = []
    after: Annotated[
        list[kinds.ServiceName], Meta(description="Order alone, where both are starting or stopping.")
    ] = []
    before: Annotated[list[kinds.ServiceName], Meta(description="The same, seen from the other side.")] = []
    binds_to: Annotated[
        list[kinds.ServiceName],
        Meta(description="As `requires`; it also goes down with them, after a crash too, and comes back after them."),
    ] = []
    conflicts: Annotated[
        list[kinds.ServiceName],
        Meta(description="Services that cannot be up beside it: starting one stops the other, and waits for that."),
    ] = []
    on_failure: Annotated[
        list[kinds.ServiceName],
        Meta(
            description="Started when it has failed for good; told by `MONITOR_SERVICE` and others.",
            examples=[["alert"]],
        ),
    ] = []
    on_success: Annotated[
        list[kinds.ServiceName], Meta(description="Started when it has completed; told in the same way.")
    ] = []
    condition: Annotated[ConditionTable, Meta(description="What must hold for it to be started.")] = field(
        default_factory=ConditionTable
    )
    directories: Annotated[DirectoriesTable, Meta(description="Folders that it gets.")] = field(
        default_factory=DirectoriesTable
    )
    limits: Annotated[LimitsTable, Meta(description="What its processes may use.")] = field(default_factory=LimitsTable)
    namespaces: Annotated[NamespacesTable, Meta(description="What it sees as its own.")] = field(
        default_factory=NamespacesTable
    )
    security: Annotated[
        Profile | SecurityTable, Meta(description="What its processes give up.", examples=["strict"])
    ] = field(default_factory=SecurityTable)
    ready: Annotated[ReadyTable, Meta(description="When it counts as ready.")] = field(default_factory=ReadyTable)
    restart: Annotated[Policy | RestartTable, Meta(description="When it is started again.")] = field(
        default_factory=RestartTable
    )
    stop: Annotated[StopTable, Meta(description="How it is ended.")] = field(default_factory=StopTable)
    reload: Annotated[ReloadTable, Meta(description="How it reads its configuration again.")] = field(
        default_factory=ReloadTable
    )
    hooks: Annotated[HooksTable, Meta(description="Commands around its life.")] = field(default_factory=HooksTable)
    log: Annotated[LogTable, Meta(description="Where what it writes goes.")] = field(default_factory=LogTable)
    timer: Annotated[TimerTable | UnsetType, Meta(description="When it is started by itself.")] = UNSET
    watch: Annotated[WatchTable | UnsetType, Meta(description="Files whose changes restart it.")] = UNSET
    sockets: Annotated[list[SocketTable], Meta(description="Sockets that are opened for it: `[[sockets]]`.")] = []
    on_demand: Annotated[
        bool, Meta(description="Started by the first connection to one of its `[[sockets]]`, not with the others.")
    ] = False
    idle_stop: Annotated[
        kinds.Idle,
        Meta(description="`on_demand`: stopped after so long without a connection, until the next.", examples=["5m"]),
    ] = "none"
    handover: Annotated[
        Literal["none", "overlap"],
        Meta(description="`overlap`: a restart stops the old instance only when the new one is ready."),
    ] = "none"
    health: Annotated[HealthTable, Meta(description="How it is seen that it still works.")] = field(
        default_factory=HealthTable
    )
    pod: Annotated[
        kinds.PodName | UnsetType,
        Meta(
            description="The pod that it is a member of: it starts after it, and goes down with it.",
            extra={"default": "none"},
        ),
    ] = UNSET


class ServiceFileKeys(ServiceKeys, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A service: the keys of a file in services.d, of [services.NAME] and of [defaults]. Only `command` is required."""

    profile: Annotated[
        dict[kinds.ProfileName, ServiceKeys],
        Meta(
            description="[profile.NAME]: keys that are laid over these where the [profile](../guides/profiles.md) NAME "
            "is active.",
        ),
    ] = {}


TARGET_KEYS = frozenset(
    (
        "description",
        "type",
        "enabled",
        "instances",
        "requires",
        "wants",
        "after",
        "before",
        "binds_to",
        "conflicts",
    )
)
"""Keys that a target, which has no process, can have."""

PREFERABLE = (
    frozenset(["user", "group", "supplementary_groups", "working_directory", "umask", "tty", "environment_file"])
    | {"directories", *(f"directories.{name}" for name in DirectoriesTable.__struct_fields__)}
    | {"limits", *(f"limits.{name}" for name in limits.KEYS)}
    | {"namespaces", *(f"namespaces.{name}" for name in namespaces.KEYS)}
    | {"security", *(f"security.{name}" for name in security.KEYS)}
    | {"timer.persistent", "sockets", "log"}
)
"""What `prefer` can name: keys that the system may refuse to apply."""
