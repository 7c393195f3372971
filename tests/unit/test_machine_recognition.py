"""When asyncinit is PID 1 of a machine, and when it is not."""

from __future__ import annotations

import os

import pytest

from asyncinit import minimal
from asyncinit.machine.recognition import is_machine

INIT = "/sbin/init"
ASYNCINIT = "/usr/bin/asyncinit"


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> None:
    """PID 1 of the initial PID namespace."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(minimal, "owns_pid_namespace", lambda: False)


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("words", "program", "machine"),
    [
        ([], INIT, True),
        (["single"], INIT, True),
        (["boot"], ASYNCINIT, True),
        ([], ASYNCINIT, True),
        (["single"], ASYNCINIT, True),
        (["run"], ASYNCINIT, False),
        (["--", "sh"], ASYNCINIT, False),
        (["run"], INIT, True),
    ],
)
def test_the_first_process_is_a_machines_init(words: list[str], program: str, machine: bool) -> None:
    """Whatever the kernel gave it for words, but where somebody's script has said `run`."""
    assert is_machine(words, program, {}) is machine


@pytest.mark.usefixtures("first")
def test_a_container_says_so() -> None:
    """By the variable that makers of containers set, or the kernel's command line."""
    assert not is_machine(["boot"], INIT, {"container": "lxc"})
    assert is_machine(["boot"], INIT, {"container": ""})


def test_another_process_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither who is not PID 1 nor PID 1 of a PID namespace of its own, by whatever name."""
    assert not is_machine(["boot"], INIT, {})
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(minimal, "owns_pid_namespace", lambda: True)
    assert not is_machine(["boot"], INIT, {})
