"""The commands that run beside a service's main process: hooks, reload, stop, probes; knows nothing of when.

Each is a process of the service: in its environment, its output in the service's log, one of its members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from msgspec import Struct

from asyncinit.config.spec import Command, Hook, ServiceSpec
from asyncinit.core.budget import Pace
from asyncinit.core.events import HookStage
from asyncinit.core.status import Code, Reason
from asyncinit.errors import SpawnError
from asyncinit.linux.proc import innermost_pid
from asyncinit.runtime.output.capture import Channel
from asyncinit.runtime.process.hooks import Activity, CommandRun, CommandState, Done, HookRun, HooksState
from asyncinit.runtime.process.prepare import Cancellable
from asyncinit.runtime.process.prepared import Prepared
from asyncinit.runtime.process.separation import beside, outside
from asyncinit.runtime.ready.probes import ProbeContext
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.workshop import Workshop

_MAIN_PID = "MAINPID"


class CommandsState(Struct):
    """What is carried over a re-exec: hooks by their stage, the reload and the stop command by name, and all others.

    The others are probes: who asks them asks anew, so these are ended.
    """

    hooks: dict[str, HooksState] = {}
    asides: dict[str, CommandState] = {}
    others: list[CommandState] = []


class Commands:
    """The commands of one run of `spec`, whose members are known as `life` and by `token`.

    `complain` is for people, `main` tells the pid of its main process, if it has one.
    """

    def __init__(
        self,
        workshop: Workshop,
        spec: ServiceSpec,
        life: str,
        token: str,
        complain: Callable[[str], None],
        main: Callable[[], int | None],
    ) -> None:
        self._shop = workshop
        self._spec = spec
        self._life = life
        self._token = token
        self._complain = complain
        self._main = main
        self._under_way: dict[str, Activity] = {}
        self._variables: dict[str, Mapping[str, str]] = {}
        self._running: dict[CommandRun, Channel | None] = {}

    def hooks(
        self,
        prepared: Prepared | None,
        stage: HookStage,
        hooks: Sequence[Hook],
        pace: Pace,
        done: Done,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run `hooks` one after another and call `done` with why they failed, or None."""
        if prepared is None:  # the preparation itself failed: there is nothing to run a hook with
            done(None)
            return
        key = stage.key
        self._variables[key] = variables or {}
        self._under_way[key] = self._hook_run(prepared, stage, hooks, pace, done, variables)

    def _hook_run(
        self,
        prepared: Prepared,
        stage: HookStage,
        hooks: Sequence[Hook],
        pace: Pace,
        done: Done,
        variables: Mapping[str, str] | None,
    ) -> HookRun:
        key = stage.key

        def run(hook: Hook, timeout: float, ended: Done) -> Activity:
            return self.run(prepared, hook.command, key, timeout, ended, hook.user, variables)

        def over(failure: Reason | None) -> None:
            self._under_way.pop(key, None)
            done(failure)

        return HookRun(
            stage,
            hooks,
            run,
            call_soon=self._shop.loop.call_soon,
            done=over,
            pace=pace,
            ignored=lambda failure: self._complain(f"{failure.text}; ignored"),
        )

    def aside(
        self,
        prepared: Prepared,
        what: str,
        command: Command,
        timeout: float,
        done: Done,
        variables: Mapping[str, str],
    ) -> None:
        """Run the reload or stop command (`what`) and call `done` with why it failed, or None."""
        try:
            self._under_way[what] = self.run(prepared, command, f"{what}.command", timeout, done, None, variables)
        except SpawnError as error:
            done(Reason(Code.SPAWN, str(error)))

    def run(
        self,
        prepared: Prepared,
        command: Command,
        key: str,
        timeout: float,
        done: Done,
        user: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Activity:
        """Run one command, declared at `key`, for `timeout` seconds at most. Raises SpawnError.

        As long as the service has a main process it is in the namespaces of that, else in others of the same kind.
        """
        main = self._main()
        elsewhere = prepared.pid1 is not None or self._spec.pod is not None
        if main is not None and elsewhere and variables and _MAIN_PID in variables:
            variables = {**variables, _MAIN_PID: innermost_pid(main)}
        plan = prepared.plan(command, key, user, variables)
        if main is not None:
            plan = beside(plan, main)
        ids = outside(plan.isolation, plan.credentials)
        channel = self._shop.capture.open(self._spec.name, None if ids is None else ids[0], main=False)
        plan = replace(
            plan,
            stdout=channel.stdout,
            stderr=channel.stderr,
            method=self._shop.spawn_method,
            open_files=self._shop.open_files,
        )
        plan = self._shop.pods.placed(self._spec, plan)
        command_run = self._command_run(timeout, channel, done)
        command_run.begin(plan, lambda pid: self._shop.members.born(self._life, self._token, pid, leader=True))
        channel.close_ours()
        return command_run

    def probe_context(self, prepared: Prepared, section: str) -> ProbeContext:
        """Return what probes declared in `section` need; commands are the service's, paths are looked at in a child."""
        shop = self._shop

        def run_command(command: Command, timeout: float, done: Done) -> Activity:
            return self.run(prepared, command, f"{section}.command", timeout, done)

        def look(looks: Callable[[], object], timeout: float, done: Callable[[object], None]) -> Cancellable:
            return shop.offloader.run(lambda _step: looks(), object, timeout, done)

        return ProbeContext(shop.loop, shop.timers, run_command, look, shop.slow_paths)

    def _command_run(self, timeout: float, channel: Channel | None, done: Done) -> CommandRun:
        def ended(failure: Reason | None) -> None:
            if channel is not None:
                channel.drain()
            done(failure)

        command_run = CommandRun(self._shop.spawner, self._shop.timers, timeout, ended)
        self._running = {run: output for run, output in self._running.items() if not run.over}
        self._running[command_run] = channel
        return command_run

    def freeze(self, _keep: Keep) -> CommandsState:
        """Return what is carried over a re-exec."""
        state = CommandsState()
        commands = {
            run: run.freeze(channel.number if channel is not None else 0)
            for run, channel in self._running.items()
            if not run.over
        }
        for key, activity in self._under_way.items():
            if isinstance(activity, HookRun):
                command = commands.pop(activity.running, None) if isinstance(activity.running, CommandRun) else None
                state.hooks[key] = activity.freeze(command, self._variables[key])
            elif isinstance(activity, CommandRun) and activity in commands:
                state.asides[key] = commands.pop(activity)
        state.others = list(commands.values())
        return state

    def thaw(self, state: CommandsState, prepared: Prepared, done: Callable[[str], Done]) -> None:
        """Go on with the commands of the program before; `done` gives who is told, by stage or by name."""
        for key, hooks in state.hooks.items():
            self._variables[key] = hooks.variables
            run = self._hook_run(prepared, hooks.stage, hooks.hooks, hooks.pace, done(hooks.stage), hooks.variables)
            self._under_way[key] = run
            if hooks.running is not None and hooks.command is not None:
                run.go_on(hooks.running, partial(self._take_over, hooks.command))
        for what, command in state.asides.items():
            self._under_way[what] = self._take_over(command, done(what))
        for command in state.others:
            self._take_over(command, lambda _failure: None).cancel()

    def _take_over(self, command: CommandState, done: Done) -> CommandRun:
        run = self._command_run(command.timeout, self._shop.capture.channel(command.channel), done)
        run.go_on(command)
        return run

    def end(self, kill: bool) -> None:
        """Call off what runs, and `kill` it (else it is a member of the service like others); nobody is told."""
        under_way, self._under_way = self._under_way, {}
        for command in under_way.values():
            if kill:
                command.cancel()
            else:
                command.abandon()
