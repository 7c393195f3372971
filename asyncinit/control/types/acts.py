"""What can be asked to be done to services and to asyncinit, and what came of it."""

from __future__ import annotations

from asyncinit.config.spec import PowerAction
from asyncinit.control.types.records import EventEntry
from asyncinit.control.types.wire import Wire
from asyncinit.core.status import State


class ActionResult(Wire, frozen=True):
    """What came of an action for one service that was named: `ok` if it is as was asked; `text` says why not."""

    name: str
    ok: bool
    state: State
    text: str


class ActParameters(Wire, frozen=True):
    """Parameters of Start, Stop and Reload: `wait` null or true: answer when it is done."""

    names: list[str]
    wait: bool | None = None


class RestartParameters(Wire, frozen=True):
    """Parameters of Restart: with `only`, what requires these is left alone."""

    names: list[str]
    wait: bool | None = None
    only: bool | None = None


class ActReply(Wire, frozen=True):
    """Reply of the actions: `affected` names what else is stopped or started; `progress` fills with `more` only."""

    results: list[ActionResult]
    affected: list[str]
    progress: list[EventEntry]


class SignalParameters(Wire, frozen=True):
    """Parameters of Signal: `signal` is a number."""

    names: list[str]
    signal: int


class FreezeParameters(Wire, frozen=True):
    """Parameters of Freeze and Thaw."""

    names: list[str]


class ReexecReply(Wire, frozen=True):
    """Reply of Reexec, by the new program: the versions before and after."""

    before: str
    after: str


class ShutdownParameters(Wire, frozen=True):
    """Parameters of Shutdown: `reason` is told in the log; `at_once`: nothing is stopped in order."""

    reason: str | None = None
    action: PowerAction | None = None
    at_once: bool | None = None


class ShutdownReply(Wire, frozen=True):
    """Reply of Shutdown: what is done with the machine once all is down; None where asyncinit only ends."""

    action: PowerAction | None
