"""The stamp files of persistent timers: when each elapsed last; read and written in a child, since a disk may hang.

A stamp is a line of text: seconds since 1970, and the same for people. It is replaced as a whole, and never by an
older one.

Carried over a re-exec: what is not written yet.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from msgspec import Struct, field

from asyncinit.control.types import timestamp
from asyncinit.errors import SpawnError, why
from asyncinit.runtime.process import directories
from asyncinit.runtime.process.offload import Offloader, StepCallback

TIMEOUT = 10.0
"""Seconds for reading all stamps, or for writing one."""

_LONGEST = 200  # bytes of a stamp that are looked at
_NO_MOMENT = 1e11  # the year 5138


class Found(Struct):
    """What a child has read: the stamps that are there, and what was wrong with the others."""

    stamps: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


class Stamps:
    """The stamps below the state directory; those of a project that is run (`project`, its folder) stand apart.

    `complain(name, text)` is told of what is wrong with a service's stamp, once until it is well again.
    """

    def __init__(
        self,
        offloader: Offloader,
        environment: Mapping[str, str],
        complain: Callable[[str, str], None],
        project: str | None = None,
    ) -> None:
        self._offloader = offloader
        self._environment = environment
        self._complain = complain
        self._project = project
        self._bad: set[str] = set()
        self._writing: dict[str, float] = {}
        self._next: dict[str, float] = {}

    def read(self, names: Iterable[str], done: Callable[[Mapping[str, float]], None]) -> None:
        """Call `done` with the stamps of `names` that are there; in the loop's next turn or later."""
        wanted = tuple(names)
        look = partial(_read_all, self._folder, wanted)

        def answered(found: Found | SpawnError) -> None:
            if isinstance(found, SpawnError):
                found = Found(problems=dict.fromkeys(wanted, str(found)))
            for name, text in found.problems.items():
                self._tell(name, text)
            done(found.stamps)

        self._offloader.run(look, Found, TIMEOUT, answered)

    def write(self, name: str, moment: float) -> None:
        """Have the stamp of a service say that its timer elapsed at `moment` (wall)."""
        if name in self._writing:
            self._next[name] = moment
            return
        self._writing[name] = moment

        def answered(result: bool | SpawnError) -> None:
            del self._writing[name]
            if isinstance(result, SpawnError):
                self._tell(name, str(result))
            else:
                self._bad.discard(name)
            if name in self._next:
                self.write(name, self._next.pop(name))

        self._offloader.run(partial(_write, self._folder, name, moment), bool, TIMEOUT, answered)

    def bad(self, name: str) -> bool:
        """Tell whether the stamp of a service could not be read or written when that was tried last."""
        return name in self._bad

    def freeze(self) -> dict[str, float]:
        """Return what is not written yet, for `write` to be called again."""
        return {**self._writing, **self._next}

    def _tell(self, name: str, text: str) -> None:
        if name not in self._bad:
            self._bad.add(name)
            self._complain(name, text)

    def _folder(self) -> str:
        """Return where the stamps are; in the child, since even a look at the root directory may block."""
        folder = directories.base("state", directories.of_the_system(), self._environment) + "/asyncinit/timers"
        if self._project is None:
            return folder
        path = os.path.realpath(self._project)
        return f"{folder}/{os.path.basename(path)}-{zlib.crc32(os.fsencode(path)):08x}"


def _read_all(folder: Callable[[], str], names: Iterable[str], step: StepCallback) -> Found:
    step("find the timers' stamps")
    below = folder()
    found = Found()
    for name in names:
        path = f"{below}/{name}"
        step(f"read {path}")
        try:
            with open(path, "rb") as file:
                found.stamps[name] = _moment(file.read(_LONGEST))
        except FileNotFoundError:
            pass  # its first run is still to come
        except OSError as error:
            found.problems[name] = f"cannot read {path}: {why(error.errno or 0)}"
        except (ValueError, IndexError):
            found.problems[name] = f"cannot read {path}: it does not begin with a number of seconds"
    return found


def _moment(text: bytes) -> float:
    moment = float(text.split(maxsplit=1)[0])
    if not 0 <= moment < _NO_MOMENT:
        raise ValueError(moment)
    return moment


def _write(folder: Callable[[], str], name: str, moment: float, step: StepCallback) -> bool:
    step(f"find the stamp of {name}")
    below = folder()
    step(f"make directory {below}")
    os.makedirs(below, exist_ok=True)
    path = f"{below}/{name}"
    step(f"write {path}")
    new = f"{below}/.{name}.new"
    with open(new, "w", encoding="ascii") as file:
        file.write(f"{moment:.6f} {timestamp(moment)}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    return True
