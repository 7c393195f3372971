"""What is run for a service beside its main process, and what its end means: hooks, the reload and the stop command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from asyncinit.config.spec import NONE, Command, Hook, ServiceSpec
from asyncinit.core import events as ev
from asyncinit.core.budget import UNHURRIED, Pace
from asyncinit.core.events import HookStage
from asyncinit.core.status import Reason, signal_name
from asyncinit.runtime.commands import Commands, CommandsState
from asyncinit.runtime.process.hooks import Done
from asyncinit.runtime.process.prepared import Prepared
from asyncinit.runtime.ready.probes import ProbeContext
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.workshop import Workshop

_RELOAD, _STOP, _WATCH = "reload", "stop", "watch"


class Served(Protocol):
    """The run that they are for (`runtime.run.Run`)."""

    spec: ServiceSpec
    life: str
    token: str
    main: int | None
    prepared: Prepared | None


class Errands:
    """The errands of one run; `post` takes its events, `complain` a line about it for people."""

    def __init__(
        self, workshop: Workshop, run: Served, post: Callable[[ev.Event], None], complain: Callable[[str], None]
    ) -> None:
        self._shop = workshop
        self._run = run
        self._post = post
        self._complain = complain
        self._commands = Commands(workshop, run.spec, run.life, run.token, complain, lambda: run.main)

    def probe_context(self, section: str) -> ProbeContext:
        """Return what probes need that are declared in `section`; the run is prepared by now."""
        assert self._run.prepared is not None
        return self._commands.probe_context(self._run.prepared, section)

    def run_hooks(self, stage: HookStage, pace: Pace = UNHURRIED, variables: Mapping[str, str] | None = None) -> None:
        """Run the hooks of a stage one after another; posts HooksDone, for those of pre_start Prepared."""
        spec = self._run.spec
        before_stop = stage in {HookStage.PRE_STOP, HookStage.UNDO}
        hooks: Sequence[Hook] = spec.before_stop if before_stop else getattr(spec.hooks, stage.value)
        self._commands.hooks(self._run.prepared, stage, hooks, pace, self._told_of(stage), variables)

    def run_reload(self, command: Command) -> None:
        """Run the reload command; posts ReloadDone."""
        self._aside(_RELOAD, command, NONE)  # its time limit is the core's

    def run_stop(self, command: Command) -> None:
        """Run the stop command; its failure is only told."""
        self._aside(_STOP, command, self._run.spec.stop.timeout)

    def run_watch(self, command: Command, timeout: float, variables: Mapping[str, str]) -> None:
        """Run the command of [watch]; its end is told, but not where the run ends before."""
        self._aside(_WATCH, command, timeout, variables)

    def end(self, kill: bool) -> None:
        """Call off what runs, and `kill` it; nothing of it is posted any more."""
        self._commands.end(kill)

    def freeze(self, keep: Keep) -> CommandsState:
        """Return what is carried over a re-exec."""
        return self._commands.freeze(keep)

    def thaw(self, state: CommandsState) -> None:
        """Go on with what the program before has begun."""
        if self._run.prepared is not None:
            self._commands.thaw(state, self._run.prepared, self._told_of)

    def _told_of(self, what: str) -> Done:
        """Return who is told of the end of a stage's hooks, or of the reload or the stop command."""
        if what == _RELOAD:
            return self._reload_ended
        if what == _STOP:
            return self._stop_ended
        if what == _WATCH:
            return self._watch_ended
        if what == HookStage.PRE_START:
            return lambda failure: self._post(ev.Prepared(failure))
        return partial(self._hooks_ended, HookStage(what))

    def _hooks_ended(self, stage: HookStage, failure: Reason | None) -> None:
        if failure is not None and stage in {HookStage.PRE_STOP, HookStage.POST_STOP, HookStage.UNDO}:
            self._complain(f"{failure.text}; the stop goes on")
        self._post(ev.HooksDone(stage, failure))

    def _reload_ended(self, failure: Reason | None) -> None:
        if failure is not None:
            failure = Reason(failure.code, f"reload command {failure.text}")
            self._complain(failure.text)
        self._post(ev.ReloadDone(failure))

    def _stop_ended(self, failure: Reason | None) -> None:
        run = self._run
        if failure is not None and run.main is not None:  # else it has done what it is for
            stop = run.spec.stop
            self._complain(f"stop command {failure.text}; sending {signal_name(stop.signal)} instead")
            self._shop.ending.signal_scope(run.life, stop.signal, stop.scope, run.main)

    def _watch_ended(self, failure: Reason | None) -> None:
        told = None
        if failure is not None and self._run.spec.watch is not None and self._run.spec.watch.command is not None:
            told = Reason(failure.code, f"{self._run.spec.watch.command.argv[0]} {failure.text}")
        self._shop.watch_ended(self._run.spec.name, told or failure)

    def _aside(self, what: str, command: Command, timeout: float, more: Mapping[str, str] | None = None) -> None:
        assert self._run.prepared is not None
        variables = {} if self._run.main is None else {"MAINPID": str(self._run.main)}
        variables |= more or {}
        self._commands.aside(self._run.prepared, what, command, timeout, self._told_of(what), variables)
