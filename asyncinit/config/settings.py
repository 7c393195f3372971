"""The keys of asyncinit.toml: [init], and where services stand beside it; resolves nothing.

As in `keys`, each key's type, default and meaning stand here once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from asyncinit.config import kinds
from asyncinit.config.keys import ServiceFileKeys, ServiceKeys
from asyncinit.config.sections.pods import PodFileKeys


class InitKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What concerns asyncinit as a whole."""

    services: Annotated[
        list[kinds.Folder] | UnsetType,
        Meta(
            description="Folders of service files, seen from this file's. Of one name the later folder's wins.",
            examples=[["services.d"]],
            extra={"default": "see [where files are](#where-files-are)"},
        ),
    ] = UNSET
    pods: Annotated[
        list[kinds.Folder] | UnsetType,
        Meta(
            description="Folders of pod files, likewise.",
            examples=[["pods.d"]],
            extra={"default": "the pods.d beside each services.d"},
        ),
    ] = UNSET
    start: Annotated[
        list[kinds.ServiceName],
        Meta(
            description="Targets or services to start, with what they need.",
            examples=[["web.target"]],
            extra={"default": "all that are enabled"},
        ),
    ] = []
    control_socket: Annotated[
        kinds.SocketPlace | UnsetType,
        Meta(
            description="Where commands reach asyncinit: a path (seen from this file), or `@` and an abstract name.",
            extra={"default": "/run/asyncinit/control.sock"},
        ),
    ] = UNSET
    control_read: Annotated[
        kinds.ControlRead,
        Meta(
            description="Who, beside root and asyncinit's own user, may look: `owner` (nobody), `group:NAME` or `all`."
        ),
    ] = "owner"
    shutdown_timeout: Annotated[
        kinds.Duration | UnsetType,
        Meta(
            description="The whole of a shutdown, kills included; the environment's `ASYNCINIT_GRACE` overrides it.",
            extra={"default": "9s; 90s on a machine"},
        ),
    ] = UNSET
    exit_codes: Annotated[
        dict[kinds.CodeKey, kinds.ExitCode],
        Meta(description="Maps asyncinit's own exit status, whatever its cause.", examples=[{"143": 0}]),
    ] = {}
    keep_running: Annotated[
        bool | UnsetType,
        Meta(description="Stay when nothing is left to do.", extra={"default": "false; true on a machine"}),
    ] = UNSET
    log_format: Annotated[
        Literal["auto", "text", "json", "raw"],
        Meta(description="How output is written; `auto`: coloured text on a terminal, text elsewhere."),
    ] = "auto"
    log_level: Annotated[
        Literal["error", "warning", "info", "debug"], Meta(description="How much asyncinit tells of itself.")
    ] = "info"
    log_to: Annotated[
        list[Literal["console", "file", "syslog"]] | UnsetType,
        Meta(
            description="Where asyncinit writes what it does.",
            examples=[["console", "syslog"]],
            extra={"default": "console, and the file where `log_file` is set"},
        ),
    ] = UNSET
    log_file: Annotated[
        kinds.LogFile | UnsetType,
        Meta(
            description="A file for that, seen from this file's folder.",
            examples=["/var/log/asyncinit.log"],
            extra={"default": "none"},
        ),
    ] = UNSET
    log_max_size: Annotated[kinds.Size, Meta(description="As `max_size` of a service's [log].")] = "10M"
    log_keep: Annotated[Annotated[int, Meta(ge=0, le=100)], Meta(description="As `keep` of a service's [log].")] = 5
    crash_dir: Annotated[
        kinds.Folder | UnsetType,
        Meta(
            description="Where a report of each failure is kept as a file, beside memory (seen from this file's).",
            examples=["/var/lib/asyncinit/crashes"],
            extra={"default": "in memory only"},
        ),
    ] = UNSET
    crash_keep: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)],
        Meta(description="So many reports stay in `crash_dir`; the oldest are removed."),
    ] = 50
    termination_log: Annotated[
        kinds.File | UnsetType,
        Meta(
            description=(
                'Where to write at the end, as JSON, what it ended for (`"none"`: nowhere). '
                "Kubernetes shows it as the container's termination message."
            ),
            extra={"default": "/dev/termination-log, as PID 1 where it exists"},
        ),
    ] = UNSET
    oom_score_adj: Annotated[
        Annotated[int, Meta(ge=-1000, le=0)] | kinds.NoLimit | UnsetType,
        Meta(
            description="Its own place when memory runs out, where it may lower that; its services have the one that "
            'it was given. `"none"`: it is left as it is.',
            extra={"default": "-900; -1000 on a machine"},
        ),
    ] = UNSET
    watchdog: Annotated[
        kinds.Watchdog | UnsetType,
        Meta(
            description="The [hardware watchdog](../guides/rescue.md#the-watchdog) resets the machine when "
            'asyncinit does nothing for so long. `"none"`: it is not used.',
            examples=["1m"],
            extra={"default": "none; 30s on a machine that has one"},
        ),
    ] = UNSET
    watchdog_device: Annotated[
        kinds.File, Meta(description="Its device. One that is not there yet is looked for as services come up.")
    ] = "/dev/watchdog0"
    rescue_shell: Annotated[
        bool,
        Meta(
            description="Whether a [machine in trouble](../guides/rescue.md#who-is-let-in) lets in whoever is at its "
            "console."
        ),
    ] = True
    spawn: Annotated[
        Literal["auto", "posix_spawn", "fork"],
        Meta(description="How processes are made; `auto` picks for each service."),
    ] = "auto"
    cgroups: Annotated[
        Literal["auto", "none"],
        Meta(description="Whether services get [cgroups of their own](../guides/limits.md#cgroups)."),
    ] = "auto"


class FileProfileKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a profile changes of asyncinit as a whole, and of all services."""

    init: Annotated[InitKeys, Meta(description="Keys that are laid over those of [init].")] = field(
        default_factory=InitKeys
    )
    defaults: Annotated[ServiceKeys | UnsetType, Meta(description="Keys that are laid over those of [defaults].")] = (
        UNSET
    )


class FileKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """asyncinit.toml; all of it is optional."""

    init: Annotated[InitKeys, Meta(description="asyncinit as a whole.")] = field(default_factory=InitKeys)
    defaults: Annotated[
        ServiceKeys | UnsetType,
        Meta(description="Any key of a service, for all of them. Tables are merged key by key, all else replaces."),
    ] = UNSET
    services: Annotated[
        dict[kinds.ServiceName, ServiceFileKeys],
        Meta(description="Services, with the same keys as a file of services.d."),
    ] = {}
    pods: Annotated[
        dict[kinds.PodName, PodFileKeys], Meta(description="Pods, with the same keys as a file of pods.d.")
    ] = {}
    profile: Annotated[
        dict[kinds.ProfileName, FileProfileKeys],
        Meta(
            description="[profile.NAME.init] and [profile.NAME.defaults]: what the [profile](../guides/profiles.md) "
            "NAME lays over [init] and [defaults], where it is active."
        ),
    ] = {}
