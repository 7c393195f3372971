"""What the runs of all services share: the loop and the parts that make, watch and end processes; plain data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from asyncinit.config.spec import SpawnMethod
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.ending import Ending
from asyncinit.runtime.foreground import Foreground
from asyncinit.runtime.journal import Journal
from asyncinit.runtime.members import Members
from asyncinit.runtime.offload import Offloader
from asyncinit.runtime.output import Capture
from asyncinit.runtime.prepare import Preparation
from asyncinit.runtime.reaper import Reaper
from asyncinit.runtime.spawner import Spawner
from asyncinit.runtime.timers import Timers


@dataclass(slots=True)
class Workshop:
    """The tools of the house.

    `control_address` is exported to services (None: there is no control socket); `open_files` is the limit of open
    files that they get, where ours had to be raised.
    """

    loop: asyncio.AbstractEventLoop
    timers: Timers
    reaper: Reaper
    spawner: Spawner
    offloader: Offloader
    preparation: Preparation
    members: Members
    ending: Ending
    capture: Capture
    journal: Journal
    announcer: Announcer
    foreground: Foreground
    slow_paths: Callable[[], bool]
    spawn_method: SpawnMethod = SpawnMethod.AUTO
    control_address: str | None = None
    open_files: tuple[int, int] | None = None
