"""Whether this process is PID 1 of a machine: only then file systems are mounted and reboot(2) is called.

Light on purpose: the entry asks before anything else is imported. Needs no /proc, which nobody may have mounted yet.
"""

from __future__ import annotations

import os

from asyncinit import minimal

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTAINER_VARIABLE = "container"
"""Set by who made a container for its PID 1. On a kernel's command line `container=...` has the same effect."""

_AS_A_PROCESS = (["run"], ["--"])
"""First words by which PID 1 of a machine is asked to be no machine's init: somebody's own script has made it ready."""


def is_machine(words: Sequence[str], program: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether asyncinit, called as `program` with `words`, has to bring up a machine.

    It has to be PID 1 of the initial PID namespace, and no container. It is told by `boot`, by its name (`init`), or
    by nothing: the words may be any that the kernel did not understand. `run` and `--` are for who wants it otherwise,
    but for one called `init`, whose words are all the kernel's.
    """
    if not is_first(environment):
        return False
    return called_init(program) or list(words[:1]) not in _AS_A_PROCESS


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this is PID 1 of the initial PID namespace, and not told to be in a container."""
    return os.getpid() == 1 and not minimal.owns_pid_namespace() and not environment.get(CONTAINER_VARIABLE)


def called_init(program: str) -> bool:
    """Tell whether it was called as /sbin/init or the like."""
    return os.path.basename(program) == "init"
