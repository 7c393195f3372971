"""Which files a command reads that works without a running asyncinit: a project's, a container's, or a machine's."""

from __future__ import annotations

import os

from asyncinit.cli.outcome import UsageError
from asyncinit.client.errors import ClientError
from asyncinit.config.places import FILE, FOLDER
from asyncinit.config.resolve import Mode
from asyncinit.machine.booted import is_booted

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation
    from asyncinit.config.load import Loaded
    from asyncinit.config.spec import Configuration


class BadFilesError(ClientError):
    """The files have errors, so that there is nothing to be shown of them."""


def whole(loaded: Loaded) -> Configuration:
    """Return the configuration of files that have no error. Raises BadFilesError."""
    from asyncinit.config.problems import ConfigErrors

    if loaded.errors:
        raise BadFilesError(str(ConfigErrors(loaded.problems)))
    return loaded.configuration


def profiles_of(invocation: Invocation) -> tuple[str, ...]:
    """Return the active profiles: those of `--profile`, else those that the environment names."""
    from asyncinit.config.profiles import active

    return active(invocation.values["profile"])


def root_of(invocation: Invocation) -> str:
    """Return the folder that `--root` names, else the root folder. Raises UsageError."""
    values = invocation.values
    root: str | None = values["root"]
    if root is None:
        return "/"
    others = [name for name in ("config", "services", "paths", "now") if values.get(name)]
    if others:
        other = "PATH" if others[0] == "paths" else f"--{others[0]}"
        raise UsageError(f"--root is for a whole system that does not run, and {other} does not go with it")
    if not os.path.isdir(root):
        raise UsageError(f"--root {root}: there is no such folder")
    return root


def mode_of(invocation: Invocation) -> Mode:
    """Tell as what the files are read: as a machine's with --root, and where asyncinit has booted this system.

    Not so a project's: what --config and --services name, and the files of the folder that we are in.
    """
    values = invocation.values
    if values["root"] is not None:
        return Mode.MACHINE
    project = values["config"] or values["services"] or values.get("paths")
    here = not project and os.getcwd() != "/" and (os.path.lexists(FILE) or os.path.isdir(FOLDER))
    return Mode.CONTAINER if project or here or not is_booted() else Mode.MACHINE
