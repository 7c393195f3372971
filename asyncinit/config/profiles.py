"""Profiles: [profile.NAME] of a table, laid over that table where NAME is active; reads nothing and knows no other key.

A profile changes the table that it stands in, as if the file had been written so: what is above that table anyhow, a
drop-in or a service above [defaults], is above its profiles too. Of several active ones the later wins.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncinit.config.names import is_plain_name
from asyncinit.config.problems import Problem, printable, shown
from asyncinit.config.values import close_to

VARIABLE = "ASYNCINIT_PROFILE"
"""The environment variable that says which are active, where the command line does not."""

KEY = "profile"


def active(given: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the profiles that are active by the words of `--profile`, else by the environment.

    Each word is a name, or several between commas; of one that is named twice the later place counts.
    """
    words = given or ((os.environ if environment is None else environment).get(VARIABLE, ""),)
    names = [name.strip() for word in words for name in word.split(",")]
    return tuple(reversed(dict.fromkeys(name for name in reversed(names) if name)))


def split(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return a table without its profiles, and these by name; what cannot be one stays, for whoever examines it."""
    given = table.get(KEY)
    if not isinstance(given, dict):
        return dict(table), {}
    profiles = {name: one for name, one in given.items() if isinstance(one, dict) and is_plain_name(name)}
    rest = {name: one for name, one in given.items() if name not in profiles}
    own = {key: value for key, value in table.items() if key != KEY}
    return (own | {KEY: rest} if rest else own), profiles


def unknown(wanted: Sequence[str], known: Iterable[str]) -> list[Problem]:
    """Return a problem for each of the profiles that are `wanted` and that no file has."""
    names = sorted(known)
    problems = []
    for name in wanted:
        if name in names:
            continue
        guess = close_to(name, names)
        expected = f"one of {', '.join(names)}" if names else "a table [profile.NAME] in one of them"
        place = f"profile {printable(name)}"
        suggestion = shown(guess) if guess else ""
        problems.append(Problem(place, None, None, "", "is in none of the files", "", expected, suggestion))
    return problems
