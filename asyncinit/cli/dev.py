"""`asyncinit dev`: start everything that a project needs, in the foreground, and leave nothing behind."""

from __future__ import annotations

import os
import sys

from asyncinit.cli.outcome import UsageError, complain

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    import _socket
    from typing import NoReturn

    from asyncinit.cli.declaring import Invocation
    from asyncinit.config.project import Project
    from asyncinit.development.folder import Found

EXIT_UNAVAILABLE = 69
_BAD_CONFIGURATION = 78
_ALREADY = 1


def dev(invocation: Invocation) -> int:
    """Supervise the project that we stand in; returns only where it cannot be, and leaves by os._exit otherwise.

    All signals but the faults shall be blocked by now.
    """
    if sys.platform != "linux":  # before anything that is Linux's is imported
        complain("Linux only; run it in a container or VM")
        return EXIT_UNAVAILABLE
    from asyncinit.development.folder import NothingThereError

    try:
        found, project = _meant(invocation)
    except NothingThereError as error:
        complain(str(error))
        return _BAD_CONFIGURATION
    held = None
    if os.getpid() != 1:  # PID 1 made by --unshare: the process outside has claimed the project for it
        held = _claim(found.folder)
        if held is None:
            return _ALREADY
        if invocation.values["unshare"]:
            from asyncinit.cli.run import unshare

            unshare()
    os.chdir(found.folder)
    if held is not None:
        _be_guarded()
    return _run(invocation, found, project, held)


def _run(invocation: Invocation, found: Found, project: Project, _held: _socket.socket | None) -> NoReturn:
    """Supervise until the end; what holds the claim has to live as long."""
    from asyncinit.cli.reading import profiles_of
    from asyncinit.config.resolve import Mode
    from asyncinit.runtime import entry
    from asyncinit.runtime.configuring.reading import RunOptions

    values = invocation.values
    entry.run(
        RunOptions(
            mode=Mode.DEV,
            config=found.config,
            services=found.services,
            profiles=profiles_of(invocation),
            project=project,
            names=tuple(values["names"]),
            exit_with=values["exit_with"],
            tied=os.getpid() != 1,
            log_format=values["log_format"],
            verbosity=values["verbose"] - values["quiet"],
        )
    )


def _meant(invocation: Invocation) -> tuple[Found, Project]:
    """Return the project that is meant, and what the command line says of it. Raises UsageError, NothingThereError."""
    from asyncinit.config.project import ENVIRONMENT_FILE, Project
    from asyncinit.development.folder import Found, find

    values = invocation.values
    given = [name for name in ("config", "services", "procfile") if values[name]]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} do not go together")
    try:
        here = os.getcwd()
    except OSError:
        raise UsageError("the folder that we stand in is not there any more") from None
    if values["procfile"]:
        folder, name = os.path.split(os.path.join(here, values["procfile"]))
        found = Found(os.path.normpath(folder), procfile=name)
    elif given:
        found = Found(here, config=values["config"], services=tuple(values["services"]))
    else:
        found = find(here)
    files = [os.path.relpath(os.path.join(here, path), found.folder) for path in values["env"]]
    formation = _formation(values["formation"])
    project = Project(
        procfile=found.procfile,
        environment_files=tuple(files) or (ENVIRONMENT_FILE,),
        named=bool(files),
        formation=formation,
        port=values["port"],
        inherited={name: os.environ[name] for name in ("PORT", "PYTHONUNBUFFERED") if name in os.environ},
    )
    return found, project


def _formation(given: tuple[str, ...]) -> dict[str, int]:
    """Return how many instances are wanted of what: "web=2,worker=1", or "all=0,web=1"."""
    formation = {}
    for word in ",".join(given).split(","):
        name, equals, count = (part.strip() for part in word.partition("="))
        if not word.strip():
            continue
        if not equals or not name or not (count.isascii() and count.isdecimal() and len(count) < 5):
            raise UsageError(f"--formation {word}: expected NAME=NUMBER, several with commas between")
        formation[name] = int(count)
    return formation


def _claim(folder: str) -> _socket.socket | None:
    """Claim the project for us, and say who has it where that cannot be."""
    from asyncinit.client.connection import Connection
    from asyncinit.client.errors import ClientError
    from asyncinit.client.locate import PROJECT_FILE, project_socket
    from asyncinit.control.address import project_address
    from asyncinit.development.claim import claim
    from asyncinit.errors import why

    try:
        held = claim(folder)
    except OSError as error:
        raise UsageError(f"cannot run a project in {folder}: {why(error.errno or 0)}") from None
    running = ""
    # Not the socket that a project around this one declares.
    declared = project_socket(folder) if os.path.lexists(os.path.join(folder, PROJECT_FILE)) else None
    addresses = [address for address in (declared, project_address(folder)) if address]
    for address in addresses:
        try:
            with Connection(address) as server:
                running = f" (pid {server.server_pid})" if server.server_pid else " "
                break
        except ClientError:
            continue  # nobody is there
    if held is not None and not running:
        _end_leftovers(addresses)
        return held
    complain(f"asyncinit runs this project already{running.rstrip()}: {folder}")
    print(
        "here `asyncinit status` shows it, `asyncinit logs -f` what it says, `asyncinit restart NAME` restarts a "
        "service of it, and `asyncinit shutdown` ends it",
        file=sys.stderr,
    )
    return None


def _end_leftovers(addresses: list[str]) -> None:
    """End what is left of an asyncinit of this project that was killed with all its guardians, and say so."""
    from asyncinit.development.leftovers import end_leftovers

    if ended := end_leftovers(addresses):
        more = f" and {len(ended) - 5} more" if len(ended) > 5 else ""
        complain(f"ended what an earlier asyncinit has left of this project: {', '.join(ended[:5])}{more}")


def _be_guarded() -> None:
    """Go on behind guardians; where these cannot be, say so and go on alone."""
    from asyncinit.development.guardian import be_guarded

    try:
        be_guarded()
    except OSError as error:
        complain(f"not guarded ({error.strerror}): if asyncinit is killed, some of its services may live on")
