"""How sockets are passed to a service, as sd_listen_fds(3) has it; opens nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asyncinit.runtime.sockets.held import Held

_FIRST = 3  # SD_LISTEN_FDS_START


class Passed(NamedTuple):
    """What a main process gets: descriptors as (ours, its number), variables, and names of those that get its pid."""

    descriptors: tuple[tuple[int, int], ...]
    variables: dict[str, str]
    pid_variables: tuple[str, ...]


def passed(held: Sequence[Held]) -> Passed:
    """Return how the open sockets of a service are passed to it: nothing at all where there are none."""
    if not held:
        return Passed((), {}, ())
    names = ":".join(one.wanted.name for one in held)
    descriptors = tuple((one.fd, number) for number, one in enumerate(held, _FIRST))
    return Passed(descriptors, {"LISTEN_FDS": str(len(held)), "LISTEN_FDNAMES": names}, ("LISTEN_PID",))
