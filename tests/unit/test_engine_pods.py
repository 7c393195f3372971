"""Pods in the engine: a pod is a service that its members are bound to; whatever happens to it happens to them."""

from __future__ import annotations

from msgspec.structs import replace

from asyncinit.config.spec import Pod, PodInit, Restart, RestartPolicy, Scope, ServiceSpec, ServiceType, Stop
from asyncinit.core.status import Code, State
from tests.unit.world import World, service

NEVER = Restart(RestartPolicy.NEVER)


def pod(**keys: object) -> ServiceSpec:
    at_once = Stop(signal=9, scope=Scope.PROCESS)
    return replace(ServiceSpec("pod:shop", type=ServiceType.POD, stop=at_once, sandbox=Pod()), **keys)


def member(name: str, **keys: object) -> ServiceSpec:
    return service(name, pod="shop", binds_to=("pod:shop",), **keys)


def world(*specs: ServiceSpec) -> World:
    """Return a world in which all that is enabled is up."""
    made = World({spec.name: spec for spec in specs})
    made.start(*(spec.name for spec in specs if spec.enabled))
    made.settle()
    return made


def states(made: World) -> list[State]:
    return [one.state for one in made.engine.services.values()]


class TestBinding:
    """What a pod's end means for its members."""

    def test_members_start_after_it(self) -> None:
        """Nothing of them is there before."""
        made = World({spec.name: spec for spec in (pod(), member("web"))})
        made.start("web")
        assert states(made) == [State.STARTING, State.WAITING]
        made.settle()
        assert states(made) == [State.READY, State.READY]

    def test_when_its_init_dies_the_members_go_and_come_back_for_that_reason(self) -> None:
        """One pod is one unit of failure, and the restarts are its own."""
        made = world(pod(), member("web"), member("db"))
        made.exit("pod:shop", signal=9)
        reason = made["web"].reason
        assert reason is not None
        assert (reason.code, reason.service) == (Code.POD, "pod:shop")
        assert reason.text == "in pod shop, which was killed by SIGKILL"
        for name in ("web", "db"):
            made.exit(name, signal=9)
        made.settle()
        made.advance(1)
        made.settle()
        assert states(made) == [State.READY] * 3
        assert [made[name].restarts for name in ("pod:shop", "web", "db")] == [1, 0, 0]

    def test_when_it_has_failed_for_good_its_members_fail_for_it_and_come_back_with_it(self) -> None:
        """Once somebody starts it again."""
        made = world(pod(restart=NEVER), member("web"))
        made.exit("pod:shop", signal=9)
        made.exit("web", signal=9)
        made.settle()
        reason = made["web"].reason
        assert states(made) == [State.FAILED, State.FAILED]
        assert reason is not None
        assert (reason.code, reason.text) == (Code.POD, "in pod shop, which has failed: killed by SIGKILL")
        made.start("pod:shop")
        made.settle()
        assert states(made) == [State.READY, State.READY]

    def test_a_members_failure_is_its_own(self) -> None:
        """The pod and the others do not notice."""
        made = world(pod(), member("web", restart=NEVER), member("db"))
        made.exit("web", code=1)
        made.settle()
        assert states(made) == [State.READY, State.FAILED, State.READY]

    def test_a_stop_of_it_stops_the_members_first(self) -> None:
        """Gracefully, in their order; then the pod."""
        made = world(pod(), member("web", requires=("db",)), member("db"))
        made.stop("pod:shop")
        assert made.engine.waiting_on("db") == ["web"]
        made.exit("web", signal=15)
        made.settle()
        assert set(made.engine.waiting_on("pod:shop")) == {"db"}
        made.exit("db", signal=15)
        made.exit("pod:shop", signal=9)
        made.settle()
        assert states(made) == [State.INACTIVE] * 3
        assert made["web"].reason is not None


class TestIdleness:
    """What asyncinit stays for."""

    def test_a_pod_alone_holds_nothing_up(self) -> None:
        """When its members are done, all is done."""
        made = world(pod(), member("web", restart=NEVER))
        assert not made.engine.idle
        made.exit("web", code=0)
        made.settle()
        assert states(made) == [State.READY, State.COMPLETED]
        assert made.engine.idle

    def test_a_pod_with_its_own_asyncinit_holds_all_up(self) -> None:
        """What is done inside is not seen from here."""
        assert not world(pod(sandbox=Pod(init=PodInit.ASYNCINIT))).engine.idle


def test_a_pod_whose_first_process_is_a_member_is_there_with_it() -> None:
    """It has no process of its own: it is up while the member is."""
    first = pod(sandbox=Pod(init=PodInit.FIRST, first="db"), binds_to=("db",))
    made = world(service("db", pod="shop"), first, member("web"))
    assert states(made) == [State.READY] * 3
    assert made["pod:shop"].main is None
    made.exit("db", signal=9)
    made.exit("web", signal=9)
    made.settle()
    made.advance(1)
    made.settle()
    assert states(made) == [State.READY] * 3
    assert [made[name].restarts for name in ("db", "pod:shop", "web")] == [1, 0, 0]


def test_another_declaration_of_a_pod_restarts_it_with_its_members() -> None:
    """What is shared cannot be changed under those who share it."""
    made = world(pod(), member("web"))
    made.reconfigure({spec.name: spec for spec in (pod(sandbox=Pod(hostname="till")), member("web"))})
    made.settle()
    made.exit("web", signal=15)
    made.exit("pod:shop", signal=9)
    made.settle()
    assert states(made) == [State.READY, State.READY]
    assert made["pod:shop"].spec.sandbox == Pod(hostname="till")
