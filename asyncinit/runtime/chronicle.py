"""What happened to each service when: the present run, for reports, and the first start, for `analyze`.

Is told of changes and of processes; decides nothing, tells nobody. All moments are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from asyncinit.control.types import CgroupStatus
from asyncinit.core.events import Announce
from asyncinit.core.status import Code, State
from asyncinit.linux.process import Usage
from asyncinit.runtime.early_times import Early
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.tree.listing import Member

_FINISHED = frozenset({State.READY, State.COMPLETED})
# What a first attempt has come to when it was no success; a restart that follows may be one.
_FAILED = frozenset({State.BACKOFF, State.FAILED, State.INACTIVE})


class CurrentRun(Struct):
    """The run of a service that is under way, or was the last.

    `environment`: the names that it was given. `left`: pid, name and state letter of what outlived its main process.
    """

    prepared: float | None = None
    spawned: float | None = None
    announced: float | None = None  # its post_start hooks began
    ready: float | None = None
    ended: float | None = None
    ended_wall: float | None = None
    pid: int | None = None
    environment: tuple[str, ...] = ()
    usage: Usage | None = None
    left: tuple[tuple[int, str, str], ...] = ()
    cgroup: CgroupStatus | None = None

    @property
    def phase(self) -> str:
        """How far it has come, in the words of the life cycle."""
        if self.ready is not None:
            return "ready"
        if self.announced is not None:
            return "post-start"
        return "starting" if self.spawned is not None else "preparing"


class FirstStart(Struct):
    """The first start of a service; see the control protocol's StartTimes."""

    waiting: float
    preparing: float | None = None
    starting: float | None = None
    ready: float | None = None
    ended: float | None = None
    attempts: int = 0

    @property
    def over(self) -> bool:
        """Whether it has come to something."""
        return self.ready is not None or self.ended is not None


class Record(Struct):
    """What is remembered, as plain data: it is carried over a re-exec as it is.

    `begun` is when asyncinit began, `wall` the same by the wall clock, `finished` when nothing of its first start was
    open any more. `early`: the early steps of a machine, before that.
    """

    begun: float = 0.0
    wall: float = 0.0
    finished: float | None = None
    runs: dict[str, CurrentRun] = field(default_factory=dict)
    starts: dict[str, FirstStart] = field(default_factory=dict)
    outlived: dict[str, int] = field(default_factory=dict)
    strays_ended: int = 0
    early: Early | None = None


class Chronicle:
    """Write down what happens, from `begun` on, which is `wall` by the wall clock."""

    def __init__(self, begun: float, wall: float) -> None:
        self.record = Record(begun, wall)
        self._open = 0

    def freeze(self, _keep: Keep) -> Record:
        """Return what is carried over a re-exec."""
        return self.record

    def thaw(self, record: Record) -> None:
        """Go on in the record of the program before."""
        self.record = record
        self._open = sum(not start.over for start in record.starts.values())

    def run_of(self, name: str) -> CurrentRun:
        """Return the present run of a service, or its last."""
        return self.record.runs.get(name) or CurrentRun()

    # -----------------------------------------------------------------------------------------------------------------
    # What it is told

    def changed(self, effect: Announce, now: float) -> None:
        """Note a change of state."""
        if effect.new is State.STARTING:
            self.record.runs[effect.service] = CurrentRun(prepared=now)
        elif effect.new is State.READY and effect.old not in {State.RELOADING, State.UNHEALTHY}:
            self._run(effect.service).ready = now
        self._note_start(effect, now)

    def _note_start(self, effect: Announce, now: float) -> None:
        """Note a step of the first start, as long as that is not over as a whole."""
        if self.record.finished is not None:
            return
        start = self.record.starts.get(effect.service)
        if start is None:
            if effect.new not in {State.WAITING, State.STARTING, State.READY}:
                return
            start = self.record.starts[effect.service] = FirstStart(now)
            self._open += 1
        if effect.reason is not None and effect.reason.code is Code.CONDITION:
            self._drop_start(effect.service)  # it was skipped: nothing of it has started
            self._look_whether_finished(now)
            return
        was_over = start.over
        if effect.new is State.STARTING:
            start.attempts += 1
            start.preparing = now if start.preparing is None else start.preparing
        elif effect.new in _FINISHED and start.ready is None:
            start.preparing = now if start.preparing is None else start.preparing
            start.ready = now
        elif effect.new in _FAILED and not start.over:
            start.ended = now
        self._open -= start.over and not was_over
        self._look_whether_finished(now)

    def _look_whether_finished(self, now: float) -> None:
        if not self._open and self.record.starts:
            self.record.finished = now

    def _drop_start(self, name: str) -> None:
        start = self.record.starts.pop(name, None)
        self._open -= start is not None and not start.over

    def starting(self, name: str, environment: Iterable[str], now: float) -> None:
        """Note that the main process of a service is about to be made, and the names of its variables."""
        run = self._run(name)
        run.spawned, run.environment = now, tuple(sorted(environment))
        start = self.record.starts.get(name)
        if start is not None and start.starting is None and not start.over:
            start.starting = now

    def spawned(self, name: str, pid: int) -> None:
        """Note that the main process of a service was made."""
        self._run(name).pid = pid

    def announcing(self, name: str, now: float) -> None:
        """Note that the post_start hooks of a service begin."""
        self._run(name).announced = now

    def ended(
        self,
        name: str,
        usage: Usage | None,
        left: Sequence[Member],
        now: float,
        wall: float,
        cgroup: CgroupStatus | None = None,
    ) -> None:
        """Note that the main process of a service has ended, what it and all together used, and who is left unasked."""
        run = self._run(name)
        run.ended, run.ended_wall, run.usage = now, wall, usage
        run.cgroup = cgroup
        run.left = tuple((member.pid, member.name, member.state) for member in left)
        if left:
            self.record.outlived[name] = self.record.outlived.get(name, 0) + len(left)

    def forget(self, name: str) -> None:
        """Forget a service that is not declared any more."""
        self._drop_start(name)
        self.record.runs.pop(name, None)
        self.record.outlived.pop(name, None)

    def _run(self, name: str) -> CurrentRun:
        return self.record.runs.setdefault(name, CurrentRun())
