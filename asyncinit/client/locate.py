"""Find the control socket of the asyncinit that is meant; connects, asks nothing."""

from __future__ import annotations

import os

from asyncinit.client.connection import Connection
from asyncinit.client.errors import ClientError, NotAllowedError, NotRunningError
from asyncinit.control.address import SYSTEM_ADDRESS, abstract_address, project_address, user_address

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE = "ASYNCINIT_SOCKET"
PROJECT_FILE = "asyncinit.toml"
PROJECT_FOLDER = "services.d"
PROJECT_PROCFILE = "Procfile"
SYSTEM_FOLDER = "/etc/asyncinit"


def connect(
    explicit: str | None = None,
    environment: Mapping[str, str] = os.environ,
    on_silence: Callable[[Connection], None] | None = None,
) -> Connection:
    """Connect to the asyncinit that is meant; raises NotRunningError, NotAllowedError, UntrustedServerError.

    That is: the one of `--socket`; of ASYNCINIT_SOCKET; of the project that we stand in, if its asyncinit.toml names a
    control_socket. Each of these is meant if it is given, so nothing else is tried then. Else the first that answers of
    the project that we stand in, PID 1's, the user's own, and those with an abstract name. An empty variable counts as
    not set. `on_silence`: see Connection.
    """
    meant = explicit or environment.get(VARIABLE) or project_socket()
    if meant:
        return Connection(meant, on_silence)
    refusal: ClientError | None = None
    places = [
        *_project_places(),
        _declared_in(SYSTEM_FOLDER) or SYSTEM_ADDRESS,
        user_address(environment),
        *_abstract_places(),
    ]
    tried = [place for place in dict.fromkeys(places) if place]
    named = [place for place in tried if "-project-" not in place]
    for place in tried:
        try:
            return Connection(place, on_silence)
        except NotRunningError:
            continue
        except ClientError as error:
            refusal = refusal if isinstance(refusal, NotAllowedError) else error
    if refusal is not None:
        raise refusal
    raise NotRunningError(f"not running here: nothing listens at {', '.join(named)} (--socket names another place)")


def may_be_pid_1(explicit: str | None = None, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether nothing names another asyncinit than PID 1's, which is meant where nothing is named."""
    meant = explicit or environment.get(VARIABLE) or project_socket()
    return not meant or meant in (SYSTEM_ADDRESS, _declared_in(SYSTEM_FOLDER))


def _project_places() -> list[str]:
    """Return the places of asyncinits that run the folder we stand in, or a project around it, nearest first."""
    try:
        folder = os.getcwd()
    except OSError:
        return []
    places = [project_address(folder)]
    while (above := os.path.dirname(folder)) != folder:
        folder = above
        if any(os.path.exists(os.path.join(folder, name)) for name in (PROJECT_FILE, PROJECT_FOLDER, PROJECT_PROCFILE)):
            places.append(project_address(folder))
    return [place for place in places if place]


def project_socket(folder: str | None = None) -> str | None:
    """Return the control_socket of the nearest asyncinit.toml in `folder` (here) or above; None without one."""
    try:
        folder = folder or os.getcwd()
    except OSError:  # our folder was removed
        return None
    while not os.path.exists(os.path.join(folder, PROJECT_FILE)):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return _declared_in(folder)


def _declared_in(folder: str) -> str | None:
    """Return the control_socket that a folder's asyncinit.toml declares, seen from that folder.

    A file that cannot be read or parsed declares none: `asyncinit check` is there to say so.
    """
    try:
        with open(os.path.join(folder, PROJECT_FILE), "rb") as file:
            text = file.read()
    except OSError:
        return None
    if b"control_socket" not in text:
        return None
    import tomllib

    try:
        value = tomllib.loads(text.decode()).get("init", {}).get("control_socket")
    except (ValueError, AttributeError):
        return None
    if not isinstance(value, str) or not value:
        return None
    return value if value.startswith("@") else os.path.normpath(os.path.join(folder, value))


def _abstract_places() -> list[str]:
    """Return the abstract name of our user, and those of further instances (they end in a pid)."""
    name = abstract_address(os.geteuid())
    found = []
    try:
        with open("/proc/net/unix", errors="replace") as file:
            for line in file:
                address = line.rpartition(" ")[2].rstrip("\n")
                if address.startswith(name + "-"):
                    found.append(address)
    except OSError:
        pass
    return [name, *sorted(set(found))]
