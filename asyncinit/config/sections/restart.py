"""[restart]: what follows an end that nobody asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import ends, kinds, spec, values
from asyncinit.config.sections.given import Keys, filled

MAX_DELAY = 30.0

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


def resolve(table: RestartTable, kind: spec.ServiceType, essential: bool) -> spec.Restart:
    """Return what the table declares for a service of this kind."""
    if isinstance(table.policy, UnsetType):
        once = kind is spec.ServiceType.ONESHOT or essential
        policy = spec.RestartPolicy.NEVER if once else spec.RestartPolicy.ALWAYS
    else:
        policy = spec.RestartPolicy(table.policy)
    if kind is spec.ServiceType.ONESHOT and policy is spec.RestartPolicy.ALWAYS:
        policy = spec.RestartPolicy.ON_FAILURE  # success completes it: to run it again then would never complete it
    delay = values.duration(table.delay)
    longest = max(MAX_DELAY, delay) if isinstance(table.max_delay, UnsetType) else values.duration(table.max_delay)
    return spec.Restart(
        policy=policy,
        delay=delay,
        backoff=float(table.backoff),
        max_delay=longest,
        jitter=float(table.jitter),
        reset_after=values.duration(table.reset_after),
        limit=table.limit if isinstance(table.limit, int) else None,
        window=values.duration(table.window),
        on=ends.outcomes(table.on),
        never_on=ends.outcomes(table.never_on),
        on_give_up=spec.GiveUp(table.on_give_up),
    )


def declare(restart: spec.Restart) -> Keys:
    """Return the keys that resolve to `restart`."""
    return filled(
        {
            "policy": str(restart.policy),
            "delay": values.format_duration(restart.delay),
            "backoff": restart.backoff,
            "max_delay": values.format_duration(restart.max_delay),
            "jitter": restart.jitter,
            "reset_after": values.format_duration(restart.reset_after),
            "limit": "none" if restart.limit is None else restart.limit,
            "window": values.format_duration(restart.window),
            "on": ends.format_outcomes(restart.on),
            "never_on": ends.format_outcomes(restart.never_on),
            "on_give_up": str(restart.on_give_up),
        }
    )
