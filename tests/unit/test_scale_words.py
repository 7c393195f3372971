"""What the words of `asyncinit scale` ask for, and what cannot be scaled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from asyncinit.cli.outcome import UsageError
from asyncinit.cli.scale import counts
from asyncinit.core.engine import Engine
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime.configuring.templates import Templates
from asyncinit.runtime.control.operations import RefusedError
from tests.unit.world import service


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["web=3"], {"web": 3}),
        (["web", "3"], {"web": 3}),
        (["web@=0", "worker=12"], {"web@": 0, "worker": 12}),
        (["web=1", "web=2"], {"web": 2}),
    ],
)
def test_how_many_of_what(words: list[str], expected: dict[str, int]) -> None:
    """Both forms mean the same; of two for one template the last counts."""
    assert counts(words) == expected


@pytest.mark.parametrize("words", [["web"], ["web", "3", "4"], ["web=x"], ["=3"], ["web=-1"], ["web="], ["web", "x"]])
def test_what_is_no_number(words: list[str]) -> None:
    """It says what was expected."""
    with pytest.raises(UsageError, match="expected NAME=NUMBER, as in web=3"):
        counts(words)


def test_a_service_is_no_template() -> None:
    """It is told so, and what a template's file is called; a name that nobody has is another matter."""
    configured: Any = SimpleNamespace(configuration=SimpleNamespace(templates={}))
    templates = Templates(Engine({"web": service("web")}, lambda: 0.5, lambda _error: None), configured)
    with pytest.raises(RefusedError, match=r"cannot scale web: it is one service; a template's file is web@\.toml"):
        templates.scale("web", 3, lambda _outcome: None)
    with pytest.raises(UnknownServiceError):
        templates.scale("wbe", 3, lambda _outcome: None)
