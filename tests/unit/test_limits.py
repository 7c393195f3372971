"""[limits]: what its values mean, what they must agree on, and how they are shown again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config import spec
from asyncinit.config.sections import limits
from asyncinit.config.spec import INFINITE, Rlimit


def resolved(table: dict[str, Any]) -> spec.Limits:
    return limits.resolve(msgspec.convert(table, limits.LimitsTable))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("nofile", 65536, Rlimit(65536, 65536)),
        ("nofile", {"soft": 1024, "hard": "none"}, Rlimit(1024, INFINITE)),
        ("nproc", "none", Rlimit(INFINITE, INFINITE)),
        ("nofile", {"hard": 4096}, Rlimit(None, 4096)),
        ("core", 0, Rlimit(0, 0)),
        ("memlock", "64M", Rlimit(64 << 20, 64 << 20)),
        ("as", {"soft": "1G", "hard": "none"}, Rlimit(1 << 30, INFINITE)),
        ("cpu", "1m30s", Rlimit(90, 90)),
        ("cpu", "1500ms", Rlimit(2, 2)),
        ("rttime", "200ms", Rlimit(200_000, 200_000)),
    ],
)
def test_a_limit_is_given_in_the_kernels_unit(key: str, value: object, expected: Rlimit) -> None:
    """Bytes, counts, seconds and microseconds; one value is both parts; "none" is no limit."""
    assert resolved({key: value}).rlimits == {key: expected}


def test_nothing_is_limited_without_a_key() -> None:
    """An empty table is as none."""
    assert not resolved({})
    assert not resolved({"nofile": {}})
    assert resolved({"nice": 0})
    assert resolved({"oom_score_adj": 0})


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", (0,)), ("0-3,6", (0, 1, 2, 3, 6)), ("6, 0-1", (0, 1, 6)), ("4095", (4095,))]
)
def test_processors_are_listed_as_the_kernel_does(text: str, cpus: tuple[int, ...]) -> None:
    """Numbers and ranges, in any order."""
    assert limits.cpu_list(text) == cpus


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "3-1", "4096", "0-99999999999", "1,,2", "\u0661"])
def test_what_is_no_list_of_processors(text: str) -> None:
    """It is refused, however long the range would be."""
    with pytest.raises(limits.BadValueError):
        limits.cpu_list(text)


@given(st.sets(st.integers(0, 200)))
def test_processors_are_shown_as_they_are_read(cpus: set[int]) -> None:
    """The text of a set of processors is read as that set."""
    wanted = tuple(sorted(cpus))
    assert not wanted or limits.cpu_list(limits.format_cpus(wanted)) == wanted


_NUMBERS = st.integers(0, 2**40)
_PAIRS = st.fixed_dictionaries({}, optional={"soft": _NUMBERS, "hard": _NUMBERS})
_TABLES = st.fixed_dictionaries(
    {},
    optional={
        "nofile": st.one_of(_NUMBERS, st.just("none"), _PAIRS),
        "core": st.one_of(_NUMBERS, st.just("none")),
        "cpu": st.integers(0, 10**6),
        "rttime": st.integers(0, 10**6),
        "nice": st.integers(-20, 19),
        "io_class": st.sampled_from(["realtime", "best-effort", "idle"]),
        "cpu_affinity": st.just("0-3"),
        "scheduler": st.sampled_from(["other", "rr"]),
        "scheduler_priority": st.integers(1, 99),
        "oom_score_adj": st.integers(-1000, 1000),
    },
)


@given(_TABLES)
def test_limits_are_shown_as_they_are_declared(table: dict[str, Any]) -> None:
    """What is shown resolves to the same limits."""
    first = resolved(table)
    assert resolved(limits.declare(first)) == first


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"nofile": {"soft": 10, "hard": 5}}, ("limits", "nofile", "soft")),
        ({"as": {"soft": "none", "hard": "1G"}}, ("limits", "as", "soft")),
        ({"scheduler_priority": 3}, ("limits", "scheduler_priority")),
        ({"scheduler": "batch", "scheduler_priority": 3}, ("limits", "scheduler_priority")),
        ({"io_class": "idle", "io_priority": 3}, ("limits", "io_priority")),
    ],
)
def test_keys_that_do_not_agree_are_told(table: dict[str, Any], key: tuple[str, ...]) -> None:
    """Each contradiction has one finding, at the key that is wrong."""
    assert [finding.key for finding in limits.check(table)] == [key]


def test_keys_that_agree_are_let_pass() -> None:
    """Soft may be as high as hard, and no limit is higher than any."""
    table = {"nofile": {"soft": 5, "hard": 5}, "as": {"soft": 1, "hard": "none"}, "scheduler": "fifo"}
    assert list(limits.check({**table, "scheduler_priority": 9})) == []
