"""Effects that are about a service as such, its sockets and its lives, and not about one run of it (see `events`)."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from asyncinit.core.status import Reason


class OpenSockets(Struct, frozen=True):
    """Open its sockets, so that others can connect and wait; what fails is told by Prepare, which does so too."""

    service: str


class CloseSockets(Struct, frozen=True):
    """The service is down and will not come by itself: close its sockets, so that whoever connects is refused."""

    service: str


class AwaitConnection(Struct, frozen=True):
    """Open its sockets and want it up (Start, and all that it needs) at the first connection, or answer ListenFailed.

    Asked for again, with what is declared by now.
    """

    service: str


class ForgetConnection(Struct, frozen=True):
    """Await no connection any more; the sockets stay open."""

    service: str


class HandoverStage(StrEnum):
    """How far a restart without a gap is."""

    BEGUN = "begun"
    FAILED = "failed"
    TAKEN_OVER = "taken over"
    DRAINED = "drained"
    UNDYING = "undying"


class HandedOver(Struct, frozen=True):
    """A restart without a gap has come to `stage`; the state of the service may have stayed as it was.

    `pid` is the main process of the present instance, `other` that of the one beside it: the successor or predecessor.
    `reason` is why a successor failed, or why a predecessor does not end; `killed` and `took` are how the predecessor's
    stop went.
    """

    service: str
    stage: HandoverStage
    pid: int | None
    other: int | None = None
    reason: Reason | None = None
    killed: bool = False
    took: float = 0.0
