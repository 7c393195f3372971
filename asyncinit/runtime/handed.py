"""The declarations of a pod's services, handed over to the asyncinit that is the pod's PID 1; knows no pod.

They go in memory that nobody can change any more, by its descriptor: no file, and so nobody else's to read.
"""

from __future__ import annotations

import os

from asyncinit.config.spec import Configuration, InitSpec, ServiceSpec
from asyncinit.linux.program import started_as
from asyncinit.runtime.reexec.coding import decode, encode, load, store

VARIABLE = "ASYNCINIT_HANDED"
"""The environment variable that names the descriptor."""

_DESCRIPTOR = 3


def command(ready: int) -> tuple[str, ...]:
    """Return the words by which that asyncinit is run; `ready` is where it says that all is ready."""
    return (*started_as(), "run", "--ready-fd", str(ready))


def hand_over(pod: ServiceSpec, control_socket: str | None) -> int:
    """Return a descriptor with the configuration for a pod's asyncinit."""
    init = InitSpec(control_socket=control_socket, termination_log="")
    return store(encode(Configuration(init, {spec.name: spec for spec in pod.inner})))


def given(descriptor: int) -> tuple[tuple[int, int], dict[str, str]]:
    """Return which descriptor that asyncinit gets, and the variable that tells it."""
    return (descriptor, _DESCRIPTOR), {VARIABLE: str(_DESCRIPTOR)}


def taken() -> Configuration | None:
    """Return what was handed over to us, None: nothing. Raises StateError, OSError."""
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return None
    configuration = decode(load(int(text)), Configuration)
    os.close(int(text))
    return configuration


def socket_of(pod: str, address: str | None) -> str | None:
    """Return where that asyncinit is reached, where ours is at `address`."""
    if address is None or address.startswith("@"):
        return None if address is None else f"{address}.{pod}"
    return os.path.join(os.path.dirname(address), f"pod-{pod}.sock")
