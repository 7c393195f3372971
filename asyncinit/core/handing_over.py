"""What follows from the rules of `handover`, as events and effects of the engine's queue. Pure; decides nothing."""

from __future__ import annotations

from collections.abc import Callable

from asyncinit.config.spec import ServiceSpec
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core.handover import Lives, Verdict
from asyncinit.core.service import Service


class Handovers:
    """The restarts without a gap that are under way among `lives`.

    `post` queues an event for a life, by its key; `do` asks for an effect; `concern` has others look at a service.
    """

    def __init__(
        self,
        lives: Lives,
        post: Callable[[str, ev.Event], None],
        do: Callable[[ev.Effect], None],
        concern: Callable[[str], None],
    ) -> None:
        self._lives = lives
        self._post = post
        self._do = do
        self._concern = concern

    def begin(self, name: str, spec: ServiceSpec) -> None:
        """Have another instance of a service come up beside the present one; one that is on its way begins anew."""
        successor = self._lives.successor(name)
        if successor is not None:
            self._post(successor.key, ev.Redeclared(spec))
            self._post(successor.key, ev.Recycle())
            return
        successor = self._lives.begin(name, spec)
        self._post(successor.key, ev.Start())
        self._do(fx.HandedOver(name, fx.HandoverStage.BEGUN, self._lives.present[name].main))

    def see_to(self, life: Service, now: float) -> None:
        """Have follow what follows from what a life has become."""
        name = life.name
        if life.key in self._lives.beside and life.key != self._lives.successors.get(name):
            self._see_to_predecessor(life, now)
        elif name in self._lives.successors:
            self._see_to_successor(name)

    def _see_to_successor(self, name: str) -> None:
        successor = self._lives.beside[self._lives.successors[name]]
        match self._lives.verdict(name):
            case Verdict.TAKE_OVER:
                self._take_over(name)
            case Verdict.GIVE_UP:
                self._post(successor.key, ev.Stop(successor.failure))
            case Verdict.OVER:
                reason, pid = self._lives.over(name), self._lives.present[name].main
                self._do(fx.HandedOver(name, fx.HandoverStage.FAILED, pid, reason=reason))
                if not successor.stuck:
                    self._drop(successor)

    def _take_over(self, name: str) -> None:
        old, new = self._lives.take_over(name)
        self._post(old.key, ev.Stop())
        self._do(fx.HandedOver(name, fx.HandoverStage.TAKEN_OVER, new.main, old.main))
        if old.state is not new.state:
            self._do(ev.Announce(name, old.state, new.state, new.reason))
        self._concern(name)

    def _see_to_predecessor(self, life: Service, now: float) -> None:
        pid = self._lives.present[life.name].main
        if life.stuck:
            self._do(fx.HandedOver(life.name, fx.HandoverStage.UNDYING, pid, reason=life.reason))
        elif life.at_rest:
            took = now - life.stop_begun if life.stop_begun is not None else 0.0
            self._do(fx.HandedOver(life.name, fx.HandoverStage.DRAINED, pid, killed=life.killed, took=took))
            self._drop(life)

    def _drop(self, life: Service) -> None:
        self._do(ev.Forget(life.key))
        present = self._lives.present[life.name]
        if present.gone and present.at_rest:
            self._do(ev.Forget(life.name))
