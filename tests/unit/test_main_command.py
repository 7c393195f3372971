"""`-- CMD` beside services: the service that it is."""

from __future__ import annotations

import re
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncinit.config.spec import Configuration, InitSpec, RestartPolicy, Scope, ServiceType
from asyncinit.runtime.main_command import command_name, main_command, with_command
from tests.unit.world import service

VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def configuration(*names: str, start: tuple[str, ...] = (), off: tuple[str, ...] = ()) -> Configuration:
    services = {name: service(name, enabled=name not in off) for name in names}
    return Configuration(InitSpec(start=start), services)


def test_what_it_is() -> None:
    """An essential service that is never restarted, with our descriptors and our terminal, its words as they are."""
    spec = with_command(configuration("db"), ["/bin/echo", "${HOME}"], "group", {}).services["echo"]
    assert spec.type is ServiceType.SERVICE
    assert spec.essential
    assert spec.restart.policy is RestartPolicy.NEVER
    assert spec.inherit_stdio
    assert spec.foreground
    assert spec.command is not None
    assert (spec.command.argv, spec.command.expand) == (("/bin/echo", "${HOME}"), False)
    assert not spec.requires
    assert not spec.binds_to


def test_it_waits_for_all_that_is_started() -> None:
    """All enabled services, or what [init] start names; the latter starts it too."""
    made = with_command(configuration("a", "b", "off", off=("off",)), ["sh"], "group", {})
    assert made.services["sh"].awaits == ("a", "b")
    assert made.init.start == ()
    made = with_command(configuration("a", "b", "off", start=("off", "a"), off=("off",)), ["sh"], "group", {})
    assert made.services["sh"].awaits == ("off", "a")
    assert made.init.start == ("off", "a", "sh")


def test_nothing_else_changes() -> None:
    """The services are those that were declared, and it comes after them."""
    before = configuration("a", "b")
    made = with_command(before, ["sh"], "group", {})
    assert list(made.services) == ["a", "b", "sh"]
    assert all(made.services[name] is spec for name, spec in before.services.items())
    assert list(before.services) == ["a", "b"]


@pytest.mark.parametrize("scope", Scope)
def test_its_stop(scope: Scope) -> None:
    """The scope of the command line; the signal as --rewrite says, which cannot take it away."""
    for rewrite, expected in (({}, 15), ({15: signal.SIGQUIT}, 3), ({15: 0}, 15), ({1: 2}, 15)):
        stop = with_command(configuration(), ["sh"], scope.value, rewrite).services["sh"].stop
        assert (stop.scope, stop.signal) == (scope, expected)


def test_its_name() -> None:
    """The program's, made fit, and different from every service's."""
    assert command_name("/usr/bin/python3.11", {}) == "python3.11"
    assert command_name("./.hidden", {}) == "hidden"
    assert command_name("a b", {}) == "a_b"
    assert command_name("///", {}) == "command"
    assert command_name("web", {"web": 1, "web.2": 1}) == "web.3"


@settings(max_examples=50)
@given(st.text(), st.sets(st.sampled_from(["command", "a", "b"])))
def test_a_name_is_always_fit(program: str, taken: set[str]) -> None:
    """Whatever is run, its service has a name that commands can say and nobody else has."""
    name = command_name(program, dict.fromkeys(taken))
    assert VALID.fullmatch(name)
    assert name not in taken


def test_finding_it() -> None:
    """There is one, or none."""
    before = configuration("a")
    assert main_command(before) is None
    assert main_command(with_command(before, ["a"], "group", {})) == "a.2"
