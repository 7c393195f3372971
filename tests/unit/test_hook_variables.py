"""What post_stop hooks are told of the end, and what is started for it."""

from __future__ import annotations

import signal

import pytest

from asyncinit.core.status import Code, ExitStatus, Trigger
from asyncinit.runtime.process.hooks import end_variables, monitor_variables


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        (Code.SUCCESS, ExitStatus(0), ("success", "exited", "0")),
        (Code.EXIT_CODE, ExitStatus(3), ("exit-code", "exited", "3")),
        (Code.SIGNAL, ExitStatus(signal=9), ("signal", "killed", "KILL")),
        (Code.CORE_DUMP, ExitStatus(signal=11, core_dumped=True), ("core-dump", "dumped", "SEGV")),
        (Code.SIGNAL, ExitStatus(signal=int(signal.SIGRTMIN) + 3), ("signal", "killed", "RTMIN+3")),
        (Code.SPAWN, None, ("spawn", None, None)),
        (Code.EXIT_CODE, ExitStatus(), ("exit-code", None, None)),
    ],
)
def test_end_variables(code: Code, status: ExitStatus | None, expected: tuple[str | None, ...]) -> None:
    """They are systemd's, and an unknown status is not made up."""
    variables = end_variables(code, status)
    assert tuple(variables.get(name) for name in ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")) == expected


def test_monitor_variables() -> None:
    """Who is started for the end of another is told whose it was, and how, where that is known."""
    assert monitor_variables(Trigger("web", Code.SIGNAL, ExitStatus(signal=9))) == {
        "MONITOR_SERVICE": "web",
        "MONITOR_SERVICE_RESULT": "signal",
        "MONITOR_EXIT_CODE": "killed",
        "MONITOR_EXIT_STATUS": "KILL",
    }
    assert monitor_variables(Trigger("web", Code.SPAWN)) == {
        "MONITOR_SERVICE": "web",
        "MONITOR_SERVICE_RESULT": "spawn",
    }
