"""What shall hold of a simulation: a small grammar, and whether it does; simulates nothing.

    NAME STATE [< | <= | > | >= | within TIME]      when it first came into that state
    NAME STATE at TIME | at end                     which state it was in then
    NAME never STATE
    NAME restarts (= | < | <= | > | >=) NUMBER      how often it was restarted by itself
    NAME [STATE] before NAME [STATE]                ready, before the other one was starting
    shutdown (< | <= | > | >= | within) TIME        how long it took
    exit = CODE                                     asyncinit's own exit status

`ready` holds for a oneshot that has completed too; `killed` is that it had to be killed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from asyncinit.config.names import meant
from asyncinit.config.values import close_to
from asyncinit.core.phrases import duration
from asyncinit.core.status import State
from asyncinit.errors import AsyncinitError
from asyncinit.simulation.timeline import Entry, Outcome
from asyncinit.simulation.words import WordError, time

KILLED = "killed"
STATES = (*map(str, State), KILLED)
_UP = {"ready": frozenset({State.READY, State.COMPLETED})}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "within": operator.le,
}
_OF_TIMES = ("<", "<=", ">", ">=", "within")
_OF_NUMBERS = ("=", "<", "<=", ">", ">=")
_TOKEN = re.compile(r"<=|>=|==|<|>|=|[^\s<>=]+")
_EXACT = 9  # digits: times are sums of fractions
_END = "end"


@dataclass(eq=False)
class GrammarError(AsyncinitError):
    """An assertion cannot be read: at which character (from 1), what was found, and what was expected."""

    text: str
    place: int
    problem: str

    def __str__(self) -> str:
        return f"{self.text!r}: at character {self.place}: {self.problem}"


class Judged(Struct, frozen=True):
    """Whether an assertion holds, and what was seen instead or as well."""

    text: str
    holds: bool
    observed: str


Check = Callable[[Outcome], tuple[bool, str]]


@dataclass
class Assertion:
    """One assertion, as it was written."""

    text: str
    _check: Check

    def judge(self, outcome: Outcome) -> Judged:
        """Tell whether it holds."""
        holds, observed = self._check(outcome)
        return Judged(self.text, holds, observed)


def parse(text: str, known: Collection[str]) -> Assertion:
    """Return the assertion that `text` is of the services `known`. Raises GrammarError."""
    return Assertion(text, _Parser(text, known).parse())


@dataclass
class _Parser:
    text: str
    known: Collection[str]
    _tokens: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tokens = [(found[0], found.start() + 1) for found in _TOKEN.finditer(self.text)]

    def parse(self) -> Check:
        if self._peek() in ("shutdown", "exit") and self._peek() not in self.known:
            check = self._of_the_whole(self._next("")[0])
        else:
            check = self._of_a_service()
        if self._tokens:
            self._fail("the end")
        return check

    def _peek(self) -> str:
        return self._tokens[0][0] if self._tokens else ""

    def _next(self, expected: str) -> tuple[str, int]:
        if not self._tokens:
            raise GrammarError(self.text, len(self.text) + 1, f"it ends, expected {expected}")
        return self._tokens.pop(0)

    def _fail(self, expected: str, guess: str = "") -> None:
        token, place = self._next(expected)
        hint = f"; did you mean {guess}?" if guess else ""
        raise GrammarError(self.text, place, f"found {token!r}, expected {expected}{hint}")

    def _of_the_whole(self, word: str) -> Check:
        if word == "exit":
            comparison, number = self._comparison(("=",)), self._number("an exit code")
            return lambda outcome: _exit(outcome, comparison, number)
        comparison, seconds = self._comparison(_OF_TIMES), self._time()
        return lambda outcome: _shutdown(outcome, comparison, seconds)

    def _of_a_service(self) -> Check:
        name = self._name("the name of a service, shutdown or exit")
        word = self._peek()
        if word == "never":
            self._next("")
            state = self._state()
            return lambda outcome: _never(outcome, name, state)
        if word == "restarts":
            self._next("")
            comparison, number = self._comparison(_OF_NUMBERS), self._number("a number")
            return lambda outcome: _restarts(outcome, name, comparison, number)
        if word == "before":
            return self._before(name, "ready")
        return self._of_a_state(name, self._state("never, restarts, before"))

    def _of_a_state(self, name: str, state: str) -> Check:
        word = self._peek()
        if word == "before":
            return self._before(name, state)
        if word == "at":
            self._next("")
            moment = None if self._peek() == _END else self._time('a time such as 30s, or "end"')
            if moment is None:
                self._next("")
            return lambda outcome: _at(outcome, name, state, moment)
        if not word:
            return lambda outcome: _reached(outcome, name, state)
        comparison, seconds = self._comparison(_OF_TIMES, "before, at"), self._time()
        return lambda outcome: _reached(outcome, name, state, comparison, seconds)

    def _before(self, name: str, state: str) -> Check:
        self._next("")
        other = self._name("the name of a service")
        later = self._state() if self._tokens else "starting"
        return lambda outcome: _before(outcome, (name, state), (other, later))

    def _name(self, expected: str) -> str:
        if self._tokens and self._peek() not in self.known:
            self._fail(expected, meant(self._peek(), self.known))
        return self._next(expected)[0]

    def _state(self, others: str = "") -> str:
        expected = f"a state ({', '.join(STATES)})" + (f", or {others}" if others else "")
        if self._tokens and self._peek() not in STATES:
            self._fail(expected, close_to(self._peek(), (*STATES, *filter(None, others.split(", ")))))
        return self._next(expected)[0]

    def _comparison(self, known: Collection[str], others: str = "") -> str:
        expected = f"one of {' '.join(known)}" + (f", or {others}" if others else "")
        if self._peek() == "==":
            self._tokens[0] = ("=", self._tokens[0][1])
        if self._tokens and self._peek() not in known:
            self._fail(expected)
        return self._next(expected)[0]

    def _time(self, expected: str = "a time such as 30s") -> float:
        word, place = self._next(expected)
        try:
            return time(word, expected)
        except WordError as error:
            raise GrammarError(self.text, place, str(error)) from None

    def _number(self, what: str) -> int:
        if self._tokens and not (self._peek().isascii() and self._peek().isdecimal()):
            self._fail(what)
        return int(self._next(what)[0][:9])


# ---------------------------------------------------------------------------------------------------------------------
# What was seen


def _is(entry: Entry, state: str) -> bool:
    if state == KILLED:
        return entry.killed
    return entry.old is not entry.new and (entry.new == state or entry.new in _UP.get(state, ()))


def _first(outcome: Outcome, name: str, state: str) -> float | None:
    return next((one.time for one in outcome.entries if one.service == name and _is(one, state)), None)


def _holds(comparison: str, found: float, wanted: float) -> bool:
    return _COMPARISONS[comparison](round(found, _EXACT), round(wanted, _EXACT))


def _until(outcome: Outcome) -> str:
    return f"cut off at {duration(outcome.end)}" if outcome.cut else f"until {duration(outcome.end)}"


def _last(outcome: Outcome, name: str) -> str:
    changes = [one for one in outcome.entries if one.service == name and one.new is not None]
    return f"it is {changes[-1].new if changes else State.INACTIVE}"


def _reached(
    outcome: Outcome, name: str, state: str, comparison: str | None = None, wanted: float = 0.0
) -> tuple[bool, str]:
    found = _first(outcome, name, state)
    if found is None:
        return False, f"never, {_until(outcome)}; {_last(outcome, name)}"
    return comparison is None or _holds(comparison, found, wanted), f"at {duration(found)}"


def _at(outcome: Outcome, name: str, state: str, moment: float | None) -> tuple[bool, str]:
    if moment is None:
        found = outcome.states[name]
    elif moment > outcome.end and outcome.open:
        return False, f"not seen, {_until(outcome)}"
    elif moment > outcome.end and outcome.took is not None:
        return False, f"it has ended before, at {duration(outcome.end)}"
    else:
        changes = [one.new for one in outcome.entries if one.service == name and one.time <= moment and one.new]
        found = changes[-1] if changes else State.INACTIVE
    return (found == state or found in _UP.get(state, ())) and not (moment is None and outcome.cut), f"it is {found}"


def _never(outcome: Outcome, name: str, state: str) -> tuple[bool, str]:
    found = _first(outcome, name, state)
    if found is not None:
        return False, f"at {duration(found)}"
    return not outcome.cut, f"never, {_until(outcome)}"


def _restarts(outcome: Outcome, name: str, comparison: str, wanted: int) -> tuple[bool, str]:
    found = outcome.restarts[name]
    return _holds(comparison, found, wanted) and not outcome.cut, f"{found}, {_until(outcome)}"


def _before(outcome: Outcome, one: tuple[str, str], other: tuple[str, str]) -> tuple[bool, str]:
    order = list(outcome.entries)
    places = [
        next((place for place, entry in enumerate(order) if entry.service == name and _is(entry, state)), None)
        for name, state in (one, other)
    ]
    told = [
        f"{name} {state} " + ("never" if place is None else f"at {duration(order[place].time)}")
        for (name, state), place in zip((one, other), places, strict=True)
    ]
    first, second = places
    holds = first is not None and (first < second if second is not None else not outcome.cut)
    return holds, ", ".join(told)


def _shutdown(outcome: Outcome, comparison: str, wanted: float) -> tuple[bool, str]:
    if outcome.shutdown is None:
        return False, "there was none (--shutdown @TIME)"
    if outcome.took is None:
        return False, f"not over, {_until(outcome)}"
    return _holds(comparison, outcome.took, wanted), f"took {duration(outcome.took)}"


def _exit(outcome: Outcome, comparison: str, wanted: int) -> tuple[bool, str]:
    if outcome.exit_status is None:
        return False, f"it has not ended, {_until(outcome)}"
    return _holds(comparison, outcome.exit_status, wanted), f"exit status {outcome.exit_status}"
