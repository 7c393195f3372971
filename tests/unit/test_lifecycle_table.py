"""The life cycle's table, cell by cell, and the diagram that stands above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from functools import cache
from itertools import pairwise

import pytest

from asyncinit.core import lifecycle
from asyncinit.core.events import Event, TimerFired
from asyncinit.core.lifecycle import ALL_EVENTS, TABLE, step
from asyncinit.core.move import ignore, reject
from asyncinit.core.service import COMING_UP, GOING_DOWN, IS_UP, STOPPABLE, Phase, Service
from asyncinit.errors import TransitionError
from tests.unit.life import events, services

# Down, Waiting, Preparing, Starting, After the start (post-start), Up, Reloading, Before the stop (pre-stop), sTopping,
# Killing, Cleaning (post-stop), Zzz (backoff).
LETTERS = dict(zip("DWPSAURBTKCZ", Phase, strict=True))

# What an event leads to: these phases; "=": it is heard, and the phase stays; ".": ignored; "!": cannot happen.
GRID = """
                  D    W    P    S    A    U    R    B    T    K    C    Z
Start            =W    .    =    =    =    =    =    =    =    =    =    W
Stop              =    D    =    =    =    =    =    =    =    =    =    D
Triggered        =WZ   =    =    =    =    =    =    =    =    =    =    =
Recycle          =W    .    =    =    =    =    =    =    =    =    =    W
MayStart         =PU   PU   .    .    .    .    .    .    .    .    .    .
MayStop           .    .    T    T    T   DWBT  BT   =    =    .    =    .
Listen            =    .    .    .    .    =    .    .    .    .    .    .
ListenFailed     =Z    .    .    .    .    .    .    .    .    .    .    .
DependencyFailed  .    D    .    .    .    .    .    .    .    .    .    .
Prepared          .    .    ST   .    .    .    .    .    .    .    .    .
Unmet             .    .    DW   .    .    .    .    .    .    .    .    .
Spawned           !    !    !    =    !    !    !    !    =    =    !    !
Executed          .    .    .   =AU   .    .    .    .    .    .    .    .
SpawnFailed       .    .    .    T    T    T    T    =    =    =    .    .
BecameReady       .    .    .   =AU   .    .    U    .    .    .    .    .
MainChanged       .    .    .    =    =    =    =    =    =    =    .    .
Exited            .    .    .   =AT   T    T    T    T    =    =    .    .
TreeGone          =    =    .    =T   =T   =T   =T   .  DWUCZ DWUCZ .    .
HooksDone         .    .    .    .    UT   .    .    T    .    .   DWZ   .
TimerFired        .    .    T    T    T    =    U    T    =K   D   DWZ   DW
ReloadRequested   .    .    .    .    .    =R   .    .    .    .    .    .
Reloading         .    .    .    .    .    R    .    .    .    .    .    .
ReloadDone        .    .    .    .    .    .    U    .    .    .    .    .
Stopping          .    .    .    .    .    T    T    .    .    .    .    .
Hurry             .    .    K    K    K   DWK   K    K    K    =    DW   .
Redeclared        =    =    =    =    =    =    =    =    =    =    =    =
Undeclared        =    =    =    =    =    =    =    =    =    =    =    =
Probed            .    .    .    .    .   =BT  =BT   .    .    .    .    .
WatchdogMissed    .    .    .    T    T    T    T    .    .    .    .    .
ExtendTimeout     .    .    =    =    =    .    =    .    =    .    .    .
"""


def _cells() -> dict[tuple[Phase, str], str]:
    header, *rows = (line.split() for line in GRID.strip().splitlines())
    return {(LETTERS[letter], row[0]): cell for row in rows for letter, cell in zip(header, row[1:], strict=True)}


CELLS = _cells()
EVENTS = {kind.__name__: kind for kind in ALL_EVENTS}


@cache
def reached(phase: Phase, name: str) -> frozenset[Phase]:
    """Return the phases into which the event can lead, tried with every kind of service."""
    tried = ((service, event) for service in services(phase) for event in events(EVENTS[name], service))
    return frozenset(step(service, event, 20.0, 0.5)[0].phase for service, event in tried)


def test_the_grid_has_every_cell() -> None:
    """Every phase and every event has a cell, in the grid and in the table."""
    assert set(CELLS) == {(phase, name) for phase in Phase for name in EVENTS}
    assert {(phase, kind.__name__) for phase, row in TABLE.items() for kind in row} == set(CELLS)


def found(phase: Phase, name: str) -> str:
    """Return what stands in the table, written as a cell of the grid."""
    handler = TABLE[phase][EVENTS[name]]
    if handler in {ignore, reject}:
        return "." if handler is ignore else "!"
    after = reached(phase, name)
    stays = "=" if phase in after else ""
    return stays + "".join(letter for letter, other in LETTERS.items() if other in after - {phase})


def in_order(cell: str) -> str:
    return "".join(sorted(cell, key=("=" + "".join(LETTERS) + ".!").index))


@pytest.mark.parametrize("name", EVENTS)
def test_the_cells_of_an_event(name: str) -> None:
    """In each phase the event is ignored, rejected, or leads into exactly the phases of the grid."""
    written = {phase.name: in_order(CELLS[phase, name]) for phase in Phase}
    assert {phase.name: found(phase, name) for phase in Phase} == written


@pytest.mark.parametrize("phase", Phase)
def test_what_is_ignored_or_rejected_changes_nothing(phase: Phase) -> None:
    """The service stays what it is, and nothing is done; a rejected event is reported with where it happened."""
    for service in services(phase):
        before = copy(service)
        for name in (name for name in EVENTS if CELLS[phase, name] in ".!"):
            for event in events(EVENTS[name], service):
                if CELLS[phase, name] == ".":
                    assert step(service, event, 20.0, 0.5) == (service, [])
                else:
                    with pytest.raises(TransitionError) as raised:
                        step(service, event, 20.0, 0.5)
                    assert (raised.value.service, raised.value.phase, raised.value.event) == ("x", phase.value, name)
        assert service == before


def possible_events(service: Service) -> Iterator[Event]:
    """Return events of every kind that may come in the phase of `service`."""
    for name, kind in EVENTS.items():
        if CELLS[service.phase, name] != "!":
            yield from events(kind, service)


@pytest.mark.parametrize("phase", Phase)
def test_a_step_leaves_the_service_it_was_given_alone(phase: Phase) -> None:
    """A step answers with another value: who holds the old one sees no change."""
    for service in services(phase):
        before = copy(service)
        for event in possible_events(service):
            step(service, event, 20.0, 0.5)
        assert service == before


@pytest.mark.parametrize("phase", Phase)
def test_a_change_of_phase_makes_older_timers_late(phase: Phase) -> None:
    """Whatever leads into another phase, the timer of the phase before is not heard any more."""
    for service in services(phase):
        for event in possible_events(service):
            after, _ = step(service, event, 20.0, 0.5)
            assert after.epoch > service.epoch or after.phase is phase
            if after.epoch > service.epoch:
                assert step(after, TimerFired(service.epoch), 20.0, 0.5) == (after, [])


def test_the_sets_of_phases() -> None:
    """The named sets of phases do not overlap, and leave those in which nothing runs."""
    assert COMING_UP | IS_UP == STOPPABLE
    assert not COMING_UP & IS_UP
    assert not STOPPABLE & GOING_DOWN
    assert set(Phase) - STOPPABLE - GOING_DOWN == {Phase.DOWN, Phase.WAITING, Phase.BACKOFF}


# ---------------------------------------------------------------------------------------------------------------------
# The diagram in the module's essay

_NODES = r"\[?[A-Z_]+\]?(?: \| \[?[A-Z_]+\]?)*"
_ARROWS = r" (<?)--(?:(\w+)--)?> "


def drawn() -> set[tuple[Phase, str, Phase]]:
    """Return the edges of the diagram: from, the event's name where it is written, to."""
    assert lifecycle.__doc__ is not None
    edges = set()
    for line in re.findall(rf"^    ((?:{_NODES}{_ARROWS})+{_NODES})", lifecycle.__doc__, re.M):
        parts = re.split(_ARROWS, line[0])
        chain = list(zip([parts[0], *parts[3::3]], [*parts[1::3], ""], [*parts[2::3], ""], strict=True))
        steps = list(pairwise(chain))
        for here, following in list(pairwise(steps)):
            if here[1][0].startswith("["):  # may be left out
                steps.append((here[0], following[1]))
        for (start, both_ways, label), (end, _, _) in steps:
            for one in _phases(start):
                edges |= {(one, label or "", other) for other in _phases(end)}
                edges |= {(other, "", one) for other in _phases(end) if both_ways}
    return edges


def _phases(node: str) -> list[Phase]:
    return [Phase[name.strip("[]")] for name in node.split(" | ")]


def possible() -> set[tuple[Phase, str, Phase]]:
    """Return the edges of the table: from, the event's name, to."""
    busy = (key for key, cell in CELLS.items() if cell not in ".!")
    return {(phase, name, after) for phase, name in busy for after in reached(phase, name) if after is not phase}


def test_the_diagram_shows_nothing_impossible() -> None:
    """Every arrow of the diagram can be gone, by the event that is written at it."""
    pairs = {(one, other) for one, _, other in possible()}
    assert [edge for edge in drawn() if edge[1] and edge not in possible()] == []
    assert [edge for edge in drawn() if (edge[0], edge[2]) not in pairs] == []


def test_the_diagram_shows_every_way() -> None:
    """Every change of phase that the table can make is in the diagram."""
    shown = {(one, other) for one, _, other in drawn()}
    assert {(one, other) for one, _, other in possible()} - shown == set()
