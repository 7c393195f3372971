"""Conflicts and followers in files: what can never be is told when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config.load import read
from tests.unit.config_world import NOWHERE, write

COMMAND = 'command = "x"\n'
OFF = COMMAND + "enabled = false\n"


def told(folder: Path, files: dict[str, str]) -> list[str]:
    """Return what is told of a services.d with these files."""
    write(folder, {f"services.d/{name}.toml": text for name, text in files.items()})
    loaded = read(None, [str(folder / "services.d")], root=NOWHERE)
    return [str(problem).removeprefix(f"{folder}/services.d/") for problem in loaded.problems]


BOTH = "both are started at first: set enabled = false in one of them"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": COMMAND + 'conflicts = ["b"]', "b": COMMAND}, [f"a.toml:2: conflicts: names b, and {BOTH}"]),
        (
            {"a": COMMAND + 'conflicts = ["b"]', "b": COMMAND + '\nconflicts = ["a"]'},
            [f"a.toml:2: conflicts: names b, and {BOTH}", f"b.toml:3: conflicts: names a, and {BOTH}"],
        ),
        ({"a": COMMAND + 'conflicts = ["b"]', "b": OFF}, []),
        (
            {"a": COMMAND + 'conflicts = ["b"]', "b": OFF, "c": COMMAND + 'requires = ["b"]'},
            [f"a.toml:2: conflicts: names b, and {BOTH}"],
        ),
        (
            {"a": COMMAND + 'conflicts = ["b"]', "b": COMMAND + "enabled = false", "c": COMMAND + 'wants = ["b"]'},
            [],
        ),
        (
            {
                "a": OFF + 'conflicts = ["b"]',
                "b": OFF,
                "c": OFF + 'requires = ["d"]\nbinds_to = ["b"]',
                "d": OFF + 'requires = ["a"]',
            },
            ["a.toml:3: conflicts: names b, and c requires both"],
        ),
        (
            {"a": OFF + 'conflicts = ["b"]\nrequires = ["b"]', "b": OFF},
            ["a.toml:3: conflicts: names b, and a requires the other"],
        ),
        (
            {"a": OFF + 'conflicts = ["b"]', "b": OFF + 'requires = ["a"]'},
            ["a.toml:3: conflicts: names b, and b requires the other"],
        ),
        ({"a": COMMAND + 'conflicts = ["a"]'}, ["a.toml:2: conflicts[0]: names a itself"]),
        (
            {"a": COMMAND + 'conflicts = ["c"]'},
            ['a.toml:2: warning: conflicts[0]: names "c", and there is no such service'],
        ),
        (
            {"web@": COMMAND + 'instances = 2\nconflicts = ["web@"]'},
            [f"web@.toml:3: conflicts: names web@2, and {BOTH}", f"web@.toml:3: conflicts: names web@1, and {BOTH}"],
        ),
        ({"web@": COMMAND + 'conflicts = ["web@"]', "a": COMMAND + 'requires = ["web@1"]\nafter = ["web@2"]'}, []),
        ({"rescue": 'type = "target"\nenabled = false\nconflicts = ["web"]', "web": COMMAND}, []),
        (
            {"a": COMMAND + 'on_failure = ["a", "b"]\non_success = ["a"]'},
            [
                'a.toml:2: warning: on_failure[0]: names a itself: to have it started again is what [restart] is for',
                'a.toml:2: warning: on_failure[1]: names "b", and there is no such service',
                'a.toml:3: warning: on_success[0]: names a itself: to have it started again is what [restart] is for',
            ],
        ),
        (
            {"a": 'type = "target"\non_failure = ["b"]', "b": COMMAND},
            ["a.toml:2: on_failure: cannot be used here: a target is a name for a group and has no process"],
        ),
        (
            {"a": COMMAND + 'on_failure = ["b"]', "b": OFF + 'on_failure = ["a"]'},
            [],
        ),
    ],
)  # fmt: skip
def test_what_services_say_of_each_other(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    """What can never be up together is an error, and only that."""
    assert sorted(told(tmp_path, files)) == sorted(expected)


def test_what_is_started_at_first_is_what_is_asked_for(tmp_path: Path) -> None:
    """[init] start, and not what is enabled; what has a timer has its own time."""
    services = {"a": COMMAND + 'conflicts = ["b"]', "b": COMMAND, "c": COMMAND + 'requires = ["b"]'}
    files = {f"services.d/{name}.toml": text for name, text in services.items()}
    for start, right in (('["a"]', True), ('["a", "c"]', False)):
        write(tmp_path, files | {"asyncinit.toml": f"[init]\nstart = {start}\n"})
        loaded = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
        assert (loaded.problems == ()) is right
    timed = COMMAND + 'type = "oneshot"\nconflicts = ["b"]\n[timer]\nevery = "1h"\n'
    assert told(tmp_path / "timed", {"a": timed, "b": COMMAND}) == []


def test_an_instance_is_made_by_who_starts_it(tmp_path: Path) -> None:
    """on_failure and on_success start, conflicts does not."""
    write(
        tmp_path,
        {
            "s/web.toml": COMMAND + 'on_failure = ["alert@web"]\non_success = ["next@1"]\nconflicts = ["other@1"]',
            "s/alert@.toml": COMMAND,
            "s/next@.toml": COMMAND,
            "s/other@.toml": COMMAND,
        },
    )
    loaded = read(None, [str(tmp_path / "s")], root=NOWHERE)
    assert loaded.problems == ()
    assert list(loaded.configuration.services) == ["alert@web", "next@1", "web"]
    assert loaded.configuration.services["web"].on_failure == ("alert@web",)
