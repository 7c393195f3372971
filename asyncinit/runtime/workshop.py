"""What the runs of all services share: the loop and the parts that make, watch and end processes; plain data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from asyncinit.config.spec import SpawnMethod
from asyncinit.core.status import Reason
from asyncinit.runtime.aftermath import Aftermath
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.cgroups.groups import Cgroups
from asyncinit.runtime.chronicle import Chronicle
from asyncinit.runtime.foreground import Foreground
from asyncinit.runtime.output.capture import Capture
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.output.router import Router
from asyncinit.runtime.pods import Pods
from asyncinit.runtime.process.offload import Offloader
from asyncinit.runtime.process.prepare import Preparation
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.process.spawner import Spawner
from asyncinit.runtime.sockets.activation import Activation
from asyncinit.runtime.sockets.holding import Sockets
from asyncinit.runtime.sockets.watch import Watch
from asyncinit.runtime.timers import Timers
from asyncinit.runtime.tree.ending import Ending
from asyncinit.runtime.tree.members import Members


@dataclass(slots=True)
class Workshop:
    """The tools of the house.

    `control_address` is exported to services (None: there is no control socket); `open_files` is the limit of open
    files that they get, where ours had to be raised; `triggers` gives what tells a run who has started it.
    `watch_ended` is told of the end of a command of [watch].
    """

    loop: asyncio.AbstractEventLoop
    timers: Timers
    reaper: Reaper
    spawner: Spawner
    offloader: Offloader
    preparation: Preparation
    sockets: Sockets
    watch: Watch
    activation: Activation
    members: Members
    ending: Ending
    cgroups: Cgroups
    capture: Capture
    journal: Journal
    router: Router
    announcer: Announcer
    chronicle: Chronicle
    aftermath: Aftermath
    foreground: Foreground
    pods: Pods
    slow_paths: Callable[[], bool]
    watch_ended: Callable[[str, Reason | None], None] = lambda _name, _failure: None
    triggers: Callable[[str], Mapping[str, str]] = lambda _name: {}
    spawn_method: SpawnMethod = SpawnMethod.AUTO
    control_address: str | None = None
    open_files: tuple[int, int] | None = None
