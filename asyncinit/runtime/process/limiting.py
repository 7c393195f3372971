"""The steps by which a child takes the limits of its service, one for each key; knows nothing of who asked for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec.structs import replace

from asyncinit.config.spec import REAL_TIME, IoClass, Limits
from asyncinit.linux import limits as kernel
from asyncinit.runtime.process.step import Step

_BEST_EFFORT_LEVEL = 4  # what the kernel gives to who has said nothing
_SCHEDULER = ("scheduler", "scheduler_priority")
_IO = ("io_class", "io_priority")


def steps(limits: Limits, held: bool) -> list[Step]:
    """Return the steps, in an order in which none takes the right for another.

    `held`: those of the limits that hold our own memory and processes down, else all others.
    """
    return [step for key, step in by_key(limits) if (key in limits.rlimits) is held]


def by_key(limits: Limits) -> Iterator[tuple[str, Step]]:
    """Yield each key of [limits] that is set, with the step that applies it; keys that go together come once."""
    for name, (soft, hard) in limits.rlimits.items():
        yield name, Step(f"set limits.{name}", kernel.set_rlimit, (name, soft, hard))
    if limits.oom_score_adj is not None:
        yield "oom_score_adj", Step("set limits.oom_score_adj", kernel.set_oom_score, (limits.oom_score_adj,))
    if limits.cpu_affinity:
        yield "cpu_affinity", Step("set limits.cpu_affinity", os.sched_setaffinity, (0, limits.cpu_affinity))
    if limits.io_class is not None or limits.io_priority is not None:
        level = _BEST_EFFORT_LEVEL if limits.io_priority is None else limits.io_priority
        key = "io_priority" if limits.io_class is None else "io_class"
        yield key, Step(f"set limits.{key}", kernel.set_io_priority, (limits.io_class or IoClass.BEST_EFFORT, level))
    if limits.nice is not None:
        yield "nice", Step("set limits.nice", kernel.set_nice, (limits.nice,))
    if limits.scheduler is not None:
        priority = (limits.scheduler_priority or 1) if limits.scheduler in REAL_TIME else 0
        yield "scheduler", Step("set limits.scheduler", kernel.set_scheduler, (limits.scheduler, priority))


def without(limits: Limits, key: str) -> Limits:
    """Return `limits` less the key that `by_key` gave, and those that go with it."""
    if key in limits.rlimits:
        return replace(limits, rlimits={name: limit for name, limit in limits.rlimits.items() if name != key})
    if key == "cpu_affinity":
        return replace(limits, cpu_affinity=())
    together = next((keys for keys in (_SCHEDULER, _IO) if key in keys), (key,))
    return replace(limits, **dict.fromkeys(together))
