"""Functions in a child with a deadline where there is no loop: `machine.child`, and the tables that use it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from asyncinit.errors import SpawnError
from asyncinit.linux.descriptors import is_open
from asyncinit.machine.child import Outcome, here, within
from asyncinit.machine.step import Policy, Step, carry_out
from tests.linux.running import FORKING, descriptors
from tests.wrapping import children

pytestmark = pytest.mark.filterwarnings(FORKING)
LONG = 600.0


def refused() -> str:
    """Fail as the kernel does."""
    return os.readlink("/dev/null/nothing")


def hang() -> str:
    """Never end, whoever asks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(LONG)
    return "never"


def crash() -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return "never"


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        (lambda: "mounted", Outcome("mounted")),
        (lambda: None, Outcome()),
        (lambda: "x" * (1 << 20), Outcome("x" * ((1 << 20) - 1))),
        (refused, Outcome(failure="/dev/null/nothing: not a directory")),
        (crash, Outcome(failure="the process that did it was killed by signal 11")),
        (lambda: os._exit(3), Outcome(failure="the process that did it ended with 3")),
    ],
)
def test_an_outcome_is_told(function: object, outcome: Outcome) -> None:
    """What a function returns or raises, and what becomes of its process, comes back; nothing is left."""
    before = descriptors(), children(os.getpid())
    assert within(LONG, function) == outcome  # type: ignore[arg-type]
    assert (descriptors(), children(os.getpid())) == before


def test_own_words_are_kept() -> None:
    """An error of ours says what it says, a mistake its type; in this process as in a child."""

    def ours() -> str:
        raise SpawnError("mount /x", 0, "no such device")

    def mistake() -> str:
        raise KeyError("x")

    for way in (here, lambda function: within(LONG, function)):
        assert way(ours).failure == "cannot mount /x: no such device"
        assert way(mistake).failure == "KeyError: 'x'"


def test_a_deadline_ends_what_hangs() -> None:
    """The child and what it has started are killed."""
    reader, writer = os.pipe()

    def hang_with_a_child() -> str:
        if os.fork() == 0:
            hang()
        return hang()

    outcome = within(0.2, hang_with_a_child, keep=(writer,))
    os.close(writer)
    assert outcome == Outcome(failure="not done within 0.2 s", late=True)
    assert os.read(reader, 1) == b""  # nobody has the other end any more
    os.close(reader)


def test_what_a_child_leaves_behind_lives_on() -> None:
    """A mount helper's server is no part of the mounting, and delays nobody who waits for that."""
    reader, writer = os.pipe()

    def daemon() -> str:
        if os.fork() == 0:
            os.write(writer, b"%d\n" % os.getpid())
            hang()
        return "started"

    assert within(LONG, daemon, keep=(writer,)) == Outcome("started")
    os.close(writer)
    pid = int(os.read(reader, 20))
    os.kill(pid, signal.SIGKILL)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_child_has_nothing_of_ours() -> None:
    """Neither a descriptor nor a blocked signal nor our session, but what it is given."""
    reader, writer = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:

        def look() -> str:
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            held = {fd for fd in (reader, writer) if is_open(fd)}
            return f"{held == {writer}} {len(mask)} {os.getsid(0) == os.getpid()}"

        assert within(LONG, look, keep=(writer,)).text == "True 0 True"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reader)
        os.close(writer)


def test_something_is_done_meanwhile() -> None:
    """Who waits goes on with what must not stop."""
    reader, writer = os.pipe()

    def wait() -> str:
        return os.read(reader, 1).decode()

    calls = []

    def meanwhile() -> None:
        calls.append(1)
        if len(calls) == 3:
            os.write(writer, b"x")

    assert within(LONG, wait, keep=(reader,), meanwhile=meanwhile).text == "x"
    assert len(calls) >= 3
    os.close(reader)
    os.close(writer)


def test_a_table_is_carried_out_in_order() -> None:
    """Each step is told, with its place, its time and what came of it; a failure stops none."""
    context: list[str] = []

    def note(done: list[str]) -> str:
        done.append("note")
        return "noted"

    def fail(done: list[str]) -> str:
        done.append("fail")
        raise OSError(2, os.strerror(2), "/x")

    steps = (
        Step("note it", "All.", note),
        Step("fail", "Nobody.", fail, policy=Policy.EMERGENCY),
        Step("do it elsewhere", "All.", note, seconds=LONG),
    )
    told = list(carry_out(steps, context))
    assert [(done.name, done.outcome.text, done.failure, done.policy) for done in told] == [
        ("note it", "noted", "", Policy.NOTE),
        ("fail", "", "cannot fail: /x: no such file or directory", Policy.EMERGENCY),
        ("do it elsewhere", "noted", "", Policy.NOTE),
    ]
    assert context == ["note", "fail"]
    assert all(done.took >= 0 for done in told)
    assert [done.began for done in told] == sorted(done.began for done in told)


def test_a_table_goes_on_as_its_results_are_taken() -> None:
    """Who takes the result of a step can act before the next one begins."""
    context: list[str] = []
    steps = [Step(name, "All.", lambda done: done.append("step")) for name in ("one", "two")]
    for _ in carry_out(steps, context):
        context.append("between")
    assert context == ["step", "between", "step", "between"]
