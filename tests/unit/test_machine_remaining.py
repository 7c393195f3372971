"""How processes are ended that are left when a machine goes down; with processes and a clock by hand."""

from __future__ import annotations

import signal

from asyncinit.machine.remaining import Process, end_all


class Village:
    """Processes by pid, each with the signals that end it; one that `breeds` makes another at each look.

    Until when one is `busy` it cannot be told whether it is one of `storage`, unless all are `settled`.
    """

    def __init__(self, **processes: tuple[int, ...]) -> None:
        self.alive = {100 + number: (name, ends) for number, (name, ends) in enumerate(processes.items())}
        self.stopped: set[int] = set()
        self.breeds = ""
        self.busy: dict[str, float] = {}
        self.storage: set[str] = set()
        self.settled: set[str] = set()
        self.hurried_at = float("inf")
        self.got: list[tuple[str, int]] = []
        self.time = 0.0

    def processes(self) -> list[Process]:
        breeders = [pid for pid, (name, _) in self.alive.items() if name == self.breeds and pid not in self.stopped]
        if breeders:
            self.alive[max(self.alive) + 1] = (self.breeds, (signal.SIGKILL,))
        found = []
        for pid, (name, _) in self.alive.items():
            if self.time >= self.busy.get(name, 0.0):
                self.settled.add(name)
            if name not in self.storage & self.settled:
                found.append(Process(pid, name, name not in self.settled))
        return found

    def settle(self) -> None:
        self.settled.update(name for name, _ in self.alive.values())

    def signal(self, pid: int, number: int) -> None:
        if pid not in self.alive:
            return
        name, ends = self.alive[pid]
        self.got.append((name, number))
        if number == signal.SIGSTOP:
            self.stopped.add(pid)
        elif number in ends:
            del self.alive[pid]

    def wait(self, seconds: float) -> bool:
        self.time += seconds
        return self.time >= self.hurried_at

    def why(self, pid: int) -> str:
        return " (D, nfs_wait)"

    def now(self) -> float:
        return self.time


def ended(village: Village) -> tuple[list[str], list[str]]:
    said: list[str] = []
    return end_all(village, said.append), said


def test_nobody_is_left() -> None:
    """Nothing is said and nothing is waited for."""
    village = Village()
    assert ended(village) == ([], [])
    assert village.time == 0.0


def test_who_is_asked_ends() -> None:
    """By SIGTERM, a shell by SIGHUP; nobody is killed, and no time is lost."""
    village = Village(daemon=(signal.SIGTERM,), shell=(signal.SIGHUP,))
    assert ended(village) == ([], ["ending what is left: daemon (100), shell (101)"])
    assert signal.SIGKILL not in dict(village.got).values()
    assert village.time == 0.0


def test_who_does_not_listen_is_killed() -> None:
    """After a while, and by name."""
    village = Village(deaf=(signal.SIGKILL,))
    left, said = ended(village)
    assert left == []
    assert said[-1] == "killing what does not end: deaf (100)"
    assert 4.9 < village.time < 5.3


def test_a_hurry_ends_the_waiting() -> None:
    """Ctrl-alt-del: who was asked has no more time."""
    village = Village(deaf=(signal.SIGKILL,))
    village.hurried_at = 1.0
    ended(village)
    assert not village.alive
    assert 1.0 <= village.time < 1.4


def test_who_does_not_die_is_told_and_left() -> None:
    """With what is known of the reason."""
    village = Village(stuck=())
    left, _ = ended(village)
    assert left == ["stuck (100) does not die (D, nfs_wait)"]
    assert village.time < 9.0


def test_a_fork_loop_ends() -> None:
    """Who makes others as quickly as they are killed is stopped first."""
    village = Village(bomb=(signal.SIGKILL,))
    village.breeds = "bomb"
    assert ended(village)[0] == []
    assert not village.alive


def test_a_storage_daemon_that_is_busy_gets_no_signal() -> None:
    """However long: not before it is known to be one, and not then."""
    for busy in (0.0, 0.05, 3.0, 100.0):
        village = Village(storage=(signal.SIGTERM, signal.SIGKILL), shell=(signal.SIGHUP,))
        village.storage, village.busy = {"storage"}, {"storage": busy}
        assert ended(village) == ([], ["ending what is left: shell (101)"])
        assert {name for name, _ in village.got} == {"shell"}
        assert village.time < 5.3


def test_who_was_busy_is_asked_then() -> None:
    """Once it is known that it is no storage daemon; where that is never known it is killed in the end."""
    village = Village(daemon=(signal.SIGTERM,))
    village.busy = {"daemon": 2.0}
    assert ended(village) == ([], ["ending what is left: daemon (100)"])
    assert 1.9 < village.time < 2.3
    village = Village(daemon=(signal.SIGTERM, signal.SIGKILL))
    village.busy = {"daemon": 100.0}
    assert ended(village) == ([], ["killing what does not end: daemon (100)"])
    assert dict(village.got) == {"daemon": signal.SIGKILL}
