"""The sockets of one service on their way: made here, bound in a child where that takes a path or a question."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.spec import ServiceSpec, Socket
from asyncinit.core.handover import service_of
from asyncinit.errors import SpawnError
from asyncinit.runtime.process import environment
from asyncinit.runtime.process.environment import UnsetVariableError
from asyncinit.runtime.process.identity import identify
from asyncinit.runtime.process.offload import StepCallback
from asyncinit.runtime.process.prepare import Cancellable
from asyncinit.runtime.process.prepared import NotApplied
from asyncinit.runtime.sockets import binding, census
from asyncinit.runtime.sockets.held import Held, binding_of

if TYPE_CHECKING:
    from asyncinit.runtime.sockets.holding import Sockets

TIMEOUT = 30.0
"""Seconds to bind all paths of a service: file systems that answer at all answer within."""

Opened = Callable[[list[NotApplied] | SpawnError], None]


class _Bound(Struct):
    """What a child tells of one socket, by its place among those it was given: its file, or what failed."""

    index: int
    file: tuple[int, int] | None = None
    errno: int = 0
    detail: str = ""
    holder: int = 0
    holder_name: str = ""


class Request:
    """Somebody waits for the sockets of a service."""

    def __init__(self, done: Opened) -> None:
        self._done: Opened | None = done

    def cancel(self) -> None:
        """Stop waiting; the sockets are opened all the same."""
        self._done = None

    def answer(self, answer: list[NotApplied] | SpawnError) -> None:
        """Tell what came of it."""
        done, self._done = self._done, None
        if done is not None:
            done(answer)


class Opening:
    """The sockets of one service on their way: made here, bound in a child where that takes a path or a question."""

    def __init__(self, house: Sockets, spec: ServiceSpec, requests: list[Request]) -> None:
        self.spec = spec
        self.requests = requests
        self._house = house
        self._made: list[Held] = []  # new, and ours to close until they are handed over
        self._all: list[Held | SpawnError] = []  # in the order of the declaration
        self._job: Cancellable | None = None
        self._binding = False  # a child is at it
        self._called_off = False

    def begin(self) -> None:
        """Make what is missing; the house is told in a later turn of the loop."""
        try:
            wanted = [(one, self._address(one)) for one in self.spec.sockets]
        except UnsetVariableError as error:
            failure = SpawnError("open its sockets", 0, str(error))
            self._job = self._house.loop.call_soon(self._finish, list(self._house.held(self.spec.name)), failure)
            return
        kept = {one.binding: one for one in self._house.held(self.spec.name)}
        chosen = [kept.pop(binding_of(one, address), None) for one, address in wanted]
        self._house.discard(self.spec.name, list(kept.values()))
        for (one, address), old in zip(wanted, chosen, strict=True):
            self._all.append(self._make(one, address) if old is None else self._adjust(old, one))
        # Files of what is not declared any more, files to be made or changed, and addresses that somebody else has.
        dead = [one for one in kept.values() if one.file is not None]
        todo = [(number, one) for number, one in enumerate(self._all) if self._needs_child(one)]
        if todo or dead:
            self._ask_child(wanted, dict(todo), dead)
        else:
            self._job = self._house.loop.call_soon(self._conclude)

    def cancel(self) -> bool:
        """Give up, and close what was made; nobody is told. Return whether the house is told when a child has ended.

        A child that binds is not killed: nobody would know which files it has made.
        """
        self._called_off = True
        if self._job is not None and not self._binding:
            self._job.cancel()
        self._close_made()
        return self._binding

    def _close_made(self) -> None:
        for one in self._made:
            os.close(one.fd)
        self._made = []

    def _address(self, one: Socket) -> str:
        if "$" not in one.address:
            return one.address
        own = {"INSTANCE": self.spec.instance} if self.spec.instance else {}
        known = environment.ground(self.spec, self._house.inherited, None, {}, own)
        return environment.expand(one.address, environment.path_environment(self.spec, known), one.key)

    def _make(self, one: Socket, address: str) -> Held | SpawnError:
        other = None if one.reuse_port else self._house.whose(one, address, self.spec.name)
        if other is not None:
            return SpawnError(binding.step_of(one, address), errno.EADDRINUSE, f"the service {other} has it")
        try:
            held = Held(one, address, binding.make(one, address).detach(), owner=_owner(self.spec, one))
        except SpawnError as error:
            return error
        self._made.append(held)
        return held

    def _adjust(self, old: Held, one: Socket) -> Held:
        """Return an open socket with what may be changed while it is open."""
        if old.wanted.backlog != one.backlog:
            with socket.socket(fileno=os.dup(old.fd)) as same:
                binding.listen(same, one)
        return replace(old, wanted=one, owner=_owner(self.spec, one))

    def _needs_child(self, one: Held | SpawnError) -> bool:
        if isinstance(one, SpawnError):
            return one.errno == errno.EADDRINUSE and not one.detail
        if not binding.has_path(one.wanted, one.address):
            return False
        before = next((old for old in self._house.held(self.spec.name) if old.fd == one.fd), None)
        return before is None or (before.owner, before.wanted.mode) != (one.owner, one.wanted.mode)

    def _ask_child(
        self, wanted: list[tuple[Socket, str]], todo: dict[int, Held | SpawnError], dead: list[Held]
    ) -> None:
        def work(step: StepCallback) -> list[_Bound]:
            for one in dead:
                assert one.file is not None
                step(f"remove {one.address}")
                binding.remove_path(one.address, one.file)
            return [_bind(number, wanted[number], one, step) for number, one in todo.items()]

        keep = tuple(one.fd for one in todo.values() if isinstance(one, Held))
        self._job = self._house.offloader.run(work, list[_Bound], TIMEOUT, self._bound, keep)
        self._binding = True

    def _bound(self, answer: list[_Bound] | SpawnError) -> None:
        self._binding = False
        if self._called_off:
            self._house.called_off(self.spec.name, [] if isinstance(answer, SpawnError) else self._new_files(answer))
            return
        if isinstance(answer, SpawnError):
            self._finish([one for one in self._all if isinstance(one, Held) and one not in self._made], answer)
            return
        for one in answer:
            held = self._all[one.index]
            if one.errno or one.detail:
                self._all[one.index] = self._told(one, held)
            elif isinstance(held, Held) and one.file is not None:
                held.file = one.file
        self._conclude()

    def _new_files(self, answer: list[_Bound]) -> list[Held]:
        """Return what a child has made files for, and nobody wants."""
        made = []
        for one in answer:
            held = self._all[one.index]
            if isinstance(held, Held) and held.file is None and one.file is not None:
                held.file = one.file
                made.append(held)
        return made

    def _told(self, told: _Bound, held: Held | SpawnError) -> SpawnError:
        """Return what a child tells of a failure, with the service of who has the address."""
        step = binding.step_of(held.wanted, held.address) if isinstance(held, Held) else held.step
        detail = told.detail
        if told.holder:
            service = self._house.owner_of(told.holder)
            whose = f" of the service {service_of(service)}" if service is not None else ""
            detail = f"pid {told.holder} ({told.holder_name}){whose} has it"
        return SpawnError(step, told.errno, detail)

    def _conclude(self) -> None:
        left_out = []
        good: list[Held] = []
        failure: SpawnError | None = None
        for one, result in zip(self.spec.sockets, self._all, strict=True):
            if isinstance(result, Held):
                good.append(result)
            elif "sockets" in self.spec.prefer:
                left_out.append(NotApplied(one.key, str(result)))
            else:
                failure = failure or result
        if failure is not None:
            self._finish([one for one in good if one not in self._made], failure)
            return
        new = {one.fd for one in good}
        self._made = [one for one in self._made if one.fd not in new]
        self._finish(good, left_out)

    def _finish(self, held: list[Held], answer: list[NotApplied] | SpawnError) -> None:
        lost = self._made
        self._close_made()
        self._house.opened(self.spec, held, answer)
        self._house.remove_files(self.spec.name, lost)


def _owner(spec: ServiceSpec, wanted: Socket) -> tuple[str | None, str | None]:
    """Return the user and the group that own a socket's file, as declared; None: whoever makes it."""
    if wanted.user is not None:
        return wanted.user, wanted.group
    return spec.user, wanted.group if wanted.group is not None else spec.group


def _bind(index: int, wanted: tuple[Socket, str], one: Held | SpawnError, step: StepCallback) -> _Bound:
    """In a child: bind or adorn one socket, or find out who has its address."""
    socket_spec, address = wanted
    number = one.errno if isinstance(one, SpawnError) else 0
    detail = ""
    if isinstance(one, Held):
        try:
            step(f"find the owner of {address}")
            owner = _ids(*one.owner)
            step(binding.step_of(socket_spec, address))
            if one.file is None:
                return _Bound(index, binding.bind_path(one.fd, socket_spec, address, owner))
            binding.adorn(address, one.file, socket_spec, owner)
            return _Bound(index, one.file)
        except SpawnError as error:
            return _Bound(index, None, error.errno, f"{error}")
        except OSError as error:
            number = error.errno or 0
            known = error.strerror not in (None, os.strerror(number))
            detail = str(error.strerror) if known else ""
    if number != errno.EADDRINUSE or detail:
        return _Bound(index, None, number, detail)
    pid, name = census.holder(socket_spec, address)
    return _Bound(index, None, number, "", pid, name)


def _ids(user: str | None, group: str | None) -> tuple[int, int]:
    """Return the ids of a user and a group; -1: whoever makes the file. Raises SpawnError for who does not exist."""
    identity = identify(user, group, None, ask=True).credentials
    return (-1, -1) if identity is None else (identity.uid, identity.gid)
