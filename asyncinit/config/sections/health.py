"""[health]: how it is seen that a service which is up still works, and what follows if it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from asyncinit.config import kinds, spec, values
from asyncinit.config.problems import Finding
from asyncinit.config.sections.given import Keys
from asyncinit.config.sections.signs import (
    COMBINED,
    PROBES,
    ProbeKeys,
    check_parts,
    declare_sign,
    list_of_signs,
    resolve_sign,
)

_Parts = Annotated[list[ProbeKeys], list_of_signs]
_Times = Annotated[int, Meta(ge=1, le=1000)]


class HealthTable(ProbeKeys, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Probes of a service that is ready, and what follows when they fail. One kind; each is what it is in [ready]. An
    unhealthy service stays ready for those that wait for it or have started after it."""

    all: Annotated[
        _Parts | UnsetType,
        Meta(
            description="Each of these must succeed; they are asked at the same time.",
            examples=[[{"tcp": "127.0.0.1:8080"}, {"file": "/run/x"}]],
        ),
    ] = UNSET
    any: Annotated[_Parts | UnsetType, Meta(description="One of these must succeed.")] = UNSET
    interval: Annotated[
        kinds.Positive,
        Meta(description="From one probe to the next; the first comes at a random moment within it, once ready."),
    ] = "10s"
    probe_timeout: Annotated[kinds.Positive, Meta(description="A probe without an answer after this has failed.")] = (
        "1s"
    )
    threshold: Annotated[_Times, Meta(description="So many failures in a row: unhealthy.")] = 3
    success_threshold: Annotated[_Times, Meta(description="So many successes in a row: healthy again.")] = 1
    start_period: Annotated[
        kinds.Finite,
        Meta(description="Failures so soon after it became ready do not count, until one probe has succeeded."),
    ] = "0s"
    action: Annotated[
        Literal["restart", "shutdown", "none"],
        Meta(
            description="What follows when it is unhealthy: it is stopped, and [restart] decides; it is stopped, has "
            "failed, and the whole system shuts down; or it is only marked."
        ),
    ] = "restart"


HEALTH_KINDS = (*PROBES, *COMBINED)
"""Keys of [health] of which a service has one."""


def check(table: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what the parts of combined kinds must agree on among themselves."""
    return check_parts("health", table, PROBES)


def resolve(declared: HealthTable) -> spec.Health | None:
    """Return what the table declares; None where nothing is to be probed."""
    sign = resolve_sign(declared)
    if sign.kind is spec.ReadyKind.EXEC:
        return None
    return spec.Health(
        **asdict(sign),
        interval=values.duration(declared.interval),
        probe_timeout=values.duration(declared.probe_timeout),
        threshold=declared.threshold,
        success_threshold=declared.success_threshold,
        start_period=values.duration(declared.start_period),
        action=spec.HealthAction(declared.action),
    )


def declare(health: spec.Health | None) -> Keys:
    """Return the keys that resolve to `health`."""
    if health is None:
        return {}
    return {
        **declare_sign(health),
        "interval": values.format_duration(health.interval),
        "probe_timeout": values.format_duration(health.probe_timeout),
        "threshold": health.threshold,
        "success_threshold": health.success_threshold,
        "start_period": values.format_duration(health.start_period),
        "action": str(health.action),
    }
