"""What post_stop hooks are told of the end."""

from __future__ import annotations

import signal

import pytest

from asyncinit.core.status import Code, ExitStatus
from asyncinit.runtime.process.hooks import end_variables


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
