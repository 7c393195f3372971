"""How a stop begins: a signal or a command; in a shutdown, who reads the output of others gets to read it all first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from asyncinit.config.spec import Scope
from asyncinit.core.engine import Engine
from asyncinit.core.service import Service
from asyncinit.runtime.errands import Errands
from asyncinit.runtime.workshop import Workshop


class Stops:
    """Begin stops; `errands_of` gives what runs the commands of a life, by its key.

    What is held back has its deadline all the same, so it can hold up nothing.
    """

    def __init__(self, workshop: Workshop, engine: Engine, errands_of: Callable[[str], Errands]) -> None:
        self._shop = workshop
        self._engine = engine
        self._errands_of = errands_of
        self._calling_off: dict[str, Callable[[], None]] = {}

    def signal(self, key: str, number: int, scope: Scope) -> None:
        """Send the signal of a stop."""
        self._after_input(key, partial(self._signal, key, number, scope))

    def command(self, key: str) -> None:
        """Run the command of a stop."""
        self._after_input(key, partial(self._command, key))

    def forget(self, key: str) -> bool:
        """Hold back nothing for a life any more; tell whether something was."""
        call_off = self._calling_off.pop(key, None)
        if call_off is not None:
            call_off()
        return call_off is not None

    @property
    def held_back(self) -> list[str]:
        """The keys of the lives whose stop is held back."""
        return list(self._calling_off)

    def begin_again(self, keys: Iterable[str]) -> None:
        """Begin the stops that were held back before a re-exec."""
        for key in keys:
            life = self._life(key)
            if life is not None and life.spec.stop.command is not None:
                self.command(key)
            elif life is not None:
                self.signal(key, life.spec.stop.signal, life.spec.stop.scope)

    def _after_input(self, key: str, stop: Callable[[], None]) -> None:
        """Call `stop` at once, or when the service has read all and has not ended by that.

        The next one, of a stop that goes further, is not held back.
        """
        ending = None
        life = self._life(key)
        if not self.forget(key) and self._engine.shutting_down and life is not None and life.main is not None:
            ending = self._shop.router.places.end_input(life.name, stop)
        if ending is None:
            stop()
        else:
            self._calling_off[key] = ending

    def _signal(self, key: str, number: int, scope: Scope) -> None:
        life = self._life(key)
        self._shop.ending.signal_scope(key, number, scope, life.main if life is not None else None)

    def _command(self, key: str) -> None:
        life = self._life(key)
        if life is not None and life.spec.stop.command is not None:
            self._errands_of(key).run_stop(life.spec.stop.command)

    def _life(self, key: str) -> Service | None:
        return self._engine.lives.find(key)
