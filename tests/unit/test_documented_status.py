"""What docs/reference/status.md claims is what the code has."""

from __future__ import annotations

import typing

from asyncinit.control.types import (
    CgroupStatus,
    ExitInfo,
    HealthStatus,
    LogFile,
    LogStatus,
    ReasonStatus,
    ServiceStatus,
    StatusReply,
    SystemState,
    SystemStatus,
    WatchStatus,
)
from asyncinit.core.status import Code, State
from asyncinit.reference.blocks import Table
from tests.unit.reference_world import subjects, tables, words

PAGE = "reference/status.md"


def types_of(struct: type) -> dict[str, str]:
    """The keys of a type of the wire, with what the page calls their types."""
    return {name: called(name, kind) for name, kind in typing.get_type_hints(struct).items()}


def called(name: str, kind: object) -> str:
    if type(None) in typing.get_args(kind):
        (inner,) = (one for one in typing.get_args(kind) if one is not type(None))
        return f"{called(name, inner)} or null"
    if typing.get_origin(kind) is list:
        return f"list of {called('', typing.get_args(kind)[0])}"
    if name.endswith("since") or name in ("next_start", "time"):
        return "time"
    objects = dict.fromkeys((ReasonStatus, ExitInfo, HealthStatus, LogStatus, CgroupStatus, WatchStatus), "object")
    simple = {int: "number", bool: "true or false", **objects}
    return simple.get(kind, "text")  # type: ignore[call-overload, no-any-return]


def rows_of(table: Table) -> dict[str, str]:
    return {words(row[0])[0]: row[1] for row in table.rows}


def test_the_states_are_those_of_the_code() -> None:
    """All, in the order of their declaration."""
    assert subjects(tables(PAGE, "States")[0]) == list(State)


def test_the_reasons_are_those_of_the_code() -> None:
    """All, in the order of their declaration."""
    assert subjects(tables(PAGE, "Reasons")[0]) == list(Code)


def test_the_states_of_asyncinit_are_those_of_the_code() -> None:
    """All, in the order of their declaration."""
    assert subjects(tables(PAGE, "asyncinit as a whole")[0]) == list(SystemState)


def test_the_keys_of_json_are_those_of_the_wire() -> None:
    """Each object has its keys on the page, with their types; the pid of asyncinit may be one that nobody sees."""
    whole, services = map(rows_of, tables(PAGE, "JSON"))
    assert whole == {**types_of(SystemStatus), "pid": "number or null"}
    assert services == types_of(ServiceStatus)
    assert list(types_of(StatusReply)) == ["asyncinit", "services"]


def test_the_objects_within_are_described() -> None:
    """Each key of a reason and of an exit stands in the row of that key."""
    meanings = {words(row[0])[0]: words(row[2]) for row in tables(PAGE, "JSON")[1].rows}
    assert set(types_of(ReasonStatus)) <= set(meanings["reason"])
    assert set(types_of(ExitInfo)) <= set(meanings["last_exit"])
    assert set(types_of(HealthStatus)) <= set(meanings["health"])
    assert {*types_of(LogStatus), *types_of(LogFile)} <= set(meanings["log"])
    assert set(types_of(CgroupStatus)) <= set(meanings["cgroup"])
    assert set(types_of(WatchStatus)) <= set(meanings["watch"])
