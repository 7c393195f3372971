"""What `asyncinit analyze` makes of the times of a start: summary, blame, chain, picture, the plan of a shutdown."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.cli.analyze import analyze, blame, chain_to, critical_chain, early_steps, shutdown_plan, summary
from asyncinit.cli.commands import find_command
from asyncinit.cli.declaring import Invocation
from asyncinit.cli.names import NothingMatchesError
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.plot import draw

Times = dict[str, Any]


def times(name: str, *after: str, **given: Any) -> Times:
    values: Times = {"type": "service", "state": "ready", "waiting": 0.0, "attempts": 1}
    values |= dict.fromkeys(("preparing", "starting", "ready", "ended"))
    return {"name": name, "after": list(after), **values, **given}


def start(*services: Times, finished: float | None = 2.0) -> Times:
    return {"begun": "2026-11-25T00:04:09.447Z", "finished": finished, "services": list(services)}


DB = times("db", preparing=0.0, starting=0.2, ready=1.0)
CACHE = times("cache", preparing=0.0, starting=0.0, ready=0.5)
WEB = times("web", "db", "cache", preparing=1.0, starting=1.0, ready=2.0)
BAD = times("bad", preparing=0.0, ended=0.25, state="failed")
FLAKY = times("flaky", "db", preparing=1.0, starting=1.0, ended=1.2, ready=1.8, attempts=3)


def test_the_summary() -> None:
    """How long, how many, who failed, and what decided it."""
    assert summary(start(DB, CACHE, WEB, BAD)).splitlines() == [
        "started in 2 s: 3 of 4 services ready; not up at first: bad",
        "",
        "what it waited for:",
        "web   ready after 2 s  took 1 s",
        "  db  ready after 1 s  took 1 s",
    ]
    assert summary(start(DB, finished=1.0)).startswith("started in 1 s: 1 of 1 service ready\n")


def test_a_start_that_goes_on() -> None:
    """It says who is open."""
    slow = times("slow", preparing=0.0, state="starting")
    assert summary(start(slow, finished=None)) == "still starting: 0 of 1 service ready, slow open\n"


def test_blame() -> None:
    """By their own time, longest first, without what they waited for."""
    assert blame(start(DB, CACHE, WEB, BAD, FLAKY)).splitlines() == [
        "SERVICE  TOOK    READY AFTER",
        "db       1 s     1 s",
        "web      1 s     2 s",
        "flaky    800 ms  1.8 s        3 attempts",
        "cache    500 ms  500 ms",
        "bad      250 ms  -            not up",
    ]
    assert blame(start(times("x"))) == "nothing has started yet\n"


def test_the_chain_of_one() -> None:
    """Of those that it started after, the one that was there last, and so on."""
    assert [one["name"] for one in chain_to([DB, CACHE, WEB], None)] == ["web", "db"]
    assert critical_chain(start(DB, CACHE, WEB), "cache") == "cache  ready after 500 ms  took 500 ms\n"
    with pytest.raises(NothingMatchesError):
        critical_chain(start(DB), "web")
    assert critical_chain(start(times("x")), None) == "nothing has started yet\n"


def test_who_began_before_another_was_ready_did_not_wait_for_it() -> None:
    """What `wants` a service that has failed at first goes on then; it was that moment that it waited for."""
    later = times("later", "flaky", "cache", preparing=1.2, ready=1.5)
    assert [one["name"] for one in chain_to([DB, CACHE, FLAKY, later], "later")] == ["later", "flaky", "db"]


def test_a_shutdown() -> None:
    """A table in the order of stopping."""
    share = {"name": "web", "declared": 5.0, "begins": 0.0, "granted": 4.5, "waits_for": []}
    db = {"name": "db", "declared": None, "begins": None, "granted": None, "waits_for": ["web", "ui"]}
    answer = {"timeout": 9.0, "budget": 8.55, "services": [share, db]}
    assert shutdown_plan(answer).splitlines() == [
        "9 s in all, 8.6 s of it for services",
        "",
        "SERVICE  MAY STOP AFTER  GETS      OF ITS",
        "web      0 ms            4.5 s     5 s",
        "db       no limit        no limit  no limit  once web, ui are down",
    ]
    assert shutdown_plan({"timeout": None, "budget": None, "services": []}) == "no time limit; nothing runs\n"


@pytest.mark.parametrize(
    ("view", "words"),
    [("plot", ()), ("plot", ("a", "b")), ("blame", ("web",)), ("critical-chain", ("a", "b")), (None, ("x",))],
)
def test_words_that_make_no_sense(view: str | None, words: tuple[str, ...]) -> None:
    """They are refused before anybody is asked."""
    declared = find_command("analyze")
    assert declared is not None
    with pytest.raises(UsageError):
        analyze(Invocation(declared, {"view": view, "words": words, "json": False}, "/nowhere"))


# ---------------------------------------------------------------------------------------------------------------------
# The picture

SVG = "{http://www.w3.org/2000/svg}"


def picture(answer: Times) -> ElementTree.Element:
    return ElementTree.fromstring(draw(answer))


def test_the_picture_stands_alone() -> None:
    """It is one SVG element that loads nothing; every row and every line says what it is."""
    text = draw(start(DB, CACHE, WEB, BAD, FLAKY))
    assert not re.search(r"href|url\(|<script|<image|@import", text)
    root = picture(start(DB, CACHE, WEB, BAD, FLAKY))
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert "web waited for db" in titles
    assert any(title.startswith("flaky (service), now ready\nwaited 1 s, at last for db") for title in titles)


def test_the_chain_is_drawn_strong() -> None:
    """The lines of the chain that decided the start are told from the others."""
    root = picture(start(DB, CACHE, WEB, FLAKY))
    lines = {path.get("class"): path for path in root.iter(f"{SVG}path")}
    assert {"chain", "edge"} <= lines.keys()


def test_no_label_meets_another() -> None:
    """Names stand one below the other, left of where the bars begin; long ones are cut."""
    services = [times(f"{number}-{'n' * number}", preparing=0.0, starting=0.0, ready=0.1) for number in range(60)]
    root = picture(start(*services))
    names = [text for text in root.iter(f"{SVG}text") if "end" in (text.get("class") or "").split()]
    places = sorted(float(text.get("y") or 0) for text in names)
    assert len(names) == 60
    assert all(below - above >= 16 for above, below in pairwise(places))
    assert all(len(text.text or "") <= 40 for text in names)
    bars = [float(bar.get("x") or 0) for bar in root.iter(f"{SVG}rect") if bar.get("class") == "starting"]
    assert max(float(text.get("x") or 0) for text in names) < min(bars[1:])


MOMENT = st.none() | st.floats(0, 1e5)


@given(
    st.lists(
        st.builds(
            times,
            st.sampled_from(["a", "b<&>", 'c"', "d\x01"]),
            preparing=MOMENT,
            starting=MOMENT,
            ready=MOMENT,
            ended=MOMENT,
            waiting=st.floats(0, 1e5),
        ),
        unique_by=lambda one: one["name"],
        max_size=4,
    ),
    st.none() | st.floats(0, 1e5),
)
def test_any_start_can_be_drawn(services: list[Times], finished: float | None) -> None:
    """Whatever is known, in whatever order: a picture, and the words as well."""
    for one in services:
        one["after"] = [other["name"] for other in services if other is not one]
    answer = start(*services, finished=finished)
    picture(answer)
    assert summary(answer)
    assert blame(answer)


def early(kernel: float | None = 1.5) -> Times:
    steps = [
        {"name": "mount /proc", "began": 0.5, "took": 0.001, "failure": None},
        {"name": "apply sysctl.d", "began": 0.501, "took": 0.099, "failure": "cannot apply sysctl.d: no"},
    ]
    return {"kernel": kernel, "begun": 0.5, "done": 0.6, "loaded": 1.0, "steps": steps}


def test_the_summary_of_a_machine() -> None:
    """The time counts from the kernel's hand-over, and its parts are told; what failed before the services, too."""
    lines = summary(start(DB, finished=1.0) | {"early": early()}).splitlines()
    assert lines[:3] == [
        "started in 2 s after the kernel's hand-over: 1 of 1 service ready",
        "500 ms until asyncinit began, 100 ms early steps, 400 ms reading the program and the configuration, "
        "1 s services (kernel 1.5 s before that)",
        "could not apply sysctl.d: see analyze early",
    ]
    lines = summary(start(DB, finished=1.0) | {"early": early(None)}).splitlines()
    assert lines[0] == "started in 2 s: 1 of 1 service ready"
    assert "kernel" not in lines[1]
    assert "services" not in summary(start(DB, finished=None) | {"early": early()}).splitlines()[1]


def test_the_early_steps() -> None:
    """In order, each with its time and what came of it; elsewhere there are none."""
    assert early_steps(start(DB) | {"early": early()}).splitlines() == [
        "STEP            BEGAN AFTER  TOOK",
        "mount /proc     500 ms       1 ms",
        "apply sysctl.d  501 ms       99 ms  cannot apply sysctl.d: no",
    ]
    for answer in (start(DB), start(DB) | {"early": None}):
        assert "did not bring up this machine" in early_steps(answer)
