"""The sockets of all services, from before the first start until the service is down for good; watches none of them.

They belong to the service's name, not to one run of it: they stay open while it restarts, so that whoever connects
meanwhile waits in the backlog. What is declared otherwise by now is opened anew at the next start; what is declared as
before, or only with another backlog, owner or mode, stays.

Carried over a re-exec: each socket, with the place of its file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from asyncinit.config.spec import ServiceSpec, Socket
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.offload import Offloader, StepCallback
from asyncinit.runtime.process.prepared import NotApplied
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.sockets import binding
from asyncinit.runtime.sockets.held import Held, SocketsState
from asyncinit.runtime.sockets.opening import TIMEOUT, Opened, Opening, Request


class Sockets:
    """Open, hold and close the sockets of services.

    `inherited` is the environment that asyncinit was given; `owner_of` names the service of a live process;
    `complain` takes a service and a text for people.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        offloader: Offloader,
        inherited: Mapping[str, str],
        *,
        owner_of: Callable[[int], str | None],
        complain: Callable[[str, str], None],
    ) -> None:
        self.loop = loop
        self.offloader = offloader
        self.inherited = inherited
        self.owner_of = owner_of
        self._complain = complain
        self._held: dict[str, list[Held]] = {}
        self._under_way: dict[str, Opening] = {}
        self._removals: dict[str, list[Callable[[], None]]] = {}
        self._tidy: list[Callable[[], None]] = []
        self.closing: list[Callable[[str], None]] = []
        """Called with a service before a socket of it is closed: nobody may watch that any more."""

    # -----------------------------------------------------------------------------------------------------------------
    # What others ask

    def open(self, spec: ServiceSpec, done: Opened) -> Request:
        """Open what `spec` declares and is not open yet, and close what it does not declare any more.

        `done` is called once, later, with what `prefer` had to leave out, or with the step that failed; then nothing
        that was not open before is.
        """
        request = Request(done)
        self._begin(spec, request)
        return request

    def held(self, service: str) -> Sequence[Held]:
        """Return the open sockets of `service`, in the order of its declaration."""
        return self._held.get(service, ())

    def close(self, service: str) -> None:
        """Close all sockets of `service` and remove their files: whoever connects now is refused.

        What was asked to be opened and is not yet is called off: nobody waits for it any more.
        """
        self._removals.get(service, []).clear()
        self._call_off(service)
        held = self._held.pop(service, [])
        self._close(service, held)
        self.remove_files(service, held)

    def when_tidy(self, callback: Callable[[], None]) -> None:
        """Call `callback` once no file of a closed socket is still being removed."""
        self._tidy.append(callback)
        self._tell_tidy()

    def freeze(self, keep: Keep) -> SocketsState:
        """Return what is carried over a re-exec: what is open; what is being opened is opened again afterwards."""
        for held in self._held.values():
            for one in held:
                keep(one.fd)
        return SocketsState(dict(self._held))

    def thaw(self, state: SocketsState) -> None:
        """Go on with the sockets of the program before."""
        self._held = dict(state.services)

    # -----------------------------------------------------------------------------------------------------------------

    def _begin(self, spec: ServiceSpec, request: Request) -> None:
        name = spec.name
        if name in self._removals:
            # The new file must not be removed with the old one.
            self._removals[name].append(partial(self._begin, spec, request))
            return
        under_way = self._under_way.get(name)
        if under_way is not None and under_way.spec.sockets == spec.sockets:
            under_way.requests.append(request)
            return
        if under_way is not None:
            self._call_off(name)
            for one in (*under_way.requests, request):
                self._begin(spec, one)
            return
        opening_now = Opening(self, spec, [request])
        self._under_way[name] = opening_now
        opening_now.begin()

    def _call_off(self, service: str) -> None:
        """Give up what is being opened; where a child binds just now, what comes next waits for it."""
        under_way = self._under_way.pop(service, None)
        if under_way is not None and under_way.cancel():
            self._removals[service] = []

    def called_off(self, service: str, made: Sequence[Held]) -> None:
        """Take back the files that were made for nobody; called by an opening that was cancelled."""
        waiting = self._removals.pop(service)
        self.remove_files(service, made)
        if service in self._removals:
            self._removals[service] += waiting
        else:
            self._tidied(service, waiting)

    def opened(self, spec: ServiceSpec, held: list[Held], answer: list[NotApplied] | SpawnError) -> None:
        """Take over the sockets that an opening has made, and tell everybody who asked; called by the opening."""
        requests = self._under_way.pop(spec.name).requests
        if held:
            self._held[spec.name] = held
        else:
            self._held.pop(spec.name, None)
        for request in requests:
            request.answer(answer)

    def discard(self, service: str, unwanted: Sequence[Held]) -> None:
        """Close sockets that are not declared any more; called by an opening, before it begins."""
        gone = {one.fd for one in unwanted}
        self._held[service] = [one for one in self._held.get(service, ()) if one.fd not in gone]
        self._close(service, unwanted)

    def _close(self, service: str, held: Sequence[Held]) -> None:
        if held:
            for tell in self.closing:
                tell(service)
        for one in held:
            os.close(one.fd)

    def remove_files(self, service: str, closed: Sequence[Held]) -> None:
        """Remove the files of sockets that were closed."""
        files = [one for one in closed if one.file is not None]
        if not files:
            return
        if service in self._removals:
            self._removals[service].insert(0, partial(self.remove_files, service, files))
            return

        def remove(step: StepCallback) -> None:
            for one in files:
                assert one.file is not None
                step(f"remove {one.address}")
                binding.remove_path(one.address, one.file)

        def removed(result: object) -> None:
            if isinstance(result, SpawnError):
                self._complain(service, str(result))
            self._tidied(service, self._removals.pop(service))

        self._removals[service] = []
        self.offloader.run(remove, type(None), TIMEOUT, removed)

    def _tidied(self, service: str, waiting: list[Callable[[], None]]) -> None:
        """Go on with what has waited; one may begin another removal, for which the others wait."""
        while waiting:
            waiting.pop(0)()
            if service in self._removals:
                self._removals[service] += waiting
                break
        self._tell_tidy()

    def _tell_tidy(self) -> None:
        if not self._removals:
            waiting, self._tidy = self._tidy, []
            for callback in waiting:
                callback()

    def whose(self, wanted: Socket, address: str, service: str) -> str | None:
        """Return the other service for which we hold the same address, None where there is none."""
        for name, held in self._held.items():
            if name != service and any((one.wanted.kind, one.address) == (wanted.kind, address) for one in held):
                return name
        return None
