"""Where the notification socket of a service is that abstract names do not reach; knows nothing of messages."""

from __future__ import annotations

import os

from asyncinit.config.spec import Belonging, NamespaceKind, ServiceSpec
from asyncinit.runtime.process import directories
from asyncinit.runtime.ready.notify import random_name

_FOLDER = "asyncinit/notify"


def notify_place(spec: ServiceSpec) -> str | None:
    """Return a new path for the socket of a service; None: an abstract name is enough.

    Those belong to a network namespace, so a service in another one needs a file; in a root of its own it is shown it
    there (`separation.isolation`). The folder is made, in /run or the user's own runtime directory: both are in memory,
    so this is quick and local. Raises OSError and SpawnError.
    """
    if spec.namespaces.of(NamespaceKind.NET) is Belonging.HOST:
        return None
    folder = os.path.join(directories.base("runtime", directories.of_the_system(), os.environ), _FOLDER)
    os.makedirs(folder, 0o755, exist_ok=True)
    return os.path.join(folder, random_name())
