"""Jobs share the loop, one slice a turn."""

from __future__ import annotations

import asyncio
import time

from asyncinit.runtime.tree.turns import Job, Next, Turns


def run(loop: asyncio.AbstractEventLoop, turns: int = 50) -> None:
    """Let the loop turn so many times."""
    for _ in range(turns):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_a_long_job_lets_others_have_their_turn(loop: asyncio.AbstractEventLoop) -> None:
    """While a job that never ends works, the loop turns and a job started later is done."""
    done: list[str] = []

    def endless() -> Job:
        while True:
            time.sleep(0.0005)  # work
            yield Next.TURN

    def short() -> Job:
        yield Next.TURN
        done.append("short")

    turns = Turns(loop, lambda: None)
    turns.start("a", endless())
    turns.start("b", short())
    run(loop)
    assert done == ["short"]
    turns.cancel("a")


def test_a_job_waits_for_a_look(loop: asyncio.AbstractEventLoop) -> None:
    """A job that asks for a look has it requested and goes on after it; one that waits for an event requests none."""
    looks: list[int] = []
    done: list[str] = []

    def job(step: Next, name: str) -> Job:
        yield step
        done.append(name)

    turns = Turns(loop, lambda: looks.append(1))
    turns.start("a", job(Next.EVENT, "event"))
    run(loop)
    assert looks == []
    turns.start("b", job(Next.LOOK, "look"))
    run(loop)
    assert looks == [1] and done == []
    turns.looked()
    run(loop)
    assert sorted(done) == ["event", "look"]


def test_a_cancelled_job_does_nothing_more(loop: asyncio.AbstractEventLoop) -> None:
    """Cancelling reaches jobs that are ready, asleep, and the very one that runs."""
    did: list[str] = []
    turns = Turns(loop, lambda: None)

    def job(step: Next) -> Job:
        yield step
        did.append("went on")

    def suicidal() -> Job:
        turns.cancel("c")
        did.append("cancelled itself")
        yield Next.TURN
        did.append("went on")

    turns.start("a", job(Next.TURN))
    turns.cancel("a")
    turns.start("b", job(Next.EVENT))
    run(loop)
    turns.cancel("b")
    turns.looked()
    turns.start("c", suicidal())
    run(loop)
    assert did == ["cancelled itself"]


def test_a_job_that_raises_does_not_stop_the_others(loop: asyncio.AbstractEventLoop) -> None:
    """An exception in one job reaches the loop's handler and the other jobs go on."""
    failures: list[object] = []
    done: list[bool] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context["exception"]))

    def bad() -> Job:
        yield Next.TURN
        raise ZeroDivisionError

    def good() -> Job:
        yield Next.TURN
        done.append(True)

    turns = Turns(loop, lambda: None)
    turns.start("bad", bad())
    turns.start("good", good())
    run(loop)
    assert done == [True] and isinstance(failures[0], ZeroDivisionError)
