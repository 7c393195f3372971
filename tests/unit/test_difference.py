"""What a change of a declaration means for a service that runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from asyncinit.config.spec import (
    Command,
    Health,
    Hook,
    Hooks,
    InitSpec,
    LogLevel,
    Ready,
    ReadyKind,
    Restart,
    ServiceSpec,
    Sign,
    Stop,
)
from asyncinit.core.difference import (
    IMPACTS,
    INIT_IMPACTS,
    Change,
    Impact,
    InitChange,
    between,
    between_inits,
    in_force,
    init_in_force,
)

WEB = ServiceSpec("web", command=Command(("web",)), environment={"PORT": "80", "HOME": "/"})


def changed(**keys: Any) -> Change | None:
    return between(WEB, replace(WEB, **keys))


def test_every_field_is_classified() -> None:
    """Whoever adds a field to a service or to [init] says what a change of it means."""
    assert list(IMPACTS) == list(ServiceSpec.__struct_fields__)
    assert list(INIT_IMPACTS) == list(InitSpec.__struct_fields__)
    assert set(INIT_IMPACTS.values()) <= {Impact.NOW, Impact.RESTART}


def test_the_same_declaration_differs_in_nothing() -> None:
    """However it was made."""
    assert between(WEB, replace(WEB, environment=dict(WEB.environment))) is None


def test_what_nobody_sees() -> None:
    """A file that was moved is taken over without a word."""
    assert changed(origin="elsewhere/web.toml") == Change((), Impact.UNSEEN)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"description": "x"}, Change(("description",), Impact.NOW)),
        ({"requires": ("db",)}, Change(("requires",), Impact.NOW)),
        ({"restart": Restart(delay=5, limit=3)}, Change(("restart.delay", "restart.limit"), Impact.NOW)),
        ({"stop": Stop(timeout=math.inf)}, Change(("stop.timeout",), Impact.NOW)),
        ({"hooks": Hooks((Hook(Command(("x",))),))}, Change(("hooks.pre_start",), Impact.NEXT_START)),
        ({"ready": Ready(timeout=3)}, Change(("ready.timeout",), Impact.NEXT_START)),
        ({"command": Command(("web", "-v"))}, Change(("command",), Impact.RESTART)),
        (
            {"environment": {"PORT": "81", "NEW": "1"}},
            Change(("environment.HOME", "environment.NEW", "environment.PORT"), Impact.RESTART),
        ),
        (
            {"description": "x", "user": "www", "ready": Ready(timeout=3)},
            Change(("description", "user", "ready.timeout"), Impact.RESTART),
        ),
    ],
)
def test_keys_and_what_they_mean(keys: Mapping[str, Any], expected: Change) -> None:
    """The keys have the names of the files, in the order of the reference; the gravest of them decides."""
    assert changed(**keys) == expected


TCP = Ready(ReadyKind.TCP, "127.0.0.1:1")


@pytest.mark.parametrize(
    ("old", "new", "keys", "impact"),
    [
        (TCP, replace(TCP, address="127.0.0.1:2"), ("ready.tcp",), Impact.NEXT_START),
        (TCP, Ready(), ("ready.tcp",), Impact.NEXT_START),
        (Ready(), Ready(ReadyKind.LOG, "up", timeout=1), ("ready.log", "ready.timeout"), Impact.NEXT_START),
        (TCP, Ready(ReadyKind.NOTIFY), ("ready.tcp", "ready.notify"), Impact.RESTART),
        (Ready(ReadyKind.NOTIFY), Ready(), ("ready.notify",), Impact.RESTART),
        (
            Ready(ReadyKind.NOTIFY_FD, descriptor=3),
            Ready(ReadyKind.NOTIFY_FD, descriptor=4),
            ("ready.notify_fd",),
            Impact.RESTART,
        ),
        (Ready(ReadyKind.NOTIFY, timeout=1), Ready(ReadyKind.NOTIFY, timeout=2), ("ready.timeout",), Impact.NEXT_START),
    ],
)
def test_readiness(old: Ready, new: Ready, keys: tuple[str, ...], impact: Impact) -> None:
    """A process that was given a socket or a descriptor for it has to be another one; what we only ask need not."""
    assert between(replace(WEB, ready=old), replace(WEB, ready=new)) == Change(keys, impact)


def test_readiness_of_several_signs() -> None:
    """What the process was given for one of them counts; keys have the names of the files."""
    file = Sign(ReadyKind.FILE, "/x")
    one = Ready(ReadyKind.ALL, parts=(file, Sign(ReadyKind.NOTIFY)))
    assert between(replace(WEB, ready=one), replace(WEB, ready=Ready(ReadyKind.NOTIFY))) == Change(
        ("ready.all", "ready.notify"), Impact.NEXT_START
    )
    assert between(replace(WEB, ready=one), replace(WEB, ready=replace(one, parts=(file,)))) == Change(
        ("ready.all",), Impact.RESTART
    )


def test_health_and_watchdog() -> None:
    """Other probes hold at once; a watchdog is told to the process when it is made."""
    health = Health(kind=ReadyKind.FILE, address="/x")
    assert changed(health=health) == Change(("health",), Impact.NOW)
    probed = replace(WEB, health=health)
    new = replace(health, kind=ReadyKind.TCP, address="127.0.0.1:1", threshold=9)
    keys = ("health.file", "health.tcp", "health.threshold")
    assert between(probed, replace(WEB, health=new)) == Change(keys, Impact.NOW)
    assert changed(watchdog=5.0) == Change(("watchdog",), Impact.RESTART)


def _values(spec: Any) -> Iterator[tuple[str, Any]]:
    """Return another value for each field of a struct: one of the same kind."""
    for field in msgspec.structs.fields(type(spec)):
        yield field.name, object()


@pytest.mark.parametrize("stopping", [False, True])
def test_what_holds_at_once(stopping: bool) -> None:
    """A run takes over exactly what holds now; a stop that is under way goes on as it has begun."""
    new = replace(WEB, **dict(_values(WEB)))
    taken = in_force(WEB, new, stopping)
    for field, impact in IMPACTS.items():
        expected = impact <= Impact.NOW and not (stopping and field == "stop")
        assert getattr(taken, field) is getattr(new if expected else WEB, field), field


def test_init() -> None:
    """Most of [init] holds at once; the socket is named as what needs another asyncinit, and stays."""
    old = InitSpec()
    new = InitSpec(log_level=LogLevel.DEBUG, keep_running=True, control_socket="/run/other")
    assert between_inits(old, new) == InitChange(("keep_running", "log_level"), ("control_socket",))
    assert init_in_force(old, new) == InitSpec(log_level=LogLevel.DEBUG, keep_running=True)
    assert not between_inits(old, old)
