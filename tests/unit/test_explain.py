"""Why a service is in its state and what would happen next: a case for each way to be in each state."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from asyncinit.config.spec import (
    Command,
    GiveUp,
    Health,
    HealthAction,
    Hook,
    Hooks,
    Ready,
    ReadyKind,
    Reload,
    Restart,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    Stop,
    StopStep,
)
from asyncinit.core import events as ev
from asyncinit.core.explain import Explanation, explain
from asyncinit.core.prospects import NEXT
from asyncinit.core.situation import STATES
from asyncinit.core.status import Code, Reason, State
from tests.unit.world import World, service

NEVER = Restart(RestartPolicy.NEVER)
EXACT = Restart(delay=2.0, jitter=0.0)
TOLD = Ready(ReadyKind.NOTIFY)


class Asked(World):
    """A world in which somebody asks why."""

    def __init__(self, *specs: ServiceSpec) -> None:
        super().__init__({spec.name: spec for spec in specs})
        self.obstacles: dict[str, str] = {}
        self.triggers: dict[str, str] = {}

    def why(self, name: str) -> Explanation:
        return explain(self.engine, name, self.now, obstacle=self.obstacles.get, trigger=self.triggers.get)

    def text(self, name: str) -> str:
        """What a service is said to be."""
        return self.why(name).chain[0].text

    def chain(self, name: str) -> list[str]:
        return [f"{link.service} {link.text}" for link in self.why(name).chain]

    def next(self, name: str) -> list[str]:
        return list(self.why(name).next)

    def begun(self, *names: str) -> Asked:
        self.start(*names)
        self.settle()
        return self


def test_every_state_has_its_words() -> None:
    """A state that is added later has to say what it means."""
    assert STATES.keys() == NEXT.keys() == set(State)


# ---------------------------------------------------------------------------------------------------------------------
# At rest


def test_never_started() -> None:
    """It says whether it is enabled, what would start it, and who would take it along."""
    here = Asked(service("db", enabled=False), service("web", requires=("db",)), service("api", binds_to=("db",)))
    assert here.text("db") == "is down: it is not enabled, and nobody has started it"
    assert here.next("db") == ["nothing by itself; `asyncinit start db` starts it, and so does starting web and api"]
    assert here.text("web") == "is down: it was never started"


def test_stopped() -> None:
    """On request, or because of what it requires."""
    here = Asked(service("db"), service("web", requires=("db",))).begun("web")
    here.stop("db")
    here.exit("web", signal=15)
    here.settle()
    here.exit("db", signal=15)
    here.settle()
    assert here.text("db") == "is down: it was stopped on request (killed by SIGTERM)"
    assert here.chain("web") == [
        "web is down: requires db, which is being stopped",
        "db is down: it was stopped on request (killed by SIGTERM)",
    ]


def test_completed() -> None:
    """A oneshot that did its work, and nothing more to come."""
    here = Asked(service("migrate", type=ServiceType.ONESHOT, restart=NEVER)).begun("migrate")
    here.exit("migrate", 0)
    here.settle()
    assert here.why("migrate").chain[0].text == "has completed: exited with 0"
    assert here.next("migrate") == []


def test_the_chain_leads_to_the_root() -> None:
    """From what failed for another, which failed for another, to the one that failed itself."""
    here = Asked(
        service("db", restart=NEVER, ready=TOLD), service("web", requires=("db",)), service("ui", requires=("web",))
    ).begun("ui")
    here.exit("db", 1)
    here.settle()
    why = here.why("ui")
    assert [link.service for link in why.chain] == ["ui", "web", "db"]
    assert why.chain[2].text == "has failed: exited with 1"
    assert why.chain[0].state is State.FAILED
    assert list(why.next) == [
        "nothing by itself; `asyncinit start db` starts it",
        "once db is ready, web starts by itself",
        "once web is ready, ui starts by itself",
    ]


def test_what_does_not_die() -> None:
    """A process that survives SIGKILL is named, and has to go first."""
    here = Asked(service("nfs", stop=Stop(timeout=1.0))).begun("nfs")
    here.stop("nfs")
    here.bodies["nfs"].alive = True
    body = here.bodies["nfs"]
    here.advance(1.0)
    body.watched, body.answers = False, body.answers.__class__()
    epoch = here["nfs"].epoch
    here.now += 6.0
    here.tell("nfs", ev.TimerFired(epoch, "pid 7 (cp) does not die (D, nfs_wait)"))
    assert here.text("nfs") == "has failed: pid 7 (cp) does not die (D, nfs_wait)"
    assert here.next("nfs") == ["nfs cannot be started before that process is gone"]


# ---------------------------------------------------------------------------------------------------------------------
# On the way up


def test_waiting_for_a_backoff() -> None:
    """The whole story: whom it waits for, why that one is not there, when it is tried again, what follows."""
    here = Asked(
        service("db", restart=EXACT, ready=TOLD),
        service("web", requires=("db",)),
        service("ui", after=("web",)),
    ).begun("web", "ui")
    for wait in (2.0, 4.0):
        here.exit("db", 1)
        here.settle()
        here.advance(wait)
        here.settle()
    here.exit("db", 1)
    here.settle()
    here.advance(1.0)
    assert here.chain("web") == [
        "web is waiting: requires db, which is in backoff",
        "db is in backoff: exited with 1, for the third time in a row",
    ]
    assert here.next("web") == [
        "in 7 s db is started again (restart 3)",
        "once db is ready, web is started",
        "then ui may start",
    ]


def test_the_limit_of_restarts() -> None:
    """What is left of it is told, and what happens when nothing is."""
    limited = Restart(delay=2.0, jitter=0.0, limit=1, on_give_up=GiveUp.SHUTDOWN)
    here = Asked(service("db", restart=limited)).begun("db")
    assert here.next("db") == ["should db fail, it is restarted after 2 s"]
    here.exit("db", 1)
    here.settle()
    assert here.next("db") == ["in 2 s db is started again (restart 1, 0 left of 1 in 1 min)"]
    here.advance(2.0)
    here.settle()
    assert here.next("db")[-1] == (
        "should db fail, it has failed for good (the limit of 1 restarts is reached), "
        "which ends in shutdown (on_give_up)"
    )


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("requires", "requires db"),
        ("binds_to", "is bound to db"),
        ("wants", "wants db"),
        ("after", "starts after db"),
    ],
)
def test_the_kinds_of_edges(key: str, words: str) -> None:
    """It says by which key it waits."""
    here = Asked(service("db", ready=TOLD), service("web", **{key: ("db",)})).begun("db", "web")
    assert here.text("web") == f"is waiting: {words}, which is starting"
    goal = "ready" if key in {"requires", "binds_to"} else "ready or has failed"
    assert f"once db is {goal}, web is started" in here.next("web")


def test_the_other_side_of_before() -> None:
    """What another one has declared holds too."""
    here = Asked(service("db", ready=TOLD, before=("web",)), service("web")).begun("db", "web")
    assert here.text("web") == "is waiting: starts after db, which is starting"


def test_a_rival() -> None:
    """It says what the two are to each other, and why the other goes down."""
    here = Asked(service("old", stop=Stop(timeout=5)), service("new", conflicts=("old",))).begun("old")
    here.start("new")
    assert here.text("new") == "is waiting: conflicts with old, which is stopping"
    assert here.text("old").startswith("is stopping because it conflicts with new, which is started: ")


def test_waiting_for_many() -> None:
    """Two are named, the others counted; the chain has a limit."""
    names = [f"s{number:02}" for number in range(40)]
    here = Asked(*(service(name, ready=TOLD) for name in names), service("all", requires=tuple(names))).begun("all")
    why = here.why("all")
    assert why.chain[0].text == (
        "is waiting: requires s00, which is starting; requires s01, which is starting; and for 38 more"
    )
    assert (len(why.chain), why.more) == (20, 21)
    assert "once s00, s01 and 38 more are there, all is started" in why.next


def test_waiting_until_others_are_down() -> None:
    """What starts after it is still on its way down: it may not start meanwhile."""
    here = Asked(service("db"), service("web", after=("db",))).begun("web")
    here.stop("web")
    here.start("db")
    assert here.text("db") == "is waiting: it starts before web, which is stopping"
    assert here.next("db") == [
        "in 5 s, if something of web is left, it gets SIGKILL",
        "when nothing of web is left, it is down",
        "once web is down, db is started",
    ]


def test_being_prepared() -> None:
    """Before there is a process."""
    hooks = Hooks(pre_start=(Hook(Command(("x",))),))
    here = Asked(service("web", hooks=hooks, ready=Ready(timeout=20.0)))
    here.start("web")
    assert here.text("web") == (
        "is starting: its user, environment and directories are looked up and its pre_start hooks run"
    )
    assert here.next("web") == ["in 20 s, if web is not ready by then, it is stopped, and it is restarted after 100 ms"]


def test_not_ready_yet() -> None:
    """What it waits for, as the probe says, and what happens if that does not come."""
    here = Asked(service("web", ready=Ready(ReadyKind.TCP, timeout=20.0), restart=NEVER)).begun("web")
    here.obstacles["web"] = "tcp 127.0.0.1:8080: connection refused"
    here.advance(5.0)
    assert here.text("web") == "is starting: pid 1001 runs and waits for tcp 127.0.0.1:8080: connection refused"
    assert here.next("web") == ["in 15 s, if web is not ready by then, it is stopped, and it has failed for good"]


def test_a_oneshot_at_work() -> None:
    """It is ready by completing."""
    here = Asked(service("migrate", type=ServiceType.ONESHOT, restart=NEVER)).begun("migrate")
    assert here.text("migrate") == "is starting: pid 1001 runs, and completes it by exiting with success"


def test_post_start_and_pid_file() -> None:
    """Hooks after readiness; a launcher that has ended."""
    hooks = Hooks(post_start=(Hook(Command(("x",))),))
    here = Asked(service("web", hooks=hooks))
    here.start("web")
    here.answer("web")
    here.answer("web")
    assert here.text("web") == "is starting: its post_start hooks run"
    forks = Asked(service("daemon", ready=Ready(ReadyKind.PID_FILE))).begun("daemon")
    forks.exit("daemon", 0, leftovers=True)
    assert forks.text("daemon") == (
        "is starting: its launcher has ended, and the pid file has to name its main process"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Up


def test_ready() -> None:
    """Since when, and what its failure would lead to."""
    here = Asked(service("web", restart=EXACT), service("all", type=ServiceType.TARGET, requires=("web",)))
    here.begun("all")
    here.advance(200.0)
    assert here.text("web") == "has been ready for 3 min 20 s (pid 1001)"
    assert here.next("web") == ["should web fail, it is restarted after 2 s"]
    assert here.text("all") == "is ready: all that it needs is there"
    assert here.next("all") == []


def test_ready_again() -> None:
    """After a restart it is told when it counts as stable."""
    here = Asked(service("web", restart=EXACT)).begun("web")
    here.exit("web", 1)
    here.settle()
    here.advance(2.0)
    here.settle()
    assert here.next("web") == [
        "in 10 s web counts as stable, and its backoff starts over",
        "should web fail, it is restarted after 4 s",
    ]


def test_an_essential_service() -> None:
    """Its failure is everybody's end."""
    here = Asked(service("web", essential=True, restart=NEVER)).begun("web")
    assert here.next("web") == ["should web fail, it has failed for good and asyncinit shuts down"]


def test_reloading() -> None:
    """It is up all the while."""
    here = Asked(service("web", reload=Reload(command=Command(("x",))))).begun("web")
    here.carry_out(here.engine.reload(["web"], here.now))
    assert here.text("web") == "is up, and reads its configuration again"
    assert here.next("web") == ["in 1 min 30 s, if that is not done by then, it has failed, and web goes on"]


def test_health() -> None:
    """How many probes are left until it is unhealthy, or well again, and what that leads to."""
    probed = Health(kind=ReadyKind.FILE, address="/x", threshold=3, success_threshold=2)
    here = Asked(service("web", restart=EXACT, health=probed)).begun("web")
    fails = "should web fail, it is restarted after 2 s"
    assert here.next("web") == [fails]
    here.tell("web", ev.Probed("no such file"))
    stopped = "web is unhealthy: it is stopped, and it is restarted after 2 s"
    assert here.next("web") == [f"after 2 more health probes in a row that fail, {stopped}", fails]
    here.tell("web", ev.Probed("no such file"))
    assert here.next("web") == [f"after one more health probe that fails, {stopped}", fails]

    here = Asked(service("web", restart=EXACT, health=replace(probed, action=HealthAction.SHUTDOWN))).begun("web")
    here.tell("web", ev.Probed("no such file"))
    assert here.next("web")[0].endswith("it is stopped, and it has failed for good and asyncinit shuts down")

    here = Asked(service("web", restart=EXACT, health=replace(probed, action=HealthAction.NONE))).begun("web")
    here.tell("web", ev.Probed("no such file"))
    assert here.next("web")[0] == "after 2 more health probes in a row that fail, web is unhealthy: that is shown"
    here.tell("web", ev.Probed("no such file"))
    here.tell("web", ev.Probed("no such file"))
    assert here.text("web") == "is up, but unhealthy: 3 health probes in a row failed: no such file"
    assert here.next("web") == ["after 2 more health probes in a row that succeed, web is healthy again", fails]


def test_a_watchdog_that_is_late() -> None:
    """First SIGABRT, then what every stop gets."""
    here = Asked(service("web", restart=EXACT, watchdog=5.0)).begun("web")
    here.tell("web", ev.WatchdogMissed("no WATCHDOG=1 within 5 s"))
    why = "is stopping because it failed (no WATCHDOG=1 within 5 s)"
    assert here.text("web") == f"{why}: it has got SIGABRT, and not ended yet"
    assert here.next("web")[0] == "in 5 s, if something of web is left, it gets SIGTERM"


# ---------------------------------------------------------------------------------------------------------------------
# On the way down


def test_stopping_after_others() -> None:
    """Who holds it up, what that one is doing, and what follows step by step."""
    here = Asked(
        service("db", stop=Stop(timeout=5.0)),
        service("web", requires=("db",), stop=Stop(timeout=3.0, escalate=(StopStep(2, 2.0),))),
    ).begun("web")
    here.stop("db")
    here.advance(1.0)
    assert here.chain("db") == [
        "db is stopping: web, which started after it, is not down yet",
        "web is stopping because it requires db, which is being stopped: "
        "its main process has got SIGTERM and not ended yet",
    ]
    assert here.next("db") == [
        "in 2 s, if something of web is left, it gets SIGINT",
        "when nothing of web is left, it is down",
        "once web is down, db gets SIGTERM",
        "when nothing of db is left, it is down",
    ]
    here.advance(2.0)
    assert here.text("web").endswith("its main process has got SIGINT and not ended yet")
    assert here.next("web")[0] == "in 2 s, if something of web is left, it gets SIGKILL"


def test_a_shutdown() -> None:
    """The reason is asyncinit's own end, and nothing is said to start again."""
    here = Asked(service("web"), service("ui", after=("web",))).begun("web", "ui")
    here.shut_down(9.0)
    assert here.text("ui") == "is stopping with asyncinit: its main process has got SIGTERM and not ended yet"
    assert here.next("ui")[-2:] == ["when nothing of ui is left, it is down", "then web may stop"]


def test_a_restart_and_a_failure_on_the_way() -> None:
    """What is to come back says so, and what failed says what its policy makes of it."""
    here = Asked(service("web")).begun("web")
    here.restart("web")
    assert here.text("web").startswith("is stopping to be restarted: ")
    assert here.next("web")[-1] == "when nothing of web is left, it is started again"
    failed = Asked(service("web", restart=EXACT)).begun("web")
    failed.exit("web", 1, leftovers=True)
    assert failed.text("web") == (
        "is stopping because it failed (exited with 1): what is left of it has got SIGTERM and not ended yet"
    )
    assert failed.next("web")[-1] == "when nothing of web is left, it is restarted after 2 s"


def test_the_steps_of_a_stop() -> None:
    """Hooks, by itself, its own command, SIGKILL, hooks again."""
    hooks = Hooks(pre_stop=(Hook(Command(("x",))),), post_stop=(Hook(Command(("x",))),))
    here = Asked(service("web", hooks=hooks, stop=Stop(timeout=1.0, command=Command(("stop",))))).begun("web")
    here.stop("web")
    assert here.text("web") == "is stopping: its pre_stop hooks run"
    here.answer("web")
    assert here.text("web") == "is stopping: its stop command was run, and it has not ended yet"
    here.exit("web", leftovers=False)
    here.answer("web")
    assert here.text("web") == "is stopping: nothing of it is left, and its post_stop hooks run"
    by_itself = Asked(service("web")).begun("web")
    by_itself.tell("web", ev.Stopping())
    assert by_itself.text("web") == "is stopping: it said that it ends by itself"
    assert by_itself.next("web")[0] == "in 5 s, if something of web is left, it gets SIGTERM"
    killed = Asked(service("web", stop=Stop(timeout=1.0))).begun("web")
    killed.stop("web")
    killed.bodies["web"].watched = False
    killed.carry_out([])
    killed.tell("web", ev.Hurry(0.5))
    assert killed.text("web") == "is stopping: SIGKILL was sent to all that is left of it"
    assert killed.next("web")[0] == "in 500 ms, if something of web survives, it counts as failed"


def test_bound_to_what_is_lost() -> None:
    """It goes down and comes back with it, and leads to it."""
    here = Asked(service("db", restart=EXACT), service("web", binds_to=("db",))).begun("web")
    here.exit("db", 1)
    here.settle()
    why = here.why("web")
    assert why.chain[0].text.startswith("is stopping because it is bound to db, which ")
    assert why.chain[1].service == "db"


def test_what_starts_it_by_itself() -> None:
    """Who has a timer is not said to need anybody; while asyncinit goes down nothing is started."""
    here = Asked(
        service("backup", type=ServiceType.ONESHOT, enabled=False, restart=NEVER),
        service("report", type=ServiceType.ONESHOT, restart=NEVER),
        service("web"),
    )
    here.triggers = {name: f"in 3 h its timer starts {name}" for name in ("backup", "report")}
    assert here.next("backup") == ["in 3 h its timer starts backup"]
    here.begun("backup", "report", "web")
    here.exit("backup", 0)
    here.exit("report", 1)
    here.settle()
    assert here.next("backup") == ["in 3 h its timer starts backup"]
    assert here.next("report") == ["in 3 h its timer starts report"]
    here.shut_down(9.0)
    assert here.next("backup") == here.next("report") == []


def test_skipped() -> None:
    """A condition that does not hold is no failure, and is told."""
    here = Asked(service("web"))
    here.start("web")
    here.bodies["web"].answers.clear()
    here.tell("web", ev.Unmet(Reason(Code.CONDITION, "path_exists /x does not hold")))
    assert here.text("web") == "is down: it was skipped: path_exists /x does not hold"
