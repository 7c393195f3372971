"""[log]: where what a service writes goes; resolves and checks its keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import destinations as written
from asyncinit.config import kinds, spec, values
from asyncinit.config.names import meant
from asyncinit.config.problems import Finding, printable, shown
from asyncinit.config.sections.given import Keys, filled, or_none

Table = Mapping[str, Any]

TO = ("log", "to")
"""The key that may name services which read what this one writes; it orders start and stop as an edge does."""

_ALONE = (spec.INHERIT, spec.NULL)


class LogTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where what the service writes goes; see [logs](../guides/logs.md)."""

    to: Annotated[
        kinds.Destination | list[kinds.Destination] | UnsetType,
        Meta(
            description="Where to, one or several: `console` (asyncinit's own output), `file`, `syslog`, "
            "\"service:NAME\" (that service's standard input); or alone `inherit` (asyncinit's own descriptors, "
            "nothing is seen) or `null`.",
            examples=[["console", "file"]],
            extra={"default": "file where there is one, else console"},
        ),
    ] = UNSET
    file: Annotated[
        kinds.LogFile | UnsetType,
        Meta(
            description="The file; `${NAME}` is the service's own environment, and `${SERVICE}` its name.",
            examples=["/var/log/web.log"],
            extra={"default": "/var/log/asyncinit/NAME.log; of a user: ~/.local/state/log/asyncinit/NAME.log"},
        ),
    ] = UNSET
    stderr_file: Annotated[
        kinds.LogFile | UnsetType,
        Meta(description="A file of its own for standard error.", extra={"default": "the same file"}),
    ] = UNSET
    format: Annotated[
        Literal["text", "json", "raw"] | UnsetType,
        Meta(
            description="How lines stand in files and reach services.",
            extra={"default": "text in files, raw to services"},
        ),
    ] = UNSET
    mode: Annotated[kinds.Mode, Meta(description="Access mode of new files; they are asyncinit's own user's.")] = "0640"
    max_size: Annotated[
        kinds.Size,
        Meta(description='A file that would grow larger is renamed to NAME.1; "none": left to others.'),
    ] = "10M"
    keep: Annotated[
        Annotated[int, Meta(ge=0, le=100)], Meta(description="How many old files there are at most: NAME.1 to NAME.5.")
    ] = 5
    compress: Annotated[bool, Meta(description="Compress old files: NAME.1.gz.")] = False
    rate_limit: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | kinds.NoLimit,
        Meta(description="More lines than this within `rate_interval` are dropped; a line tells how many."),
    ] = "none"
    rate_interval: Annotated[kinds.Positive, Meta(description="What `rate_limit` counts over.")] = "1s"
    when_full: Annotated[
        Literal["block", "drop"] | UnsetType,
        Meta(
            description="When a destination has no room: `block`: the service waits when it writes; `drop`: the oldest "
            "lines are dropped and counted.",
            extra={"default": 'drop; block where "service:NAME" stands alone'},
        ),
    ] = UNSET
    facility: Annotated[
        Literal[spec.FACILITIES],  # type: ignore[valid-type]
        Meta(description="Of syslog. Standard output has the severity info, standard error err."),
    ] = "daemon"
    tag: Annotated[
        kinds.Word | UnsetType, Meta(description="The name in syslog.", extra={"default": "the service's name"})
    ] = UNSET


def resolve(table: LogTable) -> spec.Log:
    """Return what the table declares."""
    return spec.Log(
        to=destinations(table.to, (spec.CONSOLE,) if not has_file(table) else (spec.FILE,)),
        file=or_none(table.file),
        stderr_file=or_none(table.stderr_file),
        format=None if isinstance(table.format, UnsetType) else spec.LogFormat(table.format),
        mode=values.octal(table.mode),
        max_size=values.size(table.max_size),
        keep=table.keep,
        compress=table.compress,
        rate_limit=table.rate_limit if isinstance(table.rate_limit, int) else None,
        rate_interval=values.duration(table.rate_interval),
        when_full=None if isinstance(table.when_full, UnsetType) else spec.WhenFull(table.when_full),
        facility=table.facility,
        tag=or_none(table.tag),
    )


def declare(log: spec.Log) -> Keys:
    """Return the keys that resolve to `log`."""
    return filled(
        {
            "to": list(log.to),
            "file": log.file,
            "stderr_file": log.stderr_file,
            "format": None if log.format is None else str(log.format),
            "mode": f"{log.mode:04o}",
            "max_size": written.format_size(log.max_size),
            "keep": log.keep,
            "compress": log.compress,
            "rate_limit": "none" if log.rate_limit is None else log.rate_limit,
            "rate_interval": values.format_duration(log.rate_interval),
            "when_full": None if log.when_full is None else str(log.when_full),
            "facility": log.facility,
            "tag": log.tag,
        }
    )


def has_file(table: LogTable) -> bool:
    """Tell whether the table names a file."""
    return not (isinstance(table.file, UnsetType) and isinstance(table.stderr_file, UnsetType))


def destinations(given: str | Sequence[str] | UnsetType, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return where output goes, each once."""
    if isinstance(given, UnsetType):
        return default
    return tuple(dict.fromkeys([given] if isinstance(given, str) else given))


# ---------------------------------------------------------------------------------------------------------------------
# What keys must agree on


def words(table: object) -> list[str]:
    """Return the destinations that a [log] table names, as far as they are texts."""
    to = table.get("to") if isinstance(table, Mapping) else None
    return [
        word for word in ([to] if isinstance(to, str) else to if isinstance(to, list) else ()) if isinstance(word, str)
    ]


def loggers(table: object) -> list[str]:
    """Return the services that a [log] table names."""
    return [word[len(spec.SERVICE) :] for word in words(table) if word.startswith(spec.SERVICE)]


def for_others(defaults: Table, name: str) -> dict[str, Any]:
    """Return the [log] of the defaults for service `name`: who writes to a service by default does not to itself."""
    own = f"{spec.SERVICE}{name}"
    others = [word for word in words(defaults) if word != own]
    if own not in words(defaults):
        return dict(defaults)
    return {key: value for key, value in {**defaults, "to": others}.items() if key != "to" or others}


def below(lower: Table, upper: object) -> dict[str, Any]:
    """Return a [log] as it is below another one: who names a file means it to be written."""
    names_file = isinstance(upper, Mapping) and "to" not in upper and ("file" in upper or "stderr_file" in upper)
    if names_file and spec.FILE not in words(lower):
        return {key: value for key, value in lower.items() if key != "to"}
    return dict(lower)


def check(table: Table) -> Iterator[Finding]:
    """Check what the keys of one [log] must agree on among themselves."""
    named = words(table)
    alone = next((word for word in named if word in _ALONE), None)
    if alone is not None and len(set(named)) > 1:
        yield Finding(TO, f"has {shown(alone)} beside others: it can only stand alone")
    elif "to" in table and named and spec.FILE not in named:
        for key in ("file", "stderr_file"):
            if key in table:
                yield Finding(("log", key), 'is set, and log.to does not have "file"')
    if "to" in table and not named and table["to"] == []:
        yield Finding(TO, "is empty", suggestion='"null"')


def check_service(whole: Table) -> Iterator[Finding]:
    """Check what a service's [log] must agree on with its other keys."""
    named = words(whole.get("log"))
    alone = next((word for word in named if word in _ALONE), None)
    if alone is None:
        return
    if whole.get("tty") is True:
        problem = f"is {shown(alone)}, but tty = true is a terminal that asyncinit reads"
        yield Finding(TO, problem)
    ready = whole.get("ready")
    if not isinstance(ready, Mapping):
        return
    for key in ("log", "all", "any"):
        if key == "log" and key in ready:
            yield Finding(("ready", key), f"cannot be seen: log.to is {shown(alone)}")
        elif any(isinstance(sign, Mapping) and "log" in sign for sign in _list(ready.get(key))):
            yield Finding(("ready", key), f"has a log, which cannot be seen: log.to is {shown(alone)}")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def check_loggers(name: str, table: object, known: Collection[str], services: Mapping[str, Table]) -> Iterator[Finding]:
    """Check the services that service `name` writes to: each is there, is another one, and reads its standard input."""
    for logger in loggers(table):
        if logger == name:
            yield Finding(TO, f"names {printable(name)} itself")
        elif logger not in known:
            guess = meant(logger, known)
            suggestion = shown(f"{spec.SERVICE}{guess}") if guess else ""
            yield Finding(TO, f"names {shown(logger)}, and there is no such service", suggestion=suggestion)
        else:
            other = services.get(logger, {})
            if other.get("type", "service") != "service":
                yield Finding(TO, f"names {shown(logger)}, which is a {other['type']} and does not stay to read it")
            elif other.get("tty"):
                yield Finding(TO, f"names {shown(logger)}, whose standard input is its terminal (tty)")
