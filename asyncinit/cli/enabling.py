"""`asyncinit enable` and `disable`: a drop-in says it, the running asyncinit is told, `--now` starts or stops."""

from __future__ import annotations

import tomllib

from asyncinit.cli import screen
from asyncinit.cli.act import act
from asyncinit.cli.outcome import complain
from asyncinit.cli.reading import mode_of, profiles_of, root_of
from asyncinit.cli.reload_config import take_over
from asyncinit.cli.server import connect
from asyncinit.client.errors import EXIT_FAILED, EXIT_NOT_THERE, CallError, ClientError, NotRunningError
from asyncinit.config.enabling import Said, say_enabled
from asyncinit.config.problems import printable
from asyncinit.errors import AsyncinitError, UnknownServiceError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection


def enable(invocation: Invocation) -> int:
    """Have services start when asyncinit does."""
    return _set(invocation, True)


def disable(invocation: Invocation) -> int:
    """Have services start no more when asyncinit does."""
    return _set(invocation, False)


def _set(invocation: Invocation, enabled: bool) -> int:
    screen.accept_any_text()
    values = invocation.values
    mode, root = mode_of(invocation), root_of(invocation)
    files = {"config": values["config"], "services": values["services"], "profiles": _profiles(invocation)}
    failed = 0
    done: list[str] = []
    for name in dict.fromkeys(values["names"]):
        try:
            said = say_enabled(name, enabled, **files, mode=mode, root=root)
        except UnknownServiceError as error:
            complain(str(error))
            failed = EXIT_NOT_THERE
        except AsyncinitError as error:
            complain(f"{name}: {error}")
            failed = failed or EXIT_FAILED
        else:
            _tell(name, enabled, said)
            done.append(name)
    if not done or values["root"] is not None:
        return failed
    return _tell_running(invocation, enabled, done) or failed


def _profiles(invocation: Invocation) -> tuple[str, ...]:
    """Return the profiles with which it counts: those that are given, else those of the asyncinit that runs."""
    given = profiles_of(invocation)
    values = invocation.values
    if given or values["root"] is not None or values["config"] is not None or values["services"]:
        return given
    try:
        with connect(invocation.socket) as server:
            return tuple(server.call("Status", {"names": []})["asyncinit"].get("profiles", ()))
    except ClientError:
        return ()


def _tell(name: str, enabled: bool, said: Said) -> None:
    word = "enabled" if enabled else "disabled"
    where = []
    if said.written is not None:
        where.append(f"written: {printable(said.written)}")
    where += [f"removed: {printable(path)}" for path in said.removed]
    already = " already" if said.before is enabled else ""
    print(f"{name}: {word}{already}{'; ' if where else ''}{'; '.join(where)}")
    for path, reason in said.failed:
        complain(f"{printable(path)} cannot be written: {reason}")
    if said.written is not None and said.failed and said.written.startswith("/run/"):
        complain("what is in /run is gone after the next boot")


def _knows(server: Connection, name: str, enabled: bool) -> bool:
    """Tell whether the running asyncinit has the same word: it may have been started with other files."""
    try:
        shown = tomllib.loads(server.call("Show", {"name": name})["toml"])
    except CallError:  # it has no such service
        return False
    return shown.get("enabled", True) is enabled


def _tell_running(invocation: Invocation, enabled: bool, names: list[str]) -> int:
    """Have the running asyncinit know, if there is one; with --now there has to be one."""
    try:
        server = connect(invocation.socket)
    except NotRunningError:
        if not invocation.values["now"]:
            return 0
        raise
    with server:
        if take_over(server, wait=False) is None:
            return EXIT_FAILED
        others = [name for name in names if not _knows(server, name, enabled)]
        if others:
            complain(f"the running asyncinit reads other files, and does not know it of {', '.join(others)}")
            return EXIT_FAILED
        if invocation.values["now"]:
            return act(server, "Start" if enabled else "Stop", names)
    return 0
