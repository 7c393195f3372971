"""A session or group number proves whose a process is only as long as it can't have been given again."""

from __future__ import annotations

import pytest

from asyncinit.linux.proc import Instant
from asyncinit.runtime.tree.claims import Claims

SEEN = Instant(ticks=1000, last_pid=500, seconds=10.0)
ROUND = (32768 - 300) * 25e-6  # of one processor


def later(last_pid: int | None = 520, seconds: float = 0.1) -> Instant:
    return Instant(ticks=1000 + int(seconds * 100), last_pid=last_pid, seconds=10.0 + seconds)


def never(_service: str, _number: int) -> bool:
    return False


@pytest.fixture
def claims() -> Claims:
    claims = Claims(pid_max=32768, processors=1)
    claims.hold(400, "web", SEEN, leader=None)
    return claims


def test_who_was_born_before_the_number_was_last_seen_was_in_it_then(claims: Claims) -> None:
    """An older process can't have come into a new session of that number."""
    assert claims.find(400, born=999, leader=None, now=later(last_pid=None, seconds=1e6), in_use=never) == "web"


def test_a_number_that_the_kernel_came_past_proves_nothing(claims: Claims) -> None:
    """A younger process in a number that may have been given again is not taken for a member."""
    assert claims.find(400, born=1005, leader=None, now=later(last_pid=450, seconds=ROUND), in_use=never) is None
    assert claims.find(400, born=1005, leader=None, now=later(last_pid=420, seconds=0.1), in_use=never) is None


def test_a_number_that_the_kernel_did_not_come_past_is_still_the_same(claims: Claims) -> None:
    """A younger process is told by a number that can't have been given since it was seen."""
    assert claims.find(400, born=1005, leader=None, now=later(last_pid=900), in_use=never) == "web"
    assert claims.find(400, born=1005, leader=None, now=later(last_pid=399), in_use=never) == "web"
    assert claims.find(400, born=1005, leader=None, now=later(last_pid=400), in_use=never) is None


def test_a_number_ahead_of_the_kernel_is_given_when_it_is_reached(claims: Claims) -> None:
    """A number above the last pid was given again if the last pid is beyond it now."""
    claims.hold(510, "db", SEEN, leader=None)
    assert claims.find(510, born=1005, leader=None, now=later(last_pid=509), in_use=never) == "db"
    assert claims.find(510, born=1005, leader=None, now=later(last_pid=510), in_use=never) is None
    assert claims.find(510, born=1005, leader=None, now=later(last_pid=350), in_use=never) is None


def test_without_the_last_pid_nothing_is_taken_for_granted(claims: Claims) -> None:
    """Where the kernel does not tell the last pid, a younger process is not told by its number."""
    assert claims.find(400, born=1005, leader=None, now=later(last_pid=None), in_use=never) is None
    assert claims.find(400, born=0, leader=None, now=later(last_pid=None), in_use=never) is None


def test_a_known_member_in_the_number_is_a_witness(claims: Claims) -> None:
    """As long as a known member is in a session, that session's number can't be given again."""
    now = later(last_pid=None, seconds=1e6)
    asked = []

    def in_use(service: str, number: int) -> bool:
        asked.append((service, number))
        return True

    assert claims.find(400, born=1005, leader=None, now=now, in_use=in_use) == "web"
    assert asked == [("web", 400)]


def test_another_leader_voids_the_claim(claims: Claims) -> None:
    """A process that has the number as its pid and was not seen before is a new one: so is its session."""
    assert claims.find(400, born=10, leader=1100, now=later(), in_use=never) is None
    assert claims.find(400, born=10, leader=None, now=later(), in_use=never) is None


def test_the_leader_that_was_seen_proves_its_number(claims: Claims) -> None:
    """While the leader lives all that is in its session is its own, however young."""
    claims.hold(400, "web", SEEN, leader=77)
    now = later(last_pid=None, seconds=1e6)
    assert claims.find(400, born=90_000, leader=77, now=now, in_use=never) == "web"
    assert claims.find(400, born=90_000, leader=78, now=now, in_use=never) is None
    assert claims.find(400, born=90_000, leader=77, now=now, in_use=never) is None, "it stays void"


def test_a_new_process_of_that_number_voids_the_claim(claims: Claims) -> None:
    """What is registered under a number ends every older claim on it."""
    claims.void(400)
    claims.void(401)
    assert claims.find(400, born=10, leader=None, now=later(), in_use=never) is None


def test_a_forgotten_service_claims_nothing(claims: Claims) -> None:
    """Claims go with their service, those of others stay."""
    claims.hold(401, "db", SEEN, leader=None)
    claims.forget("web")
    assert claims.numbers("web") == [] and claims.numbers("db") == [401]
    assert claims.find(400, born=10, leader=None, now=later(), in_use=never) is None
    assert claims.find(401, born=10, leader=None, now=later(), in_use=never) == "db"


def test_more_processors_hand_out_faster() -> None:
    """The more processors, the sooner a round of pids may be complete, down to what the kernel's locks allow."""
    one, many = Claims(32768, 1), Claims(32768, 64)
    for claims in (one, many):
        claims.hold(400, "web", SEEN, leader=None)
    now = later(seconds=0.2)
    assert one.find(400, born=1010, leader=None, now=now, in_use=never) == "web"
    assert many.find(400, born=1010, leader=None, now=now, in_use=never) is None
