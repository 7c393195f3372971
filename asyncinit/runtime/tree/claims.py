"""Which session and group numbers are a service's, and for how long that holds; reads nothing, calls nothing.

Why numbers need proof
======================

The kernel hands out one number space. A number is one thing from when it is given to a new process until nobody uses
it any more as pid, process group or session: only then it may be given again. A process gets into a session by being
born there or by making it (setsid: the session has its own pid), and into a group only within its session. So all that
ever is in session or group N descends from process N, the leader, and belongs to the service that process N belonged
to. That holds for as long as N was not given again, and a service keeps its claim on N only where that can be proven
for the very process in question:

1. Process N, the leader, lives: the claim holds if it is the leader that was seen (same start time). Another one means
   that N was given again: the claim is void.
2. The process in question was born before N was last seen in the service: it can't have joined session N later, so it
   was in it then.
3. The kernel did not come past N since: pids are handed out in ascending order, and a full round takes time.
4. A process that the service is known to have had before is still in N.

What none of these proves is not the service's by number. That matters: a process that is taken for a member is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from asyncinit.linux.proc import Instant

# The quickest that all processors together, and one alone, can make threads; a little less than what was measured.
_FASTEST_FORK = 2e-6
_FASTEST_FORK_OF_ONE = 25e-6
_RESERVED = 300  # RESERVED_PIDS of the kernel: a new round begins there


class Claim(NamedTuple):
    """What was seen of a number."""

    service: str
    seen: Instant
    leader: int | None  # start time of process N where it lived when the claim was made


class Claims:
    """Numbers and whose they are; `pid_max` and `processors` tell how long a round of pids takes at least."""

    def __init__(self, pid_max: int, processors: int) -> None:
        self._claims: dict[int, Claim] = {}
        self._round = (pid_max - _RESERVED) * max(_FASTEST_FORK, _FASTEST_FORK_OF_ONE / processors)

    def freeze(self) -> dict[int, Claim]:
        """Return what is carried over a re-exec."""
        return dict(self._claims)

    def thaw(self, claims: dict[int, Claim]) -> None:
        """Go on with what the program before has seen."""
        self._claims.update(claims)

    def hold(self, number: int, service: str, seen: Instant, leader: int | None) -> None:
        """Record that a member of `service` was seen in `number` at `seen` or later; replaces any earlier claim.

        `leader` is the start time (ticks) of process `number` if it lived, else None.
        """
        self._claims[number] = Claim(service, seen, leader)

    def __contains__(self, number: int) -> bool:
        return number in self._claims

    def void(self, number: int) -> None:
        """Forget `number`: it was given to a new process."""
        self._claims.pop(number, None)

    def forget(self, service: str) -> None:
        """Forget all numbers of `service`."""
        for number in self.numbers(service):
            del self._claims[number]

    def numbers(self, service: str) -> list[int]:
        """Return the numbers that `service` has a claim on, proven or not."""
        return [number for number, claim in self._claims.items() if claim.service == service]

    def find(
        self, number: int, born: int, leader: int | None, now: Instant, in_use: Callable[[str, int], bool]
    ) -> str | None:
        """Return whose a process in session or group `number` is, None where nothing proves it.

        `born` is the process's start time (0: not known), `leader` that of process `number` (None: it does not live),
        both in ticks; `in_use(service, number)` tells whether a process known to be of the service is in `number`.
        """
        claim = self._claims.get(number)
        if claim is None:
            return None
        if leader is not None:
            if leader == claim.leader:
                return claim.service
            del self._claims[number]
            return None
        if 0 < born < claim.seen.ticks or not self._given_since(number, claim.seen, now):
            return claim.service
        return claim.service if in_use(claim.service, number) else None

    def _given_since(self, number: int, then: Instant, now: Instant) -> bool:
        """Tell whether the kernel may have handed out `number` after `then`; True where that is not known."""
        if then.last_pid is None or now.last_pid is None or now.seconds - then.seconds >= self._round:
            return True
        if then.last_pid <= now.last_pid:
            return then.last_pid < number <= now.last_pid
        return number > then.last_pid or number <= now.last_pid
