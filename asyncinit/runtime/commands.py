"""The commands that run beside a service's main process: hooks, reload, stop, probes; knows nothing of when.

Each is a process of the service: in its environment, its output in the service's log, one of its members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from asyncinit.config.spec import Command, Hook, ServiceSpec
from asyncinit.core.budget import Pace
from asyncinit.core.events import HookStage
from asyncinit.core.status import Code, Reason
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.hooks import Activity, CommandRun, Done, HookRun
from asyncinit.runtime.process.prepare import Prepared
from asyncinit.runtime.workshop import Workshop


class Commands:
    """The commands of one run of `spec`, whose members `token` marks; `complain` takes a line for people."""

    def __init__(self, workshop: Workshop, spec: ServiceSpec, token: str, complain: Callable[[str], None]) -> None:
        self._shop = workshop
        self._spec = spec
        self._token = token
        self._complain = complain
        self._under_way: dict[str, Activity] = {}

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
        key = f"hooks.{stage}"

        def run(hook: Hook, timeout: float, ended: Done) -> Activity:
            return self.run(prepared, hook.command, key, timeout, ended, hook.user, variables)

        def over(failure: Reason | None) -> None:
            self._under_way.pop(key, None)
            done(failure)

        self._under_way[key] = HookRun(
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
        """Run one command, declared at `key`, for `timeout` seconds at most. Raises SpawnError."""
        plan = prepared.plan(command, key, user, variables)
        owner = plan.credentials.uid if plan.credentials is not None else None
        channel = self._shop.capture.open(self._spec.name, owner, main=False)

        def ended(failure: Reason | None) -> None:
            channel.drain()
            done(failure)

        plan = replace(
            plan,
            stdout=channel.stdout,
            stderr=channel.stderr,
            method=self._shop.spawn_method,
            open_files=self._shop.open_files,
        )
        command_run = CommandRun(
            self._shop.spawner,
            self._shop.timers,
            plan,
            timeout=timeout,
            born=lambda pid: self._shop.members.born(self._spec.name, self._token, pid, leader=True),
            done=ended,
        )
        channel.close_ours()
        return command_run

    def end(self, kill: bool) -> None:
        """Call off what runs, and `kill` it (else it is a member of the service like others); nobody is told."""
        under_way, self._under_way = self._under_way, {}
        for command in under_way.values():
            if kill:
                command.cancel()
            else:
                command.abandon()
