"""What is written down of the present run and of the first start."""

from __future__ import annotations

import msgspec

from asyncinit.core.events import Announce
from asyncinit.core.status import Code, Reason, State
from asyncinit.linux.process import Usage
from asyncinit.runtime.chronicle import Chronicle, Record
from asyncinit.runtime.reexec.keep import Kept
from asyncinit.runtime.tree.listing import Member

USAGE = Usage(0.5, 0.1, 1 << 20, 1, 2, 3, 4, 5, 6)
CHILD = Member(12, 34, "sh", "S", 1, 10, 10)


class Written(Chronicle):
    """A chronicle with short words for what happens."""

    def go(self, name: str, *steps: tuple[float, State, State]) -> None:
        for moment, old, new in steps:
            self.changed(Announce(name, old, new), moment)


def started(chronicle: Written, name: str, wanted: float, begins: float, ready: float) -> None:
    chronicle.go(name, (wanted, State.INACTIVE, State.WAITING), (begins, State.WAITING, State.STARTING))
    chronicle.starting(name, ["PATH", "HOME"], begins + 0.1)
    chronicle.spawned(name, 10)
    chronicle.go(name, (ready, State.STARTING, State.READY))


def test_a_first_start() -> None:
    """When it was wanted, prepared, made and ready; the whole is finished when nothing is open."""
    chronicle = Written(100.0, 9.0)
    chronicle.go("web", (100.0, State.INACTIVE, State.WAITING))
    started(chronicle, "db", 100.0, 101.0, 103.0)
    assert chronicle.record.finished is None
    chronicle.go("web", (103.0, State.WAITING, State.STARTING), (104.0, State.STARTING, State.READY))
    db = chronicle.record.starts["db"]
    assert (db.waiting, db.preparing, db.starting, db.ready, db.ended) == (100.0, 101.0, 101.1, 103.0, None)
    assert chronicle.record.finished == 104.0


def test_what_is_started_later_is_no_part_of_it() -> None:
    """Once the first start is over, it is not changed by what people do."""
    chronicle = Written(0.0, 9.0)
    started(chronicle, "web", 0.0, 0.0, 1.0)
    started(chronicle, "tool", 5000.0, 5000.0, 5001.0)
    chronicle.go("web", (6000.0, State.READY, State.STOPPING), (6001.0, State.STOPPING, State.BACKOFF))
    assert list(chronicle.record.starts) == ["web"]
    assert chronicle.record.finished == 1.0


def test_a_first_attempt_that_fails() -> None:
    """It has ended, and nobody waits for it; when a later one succeeds while others are open, that is noted too."""
    chronicle = Written(0.0, 9.0)
    chronicle.go("slow", (0.0, State.INACTIVE, State.WAITING))
    chronicle.go(
        "web",
        (0.0, State.INACTIVE, State.WAITING),
        (0.0, State.WAITING, State.STARTING),
        (1.0, State.STARTING, State.STOPPING),
        (1.0, State.STOPPING, State.BACKOFF),
        (2.0, State.BACKOFF, State.WAITING),
        (2.0, State.WAITING, State.STARTING),
        (3.0, State.STARTING, State.READY),
    )
    web = chronicle.record.starts["web"]
    assert (web.ended, web.ready, web.attempts) == (1.0, 3.0, 2)
    assert chronicle.record.finished is None
    chronicle.go("slow", (4.0, State.WAITING, State.FAILED))
    assert chronicle.record.finished == 4.0


def test_a_target_takes_no_time() -> None:
    """It is ready as soon as it may start."""
    chronicle = Written(0.0, 9.0)
    chronicle.go("all", (0.0, State.INACTIVE, State.WAITING), (2.0, State.WAITING, State.READY))
    start = chronicle.record.starts["all"]
    assert (start.preparing, start.starting, start.ready) == (2.0, None, 2.0)


def test_the_present_run() -> None:
    """How far it has come, what it was given, and how its main process ended; another start begins anew."""
    chronicle = Written(0.0, 9.0)
    chronicle.go("web", (0.0, State.WAITING, State.STARTING))
    assert chronicle.run_of("web").phase == "preparing"
    chronicle.starting("web", ["B", "A"], 1.0)
    assert chronicle.run_of("web").phase == "starting"
    chronicle.announcing("web", 2.0)
    assert chronicle.run_of("web").phase == "post-start"
    chronicle.go("web", (3.0, State.STARTING, State.READY), (4.0, State.READY, State.RELOADING))
    chronicle.go("web", (5.0, State.RELOADING, State.READY), (6.0, State.READY, State.UNHEALTHY))
    chronicle.go("web", (7.0, State.UNHEALTHY, State.READY))
    chronicle.ended("web", USAGE, [CHILD], 9.0, 1_000_000.0)
    run = chronicle.run_of("web")
    assert (run.phase, run.environment, run.ready, run.ended, run.usage) == ("ready", ("A", "B"), 3.0, 9.0, USAGE)
    assert run.left == ((12, "sh", "S"),)
    assert chronicle.record.outlived == {"web": 1}
    chronicle.go("web", (10.0, State.WAITING, State.STARTING))
    assert chronicle.run_of("web").usage is None
    assert chronicle.record.outlived == {"web": 1}


def test_a_service_that_nobody_knows() -> None:
    """Nothing was written down of it, and nothing stays of one that is forgotten."""
    chronicle = Written(0.0, 9.0)
    assert chronicle.run_of("web").pid is None
    started(chronicle, "web", 0.0, 0.0, 1.0)
    chronicle.ended("web", None, [CHILD], 2.0, 2.0)
    chronicle.forget("web")
    chronicle.forget("web")
    assert (chronicle.record.runs, chronicle.record.starts, chronicle.record.outlived) == ({}, {}, {})


def test_what_is_skipped_has_not_started() -> None:
    """A condition that does not hold is no start, and holds nothing open."""
    chronicle = Written(0.0, 9.0)
    chronicle.go("web", (0.0, State.INACTIVE, State.WAITING), (0.0, State.WAITING, State.STARTING))
    started(chronicle, "db", 0.0, 0.0, 1.0)
    skipped = Reason(Code.CONDITION, "path_exists /x does not hold")
    chronicle.changed(Announce("web", State.STARTING, State.INACTIVE, skipped), 2.0)
    assert list(chronicle.record.starts) == ["db"]
    assert chronicle.record.finished == 2.0


def test_a_forgotten_service_does_not_hold_the_start_open() -> None:
    """The start is over without it."""
    chronicle = Written(0.0, 9.0)
    chronicle.go("gone", (0.0, State.INACTIVE, State.WAITING))
    chronicle.go("web", (0.0, State.INACTIVE, State.WAITING))
    chronicle.forget("gone")
    chronicle.go("web", (0.0, State.WAITING, State.STARTING), (1.0, State.STARTING, State.READY))
    assert chronicle.record.finished == 1.0


def test_it_survives_a_re_exec() -> None:
    """As JSON and back, and then goes on where it was."""
    before = Written(0.0, 9.0)
    before.go("slow", (0.0, State.INACTIVE, State.WAITING))
    started(before, "web", 0.0, 0.5, 1.0)
    before.ended("web", USAGE, [CHILD], 2.0, 3.0)
    carried = msgspec.json.decode(msgspec.json.encode(before.freeze(Kept())), type=Record)
    after = Written(77.0, 9.0)
    after.thaw(carried)
    assert after.record == before.record
    after.go("slow", (4.0, State.WAITING, State.READY))
    assert after.record.finished == 4.0
