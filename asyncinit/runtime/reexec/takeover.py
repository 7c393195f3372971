"""The first steps of a program that goes on where another one was, or that is asked whether it could."""

from __future__ import annotations

import os
from typing import NoReturn

from asyncinit import __version__
from asyncinit.runtime import entry
from asyncinit.runtime.reexec.coding import decode, load
from asyncinit.runtime.reexec.state import State
from asyncinit.runtime.reexec.trial import ANSWER, CHECK


def take_over(word: str) -> NoReturn:
    """Do what the variable `trial.VARIABLE` says; raises whatever is in the way of it."""
    descriptor = int(word.removeprefix(CHECK))
    state = decode(load(descriptor), State)
    os.close(descriptor)
    if not word.startswith(CHECK):
        entry.go_on(state)
    _import_all()
    print(f"{ANSWER}{__version__}", flush=True)
    os._exit(0)


def _import_all() -> None:
    """Import whatever may be needed later: half of a package is worse than none.

    A library of others that is not installed is none of that: without asyncinotify nothing is watched, the rest runs.
    """
    import importlib
    import pkgutil

    for name in ("config", "control", "core", "linux", "machine", "runtime"):
        part = importlib.import_module(f"asyncinit.{name}")
        for module in pkgutil.walk_packages(part.__path__, f"{part.__name__}."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name is None or error.name.partition(".")[0] == "asyncinit":
                    raise
