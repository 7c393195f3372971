"""The exit status of asyncinit itself, and how an end becomes one."""

from __future__ import annotations

import signal
from itertools import product

import pytest

from asyncinit.config.spec import Outcomes
from asyncinit.core.outcome import Facts, exit_code
from asyncinit.core.status import Code, ExitStatus, reason_of, signal_name

# Highest first: what decides, and the status that it gives.
PRECEDENCE: list[tuple[dict[str, object], int]] = [
    ({"decisive": ExitStatus(7)}, 7),
    ({"not_executed": 126}, 126),
    ({"internal_error": True}, 70),
    ({"failed": True}, 69),
    ({"killed": True}, 124),
    ({}, 0),
]


@pytest.mark.parametrize("present", list(product((False, True), repeat=len(PRECEDENCE) - 1)))
def test_precedence(present: tuple[bool, ...]) -> None:
    """Whatever comes together, the highest one decides."""
    there = [entry for is_there, entry in zip((*present, True), PRECEDENCE, strict=True) if is_there]
    facts = Facts(**{key: value for fact, _ in there for key, value in fact.items()})  # type: ignore[arg-type]
    assert exit_code(facts, {}) == there[0][1]


@pytest.mark.parametrize("code", [126, 127])
def test_a_command_that_cannot_be_executed(code: int) -> None:
    """126 and 127 as a shell says it."""
    assert exit_code(Facts(not_executed=code, failed=True), {}) == code


def test_a_decisive_success() -> None:
    """0 of CMD is 0, whatever else has failed."""
    assert exit_code(Facts(decisive=ExitStatus(0), failed=True, killed=True, internal_error=True), {}) == 0


def test_a_requested_shutdown() -> None:
    """What had failed long before is not its outcome; what had to be killed in it is."""
    assert exit_code(Facts(failed=True, requested=True), {}) == 0
    assert exit_code(Facts(failed=True, killed=True, requested=True), {}) == 124
    assert exit_code(Facts(internal_error=True, requested=True), {}) == 70


def test_the_mapping_comes_last() -> None:
    """[init] exit_codes maps the status whatever its cause, once."""
    assert exit_code(Facts(decisive=ExitStatus(signal=signal.SIGTERM)), {143: 0, 0: 9}) == 0
    assert exit_code(Facts(killed=True), {124: 5}) == 5
    assert exit_code(Facts(), {0: 1}) == 1


def test_a_status_as_an_exit_code() -> None:
    """A code is itself, a signal 128 + n, and what nobody knows is a failure."""
    assert [ExitStatus(code).as_process_exit() for code in (0, 1, 255)] == [0, 1, 255]
    assert ExitStatus(signal=signal.SIGKILL).as_process_exit() == 137
    assert ExitStatus().as_process_exit() == 1
    assert [status.unknown for status in (ExitStatus(0), ExitStatus(signal=9), ExitStatus())] == [False, False, True]


def test_a_status_in_words() -> None:
    """As users read it."""
    assert str(ExitStatus(3)) == "exited with 3"
    assert str(ExitStatus(signal=signal.SIGSEGV, core_dumped=True)) == "killed by SIGSEGV (core dumped)"
    assert str(ExitStatus()) == "ended with unknown status"
    assert [signal_name(number) for number in (15, 34, 37, 64, 99)] == [
        "SIGTERM",
        "SIGRTMIN",
        "SIGRTMIN+3",
        "SIGRTMAX",
        "99",
    ]


def test_a_status_as_a_reason() -> None:
    """systemd's names; unknown is none of success."""
    ends = [ExitStatus(1), ExitStatus(signal=15), ExitStatus(signal=11, core_dumped=True), ExitStatus()]
    assert [reason_of(end).code for end in ends] == [Code.EXIT_CODE, Code.SIGNAL, Code.CORE_DUMP, Code.EXIT_CODE]


def test_a_status_among_outcomes() -> None:
    """By code or by signal; never when it is unknown, and a code is no signal of the same number."""
    outcomes = Outcomes(codes=frozenset({0, 9}), signals=frozenset({15}))
    assert ExitStatus(9).within(outcomes)
    assert ExitStatus(signal=15).within(outcomes)
    assert not ExitStatus(15).within(outcomes)
    assert not ExitStatus(signal=9).within(outcomes)
    assert not ExitStatus().within(outcomes)
    assert not ExitStatus().within(Outcomes())
