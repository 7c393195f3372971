"""Put the parts of a running asyncinit together, start it and take it apart; no part of it decides anything.

Read it as the list of what there is: each part gets what it needs of the others, and nothing more.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from typing import Any

from asyncinit.config.show import show
from asyncinit.config.spec import Configuration, InitSpec, LogLevel
from asyncinit.core import at_start
from asyncinit.core.events import Announce, ListenFailed
from asyncinit.core.handover import service_of
from asyncinit.core.status import Reason
from asyncinit.errors import TransitionError
from asyncinit.linux.environment import original_environment
from asyncinit.linux.limits import raise_open_files
from asyncinit.linux.mounts import slow_file_systems
from asyncinit.linux.oom_score import own_score
from asyncinit.linux.signals import SignalInfo
from asyncinit.runtime import words
from asyncinit.runtime.aftermath import Aftermath
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.answering import make_machine_orders, make_orders
from asyncinit.runtime.by_itself import make_changes, make_idle_stop, make_rescue, make_schedules
from asyncinit.runtime.cgroups.groups import Cgroups
from asyncinit.runtime.chronicle import Chronicle
from asyncinit.runtime.configuring.configured import Configured
from asyncinit.runtime.configuring.reading import RunOptions
from asyncinit.runtime.control.server import ControlServer
from asyncinit.runtime.crashes.afterwards import Afterwards
from asyncinit.runtime.foreground import Foreground
from asyncinit.runtime.hardware_watchdog import HardwareWatchdog
from asyncinit.runtime.initctl import Initctl
from asyncinit.runtime.insight import Insight
from asyncinit.runtime.last_sweep import LastSweep
from asyncinit.runtime.main_command import main_command
from asyncinit.runtime.output.capture import Capture
from asyncinit.runtime.output.journal import open_journal
from asyncinit.runtime.output.router import Router
from asyncinit.runtime.patience import Patience
from asyncinit.runtime.performer import Performer
from asyncinit.runtime.pods import Pods
from asyncinit.runtime.process.offload import Offloader
from asyncinit.runtime.process.prepare import Preparation
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.process.spawner import Spawner
from asyncinit.runtime.reexec.coding import encode
from asyncinit.runtime.reexec.gathering import gather, take_over
from asyncinit.runtime.reexec.state import Settled, State
from asyncinit.runtime.reexec.succession import Succession
from asyncinit.runtime.requests import Requests
from asyncinit.runtime.shutdown import Shutdown
from asyncinit.runtime.signals import SignalSource
from asyncinit.runtime.sockets.activation import Activation
from asyncinit.runtime.sockets.holding import Sockets
from asyncinit.runtime.sockets.watch import Watch
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timers import Timers
from asyncinit.runtime.tree.ending import Ending
from asyncinit.runtime.tree.members import Members
from asyncinit.runtime.upward import Upward
from asyncinit.runtime.workshop import Workshop

# Two pipes, a notification socket, readiness, one for the spawn or its sockets, two files of its cgroup; clients,
# hooks, probes share the rest.
_FILES_PER_SERVICE = 8
_FILES = 512
# A reader that has stalled may keep the last words for so long at most.
_LAST_WORDS = 0.5


class Assembly:
    """A running asyncinit, started with `options`.

    `project` is the folder whose services are run, where that is not the system's. Then call `begin`. After a re-exec
    the state is in `carried`, and `go_on` is called instead.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        configuration: Configuration,
        options: RunOptions,
        *,
        project: str | None = None,
        carried: State | None = None,
    ) -> None:
        self._loop = loop
        self._status = 0
        init = configuration.init
        self.settled = Settled(project) if carried is None else carried.settled
        first = carried is None
        environment = {os.fsdecode(name): os.fsdecode(value) for name, value in original_environment().items()}
        loop.set_exception_handler(self._loop_failed)

        self.timers = Timers(loop)
        self.journal = open_journal(loop, init.log_format, init.log_level, environment)
        self.journal.set_names(sorted(configuration.services))
        self.reaper = Reaper(loop)
        self.supervisor = Supervisor(
            configuration.services, self.timers.now, random.random, self._impossible, loop.call_soon
        )
        engine = self.supervisor.engine
        self.announcer = Announcer(engine, self.journal, self.timers.now)
        self.chronicle = Chronicle(self.timers.now(), time.time())
        self.workshop = self._make_workshop(environment, init, options.tied)
        self.workshop.router.own(init.log)
        self._take_place(configuration)
        self.succession = self._make_succession(environment)
        self.performer = Performer(self.workshop, self.supervisor)
        self.schedules = make_schedules(self, loop, environment)
        self.afterwards = Afterwards(self.workshop, engine, init, lambda name: self.performer.seen(name).status_text)
        self.patience = Patience(engine, self.timers, self.journal, lambda name: self.performer.seen(name).waiting_text)
        self.watchdog = HardwareWatchdog(self.timers, self.announcer.system, self.warn)
        self.succession.alive = self.watchdog.feed
        self.rescue = make_rescue(self) if options.on_machine else None
        self._follow_changes()
        self.idle_stop = make_idle_stop(self)
        self.file_watcher, self.changes = make_changes(self, loop, environment)
        self._main = main_command(configuration)
        self.shutdown = self._make_shutdown(init, options.on_machine)
        self.upward = Upward(loop, environment if first else {}, options.ready_fd if first else None, self.warn)
        self.configured = self._make_configured(configuration, options)
        self.requests = self._make_requests()
        self.control = self._make_control(init, carried)
        self.workshop.control_address = self.control.address
        self.shutdown.on_begin = self._shutdown_begins
        self.performer.on_internal_error = self._internal_error
        self.supervisor.watch(self._tell_upward)
        self.initctl: Initctl | None = None
        self.signals = self._make_signals(options.on_machine)

    def _follow_changes(self) -> None:
        """Have everybody told of changes who writes something down, and of services that are forgotten."""
        performer = self.performer
        self.announcer.follow(self.patience.take)
        self.announcer.follow(self.watchdog.take)
        self.announcer.on_change(self._write_down)
        performer.on_forgotten += (
            self.journal.forget,
            self.workshop.router.forget,
            self.announcer.forget,
            self.patience.forget,
            self.chronicle.forget,
            self.afterwards.recorder.forget,
        )

    def _make_workshop(self, environment: dict[str, str], init: InitSpec, tied: bool) -> Workshop:
        engine = self.supervisor.engine
        offloader = Offloader(self._loop, self.reaper, self.timers)
        cgroups = Cgroups(self._loop, offloader, init.cgroups, self.warn_of)
        members = Members(self._loop, self.reaper, self.timers, self.warn, cgroups)
        cgroups.changed = members.look_soon
        cgroups.trouble.main_of = lambda key: life.main if (life := engine.lives.find(key)) is not None else None
        watch = Watch(self._loop)
        sockets = Sockets(self._loop, offloader, environment, owner_of=members.owner_of, complain=self.warn_of)
        router = Router(self._loop, self.journal, environment, lambda n: n in engine.graph.written_to, offloader.run)
        spawner = Spawner(self._loop, self.reaper, complain=self.warn, tied=tied)
        chronicle, announcer = self.chronicle, self.announcer
        aftermath = Aftermath(engine, members, self.reaper, self.timers, announcer, chronicle, self.journal, cgroups)
        return Workshop(
            loop=self._loop,
            timers=self.timers,
            reaper=self.reaper,
            spawner=spawner,
            offloader=offloader,
            preparation=Preparation(self._loop, offloader, environment),
            sockets=sockets,
            watch=watch,
            activation=Activation(watch, sockets, self._connected, self._cannot_listen),
            members=members,
            cgroups=cgroups,
            ending=Ending(self._loop, self.reaper, self.timers, members, self.warn_of),
            capture=Capture(self._loop, self.journal),
            journal=self.journal,
            router=router,
            announcer=announcer,
            chronicle=chronicle,
            aftermath=aftermath,
            foreground=Foreground(self.reaper),
            pods=Pods(engine.services, spawner.sandboxes, announcer, lambda: self.workshop.control_address),
            slow_paths=slow_file_systems,
            spawn_method=init.spawn,
        )

    def _make_succession(self, environment: dict[str, str]) -> Succession:
        return Succession(
            self.workshop.spawner,
            self.timers,
            self.announcer,
            environment,
            gather=lambda keep, tolerant: encode(gather(self, keep, tolerant)),
            leave=self._loop.stop,
        )

    def _make_shutdown(self, init: InitSpec, machine: bool) -> Shutdown:
        tidy = (self.performer.removals.when_tidy, self.workshop.sockets.when_tidy, self.afterwards.when_idle)
        return Shutdown(
            self.supervisor,
            self.timers,
            announcer=self.announcer,
            init=init,
            sweep=LastSweep(self.workshop, tidy, self.warn, machine).begin,
            finish=self._finish,
            decisive=self._main,
            not_executed=self.performer.not_executed,
            machine=machine,
        )

    def _make_configured(self, configuration: Configuration, options: RunOptions) -> Configured:
        configured = Configured(
            configuration,
            options,
            main=self._main,
            supervisor=self.supervisor,
            offloader=self.workshop.offloader,
            announcer=self.announcer,
            upward=self.upward,
            take_over=self._take_over,
        )
        configured.on_change += (lambda _plan: self._set_timers(), lambda _plan: self.changes.look())
        return configured

    def _make_requests(self) -> Requests:
        engine, crashes = self.supervisor.engine, self.afterwards.store
        return Requests(
            self.supervisor,
            self.performer,
            self.announcer,
            self.shutdown,
            self.journal,
            self.schedules,
            now=self.timers.now,
            since=time.time(),
            insight=Insight(
                engine, self.workshop, self.performer, crashes, self.configured, self.schedules.next, self.watchdog
            ),
            show=lambda name: show(self.configured.configuration, name),
            configured=self.configured,
            succession=self.succession,
            pods=self.workshop.pods,
            watching=self.changes.status,
            terminals=self.workshop.capture.terminals,
        )

    def _make_control(self, init: InitSpec, carried: State | None) -> ControlServer:
        return ControlServer(
            self._loop,
            self.requests,
            say=self.warn,
            control_socket=init.control_socket,
            control_read=init.control_read,
            project=self.settled.project,
            carried=carried.control.place if carried is not None else None,
        )

    def _make_signals(self, machine: bool) -> SignalSource:
        orders = make_orders(self, self._main)
        handle: Callable[[SignalInfo], None] = orders.handle
        if machine:
            handle, self.initctl = make_machine_orders(self, self._loop, orders)
        return SignalSource(self._loop, handle, self.reaper.reap)

    # -----------------------------------------------------------------------------------------------------------------
    # A life

    def begin(self) -> None:
        """Start what is enabled, or what [init] start names."""
        services, names = self.configured.configuration.services, at_start.started(self.configured.configuration)
        self.announcer.system(words.begun(len(names), len(services), os.getpid(), self.configured.options.profiles))
        self.watchdog.configure(self.configured.configuration.init)
        if self.initctl is not None:
            self.initctl.open()
        if self.rescue is not None:
            self.rescue.watch(self.configured.configuration.init.start, names)
        self._loop.call_soon(self._start, names)

    def go_on(self, state: State) -> None:
        """Go on with what the program before has left, in the place of `begin`."""
        take_over(self, state)
        if not self.shutdown.started:
            self._loop.call_soon(self._start, at_start.started(state.configuration))

    def escaped(self, error: BaseException) -> str:
        """Have another program go on after an exception that has ended the loop; return why that cannot be."""
        self.watchdog.feed()
        try:
            self.supervisor.settle()
        except BaseException as another:
            self.warn(f"internal error: {words.raised(another)}")
        return self.succession.escaped(error)

    def _start(self, names: tuple[str, ...]) -> None:
        armed = at_start.armed(self.configured.configuration)
        if armed:
            self.schedules.set(armed, at_start=True)
        self.supervisor.request(lambda now: self.supervisor.engine.boot(names, now))
        self.shutdown.started = True
        self.shutdown.look()
        self._tell_upward()

    def end(self) -> int:
        """Write what is left, give everything back and return the exit status."""
        self.upward.exit_status(self._status)
        self.schedules.close()
        self.workshop.capture.close()
        self.workshop.offloader.close()
        self.workshop.spawner.close()
        self.workshop.cgroups.end()
        self.control.close()
        self.upward.close()
        self.workshop.router.places.flush(_LAST_WORDS)
        self.journal.flush(_LAST_WORDS)
        return self._status

    def _finish(self, status: int) -> None:
        self._status = status
        self.afterwards.last_word(status, self.shutdown, self._leave)

    def _leave(self) -> None:
        # Not at once: whoever asked for the shutdown over the control socket gets an answer first.
        self._loop.call_soon(self._loop.stop)

    # -----------------------------------------------------------------------------------------------------------------
    # What the parts are told by

    def _take_over(self, configuration: Configuration) -> None:
        """Have what is not a service's hold from now on."""
        init = configuration.init
        self.journal.set_names(sorted(configuration.services))
        self.journal.set_level(init.log_level)
        self.workshop.router.own(init.log)
        self.shutdown.init = init
        self.watchdog.configure(init)
        self.afterwards.configure(init)
        self.workshop.spawn_method = init.spawn
        self.control.let_read(init.control_read)
        self._take_place(configuration)

    def _set_timers(self) -> None:
        self.schedules.set(at_start.armed(self.configured.configuration))

    def _take_place(self, configuration: Configuration) -> None:
        """Take what is for asyncinit alone; services have it as it was before."""
        changed = raise_open_files(_FILES + _FILES_PER_SERVICE * len(configuration.services))
        self.settled.open_files = self.workshop.open_files = self.settled.open_files or changed
        own_score.lower(configuration.init.oom_score_adj, self.settled.oom_score)
        self.settled.oom_score = own_score.original

    def _write_down(self, change: Announce) -> None:
        now = self.timers.now()
        self.chronicle.changed(change, now)
        self.afterwards.recorder.changed(change)
        self.shutdown.report.changed(change, now)

    def _connected(self, name: str) -> None:
        self.supervisor.request(lambda now: self.supervisor.engine.start([name], now))

    def _cannot_listen(self, name: str, reason: Reason) -> None:
        self.supervisor.post(name, ListenFailed(reason))

    def _shutdown_begins(self) -> None:
        self.upward.stopping()
        self.succession.cancel()
        self.changes.close()
        self.file_watcher.close()

    def _tell_upward(self) -> None:
        engine = self.supervisor.engine
        if self.shutdown.started and not self.settled.told_ready and not engine.shutting_down and engine.all_ready:
            self.settled.told_ready = True
            self.announcer.system("all services are ready")
            self.upward.ready()

    def warn(self, text: str) -> None:
        """Tell that something about asyncinit itself is not as it should be."""
        self.journal.event(None, text, LogLevel.WARNING)

    def warn_of(self, service: str | None, text: str) -> None:
        """Tell it of a service."""
        self.journal.event(None if service is None else service_of(service), text, LogLevel.WARNING)

    def _internal_error(self) -> None:
        self.shutdown.internal_error = True

    def _impossible(self, error: TransitionError) -> None:
        self._internal_error()
        self.journal.event(error.service, str(error), LogLevel.ERROR)

    def _loop_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception has escaped a callback: tell it, and go on."""
        self.journal.event(None, f"internal error: {words.failed_callback(context)}", LogLevel.ERROR)
