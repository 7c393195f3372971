"""`asyncinit simulate`: what would happen to the services of the files here, by the real engine and a made-up clock."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncinit.cli import screen
from asyncinit.cli.analyze import shutdown_plan
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.reading import profiles_of, whole
from asyncinit.cli.status import write_json
from asyncinit.client.errors import EXIT_FAILED
from asyncinit.core.phrases import duration
from asyncinit.simulation import assertions, words
from asyncinit.simulation.run import simulate as run
from asyncinit.simulation.scenario import READY, STOP, UNTIL, Scenario, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from asyncinit.cli.declaring import Invocation
    from asyncinit.config.spec import Configuration
    from asyncinit.simulation.assertions import Judged
    from asyncinit.simulation.timeline import Entry, Outcome

_BEGINNING = "2026-01-01T00:00:00Z"
"""The time of day at which a simulation begins, so that it is the same every day."""

_COLOURS = {"failed": screen.RED, "unhealthy": screen.YELLOW, "backoff": screen.YELLOW, "ready": screen.GREEN}
_COLOURS["completed"] = screen.GREEN
_PASSING = frozenset({"waiting", "starting", "stopping"})


def simulate(invocation: Invocation) -> int:
    """Simulate, print the time line, and judge the assertions: 1 if one does not hold."""
    values = invocation.values
    configuration = _configuration(invocation)
    known = configuration.services
    names = [found for word in values["names"] for found in _read(words.services, word, known)]
    scenario = _scenario(values, known)
    try:
        wanted = [assertions.parse(text, known) for text in values["assert"]]
    except assertions.GrammarError as error:
        raise UsageError(f"simulate: --assert {error}") from None
    outcome = run(configuration, scenario, names)
    judged = [one.judge(outcome) for one in wanted]
    screen.accept_any_text()
    if values["json"]:
        write_json(_as_json(outcome, scenario, judged))
    else:
        sys.stdout.write(text_of(outcome, scenario, judged, screen.wants_colour()))
    return 0 if all(one.holds for one in judged) else EXIT_FAILED


def _configuration(invocation: Invocation) -> Configuration:
    from asyncinit.config.load import Mode, read
    from asyncinit.config.places import PROCFILE, declared
    from asyncinit.config.project import of_procfile

    values = invocation.values
    profiles = profiles_of(invocation)
    if os.path.lexists(PROCFILE) and not declared(values["config"], values["services"]):
        return whole(read(mode=Mode.DEV, project=of_procfile(PROCFILE), profiles=profiles))
    return whole(read(values["config"], values["services"], profiles=profiles))


def _read(parse: Callable[[str, Collection[str]], Any], word: str, known: Collection[str], option: str = "") -> Any:
    try:
        return parse(word, known)
    except words.WordError as error:
        raise UsageError(f"simulate: {option} {error}" if option else f"simulate: {error}") from None


def _scenario(values: dict[str, Any], known: Collection[str]) -> Scenario:
    def each(option: str, parse: Callable[[str, Collection[str]], Any]) -> Iterable[Any]:
        key = option.lstrip("-").replace("-", "_")
        return [_read(parse, word, known, f"{option} {word}:") for word in values[key]]

    def one(option: str, parse: Callable[[str], Any], default: Any) -> Any:
        word = values[option.lstrip("-")]
        return default if word is None else _read(lambda text, _known: parse(text), word, known, f"{option} {word}:")

    asked = [
        request
        for verb in (Verb.START, Verb.STOP, Verb.RESTART)
        for found in each(f"--{verb}", partial(words.requests, verb))
        for request in found
    ]
    return Scenario(
        ready={name: seconds for found in each("--slow", words.pace) for name, seconds in found.items()},
        stop={name: seconds for found in each("--slow-stop", words.pace) for name, seconds in found.items()},
        faults=tuple(fault for found in each("--fail", words.faults) for fault in found),
        illnesses=tuple(illness for found in each("--unhealthy", words.illnesses) for illness in found),
        requests=tuple(asked),
        shutdown=one("--shutdown", words.shutdown, None),
        until=one("--until", words.time, UNTIL),
        wall=one("--clock", _wall, _wall(_BEGINNING)),
        seed=one("--seed", _seed, 0),
    )


def _wall(text: str) -> float:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise words.WordError(f"found {text!r}, expected a date, or an RFC 3339 time such as {_BEGINNING}") from None
    if not 1970 <= moment.year < 2200:  # outside, calendars are of little use, and at the ends of time they break
        raise words.WordError(f"found {text!r}, expected a date from 1970 to 2199")
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise words.WordError(f"found {text!r}, expected a number")
    return int(text[:18])


# ---------------------------------------------------------------------------------------------------------------------
# For people


def text_of(outcome: Outcome, scenario: Scenario, judged: list[Judged], colour: bool) -> str:
    """Return the time line, what it has come to, and what of the assertions holds."""
    lines = [f"# {line}" for line in (_assumed(scenario), *outcome.notes)]
    shown = list(_shown(outcome.entries))
    width = max((len(screen.plain(entry.service or "")) for entry in shown), default=0)
    long = outcome.end >= 3600
    for entry in shown:
        name = screen.plain(entry.service or "").ljust(width)
        text = screen.plain(entry.text)
        state = _COLOURS.get(str(entry.new)) if entry.old is not entry.new else None
        lines.append(f"{_clock(entry.time, long)}  {name}  {screen.paint(text, state if colour else None)}".rstrip())
        if entry.begins and outcome.plan is not None:
            plan = shutdown_plan(_plan(outcome))
            lines += ["", *(f"    {line}".rstrip() for line in plan.splitlines()), ""]
    lines += ["", _end(outcome)]
    if judged:
        lines += ["", *(_verdict(one, colour) for one in judged)]
    return "\n".join(lines) + "\n"


def _assumed(scenario: Scenario) -> str:
    return (
        f"simulated: [ready] after {duration(READY)}, a oneshot after {duration(READY)}, a stop takes {duration(STOP)} "
        f"(--slow, --slow-stop); hooks succeed, conditions hold; chance by --seed {scenario.seed}"
    )


def _shown(entries: tuple[Entry, ...]) -> Iterable[Entry]:
    """Yield what a person wants to see: no state that is over in the same moment, and nothing that is told twice."""
    following: dict[str, float] = {}
    chosen: list[Entry] = []
    for entry in reversed(entries):
        changed = entry.service is not None and entry.old is not entry.new
        passing = changed and str(entry.new) in _PASSING and following.get(entry.service or "") == entry.time
        if not entry.minor and not passing:
            chosen.append(entry)
        if changed:
            following[entry.service or ""] = entry.time
    return reversed(chosen)


def _clock(seconds: float, long: bool) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    if not long:
        return f"{minutes:2}:{rest / 1000:06.3f}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:3}:{minutes:02}:{rest / 1000:06.3f}"


def _end(outcome: Outcome) -> str:
    if outcome.cut:
        return f"{outcome.cut}, at {duration(outcome.end)}"
    if outcome.exit_status is not None:
        took = f"down after {duration(outcome.took)}; " if outcome.took is not None else ""
        return f"{took}exit status {outcome.exit_status}"
    counts: dict[str, int] = {}
    for state in outcome.states.values():
        counts[str(state)] = counts.get(str(state), 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    if outcome.open:
        return f"until {duration(outcome.end)}, and it goes on (--until): {states}"
    return f"nothing more happens: {states}"


def _verdict(one: Judged, colour: bool) -> str:
    word = screen.paint("ok    ", screen.GREEN if colour else None)
    if not one.holds:
        word = screen.paint("FAILED", screen.RED if colour else None)
    return f"{word}  {screen.plain(one.text)}: {screen.plain(one.observed)}"


# ---------------------------------------------------------------------------------------------------------------------
# For programs


def _as_json(outcome: Outcome, scenario: Scenario, judged: list[Judged]) -> dict[str, Any]:
    return {
        "assumed": {"ready": READY, "stop": STOP, "seed": scenario.seed},
        "timeline": [_entry(entry) for entry in outcome.entries],
        "end": outcome.end,
        "goes_on": outcome.open,
        "cut_off": outcome.cut or None,
        "states": {name: str(state) for name, state in outcome.states.items()},
        "restarts": outcome.restarts,
        "shutdown": None
        if outcome.plan is None
        else {"begun": outcome.shutdown, "took": outcome.took, "plan": _plan(outcome)},
        "exit_status": outcome.exit_status,
        "assertions": [{"text": one.text, "holds": one.holds, "observed": one.observed} for one in judged],
        "notes": list(outcome.notes),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "time": round(entry.time, 6),
        "service": entry.service,
        "from": None if entry.old is None else str(entry.old),
        "to": None if entry.new is None else str(entry.new),
        "reason": None if entry.code is None else str(entry.code),
        "text": entry.text,
        "waiting_on": list(entry.waiting_on),
        "killed": entry.killed,
    }


def _plan(outcome: Outcome) -> dict[str, Any]:
    """Return the plan of the shutdown as `analyze shutdown` has it."""
    plan = outcome.plan
    assert plan is not None
    return {
        "timeout": _finite(plan.timeout),
        "budget": _finite(plan.budget),
        "services": [
            {
                "name": share.name,
                "declared": _finite(share.declared),
                "begins": _finite(share.begins),
                "granted": _finite(share.granted),
                "waits_for": list(share.waits_for),
            }
            for share in plan.shares
        ],
    }


def _finite(seconds: float) -> float | None:
    return None if seconds == float("inf") else seconds
