"""What is simulated: that the world is made up as it is said, and that assertions judge it; the engine is its own."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import pytest
from msgspec.structs import replace as changed

from asyncinit.config.spec import (
    Command,
    Configuration,
    Handover,
    Health,
    InitSpec,
    Overlap,
    Ready,
    ReadyKind,
    Restart,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    Stop,
    Timer,
)
from asyncinit.core.status import ExitStatus, State
from asyncinit.simulation import assertions, run, words
from asyncinit.simulation.run import simulate
from asyncinit.simulation.scenario import Fault, Illness, Onset, Request, Scenario, Verb
from asyncinit.simulation.timeline import Outcome
from tests.unit.world import service

TOLD = Ready(ReadyKind.NOTIFY)
DAY = 86400.0


def declared(*specs: ServiceSpec, **init: Any) -> Configuration:
    """Return a configuration of these services."""
    return Configuration(InitSpec(**init), {spec.name: spec for spec in specs})


def stack() -> Configuration:
    """Return a database, its migration, and a web server that needs both."""
    return declared(
        service("db", ready=TOLD),
        service("migrate", type=ServiceType.ONESHOT, requires=("db",), restart=Restart(RestartPolicy.NEVER)),
        service("web", ready=TOLD, requires=("db", "migrate")),
    )


def changes(outcome: Outcome, name: str) -> list[tuple[float, str]]:
    """Return when a service came into which state; not that it waited for nothing."""
    found = [one for one in outcome.entries if one.service == name and one.old is not one.new]
    found = [one for one in found if one.new is not State.WAITING or one.waiting_on]
    return [(round(one.time, 3), str(one.new)) for one in found]


def texts(outcome: Outcome) -> list[str]:
    """Return the time line as text."""
    return [f"{one.time:g} {one.service or '-'} {one.text}" for one in outcome.entries]


# ---------------------------------------------------------------------------------------------------------------------
# The world


@pytest.mark.parametrize(("slow", "end", "killed"), [(3.0, 13.0, 0), (math.inf, 15.0, 1)])
def test_what_is_undone_takes_the_time_of_a_stop(slow: float, end: float, killed: int) -> None:
    """The stop command of a oneshot that has completed runs as long as the stop is said to take, or is killed."""
    undo = Stop(command=Command(("undo",)), timeout=5.0)
    configuration = declared(service("mount", type=ServiceType.ONESHOT, stop=undo), service("web"))
    outcome = simulate(configuration, Scenario(stop={"mount": slow}, requests=(Request(10.0, Verb.STOP, "mount"),)))
    assert changes(outcome, "mount")[-1] == (end, "inactive")
    assert sum("its stop command was killed after 5 s" in text for text in texts(outcome)) == killed


def test_a_start_goes_as_declared() -> None:
    """Each takes the time that it is assumed to take, once what it requires is there."""
    outcome = simulate(stack(), Scenario(ready={"web": 3.0}))
    assert changes(outcome, "db") == [(0, "starting"), (1, "ready")]
    assert changes(outcome, "migrate") == [(0, "waiting"), (1, "starting"), (2, "stopping"), (2, "completed")]
    assert changes(outcome, "web") == [(0, "waiting"), (2, "starting"), (5, "ready")]
    waits = [one.waiting_on for one in outcome.entries if one.new is State.WAITING]
    assert waits[1:] == [("db",), ("db", "migrate")]
    assert (outcome.end, outcome.open, outcome.exit_status) == (5, False, None)


def test_the_same_scenario_has_the_same_outcome() -> None:
    """Chance is the seed's alone."""
    faults = tuple(words.faults("db@ready+1s", ["db"]))
    one, again, other = (simulate(stack(), Scenario(faults=faults, until=60, seed=seed)) for seed in (1, 1, 2))
    assert texts(one) == texts(again) != texts(other)


def test_a_crash_in_the_middle() -> None:
    """It ends once, at that moment, with that status; the engine does the rest."""
    outcome = simulate(stack(), Scenario(faults=tuple(words.faults("db@5s:SIGSEGV", ["db"]))))
    assert [state for _, state in changes(outcome, "db")][2:] == ["stopping", "backoff", "starting", "ready"]
    assert changes(outcome, "web")[-1] == (3, "ready")
    assert "5 db killed by SIGSEGV, as --fail db@5s:SIGSEGV has it" in texts(outcome)
    assert outcome.restarts == {"db": 1, "migrate": 0, "web": 0}


def test_a_crash_of_what_does_not_run_is_told() -> None:
    """A scenario that misses its moment says so, and changes nothing."""
    outcome = simulate(stack(), Scenario(faults=tuple(words.faults("web@1s", ["web"]))))
    assert "1 web does not run, so that it cannot end as --fail web@1s has it" in texts(outcome)
    assert outcome.states["web"] is State.READY


def test_one_that_fails_at_each_start() -> None:
    """It does so until its limit; what requires it fails with it, and all is over."""
    db = service("db", ready=TOLD, restart=Restart(limit=2, jitter=0.0))
    outcome = simulate(
        declared(db, service("web", requires=("db",))), Scenario(faults=tuple(words.faults("db@start", ["db"])))
    )
    assert [state for _, state in changes(outcome, "db")].count("starting") == 3
    assert changes(outcome, "web")[-1][1] == "failed"
    assert (outcome.exit_status, outcome.states["db"]) == (69, State.FAILED)


def test_one_that_fails_whenever_it_is_ready() -> None:
    """The time counts from each readiness."""
    db = service("db", ready=TOLD, restart=Restart(delay=1.0, backoff=1.0, jitter=0.0))
    outcome = simulate(declared(db), Scenario(faults=tuple(words.faults("db@ready+2s", ["db"])), until=9.0))
    ready = [moment for moment, state in changes(outcome, "db") if state == "ready"]
    assert ready == [1, 5, 9]
    assert outcome.open


def test_one_that_never_becomes_ready() -> None:
    """Its timeout ends that, as it would."""
    db = service("db", ready=changed(TOLD, timeout=30.0), restart=Restart(RestartPolicy.NEVER))
    outcome = simulate(declared(db), Scenario(ready={"db": math.inf}))
    assert changes(outcome, "db") == [(0, "starting"), (30, "stopping"), (30.1, "failed")]


def test_one_that_is_ill() -> None:
    """Its probes fail for a while; it is restarted, or is well again after it."""
    probed = Health(kind=ReadyKind.TCP, address="127.0.0.1:1", interval=5.0, threshold=2)
    ill = Scenario(illnesses=(Illness("web", 100.0, 108.0),), until=1000.0)
    outcome = simulate(declared(service("web", health=probed)), ill)
    assert outcome.restarts["web"] == 1
    assert "105.1 web 2 health probes in a row failed: as the scenario has it; restart 1 in" in "\n".join(
        texts(outcome)
    )
    assert not outcome.open  # probes that are all answered alike are no end of things
    marked = changed(probed, action=type(probed.action).NONE)
    outcome = simulate(declared(service("web", health=marked)), ill)
    assert changes(outcome, "web")[2:] == [(105, "unhealthy"), (110, "ready")]


def test_one_that_does_not_stop_is_killed() -> None:
    """The kill ends it; the report has it."""
    db = service("db", stop=Stop(timeout=3.0))
    outcome = simulate(declared(db), Scenario(stop={"db": math.inf}, shutdown=10.0))
    assert (outcome.shutdown, outcome.exit_status) == (10, 124)
    assert outcome.took == pytest.approx(3.0)
    assert outcome.entries[-1].killed


def test_what_somebody_asks_for() -> None:
    """A stop takes along what requires it, a start brings it back, a restart both."""
    asked = (Request(5.0, Verb.STOP, "db"), Request(10.0, Verb.START, "web"), Request(20.0, Verb.RESTART, "web"))
    kept = changed(stack(), init=InitSpec(keep_running=True))
    outcome = simulate(kept, Scenario(requests=asked))
    assert [state for _, state in changes(outcome, "web")] == [
        *("waiting", "starting", "ready", "stopping", "inactive", "waiting", "starting", "ready"),
        *("stopping", "starting", "ready"),
    ]


def test_a_shutdown_has_its_plan_and_its_budget() -> None:
    """What does not end in its share of the time is killed, and the whole stays within it."""
    slow = Stop(timeout=60.0)
    specs = [service("a", stop=slow), service("b", stop=slow, requires=("a",))]
    outcome = simulate(
        declared(*specs, shutdown_timeout=10.0), Scenario(stop={"a": math.inf, "b": math.inf}, shutdown=1.0)
    )
    assert outcome.plan is not None
    assert [(share.name, share.begins) for share in outcome.plan.shares] == [("b", 0.0), ("a", 4.75)]
    assert outcome.took is not None and outcome.took <= 10.0


def test_timers_elapse() -> None:
    """Expressions by the wall clock of the scenario, lengths of time by its own."""
    job = service(
        "job", type=ServiceType.ONESHOT, restart=Restart(RestartPolicy.NEVER), timer=Timer(cron=("30 3 * * *",))
    )
    often = replace_timer(job, "often", Timer(every=10.0, overlap=Overlap.SKIP))
    outcome = simulate(declared(job, often), Scenario(until=DAY, ready={"often": 25.0}))
    assert [moment for moment, state in changes(outcome, "job") if state == "starting"] == [3.5 * 3600]
    starts = [moment for moment, state in changes(outcome, "often") if state == "starting"]
    assert starts[:3] == [10, 40, 70]
    assert outcome.open


def replace_timer(spec: ServiceSpec, name: str, timer: Timer) -> ServiceSpec:
    return changed(spec, name=name, timer=timer)


def test_a_restart_without_a_gap() -> None:
    """The other instance is as slow as the first one, and takes over."""
    web = service("web", ready=TOLD, handover=Handover.OVERLAP)
    outcome = simulate(declared(web), Scenario(requests=(Request(5.0, Verb.RESTART, "web"),)))
    assert changes(outcome, "web") == [(0, "starting"), (1, "ready")]
    assert [text for text in texts(outcome) if "instance" in text] == [
        "5 web another instance is started; this one goes on until that is ready",
        "6 web the other instance takes over, and this one is stopped",
        "6.1 web the instance before stopped after 100 ms",
    ]


def test_an_essential_end_is_the_end() -> None:
    """The exit status is the one that asyncinit would have."""
    specs = [service("db"), service("test", essential=True, restart=Restart(RestartPolicy.NEVER))]
    outcome = simulate(declared(*specs), Scenario(faults=tuple(words.faults("test@3s:5", ["test"]))))
    assert (outcome.exit_status, outcome.shutdown) == (5, 3.0)
    assert outcome.states["db"] is State.READY  # as they were when it began
    assert outcome.notes == ()


def test_names_in_the_place_of_all() -> None:
    """Only what they need is started."""
    assert simulate(stack(), Scenario(), ["db"]).states == {
        "db": State.READY,
        "migrate": State.INACTIVE,
        "web": State.INACTIVE,
    }


def test_what_has_no_effect_is_said() -> None:
    """Who calls something slow of which nobody would notice it is told why."""
    specs = [service("plain"), service("all", type=ServiceType.TARGET), service("job", type=ServiceType.ONESHOT)]
    faults = [fault for word in ("all@start", "job@ready+1s") for fault in words.faults(word, ["all", "job"])]
    scenario = Scenario(ready={"plain": 5.0, "all": 5.0}, illnesses=(Illness("plain", 1.0),), faults=tuple(faults))
    assert simulate(declared(*specs), scenario).notes == (
        "plain has no [ready]: it counts as ready once it runs, however slow it is said to be",
        "all has no process: it is ready at once, however slow it is said to be",
        "all has no process that could end as --fail all@start has it",
        "job is a oneshot, which is never ready: --fail job@start+1s",
        "plain has no [health]: nobody notices that it is ill",
    )


def test_a_thousand_services_are_quick() -> None:
    """A chain of layers, all crashing once, takes seconds of ours for minutes of theirs."""
    specs = [
        service(f"s{index}", ready=TOLD, requires=(f"s{index - 50}",) if index >= 50 else ()) for index in range(1000)
    ]
    faults = tuple(Fault(spec.name, Onset.READY, 30.0, ExitStatus(1), "") for spec in specs)
    begun = time.process_time()
    outcome = simulate(declared(*specs), Scenario(faults=faults, until=60.0, shutdown=59.0))
    assert sum(outcome.restarts.values()) >= 1000
    assert time.process_time() - begun < 60


def test_there_is_an_end_to_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that elapses every second for a year is cut off, and no assertion passes for what was not seen."""
    monkeypatch.setattr(run, "MOST", 2000)
    job = service("job", type=ServiceType.ONESHOT, restart=Restart(RestartPolicy.NEVER), timer=Timer(every=1.0))
    outcome = simulate(declared(job), Scenario(until=365 * DAY, ready={"job": 0.1}))
    assert outcome.cut == "cut off: 2000 things have happened; end it earlier (--until)"
    judged = assertions.parse("job never failed", ["job"]).judge(outcome)
    assert (judged.holds, judged.observed.startswith("never, cut off at")) == (False, True)


# ---------------------------------------------------------------------------------------------------------------------
# Words


@pytest.mark.parametrize(
    ("word", "onset", "after", "status"),
    [
        ("db@5s", Onset.BEGINNING, 5.0, ExitStatus(1)),
        ("db@1m30s:3", Onset.BEGINNING, 90.0, ExitStatus(3)),
        ("db@start", Onset.START, 0.0, ExitStatus(1)),
        ("db@start+2s:term", Onset.START, 2.0, ExitStatus(signal=15)),
        ("db@ready:0", Onset.READY, 0.0, ExitStatus(0)),
        ("db@ready+500ms", Onset.READY, 0.5, ExitStatus(1)),
    ],
)
def test_faults_in_words(word: str, onset: Onset, after: float, status: ExitStatus) -> None:
    """When, and how."""
    assert words.faults(word, ["db"]) == [Fault("db", onset, after, status, f"--fail {word}")]


def test_names_have_patterns_and_signs() -> None:
    """An instance's name has an "@" itself; a pattern means several."""
    known = ["web@8080", "web@8081", "db"]
    assert [one.name for one in words.faults("web@*@5s", known)] == ["web@8080", "web@8081"]
    assert words.pace("web@8081=20s", known) == {"web@8081": 20.0}
    assert words.pace("d*=never", known) == {"db": math.inf}
    assert words.illnesses("db@5s..10s", known) == [Illness("db", 5.0, 10.0)]
    assert words.shutdown("@5s") == words.shutdown("5s") == 5.0


@pytest.mark.parametrize(
    ("parse", "word", "message"),
    [
        (words.faults, "dbb@5s", "no such service: dbb; did you mean db?"),
        (words.faults, "db", "found 'db', expected NAME@WHEN[:STATUS] such as db@5s, db@start, db@ready+10s:SIGKILL"),
        (
            words.faults,
            "db@strat",
            "found 'strat', expected a time such as 5s, or start, start+TIME, ready, ready+TIME",
        ),
        (
            words.faults,
            "db@5s:SIGKIL",
            "found 'SIGKIL', expected an exit code, or a signal such as SIGKILL; did you mean ",
        ),
        (words.faults, "db@5s:256", "found '256', expected an exit code from 0 to 255, or a signal"),
        (words.pace, "db", "found 'db', expected NAME=TIME such as api=20s, or NAME=never"),
        (words.pace, "db=soon", "found 'soon', expected a time such as 20s, or \"never\""),
        (words.illnesses, "db@", "found 'db@', expected NAME@TIME or NAME@TIME..TIME such as web@10s..1m"),
        (words.illnesses, "db@5s..1s", "found '5s..1s', which ends before it begins"),
        (words.shutdown, "never", "found 'never', expected a time such as 5s"),
        (words.services, "x*", "no such service: x*"),
    ],
)
def test_words_without_meaning(parse: Any, word: str, message: str) -> None:
    """The error says what was found and what was expected."""
    with pytest.raises(words.WordError) as caught:
        parse(word) if parse is words.shutdown else parse(word, ["db"])
    assert str(caught.value).startswith(message)


# ---------------------------------------------------------------------------------------------------------------------
# Assertions


SEEN = simulate(stack(), Scenario(faults=tuple(words.faults("db@10s", ["db"])), shutdown=30.0))


@pytest.mark.parametrize(
    ("text", "holds", "observed"),
    [
        ("web ready < 30s", True, "at 3 s"),
        ("web ready<3s", False, "at 3 s"),
        ("web ready <= 3s", True, "at 3 s"),
        ("web ready within 3s", True, "at 3 s"),
        ("web ready > 2s", True, "at 3 s"),
        ("migrate ready", True, "at 2 s"),
        ("web failed", False, "never, until 30.2 s; it is inactive"),
        ("web failed < 5s", False, "never, until 30.2 s; it is inactive"),
        ("web never failed", True, "never, until 30.2 s"),
        ("db never backoff", False, "at 10 s"),
        ("web never killed", True, "never, until 30.2 s"),
        ("db restarts = 1", True, "1, until 30.2 s"),
        ("db restarts < 1", False, "1, until 30.2 s"),
        ("db before web", True, "db ready at 1 s, web starting at 2 s"),
        ("web before db", False, "web ready at 3 s, db starting at 0 ms"),
        ("db backoff before web ready", False, "db backoff at 10 s, web ready at 3 s"),
        ("db ready before web failed", True, "db ready at 1 s, web failed never"),
        ("web ready at end", True, "it is ready"),
        ("web starting at 2500ms", True, "it is starting"),
        ("web ready at 1h", False, "it has ended before, at 30.2 s"),
        ("shutdown < 9s", True, "took 200 ms"),
        ("shutdown > 9s", False, "took 200 ms"),
        ("exit = 0", True, "exit status 0"),
        ("exit == 1", False, "exit status 0"),
    ],
)
def test_assertions_are_judged(text: str, holds: bool, observed: str) -> None:
    """Each says what was seen, whether it holds or not."""
    judged = assertions.parse(text, SEEN.states).judge(SEEN)
    assert (judged.holds, judged.observed) == (holds, observed)


def test_what_has_not_happened_does_not_hold() -> None:
    """A shutdown that nobody asked for has taken no time, and there is no exit status."""
    running = simulate(stack(), Scenario())
    for text in ("shutdown < 9s", "exit = 0"):
        assert not assertions.parse(text, running.states).judge(running).holds


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", 1, "it ends, expected the name of a service, shutdown or exit"),
        ("wbe ready", 1, "found 'wbe', expected the name of a service, shutdown or exit; did you mean web?"),
        ("web redy < 30s", 5, "found 'redy', expected a state ("),
        ("web nevr failed", 5, "found 'nevr', expected a state ("),
        ("web ready <", 12, "it ends, expected a time such as 30s"),
        ("web ready < soon", 13, "found 'soon', expected a time such as 30s"),
        ("web ready about 3s", 11, "found 'about', expected one of < <= > >= within, or before, at"),
        ("web ready < 30s always", 17, "found 'always', expected the end"),
        ("web restarts 3", 14, "found '3', expected one of = < <= > >="),
        ("web restarts = many", 16, "found 'many', expected a number"),
        ("db before wbe", 11, "found 'wbe', expected the name of a service; did you mean web?"),
        ("shutdown 9s", 10, "found '9s', expected one of < <= > >= within"),
    ],
)
def test_assertions_that_cannot_be_read(text: str, place: int, problem: str) -> None:
    """The error has the character, what was found there, and what was expected."""
    with pytest.raises(assertions.GrammarError) as caught:
        assertions.parse(text, ["web", "db"])
    assert (caught.value.place, caught.value.problem[: len(problem)]) == (place, problem)
    assert str(caught.value).startswith(repr(text))


def test_the_grammar_is_documented() -> None:
    """The guide has every form of the grammar as the module has it."""
    from tests.support import ROOT

    guide = (ROOT / "docs/guides/simulate.md").read_text().replace("\\|", "|")
    forms = re.findall(r"^    (\S.*?)(?:  |$)", assertions.__doc__ or "", re.M)
    assert len(forms) == 7
    for form in forms:
        assert form in guide
