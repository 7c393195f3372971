"""A command and the hooks around a life, resolved; runs nothing."""

from __future__ import annotations

from msgspec import Struct


class Command(Struct, frozen=True):
    """A program and its arguments.

    With `expand`, `${NAME}` in each word is replaced from the service's environment when the command is run (one word
    stays one). A `shell = true` text is ("/bin/sh", "-c", text) with `expand` false: the shell expands it.
    """

    argv: tuple[str, ...]
    expand: bool = True


class Hook(Struct, frozen=True):
    """One command of [hooks]; `user` None: as the service's user; `timeout` in seconds."""

    command: Command
    user: str | None = None
    timeout: float = 30.0
    ignore_failure: bool = False


class Hooks(Struct, frozen=True):
    """The commands around a service's life, each list run in order."""

    pre_start: tuple[Hook, ...] = ()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    post_stop: tuple[Hook, ...] = ()

    @property
    def users(self) -> list[str]:
        """Return the users that hooks name, in order."""
        lists = (self.pre_start, self.post_start, self.pre_stop, self.post_stop)
        return sorted({hook.user for one in lists for hook in one if hook.user is not None})
