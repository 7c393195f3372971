"""[limits] as the kernel has them: in the main process, hooks and probe commands; and what it refuses."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from dataclasses import replace

import pytest

from asyncinit.config.spec import Command, IoClass, Limits, Rlimit, Scheduler, ServiceSpec
from asyncinit.runtime.process import preferences
from asyncinit.runtime.process.plan import ExecPlan
from tests.linux.running import FORKING, Running

pytestmark = pytest.mark.filterwarnings(FORKING)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop that makes processes; nothing may be left of it."""
    running = Running(loop)
    yield running
    assert running.reaper.pids() == frozenset()


def said(running: Running, text: str, limits: Limits) -> str:
    """What a shell with these limits writes."""
    return running.said(replace(ExecPlan(("/bin/sh", "-c", text), ENVIRONMENT), limits=limits))


def test_resource_limits(running: Running) -> None:
    """Soft and hard are as declared; no limit is none."""
    wanted = Limits(rlimits={"nofile": Rlimit(100, 200), "core": Rlimit(0, 0), "cpu": Rlimit(50, 60)})
    text = "ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -St; ulimit -Ht"
    assert said(running, text, wanted).split() == ["100", "200", "0", "50", "60"]


def test_one_part_of_a_limit(running: Running) -> None:
    """The other part stays as asyncinit has it, or as low as it must be."""
    assert said(running, "ulimit -Sn; ulimit -Hn", Limits(rlimits={"nofile": Rlimit(None, 50)})).split() == ["50", "50"]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    lowered = Limits(rlimits={"nofile": Rlimit(60, None)})
    assert said(running, "ulimit -Sn; ulimit -Hn", lowered).split() == ["60", str(hard)]


def test_our_own_limits_stay(running: Running) -> None:
    """They are set in the child alone."""
    before = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)
    said(running, ":", Limits(nice=5, cpu_affinity=(0,)))
    assert (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)) == before


def test_its_turn(running: Running) -> None:
    """Niceness, disk, processors and the scheduler, as the kernel tells them."""
    limits = Limits(nice=7, io_class=IoClass.IDLE, cpu_affinity=(0,), scheduler=Scheduler.BATCH)
    text = "nice; ionice; taskset -pc $$; chrt -p $$"
    nice, disk, processors, policy, _priority = said(running, text, limits).splitlines()
    assert nice == "7"
    assert disk == "idle"
    assert processors.endswith(": 0")
    assert policy.endswith("SCHED_BATCH")


def test_a_level_at_the_disk(running: Running) -> None:
    """A level without a class is of the class that all have."""
    assert said(running, "ionice", Limits(io_priority=6)) == "best-effort: prio 6"


def test_its_place_when_memory_runs_out(running: Running) -> None:
    """Raising the score takes no right."""
    assert said(running, "cat /proc/self/oom_score_adj", Limits(oom_score_adj=500)) == "500"


@as_root
def test_a_real_time_priority(running: Running) -> None:
    """The scheduler's priority is the declared one, or the lowest."""
    text = "chrt -p $$ | tail -n 1"
    assert said(running, text, Limits(scheduler=Scheduler.FIFO, scheduler_priority=9)).endswith(": 9")
    assert said(running, text, Limits(scheduler=Scheduler.RR)).endswith(": 1")


def test_what_the_kernel_refuses_is_named(running: Running) -> None:
    """The step has the key's name, and the program never runs."""
    plan = replace(ExecPlan(("true",), ENVIRONMENT), limits=Limits(cpu_affinity=(4000,)))
    outcome = running.run(plan)
    assert outcome.failure is not None
    assert str(outcome.failure) == "cannot set limits.cpu_affinity: invalid argument"
    assert outcome.calls == ["executed"]


def test_the_limit_of_open_files_is_the_services_own(running: Running) -> None:
    """Where asyncinit has raised its own limit, [limits] counts and not what asyncinit was given."""
    reader, writer = os.pipe()
    plan = ExecPlan(("/bin/sh", "-c", "ulimit -n"), ENVIRONMENT, stdout=writer, open_files=(64, 64))
    running.run(replace(plan, limits=Limits(rlimits={"nofile": Rlimit(70, 70)})))
    os.close(writer)
    with open(reader) as file:
        assert file.read().strip() == "70"


@pytest.mark.parametrize("preferred", ["limits", "limits.cpu_affinity"])
def test_what_is_preferred_is_tried(preferred: str) -> None:
    """What the kernel refuses is left out, with why; the rest stays."""
    limits = Limits(cpu_affinity=(4000,), nice=3)
    spec = ServiceSpec("web", command=Command(("true",)), limits=limits, prefer=frozenset({preferred}))
    assert preferences.to_be_tried(spec)
    granted, left_out = preferences.try_limits(spec)
    assert granted == Limits(nice=3)
    assert left_out == [("limits.cpu_affinity", "cannot set limits.cpu_affinity: invalid argument")]


def test_what_is_not_preferred_is_not_tried() -> None:
    """A service that needs all its limits fails by name when it is spawned, not before."""
    spec = ServiceSpec("web", command=Command(("true",)), limits=Limits(cpu_affinity=(4000,)))
    assert not preferences.to_be_tried(spec)
    assert preferences.try_limits(spec) == (spec.limits, [])
