"""[timer]: when a service is started by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.problems import Finding, Severity
from asyncinit.config.sections.given import Keys, filled, or_none


class TimerTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When the service is started by itself: at the moments of `cron`, at intervals, some time after asyncinit's
    start, or at all of these. It is not started with the others: where it would have been, its timer is armed."""

    cron: Annotated[
        kinds.Cron | list[kinds.Cron],
        Meta(
            description="Minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, "
            "`@monthly`, `@yearly`. Several in a list.",
            examples=["30 3 * * *", ["0 8 * * MON-FRI", "0 10 * * SAT"]],
        ),
    ] = []
    time_zone: Annotated[
        kinds.TimeZone | UnsetType,
        Meta(
            description="Whose clock `cron` means.", examples=["Europe/Berlin"], extra={"default": "the system's own"}
        ),
    ] = UNSET
    every: Annotated[
        kinds.Positive | UnsetType,
        Meta(description="So long after its last start; the first time so long after asyncinit's.", examples=["10m"]),
    ] = UNSET
    after_boot: Annotated[
        kinds.Finite | UnsetType, Meta(description="Once, so long after asyncinit's start.", examples=["1m"])
    ] = UNSET
    random_delay: Annotated[
        kinds.Finite, Meta(description="Each run is later by up to this, so that not all machines act at once.")
    ] = "0s"
    persistent: Annotated[
        bool,
        Meta(description="Remember the last run on disk; what was missed while nothing ran is made up for, once."),
    ] = False
    overlap: Annotated[
        Literal["skip", "queue", "restart"],
        Meta(
            description="What if the service still runs: leave this run out, start it right afterwards (one at most), "
            "or end what runs and start anew."
        ),
    ] = "skip"
    at_start: Annotated[bool, Meta(description="Start it with the others too.")] = False


TRIGGERS = ("cron", "every", "after_boot")
"""Keys of [timer] of which a service has one at least."""


def resolve(declared: TimerTable | UnsetType) -> spec.Timer | None:
    """Return what the table declares, None where there is none."""
    if isinstance(declared, UnsetType):
        return None
    cron = [declared.cron] if isinstance(declared.cron, str) else declared.cron
    return spec.Timer(
        cron=tuple(dict.fromkeys(" ".join(expression.split()) for expression in cron)),
        time_zone=or_none(declared.time_zone),
        every=None if isinstance(declared.every, UnsetType) else values.duration(declared.every),
        after_boot=None if isinstance(declared.after_boot, UnsetType) else values.duration(declared.after_boot),
        random_delay=values.duration(declared.random_delay),
        persistent=declared.persistent,
        overlap=spec.Overlap(declared.overlap),
        at_start=declared.at_start,
    )


def declare(timer: spec.Timer | None) -> Keys:
    """Return the keys that resolve to `timer`."""
    if timer is None:
        return {}
    return filled(
        {
            "cron": timer.cron[0] if len(timer.cron) == 1 else list(timer.cron),
            "time_zone": timer.time_zone,
            "every": None if timer.every is None else values.format_duration(timer.every),
            "after_boot": None if timer.after_boot is None else values.format_duration(timer.after_boot),
            "random_delay": values.format_duration(timer.random_delay),
            "persistent": timer.persistent,
            "overlap": str(timer.overlap),
            "at_start": timer.at_start,
        }
    )


def check(whole: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what a service's [timer] and its other keys must agree on."""
    table = whole.get("timer")
    if not isinstance(table, dict):
        return
    if not any(key in table for key in TRIGGERS):
        yield Finding(("timer",), "says nowhere when", expected="one of " + ", ".join(TRIGGERS))
    elif "cron" not in table:
        if "time_zone" in table:
            yield _idle("time_zone", "without cron: intervals are the same everywhere")
        if table.get("persistent") is True and "every" not in table:
            yield _idle("persistent", "without cron or every")
    if whole.get("essential") is True:
        problem = "cannot be used here: an essential service's first end would be the end of all"
        yield Finding(("timer",), problem)


def _idle(key: str, why: str) -> Finding:
    return Finding(("timer", key), f"has no effect {why}", severity=Severity.WARNING)
