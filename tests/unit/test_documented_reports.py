"""What docs/reference/events-and-reports.md claims is what the code has."""

from __future__ import annotations

import typing

import msgspec
import pytest

from asyncinit.control.types import CrashReport, EventEntry, ExitInfo, LeftOver, ReasonStatus, ResourceUse
from asyncinit.runtime.crashes import recorder, store, termination
from asyncinit.runtime.crashes.termination import TerminationMessage
from asyncinit.runtime.shutdown_report import ShutdownReport, Stopped
from tests.support import ROOT
from tests.unit.reference_world import tables, words
from tests.unit.world import World, service

PAGE = "reference/events-and-reports.md"
TABLES = {
    "Events": [EventEntry],
    "Crash reports": [CrashReport, ResourceUse],
    "The termination message": [TerminationMessage],
}


def called(name: str, kind: object) -> str:
    inner = [one for one in typing.get_args(kind) if one is not type(None)]
    if len(inner) < len(typing.get_args(kind)):
        return f"{called(name, inner[0])} or null"
    if inner:
        item = called("", inner[0])
        return f"list of {item}" + ("s" if item == "object" else "")
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "object"
    simple: dict[object, str] = {int: "number", float: "number", bool: "true or false"}
    return "time" if name == "time" else simple.get(kind, "text")


@pytest.mark.parametrize("heading", TABLES)
def test_the_keys_are_those_of_the_code(heading: str) -> None:
    """All, in order, with their types."""
    for table, kind in zip(tables(PAGE, heading), TABLES[heading], strict=True):
        rows = {words(row[0])[0]: row[1] for row in table.rows}
        assert rows == {name: called(name, hint) for name, hint in typing.get_type_hints(kind).items()}
        assert list(rows) == list(kind.__struct_fields__)


def test_the_objects_within_are_described() -> None:
    """Each key of a reason, an exit and a process stands in the row of that key."""
    (events,), (crash, _) = tables(PAGE, "Events"), tables(PAGE, "Crash reports")
    for table in (events, crash):
        meanings = {words(row[0])[0]: set(words(row[2])) for row in table.rows}
        assert set(ReasonStatus.__struct_fields__) <= meanings["reason"]
        assert set(ExitInfo.__struct_fields__) <= meanings["exit"]
    assert set(LeftOver.__struct_fields__) <= meanings["left_over"]


def test_the_limits_are_those_of_the_code() -> None:
    """What the pages say of sizes."""
    reference, guide = ((ROOT / "docs" / page).read_text() for page in (PAGE, "guides/troubleshooting.md"))
    assert f"{recorder.LAST_LINES}, or {recorder.LAST_BYTES >> 10} KiB" in reference
    assert f"at most {termination.LARGEST:,} bytes" in reference
    assert f"The newest {store.MOST_REPORTS} reports stay in memory ({store.MOST_BYTES >> 10} KiB at most)" in guide


def test_the_table_of_a_shutdown_is_described() -> None:
    """Each of its keys is on the page of the output."""
    page = (ROOT / "docs" / "reference" / "output.md").read_text()
    (described,) = (line for line in page.splitlines() if line.startswith("Each item of `shutdown` has"))
    report = ShutdownReport(World({"web": service("web")}).engine)
    report.rows.append(Stopped("web", 0.0, None, 1.0, 1.0, False, False))
    assert set(words(described)) == {"shutdown", *report.fields()[0]}
