"""`asyncinit show`: the merged declaration of a service, as the server has it, or as files have it."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.reading import BadFilesError, profiles_of
from asyncinit.cli.server import connect
from asyncinit.client.errors import EXIT_NOT_THERE, ClientError, NotRunningError
from asyncinit.errors import UnknownServiceError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation


class NotInFilesError(ClientError):
    """The files have no such service."""

    exit_code = EXIT_NOT_THERE


def show(invocation: Invocation) -> int:
    """Print the service's declaration."""
    text = _text(invocation)
    screen.accept_any_text()
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return 0


def _text(invocation: Invocation) -> str:
    values = invocation.values
    if values["config"] is None and not values["services"] and not values["profile"]:
        try:
            with connect(invocation.socket) as server:
                toml: str = server.call("Show", {"name": values["name"]})["toml"]
                return toml
        except NotRunningError:
            from asyncinit.config.places import declared

            if invocation.socket is not None or not declared(None, ()):
                raise
    return _of_files(invocation)


def _of_files(invocation: Invocation) -> str:
    from asyncinit.config.load import read
    from asyncinit.config.show import show as show_declared
    from asyncinit.config.spec import Instances

    values = invocation.values
    name: str = values["name"]
    instances = Instances((name,))
    loaded = read(values["config"], values["services"], profiles=profiles_of(invocation), instances=instances)
    about = [str(problem) for problem in loaded.errors if problem.service in (name, None)]
    if name in loaded.left_out and not about:
        about = [f"{name}: {loaded.left_out[name]}"]
    if about:
        raise BadFilesError("\n".join(about))
    try:
        return show_declared(loaded.configuration, name)
    except UnknownServiceError as error:
        raise NotInFilesError(str(error)) from None
