"""Reports of failures: when there is one, what it has, how many are kept, and the last word of a container."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.spec import Ready, ReadyKind, Restart, RestartPolicy, ServiceSpec, ServiceType, Stop
from asyncinit.control.types import CrashReport
from asyncinit.core import events as ev
from asyncinit.core.status import Code, Reason, State
from asyncinit.linux.process import Usage
from asyncinit.runtime.chronicle import Chronicle
from asyncinit.runtime.crashes import termination
from asyncinit.runtime.crashes.folder import file_name
from asyncinit.runtime.crashes.recorder import LAST_BYTES, LAST_LINES, CrashRecorder, Opened
from asyncinit.runtime.crashes.store import MOST_BYTES, MOST_REPORTS, CrashStore, StoreState
from asyncinit.runtime.crashes.termination import LARGEST, TerminationMessage
from asyncinit.runtime.output.entries import Entry
from asyncinit.runtime.reexec.keep import Kept
from asyncinit.runtime.tree.listing import Member
from tests.unit.world import Body, World, service

NEVER = Restart(RestartPolicy.NEVER)
EXACT = Restart(delay=2.0, jitter=0.0)
USAGE = Usage(0.5, 0.1, 1 << 20, 1, 2, 3, 4, 5, 6)
CHILD = Member(12, 34, "sh", "S", 1, 10, 10)


class Reported(World):
    """A world whose failures are reported; what a service wrote is in `written`."""

    def __init__(self, *specs: ServiceSpec) -> None:
        super().__init__({spec.name: spec for spec in specs})
        self.written: list[bytes] = []
        self.chronicle = Chronicle(0.0, 0.0)
        self.store = CrashStore()
        self.delivered: list[CrashReport] = []
        self.recorder = CrashRecorder(
            self.engine,
            self.chronicle,
            self,  # type: ignore[arg-type]
            self.store,
            now=lambda: self.now,
            said=lambda _name: "draining",
            deliver=self.delivered.append,
        )

    def last(self, service: str, count: int, since_start: bool = False) -> Sequence[Entry]:
        """Return the last lines (`Journal`)."""
        assert since_start and count == LAST_LINES
        return [Entry(1e9, service, "stdout", text, number) for number, text in enumerate(self.written[-count:])]

    def _effect(self, effect: ev.Effect, body: Body) -> None:
        super()._effect(effect, body)
        if isinstance(effect, ev.Spawn):
            self.chronicle.starting(effect.service, ["PATH", "DB_PASSWORD"], self.now)
            self.chronicle.spawned(effect.service, 1000 + len(body.started))
        if isinstance(effect, ev.Announce):
            self.chronicle.changed(effect, self.now)
            self.recorder.changed(effect)

    def crash(self, name: str, code: int = 3, **options: bool) -> None:
        self.chronicle.ended(name, USAGE, [CHILD], self.now, 1_000_000.0)
        self.exit(name, code, **options)
        self.settle()

    def begun(self, name: str) -> Reported:
        self.start(name)
        self.settle()
        return self

    @property
    def report(self) -> CrashReport:
        (report,) = self.delivered
        assert self.store.find() == [report]
        return report


# ---------------------------------------------------------------------------------------------------------------------
# When there is a report


def test_a_crash() -> None:
    """All that is known of it: what it was doing, how it ended, what it used, what becomes of it."""
    here = Reported(service("web", restart=EXACT, origin="services.d/web.toml")).begun("web")
    here.advance(5.0)
    here.written = [b"hello", b"about to fail"]
    here.crash("web")
    report = here.report
    assert (report.id, report.service, report.state, report.phase) == (1, "web", State.READY, "ready")
    assert (report.reason.code, report.reason.text) == (Code.EXIT_CODE, "exited with 3")
    assert report.exit is not None
    assert (report.exit.code, report.exit.signal, report.exit.time) == (3, None, "1970-01-12T13:46:40.000Z")
    assert (report.uptime, report.ready_for, report.pid, report.restarts) == (5.0, 5.0, 1001, 0)
    assert (report.outcome, report.given_up, report.killed) == ("restart 1 in 2 s", False, False)
    assert report.usage is not None and report.usage.max_rss == 1 << 20
    assert [(left.pid, left.name) for left in report.left_over] == [(12, "sh")]
    assert [line.message for line in report.output] == ["hello", "about to fail"]
    assert (report.command, report.environment) == (["web"], ["DB_PASSWORD", "PATH"])
    assert (report.status_text, report.file) == ("draining", "services.d/web.toml")


def test_a_start_that_fails() -> None:
    """Without a process there is no exit, no use and no time; the step is named."""
    here = Reported(service("web", restart=NEVER))
    here.start("web")
    here.bodies["web"].answers[0] = ev.Prepared(Reason(Code.HOOK, "pre_start hook exited with 1"))
    here.settle()
    report = here.report
    assert (report.state, report.phase, report.reason.code) == (State.STARTING, "preparing", Code.HOOK)
    assert (report.exit, report.usage, report.uptime, report.given_up) == (None, None, None, True)


def test_not_ready_in_time() -> None:
    """The reason is that it was too slow; that it had to be killed for it is told beside."""
    slow = service("web", ready=Ready(ReadyKind.NOTIFY, timeout=20.0), restart=NEVER, stop=Stop(timeout=1.0))
    here = Reported(slow).begun("web")
    here.advance(21.0)
    here.settle()
    report = here.report
    assert (report.reason.code, report.phase, report.killed) == (Code.TIMEOUT, "starting", True)


def test_giving_up() -> None:
    """Each run has its report, and the last one says that no restart is left."""
    here = Reported(service("web", restart=Restart(delay=1.0, jitter=0.0, limit=1))).begun("web")
    here.crash("web")
    here.advance(1.0)
    here.settle()
    here.crash("web")
    first, last = here.delivered
    assert (first.outcome, first.given_up, first.restarts) == ("restart 1 in 1 s", False, 0)
    assert (last.id, last.given_up, last.restarts) == (2, True, 1)
    assert last.outcome == "failed for good: 1 restart within 60 s; last: exited with 3"
    assert last.reason.text == "exited with 3"


def test_a_bad_end_of_what_said_that_it_ends() -> None:
    """It stopped by itself, and then badly."""
    here = Reported(service("web", restart=NEVER)).begun("web")
    here.tell("web", ev.Stopping())
    here.crash("web")
    assert (here.report.reason.text, here.report.given_up) == ("exited with 3", True)


def test_a_failure_that_somebody_cuts_short() -> None:
    """A stop or restart that is asked for while it goes down does not hide it."""
    for act, outcome in (("stop", "stopped on request before it could be restarted"), ("restart", "again on request")):
        here = Reported(service("web", restart=EXACT)).begun("web")
        here.crash("web", leftovers=True)
        getattr(here, act)("web")
        here.vanish("web")
        here.settle()
        assert here.report.outcome.endswith(outcome)
        assert here.report.reason.text == "exited with 3"


def test_what_does_not_die() -> None:
    """A stop that was asked for and failed is a failure too."""
    here = Reported(service("nfs", stop=Stop(timeout=1.0))).begun("nfs")
    here.stop("nfs")
    here.bodies["nfs"].watched = False
    here.tell("nfs", ev.TimerFired(here["nfs"].epoch))
    here.bodies["nfs"].answers.clear()
    here.tell("nfs", ev.TimerFired(here["nfs"].epoch, "pid 7 does not die"))
    assert (here.report.reason.code, here.report.phase) == (Code.RESOURCES, "ready")


@pytest.mark.parametrize("code", [0, 1])
def test_what_was_asked_for_is_no_failure(code: int) -> None:
    """Whatever its status, a service that somebody stops has not failed."""
    here = Reported(service("web")).begun("web")
    here.stop("web")
    here.exit("web", code)
    here.settle()
    assert here.delivered == []


def test_a_good_end_is_no_failure() -> None:
    """A oneshot that completes, a service that ends well and is restarted."""
    here = Reported(service("web", restart=EXACT), service("once", type=ServiceType.ONESHOT, restart=NEVER))
    here.begun("web").begun("once")
    here.exit("web", 0)
    here.exit("once", 0)
    here.settle()
    assert (here.state("web"), here.state("once"), here.delivered) == (State.BACKOFF, State.COMPLETED, [])


def test_who_fails_for_another_has_no_report() -> None:
    """The one that failed itself has it; what is bound to it neither."""
    here = Reported(
        service("db", restart=NEVER, ready=Ready(ReadyKind.NOTIFY)),
        service("web", requires=("db",)),
        service("ui", binds_to=("db",)),
    )
    here.begun("web").begun("ui")
    here.crash("db")
    assert here.state("web") is here.state("ui") is State.FAILED
    assert [report.service for report in here.delivered] == ["db"]


def test_who_is_started_again_for_another_has_no_report() -> None:
    """It has ended well, and only waits a moment before it runs for the next failure of others."""
    fix = service("fix", type=ServiceType.ONESHOT, enabled=False)
    here = Reported(service("web", restart=NEVER, on_failure=("fix",)), fix)
    for _ in range(2):
        here.begun("web")
        here.crash("web")
        if here.state("fix") is not State.BACKOFF:
            here.exit("fix", 0)
            here.settle()
    assert here.state("fix") is State.BACKOFF
    assert {report.service for report in here.delivered} == {"web"}


def test_a_forgotten_service_leaves_its_reports() -> None:
    """What was under way is dropped, what is finished stays."""
    here = Reported(service("web", restart=EXACT)).begun("web")
    here.crash("web")
    here.recorder.forget("web")
    assert here.recorder.freeze(Kept()) == {} and len(here.store.find()) == 1


# ---------------------------------------------------------------------------------------------------------------------
# How much is kept


def test_the_last_lines_are_bounded() -> None:
    """The newest lines that fit, oldest first; of a single one that does not fit, its end."""
    here = Reported(service("web", restart=EXACT)).begun("web")
    here.written = [b"%04d" % number + b"x" * 996 for number in range(40)]
    here.crash("web")
    kept = [line.message[:4] for line in here.report.output]
    assert kept == ["0032", "0033", "0034", "0035", "0036", "0037", "0038", "0039"]
    long = Reported(service("web", restart=EXACT)).begun("web")
    long.written = [b"a", b"y" * 20_000 + b"end"]
    long.crash("web")
    (line,) = long.report.output
    assert len(line.message) == LAST_BYTES and line.message.endswith("end")


def test_bytes_that_are_no_text() -> None:
    """They are replaced, so that a report can be sent."""
    here = Reported(service("web", restart=EXACT)).begun("web")
    here.written = [b"\xff\xfe ok"]
    here.crash("web")
    assert here.report.output[0].message == "\ufffd\ufffd ok"
    assert msgspec.json.decode(msgspec.json.encode(here.report), type=CrashReport) == here.report


def some_report(number: int, name: str = "web", size: int = 10) -> CrashReport:
    here = Reported(service(name, restart=NEVER)).begun(name)
    here.written = [b"x" * min(size, 4000)] * (1 + size // 4000)
    here.crash(name)
    return msgspec.structs.replace(here.report, id=number)


def test_the_store_is_bounded() -> None:
    """By number and by bytes; numbers go on, and how many are forgotten is known."""
    store = CrashStore()
    for number in range(1, MOST_REPORTS + 11):
        assert store.next_id() == number
        store.add(some_report(number))
    assert (len(store.find()), store.forgotten, store.find()[0].id) == (MOST_REPORTS, 10, 11)
    large = CrashStore()
    for number in range(1, 60):
        large.add(some_report(number, size=8000))
    held = sum(len(msgspec.json.encode(report)) for report in large.find())
    assert held <= MOST_BYTES < held + 20_000


def test_finding_reports() -> None:
    """By service, by number."""
    store = CrashStore()
    for number, name in enumerate(("web", "db", "web"), 1):
        store.add(some_report(number, name))
    assert [report.id for report in store.find(["web"])] == [1, 3]
    assert [report.service for report in store.find(None, 2)] == ["db"]
    assert store.find(["db"], 1) == [] == store.find(None, 9)


def test_reports_survive_a_re_exec() -> None:
    """As JSON and back, with their numbers; and so does a failure that is not finished."""
    store = CrashStore()
    for number in range(1, MOST_REPORTS + 3):
        store.add(some_report(number))
    again = CrashStore()
    again.thaw(msgspec.json.decode(msgspec.json.encode(store.freeze(Kept())), type=StoreState))
    assert (again.find(), again.forgotten, again.next_id()) == (store.find(), 2, MOST_REPORTS + 3)
    opened = Opened(State.READY, "ready", Reason(Code.EXIT_CODE, "exited with 1"), 5.0)
    assert msgspec.json.decode(msgspec.json.encode(opened), type=Opened) == opened


def test_files_sort_by_time() -> None:
    """The name of a file is fit for any file system."""
    report = some_report(1)
    assert file_name(msgspec.structs.replace(report, time="2026-11-25T00:04:09.447Z")) == (
        "20261125T000409.447Z-web.json"
    )
    assert len(file_name(msgspec.structs.replace(report, service="x" * 250))) < 255


# ---------------------------------------------------------------------------------------------------------------------
# The termination message


def test_the_termination_message() -> None:
    """JSON with why, who, and its last lines."""
    message = TerminationMessage(1, "web is essential and failed", "web", "exit-code", "exited with 1", (), (), ["bye"])
    assert json.loads(termination.encoded(message)) == {
        "exit_status": 1,
        "reason": "web is essential and failed",
        "service": "web",
        "code": "exit-code",
        "text": "exited with 1",
        "failed": [],
        "killed": [],
        "last_lines": ["bye"],
    }


TEXT = st.text(max_size=6000) | st.text(st.sampled_from('"\\\n\x01\U0001f600é'), max_size=6000)


@given(TEXT, TEXT, st.lists(st.text(max_size=3000), max_size=30), st.lists(st.text("ab", max_size=250), max_size=60))
def test_it_always_fits_and_is_json(reason: str, text: str, lines: list[str], names: list[str]) -> None:
    """Whatever it has to say, Kubernetes keeps all of it."""
    data = termination.encoded(TerminationMessage(1, reason, "web", "signal", text, names, names, lines))
    assert len(data) <= LARGEST
    told = json.loads(data)
    assert (told["exit_status"], told["service"], told["code"]) == (1, "web", "signal")
    kept = told["last_lines"]
    if kept:
        assert kept[1:] == lines[len(lines) - len(kept) + 1 :]
        assert lines[-len(kept)].endswith(kept[0].lstrip("…"))


def test_the_newest_lines_stay() -> None:
    """The oldest ones go, and the one at the border is cut at its beginning."""
    message = TerminationMessage(1, "why", last_lines=["x" * 5000, "y" * 3000, "end"])
    assert json.loads(termination.encoded(message))["last_lines"] == ["y" * 3000, "end"]
    long = json.loads(termination.encoded(TerminationMessage(1, "why", last_lines=["x" * 9000 + "end"])))
    (line,) = long["last_lines"]
    assert line.startswith("…x") and line.endswith("end") and len(line) > 3500


def test_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As configured; else where Kubernetes has put a file, for PID 1 alone."""
    there = [True]
    monkeypatch.setattr("asyncinit.runtime.crashes.termination.os.path.exists", lambda _path: there[0])
    assert termination.place("/x", 1) == "/x"
    assert termination.place("", 1) is None
    assert termination.place(None, 1) == termination.DEFAULT
    assert termination.place(None, 7) is None
    there[0] = False
    assert termination.place(None, 1) is None


def test_a_program_whose_name_is_no_text() -> None:
    """A path of bytes that are no UTF-8 is shown with replacements, and breaks nothing."""
    here = Reported(service("web", restart=NEVER))
    here.start("web")
    here.bodies["web"].answers[0] = ev.Prepared(Reason(Code.SPAWN, "cannot execute /x\udcff"))
    here.settle()
    assert here.report.reason.text == "cannot execute /x?"
