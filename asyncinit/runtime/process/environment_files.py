"""Read a service's environment files; blocks, so it runs in a child; knows nothing of what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asyncinit.config.spec import EnvironmentFile
from asyncinit.errors import SpawnError
from asyncinit.runtime.process import environment
from asyncinit.runtime.process.environment import EnvironmentFileError, UnsetVariableError

_LIMIT = 1 << 20  # an environment file this large is a mistake: exec would refuse it


def read(file: EnvironmentFile, known: Mapping[str, str], step: Callable[[str], None]) -> dict[str, str] | None:
    """Return the variables of a file whose path may refer to `known`; None: it is absent, and may be.

    `step` is told what is done before it is done. Raises SpawnError.
    """
    name = f"read environment file {file.path}"
    try:
        path = environment.expand(file.path, known, "environment_file")
        name = f"read environment file {path}"
        step(name)
        return environment.parse_environment_file(_bytes(path), path)
    except FileNotFoundError as error:
        if file.optional:
            return None
        raise SpawnError(name, error.errno or 0) from error
    except OSError as error:
        raise SpawnError(name, error.errno or 0) from error
    except UnsetVariableError as error:
        raise SpawnError(name, 0, str(error)) from error
    except EnvironmentFileError as error:
        raise SpawnError("read environment file", 0, str(error)) from error


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise EnvironmentFileError(path, 1, f"the file is larger than {_LIMIT >> 20} MiB")
    return data
