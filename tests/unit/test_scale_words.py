"""What the words of `asyncinit scale` ask for."""

from __future__ import annotations

import pytest

from asyncinit.cli.outcome import UsageError
from asyncinit.cli.scale import counts


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
