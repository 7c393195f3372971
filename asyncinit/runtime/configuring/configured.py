"""The configuration that holds; another one is read, checked and takes its place, or changes nothing at all.

The files are read in a child, for a file system may hang, and in bounded time. One reading at a time: who asks while
one is under way gets the next, since files may have changed after they were read; all that ask meanwhile share that
one. So a storm of requests costs two readings.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.spec import NO_INSTANCES, Configuration, Instances, LogLevel
from asyncinit.core import at_start
from asyncinit.core.difference import InitChange, between_inits, init_in_force
from asyncinit.core.reconfiguration import Reconfiguration
from asyncinit.errors import SpawnError
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.configuring.instances import targets, together, with_instances, without_resting
from asyncinit.runtime.configuring.reading import Reading, RunOptions, read_declared
from asyncinit.runtime.configuring.telling import told
from asyncinit.runtime.process.offload import Job, Offloader, StepCallback
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.upward import Upward

# Thousands of files take less than a second; what takes longer hangs.
READ_TIMEOUT = 30.0

_SHUTTING_DOWN = "cannot reload the configuration: asyncinit is shutting down"


class Reloaded(Struct, frozen=True):
    """What another configuration changes, or would change."""

    plan: Reconfiguration
    init: InitChange
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Tell whether anything is different now; what takes another asyncinit is not."""
        return bool(self.plan) or bool(self.init.now)


class Unusable(Struct, frozen=True):
    """Nothing is changed: `errors` has all that is wrong with the files, or `text` why they could not be read."""

    errors: tuple[str, ...] = ()
    text: str = ""


Outcome = Reloaded | Unusable
Answer = Callable[[Outcome], None]


class ConfiguredState(Struct):
    """What is carried over a re-exec; `under_way`: somebody had asked for another reading."""

    options: RunOptions = RunOptions()
    main: str | None = None
    under_way: bool = False
    instances: Instances = NO_INSTANCES


class _Wish(Struct):
    """What somebody wants: all that the files say by now or, with `asked`, these instances alone."""

    dry_run: bool
    answer: Answer | None
    asked: Instances = NO_INSTANCES


class Configured:
    """What is declared now, read as `options` say, with its `warnings`; `main` is the service that CMD is.

    `instances` are those that were asked for while it ran. `take_over` is told of the configuration that holds from now
    on, before the services are; those in `on_change` of what was done to the services, after it.
    """

    def __init__(
        self,
        configuration: Configuration,
        options: RunOptions,
        *,
        main: str | None,
        supervisor: Supervisor,
        offloader: Offloader,
        announcer: Announcer,
        upward: Upward,
        take_over: Callable[[Configuration], None],
    ) -> None:
        self.configuration = configuration
        self.warnings: tuple[str, ...] = ()
        self.options = options
        self.instances = NO_INSTANCES
        self._main = main
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._offloader = offloader
        self._announcer = announcer
        self._upward = upward
        self._take_over = take_over
        self._wishes: list[_Wish] = []
        self._next: list[_Wish] = []
        self._job: Job[bytes] | None = None
        self.on_change: list[Callable[[Reconfiguration], None]] = []

    def freeze(self, _keep: Keep) -> ConfiguredState:
        """Return what is carried over a re-exec; the configuration itself is carried beside it."""
        under_way = any(not wish.dry_run and not wish.asked for wish in (*self._wishes, *self._next))
        return ConfiguredState(self.options, self._main, under_way, self.instances)

    def thaw(self, state: ConfiguredState) -> None:
        """Go on as the asyncinit that was started so; read again what was being read."""
        self.options, self._main, self.instances = state.options, state.main, state.instances
        if state.under_way:
            self._ask(_Wish(False, None))

    # -----------------------------------------------------------------------------------------------------------------

    def reload(self, dry_run: bool, answer: Answer) -> Callable[[], None]:
        """Read the files again and take over what they say; with `dry_run` only say what that would do.

        `answer` comes once, never before this has returned, unless what is returned is called: then nobody is told, but
        what was begun goes on.
        """
        return self._ask_for(_Wish(dry_run, answer))

    def instantiate(self, asked: Instances, answer: Answer) -> Callable[[], None]:
        """Read the files again and take over of them the instances that are `asked` for, and nothing else.

        Further ones are there then, not started; of those that are counted the rest goes and all others are started.
        `answer` comes as that of `reload` does.
        """
        return self._ask_for(_Wish(False, answer, asked))

    def _ask_for(self, wish: _Wish) -> Callable[[], None]:
        self._ask(wish)

        def forget() -> None:
            wish.answer = None

        return forget

    def reload_for(self, reason: str) -> None:
        """The same for nobody who waits: what comes of it is told in the log alone."""
        if self._engine.shutting_down:
            self._announcer.system(f"{reason}: {_SHUTTING_DOWN}", LogLevel.WARNING)
        else:
            self._announcer.system(f"{reason}: reading the configuration again")
            self._ask(_Wish(False, None))

    def _ask(self, wish: _Wish) -> None:
        self._next.append(wish)
        if self._job is None:
            self._begin()

    def _begin(self) -> None:
        number = 1 if self._next[0].asked else len(list(takewhile(lambda wish: not wish.asked, self._next)))
        self._wishes, self._next = self._next[:number], self._next[number:]
        if any(not wish.dry_run and not wish.asked for wish in self._wishes):
            self._upward.reloading()
        self._job = self._offloader.run(self._read, bytes, READ_TIMEOUT, self._found)

    def _read(self, begin: StepCallback) -> bytes:
        """In the child: return what is declared."""
        begin("read the configuration")
        return encode(read_declared(self.options, self._main, together(self.instances, self._wishes[0].asked)))

    def _found(self, answer: bytes | SpawnError) -> None:
        wishes, self._wishes = self._wishes, []
        try:
            self._understand(answer, wishes)
        except Exception as error:  # the loop tells it in full; who waits must not wait for ever
            _tell(wishes, Unusable(text=f"internal error: {error!r}"))
            raise
        finally:
            self._job = None
            self._upward.reloaded()
            if self._next:
                self._begin()

    def _understand(self, answer: bytes | SpawnError, wishes: list[_Wish]) -> None:
        dry = [wish for wish in wishes if wish.dry_run]
        real = [wish for wish in wishes if not wish.dry_run]
        reading = Reading() if isinstance(answer, SpawnError) else decode(answer, Reading)
        if self._engine.shutting_down:
            self._refuse(wishes, real, Unusable(text=_SHUTTING_DOWN))
        elif isinstance(answer, SpawnError):
            self._refuse(wishes, real, Unusable(text=str(answer)))
        elif reading.configuration is None:
            self._refuse(wishes, real, Unusable(reading.errors))
        elif wishes[0].asked:
            self._take_instances(reading.configuration, wishes[0].asked, wishes)
        else:
            if dry:
                _tell(dry, self._compare(reading.configuration, reading.warnings))
            if real:
                self._apply(reading.configuration, reading.warnings, real)

    def _compare(self, new: Configuration, warnings: tuple[str, ...]) -> Reloaded:
        init = between_inits(self.configuration.init, new.init)
        return Reloaded(self._engine.plan(new.services, at_start.started(new)), init, warnings)

    def _take_instances(self, new: Configuration, asked: Instances, wishes: list[_Wish]) -> None:
        known = together(self.instances, asked)
        self.instances = without_resting(known, self._engine.services)
        whole = with_instances(self.configuration, new, asked, set(known.names) - set(self.instances.names))
        names = targets(whole, asked.counts)
        plan = self._engine.plan(whole.services, names)
        there = [name for name in names if name not in plan.added and self._engine.must_be_asked(name)]
        outcome = Reloaded(replace(plan, started=(*plan.started, *there)), InitChange())
        self._carry_out(whole, outcome)
        _tell(wishes, outcome)

    def _apply(self, new: Configuration, warnings: tuple[str, ...], wishes: list[_Wish]) -> None:
        outcome = self._compare(new, warnings)
        self.warnings = warnings
        known = tuple(name for name in self.instances.names if name in new.services)
        self.instances = replace(self.instances, names=known)
        self._carry_out(replace(new, init=init_in_force(self.configuration.init, new.init)), outcome)
        _tell(wishes, outcome)

    def _carry_out(self, configuration: Configuration, outcome: Reloaded) -> None:
        self.configuration = configuration
        for text, level in told(outcome.plan, outcome.init, outcome.warnings):
            self._announcer.system(text, level)
        self._take_over(configuration)
        self._supervisor.request(lambda now: self._engine.reconfigure(outcome.plan, now))
        for callback in self.on_change:
            callback(outcome.plan)

    def _refuse(self, wishes: list[_Wish], real: list[_Wish], outcome: Unusable) -> None:
        _tell(wishes, outcome)
        if not real or real[0].asked:
            return  # who asks is told; nobody else needs to know
        if outcome.errors:
            number = f"{len(outcome.errors)} problem{'' if len(outcome.errors) == 1 else 's'}"
            self._announcer.system(f"the configuration has {number}, and nothing is changed", LogLevel.ERROR)
            for line in outcome.errors:
                self._announcer.system(line, LogLevel.ERROR)
        else:
            self._announcer.system(f"{outcome.text}; nothing is changed", LogLevel.ERROR)


def _tell(wishes: list[_Wish], outcome: Outcome) -> None:
    for wish in wishes:
        answer, wish.answer = wish.answer, None
        if answer is not None:
            answer(outcome)
