"""The keys of [limits] that take a cgroup: what they mean to the kernel, and what changes of them mean."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from asyncinit.config.sections import cgroup_limits, limits
from asyncinit.config.spec import INFINITE, CgroupLimits, CpuMax, IoMax, Limits, Rlimit, ServiceSpec
from asyncinit.config.values import BadValueError
from asyncinit.core.difference import Impact, between, in_force
from asyncinit.runtime.cgroups import names, settings


def resolved(table: dict[str, Any]) -> Limits:
    return limits.resolve(msgspec.convert(table, limits.LimitsTable))


def texts(table: dict[str, Any]) -> list[tuple[str, str]]:
    return [(setting.file, setting.text) for setting in settings.settings(resolved(table))]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"memory_max": "512M"}, [("memory.max", str(512 << 20))]),
        ({"memory_high": "none"}, [("memory.high", "max")]),
        ({"memory_swap_max": 0}, [("memory.swap.max", "0")]),
        ({"memory_oom_group": True}, [("memory.oom.group", "1")]),
        ({"memory_oom_group": False}, []),
        ({"cpu_weight": 50}, [("cpu.weight", "50")]),
        ({"cpu_max": "150%"}, [("cpu.max", "150000 100000")]),
        ({"cpu_max": {"quota": "5ms", "period": "10ms"}}, [("cpu.max", "5000 10000")]),
        ({"cpu_max": "none"}, [("cpu.max", "max 100000")]),
        ({"pids_max": 20}, [("pids.max", "20")]),
        ({"io_weight": 10}, [("io.weight", "10")]),
        ({"io_max": {"8:0": {"write": "10M"}}}, [("io.max", f"8:0 rbps=max wbps={10 << 20} riops=max wiops=max")]),
        ({"delegate": True}, []),
        ({"nofile": 3}, []),
    ],
)
def test_a_key_is_a_file_and_a_text(table: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Each key is what the kernel calls it."""
    assert texts(table) == expected


@pytest.mark.parametrize(
    "table",
    [
        {"memory_max": "512M", "memory_high": 1000, "memory_swap_max": "none", "memory_oom_group": True},
        {"cpu_max": "12.5%", "cpu_weight": 10_000, "pids_max": "none", "io_weight": 1},
        {"cpu_max": {"quota": "none", "period": "10ms"}},
        {"cpu_max": {"quota": "1s", "period": "1s"}},
        {"io_max": {"/dev/vda": {"read": "1M", "write_ops": 100}, "8:16": {"read_ops": "none"}}, "delegate": True},
    ],
)
def test_limits_are_shown_as_they_are_read(table: dict[str, Any]) -> None:
    """What is declared again resolves to the same."""
    once = resolved(table)
    assert resolved(limits.declare(once)) == once


@pytest.mark.parametrize("text", ["", "150", "0.5%", "-1%", "1e3%", "50 %", "all"])
def test_what_is_no_share_of_a_processor(text: str) -> None:
    """It is refused, with what was probably meant."""
    with pytest.raises(BadValueError) as caught:
        cgroup_limits.cpu_share(text)
    assert (caught.value.suggestion == '"150%"') == (text == "150")


@pytest.mark.parametrize("text", ["vda", "/dev/", "/dev/../etc/passwd", "8", "8:0:0", "/tmp/x"])
def test_what_is_no_device(text: str) -> None:
    """Only what is below /dev, and numbers."""
    with pytest.raises(BadValueError):
        cgroup_limits.device(text)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"memory_max": "1M", "memory_high": "2M"}, ("limits", "memory_high")),
        ({"cpu_max": {"quota": "1ms", "period": "2s"}}, ("limits", "cpu_max", "period")),
        ({"cpu_max": {"quota": "10ms", "period": "500ms"}, "memory_high": "2M"}, None),
        ({"cpu_max": {"quota": "100ms", "period": "0.1ms"}}, ("limits", "cpu_max", "period")),
        ({"cpu_max": {"quota": "0.5ms"}}, ("limits", "cpu_max", "quota")),
        ({"memory_max": "none", "memory_high": "2M"}, None),
    ],
)
def test_what_the_keys_must_agree_on(table: dict[str, Any], key: tuple[str, ...] | None) -> None:
    """A limit that is never reached, and a period that the kernel does not take, are told."""
    assert [finding.key for finding in cgroup_limits.check(table)] == ([] if key is None else [key])


def test_controllers_are_those_that_are_needed() -> None:
    """And no others: delegation alone needs none."""
    assert settings.needed(resolved({"memory_max": 1, "memory_oom_group": True, "pids_max": 1})) == {"memory", "pids"}
    assert settings.needed(resolved({"delegate": True, "nice": 1})) == set()


def test_a_change_is_written_as_far_as_it_goes() -> None:
    """What is not said any more is as it was before; what stays is not written again."""
    old = CgroupLimits(memory_max=100, cpu_max=CpuMax(5000, 10000), pids_max=3, io_max={"8:0": IoMax(1)})
    new = CgroupLimits(memory_max=200, pids_max=3, memory_oom_group=True, io_max={"8:16": IoMax(write=INFINITE)})
    assert {(one.file, one.text) for one in settings.changes(old, new)} == {
        ("memory.max", "200"),
        ("memory.oom.group", "1"),
        ("cpu.max", "max 100000"),
        ("io.max", "8:0 rbps=max wbps=max riops=max wiops=max"),
        ("io.max", "8:16 rbps=max wbps=max riops=max wiops=max"),
    }


@pytest.mark.parametrize(
    ("old", "new", "impact"),
    [
        (Limits(memory_max=1), Limits(memory_max=2), Impact.NOW),
        (Limits(memory_max=1), Limits(), Impact.NOW),
        (Limits(memory_max=1), Limits(memory_max=1, pids_max=3), Impact.NOW),
        (Limits(), Limits(memory_max=1), Impact.RESTART),
        (Limits(memory_max=1), Limits(memory_max=2, nice=3), Impact.RESTART),
        (Limits(memory_max=1), Limits(memory_max=1, delegate=True), Impact.RESTART),
        (Limits(nice=1), Limits(nice=2), Impact.RESTART),
    ],
)
def test_a_limit_of_a_cgroup_holds_at_once(old: Limits, new: Limits, impact: Impact) -> None:
    """Where there is a cgroup; what the process itself has taken needs another process."""
    before, after = ServiceSpec(name="web", limits=old), ServiceSpec(name="web", limits=new)
    change = between(before, after)
    assert change is not None and change.impact is impact
    assert (in_force(before, after, stopping=False).limits == new) == (impact is Impact.NOW)


def test_what_holds_at_once_beside_what_does_not() -> None:
    """The limits of the cgroup are taken over, those of the process stay."""
    old = ServiceSpec(name="web", limits=Limits(memory_max=1, rlimits={"nofile": Rlimit(1, 1)}))
    new = ServiceSpec(name="web", limits=Limits(memory_max=2, rlimits={"nofile": Rlimit(2, 2)}, delegate=True))
    held = in_force(old, new, stopping=False).limits
    assert (held.memory_max, held.rlimits, held.delegate) == (2, {"nofile": Rlimit(1, 1)}, False)


@pytest.mark.parametrize("key", ["web", "web~2", "web@8080", "memory.max", "cgroup.procs", "x" * 250, "pod:shop"])
def test_a_folder_is_nobody_elses(key: str) -> None:
    """No service's folder is named as a file of the kernel, or longer than a name can be."""
    folder = names.folder_of(key)
    assert folder.endswith(".pod" if key.startswith("pod:") else ".service")
    assert len(folder) <= 255
    assert names.path_in(f"/a/asyncinit/{folder}", "/a/asyncinit") == folder


def test_long_names_have_folders_of_their_own() -> None:
    """Two that begin alike are not one."""
    assert names.folder_of("x" * 250 + "a") != names.folder_of("x" * 250 + "b")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/asyncinit/web.service", "web.service"),
        ("/asyncinit/web.service/its/own", "web.service"),
        ("/asyncinit/shop.pod/api.service", "shop.pod/api.service"),
        ("/asyncinit/shop.pod/init", "shop.pod"),
        ("/asyncinit/shop.pod/api.service/x.service", "shop.pod/api.service"),
        ("/asyncinit/init", None),
        ("/asyncinit", None),
        ("/asyncinit-2/web.service", None),
        ("/", None),
    ],
)
def test_whose_a_cgroup_is(name: str, path: str | None) -> None:
    """By its name, as /proc has it; what is below a service's folder is the service's."""
    assert names.path_in(name, "/asyncinit") == path
