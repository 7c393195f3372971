"""Changes that come from what follows from them are slowed down; a person who saves often is not."""

from __future__ import annotations

from asyncinit.runtime.file_watching.brake import Brake


def restarts(brake: Brake, moments: list[float]) -> list[float]:
    """Let a change come at each moment, and return how long each has to wait; one that has not is acted on."""
    waits = []
    for moment in moments:
        waits.append(brake.hold(moment))
        if not waits[-1]:
            brake.acted(moment)
    return waits


def test_who_saves_now_and_then_never_waits() -> None:
    """However often, as long as a few seconds pass between."""
    assert set(restarts(Brake(), [4.0 * n for n in range(100)])) == {0.0}


def test_a_few_in_a_row_are_let_through() -> None:
    """Five changes within moments each have their restart, the sixth waits."""
    assert restarts(Brake(), [0, 1, 2, 3, 4]) == [0.0] * 5
    assert restarts(Brake(), [0, 1, 2, 3, 4, 5])[-1] == 5.0


def test_a_loop_is_slowed_down_ever_more() -> None:
    """What goes on after a wait waits longer, up to a minute; each wait ends in one restart."""
    brake, now, waits = Brake(), 0.0, []
    for _ in range(200):
        wait = brake.hold(now)
        if wait:
            waits.append(wait)
            now += wait
        else:
            brake.acted(now)
            now += 0.5
    assert waits[:6] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_during_a_wait_it_says_how_long_it_lasts_yet() -> None:
    """Another change meanwhile does not make it longer."""
    brake = Brake()
    restarts(brake, [0, 1, 2, 3, 4, 5])
    assert brake.hold(7) == 3.0
    assert brake.hold(10) == 0.0


def test_peace_makes_it_forget() -> None:
    """Once nothing has come for a while, it is as at first."""
    brake = Brake()
    restarts(brake, [0, 1, 2, 3, 4, 5])
    assert restarts(brake, [100, 101, 102, 103, 104]) == [0.0] * 5
