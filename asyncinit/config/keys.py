"""The keys of a service, as files have them: each key's type, default and meaning, once; resolves nothing.

The walker (`convert`), the reference page, `hints` and the JSON Schema all read these classes. `UNSET` is a key without
a default of its own; where the default depends on other keys, `extra={"default": ...}` tells it. A `|` of types is a
short form beside the long one. Keys are only ever added; one goes away only after a minor version that warns of it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from asyncinit.config import kinds


class HookTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A command of [hooks] with more to say than its words."""

    command: Annotated[kinds.Command, Meta(description="The program and its arguments.")]
    user: Annotated[
        kinds.Account | UnsetType, Meta(description="Who runs it.", extra={"default": "the service's user"})
    ] = UNSET
    timeout: Annotated[kinds.Duration, Meta(description="Its processes are killed after this, and it has failed.")] = (
        "30s"
    )
    ignore_failure: Annotated[bool, Meta(description="Go on as if it had succeeded.")] = False


Hooks = Annotated[
    list[kinds.Command | HookTable],
    Meta(extra={"kind": kinds.Kind("list of commands", 'a list of commands, such as [["/bin/prepare", "-v"]]', list)}),
]


class HooksTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Commands around the service's life, with its environment and user, each list in order. A command is a list of
    words, a string, or a table `{ command, user, timeout, ignore_failure }`."""

    pre_start: Annotated[
        Hooks,
        Meta(description="Before the main process; a failure fails the start.", examples=[[["/usr/bin/prepare"]]]),
    ] = []
    post_start: Annotated[Hooks, Meta(description="Once ready.")] = []
    pre_stop: Annotated[Hooks, Meta(description="Before the stop signal, when the service was ready.")] = []
    post_stop: Annotated[
        Hooks, Meta(description="After every end; gets `SERVICE_RESULT`, `EXIT_CODE` and `EXIT_STATUS`.")
    ] = []


class DirectoriesTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Folders that are made before the start and belong to the service's user."""

    runtime: Annotated[
        list[kinds.DirectoryName],
        Meta(description="Below /run, removed after the end; told as `RUNTIME_DIRECTORY`.", examples=[["web"]]),
    ] = []
    state: Annotated[list[kinds.DirectoryName], Meta(description="Below /var/lib; `STATE_DIRECTORY`.")] = []
    cache: Annotated[list[kinds.DirectoryName], Meta(description="Below /var/cache; `CACHE_DIRECTORY`.")] = []
    logs: Annotated[list[kinds.DirectoryName], Meta(description="Below /var/log; `LOGS_DIRECTORY`.")] = []
    mode: Annotated[kinds.Mode, Meta(description="Their access mode.")] = "0755"


class ReadyTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When a service counts as ready, for those that wait for it. One kind at most; without one, it is ready once its
    program is executed. A oneshot is ready when it has exited successfully, and takes `timeout` alone."""

    notify: Annotated[bool, Meta(description="By sd_notify: `READY=1` to `NOTIFY_SOCKET`.")] = False
    notify_fd: Annotated[
        Annotated[int, Meta(ge=3, le=1023)] | UnsetType,
        Meta(description="By a newline on this descriptor, as s6 does it.", examples=[3]),
    ] = UNSET
    tcp: Annotated[
        kinds.TcpAddress | UnsetType,
        Meta(description="When this address takes a connection.", examples=["127.0.0.1:8080"]),
    ] = UNSET
    unix: Annotated[
        kinds.UnixAddress | UnsetType,
        Meta(description="When this socket takes a connection.", examples=["/run/x.sock"]),
    ] = UNSET
    http: Annotated[
        kinds.HttpAddress | UnsetType,
        Meta(
            description="When GET of this address gives a status from 200 to 399. No redirect is followed, no TLS.",
            examples=["http://127.0.0.1:8080/healthz"],
        ),
    ] = UNSET
    file: Annotated[kinds.File | UnsetType, Meta(description="When this file is there.", examples=["/run/x"])] = UNSET
    command: Annotated[
        kinds.Command | UnsetType, Meta(description="When this command exits with 0.", examples=[["pg_isready"]])
    ] = UNSET
    pid_file: Annotated[
        kinds.File | UnsetType,
        Meta(
            description="When this file names a live process of the service, then its main one: for daemons that fork.",
            examples=["/run/x.pid"],
        ),
    ] = UNSET
    log: Annotated[
        kinds.Filled | UnsetType,
        Meta(description="When a line of output has this in it; `*` stands for any text.", examples=["listening on *"]),
    ] = UNSET
    timeout: Annotated[kinds.Duration, Meta(description="Not ready after this: the start has failed.")] = "none"
    interval: Annotated[
        kinds.Positive, Meta(description="Between probes, after quick ones at 0, 50, 100, 200 ms, ...")
    ] = "1s"
    probe_timeout: Annotated[kinds.Positive, Meta(description="A probe without an answer after this has failed.")] = (
        "1s"
    )


Policy = Literal["always", "on-failure", "on-abnormal", "never"]


class RestartTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What follows an end that nobody asked for. `restart = "never"` is short for `policy`. The n-th delay is
    min(`max_delay`, `delay` x `backoff`^(n-1)) x (1 to 1 + `jitter`); with `delay` 0 the first is immediate."""

    policy: Annotated[
        Policy | UnsetType,
        Meta(
            description="`on-failure`: not after success. `on-abnormal`: after a signal or a timeout, not after a "
            'code. For a oneshot "always" means "on-failure": success completes it.',
            extra={"default": "always; never for a oneshot or an essential service"},
        ),
    ] = UNSET
    delay: Annotated[kinds.Finite, Meta(description="Before the first restart.")] = "100ms"
    backoff: Annotated[Annotated[float, Meta(ge=1, le=1000)], Meta(description="Factor for each further one.")] = 2.0
    max_delay: Annotated[
        kinds.Duration | UnsetType,
        Meta(description="No delay is longer.", extra={"default": "30s, or delay if that is longer"}),
    ] = UNSET
    jitter: Annotated[
        Annotated[float, Meta(ge=0, le=1)], Meta(description="Part of the delay that chance adds at most.")
    ] = 0.1
    reset_after: Annotated[kinds.Duration, Meta(description="Ready this long: counting starts over.")] = "10s"
    limit: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | kinds.NoLimit,
        Meta(description="More restarts than this within `window`: failed for good."),
    ] = "none"
    window: Annotated[kinds.Duration, Meta(description="What `limit` looks back on.")] = "60s"
    on: Annotated[
        list[kinds.EndOrCause],
        Meta(description="Restart after these too, whatever `policy` says.", examples=[[75, "SIGHUP", "oom"]]),
    ] = []
    never_on: Annotated[list[kinds.EndOrCause], Meta(description="Never restart after these.", examples=[[2]])] = []
    on_give_up: Annotated[
        Literal["none", "shutdown", "reboot"],
        Meta(description="What the whole system does when it has failed for good."),
    ] = "none"


class StopStepTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A further signal on the way to the kill."""

    signal: Annotated[kinds.Signal, Meta(description="What is sent.")]
    timeout: Annotated[kinds.Finite, Meta(description="How long to wait then.")]


class StopTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the service is ended: `signal` or `command`, `timeout`, `escalate`, and then SIGKILL to all of it."""

    signal: Annotated[kinds.Signal, Meta(description="What is sent, and SIGCONT after it.")] = "SIGTERM"
    command: Annotated[
        kinds.Command | UnsetType, Meta(description="Run in place of `signal`.", examples=[["nginx", "-s", "quit"]])
    ] = UNSET
    scope: Annotated[
        Literal["process", "group", "tree"],
        Meta(description="Who gets the signals: the main process, its process group, or every process of the service."),
    ] = "group"
    timeout: Annotated[
        kinds.Duration | UnsetType,
        Meta(description="How long to wait for the end.", extra={"default": "5s; 30s on a machine"}),
    ] = UNSET
    escalate: Annotated[
        list[StopStepTable],
        Meta(description="Steps before the kill.", examples=[[{"signal": "SIGINT", "timeout": "2s"}]]),
    ] = []


class ReloadTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the service is told to read its configuration again."""

    signal: Annotated[kinds.Signal, Meta(description="What is sent to the main process.")] = "SIGHUP"
    command: Annotated[kinds.Command | UnsetType, Meta(description="Run in place of `signal`.")] = UNSET


class ServiceKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A service: the keys of a file in services.d, of [services.NAME] and of [defaults]. Only `command` is required."""

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
    directories: Annotated[DirectoriesTable, Meta(description="Folders that it gets.")] = field(
        default_factory=DirectoriesTable
    )
    ready: Annotated[ReadyTable, Meta(description="When it counts as ready.")] = field(default_factory=ReadyTable)
    restart: Annotated[Policy | RestartTable, Meta(description="When it is started again.")] = field(
        default_factory=RestartTable
    )
    stop: Annotated[StopTable, Meta(description="How it is ended.")] = field(default_factory=StopTable)
    reload: Annotated[ReloadTable, Meta(description="How it reads its configuration again.")] = field(
        default_factory=ReloadTable
    )
    hooks: Annotated[HooksTable, Meta(description="Commands around its life.")] = field(default_factory=HooksTable)


READY_KINDS = ("notify", "notify_fd", "tcp", "unix", "http", "file", "command", "pid_file", "log")
"""Keys of [ready] of which a service has one."""

TARGET_KEYS = frozenset(("description", "type", "enabled", "requires", "wants", "after", "before", "binds_to"))
"""Keys that a target, which has no process, can have."""

PREFERABLE = frozenset(
    ["user", "group", "supplementary_groups", "working_directory", "umask", "tty", "environment_file", "directories"]
) | {f"directories.{name}" for name in DirectoriesTable.__struct_fields__}
"""What `prefer` can name: keys that the system may refuse to apply."""

LATER = frozenset(
    [
        "watchdog",
        "conflicts",
        "on_failure",
        "on_success",
        "health",
        "log",
        "limits",
        "security",
        "namespaces",
        "sockets",
        "timer",
        "watch",
        "condition",
        "profile",
        "pod",
        "handover",
    ]
)
"""Keys of a service that are designed, and not in this version."""

LATER_READY = frozenset(("all", "any"))
"""Keys of [ready] that are designed, and not in this version."""
