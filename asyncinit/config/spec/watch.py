"""Files whose changes restart a service, resolved; looks at none."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from asyncinit.config.spec.command import Command
from asyncinit.config.spec.ready import NONE


class WatchAction(StrEnum):
    """What follows when a watched file has changed."""

    RESTART = "restart"
    RELOAD = "reload"
    RUN = "run"


class Watch(Struct, frozen=True):
    """The [watch] section: `paths` are files, folders with all below them, or patterns; unexpanded.

    `ignore` are lines of a .gitignore, over those of the files of that name (`gitignore`: they are respected). What has
    changed is told `debounce` seconds after the last change. `command` is for RUN alone, and is killed after `timeout`.
    """

    paths: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    action: WatchAction = WatchAction.RESTART
    command: Command | None = None
    timeout: float = NONE
    debounce: float = 0.2
    gitignore: bool = True
