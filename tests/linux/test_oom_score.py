"""asyncinit's own place when memory runs out: lowered for itself alone, at no moment for what it makes.

To go below what one began with takes a right that containers don't have. So these begin with a raised score, for
everybody may lower that again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncinit.linux.oom_score import OwnScore

SCORE = Path("/proc/self/oom_score_adj")
RAISED = 500


pytestmark = pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")


@pytest.fixture
def score() -> Iterator[OwnScore]:
    """Our score, given back as it was."""
    before = SCORE.read_text()
    SCORE.write_text(str(RAISED))
    score = OwnScore()
    yield score
    score.close()
    SCORE.write_text(before)


def now() -> int:
    return int(SCORE.read_text())


def child_has(score: OwnScore, guarded: bool) -> list[int]:
    """The score of a forked child at once and after it has made a child itself, and ours at the end."""
    reader, writer = os.pipe()
    if guarded:
        with score.given_back():
            pid = os.fork()
    else:
        pid = os.fork()
    if pid == 0:
        try:
            with score.given_back():
                inner = os.fork()
            os.write(writer, b"%d\n" % now())
            if inner:
                os.waitpid(inner, 0)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with open(reader) as file:
        return [*map(int, file.read().split()), now()]


def test_ours_is_lowered_and_a_childs_is_not(score: OwnScore) -> None:
    """Nor is a grandchild's; and ours is lowered again afterwards."""
    score.lower(100)
    assert (now(), score.original, score.refusal) == (100, RAISED, "")
    assert child_has(score, guarded=True) == [RAISED, RAISED, 100]
    assert child_has(score, guarded=False) == [100, 100, 100]  # so the look is worth something


def test_a_score_that_is_lower_already_stays(score: OwnScore) -> None:
    """Whoever started us knows better."""
    SCORE.write_text("50")
    score.lower(100)
    assert (now(), score.original) == (50, None)
    assert child_has(score, guarded=True) == [50, 50, 50]


def test_it_is_put_back_when_it_shall_not_be_lowered_any_more(score: OwnScore) -> None:
    """A reload may say so, or another value."""
    score.lower(100)
    score.lower(80)
    assert (now(), score.original) == (80, RAISED)
    score.lower(None)
    assert (now(), score.original) == (RAISED, None)


def test_the_original_is_carried(score: OwnScore) -> None:
    """A program after a re-exec finds the lowered one and is told what it was."""
    score.lower(100)
    after = OwnScore()
    after.lower(100, RAISED)
    assert (now(), after.original) == (100, RAISED)
    assert child_has(after, guarded=True) == [RAISED, RAISED, 100]
    after.close()


def test_what_is_refused(score: OwnScore) -> None:
    """Nothing changes, and why is known."""
    score.lower(-1000)
    if score.refusal:  # else we have the right
        assert (now(), score.original, score.refusal) == (RAISED, None, "permission denied")
    else:
        assert (now(), score.original) == (-1000, RAISED)


def test_without_the_file(tmp_path: Path) -> None:
    """Nothing happens, and why is known."""
    score = OwnScore(str(tmp_path / "nothing"))
    score.lower(100)
    assert (score.original, score.refusal) == (None, "no such file or directory")
    with score.given_back():
        pass


def test_the_cost(score: OwnScore) -> None:
    """No descriptor is left in a child, and none of ours is opened for each process."""
    score.lower(100)
    before = os.listdir("/proc/self/fd")
    for _ in range(100):
        with score.given_back():
            pass
    assert os.listdir("/proc/self/fd") == before
    score.lower(None)
    assert len(os.listdir("/proc/self/fd")) == len(before) - 1


def test_a_descriptor_that_somebody_has_closed_holds_up_no_child(score: OwnScore) -> None:
    """Who stands in for a failed asyncinit closes all of them, and makes processes all the same."""
    score.lower(RAISED - 100)
    os.close(score._fd)
    pid = 0
    with score.given_back():
        pid = os.fork()
        if pid == 0:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert score.original is None
