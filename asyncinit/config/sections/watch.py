"""[watch]: files whose changes restart or reload a service, or run a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.problems import Finding
from asyncinit.config.sections.given import Keys, command, filled


class WatchTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Files whose changes restart or reload the service, or run a command, however often it has been started. Watched
    from its first start on until it is stopped by request."""

    paths: Annotated[
        kinds.Watched | list[kinds.Watched],
        Meta(
            description="Files, folders with all that is below them, or patterns (`*`, `?`, `[a-z]`, `**` for any "
            "folders). Relative ones are seen from where the service runs. They need not exist yet.",
            examples=[["src", "templates/**/*.html", "web.toml"]],
        ),
    ] = []
    ignore: Annotated[
        list[kinds.Filled],
        Meta(
            description="What is below these folders and shall not matter, in lines as a `.gitignore` has them; `!` "
            "before one takes something back in that a `.gitignore` or asyncinit leaves out.",
            examples=[["*.log", "data/"]],
        ),
    ] = []
    gitignore: Annotated[bool, Meta(description="Leave out what the `.gitignore` files there leave out.")] = True
    action: Annotated[
        Literal["restart", "reload", "run"],
        Meta(
            description="What follows: a restart with what depends on it, a reload as [reload] says, or `command`. "
            "A service that has failed or completed is started again, whatever the action."
        ),
    ] = "restart"
    command: Annotated[
        kinds.Command | UnsetType,
        Meta(
            description="For `run`: a command in the service's environment, one at a time; gets `WATCH_PATH` and "
            "`WATCH_COUNT`.",
            examples=[["make", "assets"]],
        ),
    ] = UNSET
    timeout: Annotated[kinds.Limit, Meta(description="`command` is killed after this, and has failed.")] = "none"
    debounce: Annotated[
        kinds.Positive,
        Meta(description="So long without a change before anything follows: many changes at once are one."),
    ] = "200ms"


def check(whole: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what a service's [watch] and its other keys must agree on."""
    table = whole.get("watch")
    if not isinstance(table, dict):
        return
    unknown = table.keys() - WatchTable.__struct_fields__  # is told, and is the mistake
    if table.get("paths", []) == [] and not unknown:
        yield Finding(("watch",), "names nothing to watch", expected='paths = ["PATH"]')
    action = table.get("action", "restart")
    if action == "run" and "command" not in table:
        yield Finding(("watch", "action"), 'is "run", and there is no command', expected='command = ["PROGRAM"]')
    elif action != "run":
        for key in ("command", "timeout"):
            if key in table:
                yield Finding(("watch", key), f'has no meaning with action "{action}"', suggestion='action = "run"')
    if action == "reload" and whole.get("type") == "oneshot":
        yield Finding(("watch", "action"), "cannot be reload here: a oneshot runs until it is done")


def resolve(declared: WatchTable | UnsetType) -> spec.Watch | None:
    """Return what the table declares, None where there is none."""
    if isinstance(declared, UnsetType):
        return None
    paths = [declared.paths] if isinstance(declared.paths, str) else declared.paths
    return spec.Watch(
        paths=tuple(dict.fromkeys(paths)),
        ignore=tuple(declared.ignore),
        action=spec.WatchAction(declared.action),
        command=command(declared.command),
        timeout=values.duration(declared.timeout),
        debounce=values.duration(declared.debounce),
        gitignore=declared.gitignore,
    )


def declare(watch: spec.Watch | None) -> Keys:
    """Return the keys that resolve to `watch`."""
    if watch is None:
        return {}
    run = watch.action is spec.WatchAction.RUN
    return filled(
        {
            "paths": list(watch.paths),
            "ignore": list(watch.ignore),
            "gitignore": watch.gitignore,
            "action": str(watch.action),
            "command": None if watch.command is None else list(watch.command.argv),
            "timeout": values.format_duration(watch.timeout) if run else None,
            "debounce": values.format_duration(watch.debounce),
        }
    )
