"""What can be done to a service, in words: questions, results, signals; pure."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from asyncinit.cli.screen import plain

SIGNALS: tuple[tuple[str, int, str], ...] = (
    ("HUP", int(signal.SIGHUP), "hang up; many read their configuration again"),
    ("INT", int(signal.SIGINT), "as ctrl-C"),
    ("QUIT", int(signal.SIGQUIT), "end, with a core dump"),
    ("KILL", int(signal.SIGKILL), "end at once"),
    ("USR1", int(signal.SIGUSR1), "what the program makes of it"),
    ("USR2", int(signal.SIGUSR2), "what the program makes of it"),
    ("TERM", int(signal.SIGTERM), "end"),
    ("CONT", int(signal.SIGCONT), "go on"),
    ("STOP", int(signal.SIGSTOP), "stand still"),
    ("WINCH", int(signal.SIGWINCH), "what the program makes of it"),
)
"""The signals that are offered: name, number, what it is for."""

_TOLD = 20
"""So many names of others are told."""

_DOING = {"Start": "starting", "Stop": "stopping", "Restart": "restarting", "Reload": "reloading"}


def doing(method: str, name: str) -> str:
    """Return what is going on."""
    return f"{_DOING[method]} {name} ..."


def question(method: str, name: str, others: Sequence[str]) -> str:
    """Return what is asked before others are taken along."""
    number = len(others)
    them = "1 other service" if number == 1 else f"{number} other services"
    told = list(others[:_TOLD]) + ([f"and {number - _TOLD} more"] if number > _TOLD else [])
    return f"{method} {name}? That takes {them} down first: {', '.join(told)}."


def results(answers: Sequence[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return what went well, and what did not, a line each."""
    well: list[str] = []
    badly: list[str] = []
    for answer in answers:
        state, text = answer["state"], plain(answer["text"])
        why = "" if text in {"", state} else f": {text.removeprefix(state + ': ')}"
        (well if answer["ok"] else badly).append(f"{answer['name']}: {state}{why}")
    return well, badly


def template_of(name: str) -> str | None:
    """Return the template of an instance (web@3: web@); None where it is none."""
    template, at, instance = name.partition("@")
    return template + at if at and instance else None


def instances(template: str, names: Sequence[str]) -> int:
    """Return how many numbered instances of a template there are."""
    return sum(name.startswith(template) and name[len(template) :].isdigit() for name in names)
