"""[watch]: what its keys come to, what is told where they are wrong, and where it is shown again."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config.load import load, read
from asyncinit.config.show import show
from asyncinit.config.spec import Command, Watch, WatchAction
from asyncinit.core.difference import Change, Impact, between
from tests.unit.config_world import NOWHERE, problems_of, service, write

COMMAND = 'command = "x"\n'


def test_every_key_reaches_the_specification(tmp_path: Path) -> None:
    """A table that uses all keys gives a watch that has all of them."""
    text = """
    [watch]
    paths = ["src", "*.toml", "src"]
    ignore = ["*.log", "!keep.log"]
    gitignore = false
    action = "run"
    command = ["make", "assets"]
    timeout = "1m"
    debounce = "50ms"
    """
    assert service(tmp_path, COMMAND + text).watch == Watch(
        paths=("src", "*.toml"),
        ignore=("*.log", "!keep.log"),
        gitignore=False,
        action=WatchAction.RUN,
        command=Command(("make", "assets")),
        timeout=60,
        debounce=0.05,
    )


def test_one_path_is_enough(tmp_path: Path) -> None:
    """Everything else has a default, and a single path needs no list."""
    assert service(tmp_path, COMMAND + 'watch = { paths = "src" }').watch == Watch(("src",))
    assert service(tmp_path / "none", COMMAND).watch is None


def test_what_is_shown_reads_back_the_same(tmp_path: Path) -> None:
    """`show` writes a [watch] that means the same, and none where there is none."""
    for number, text in enumerate(('paths = "a"', 'paths = ["a"]\naction = "run"\ncommand = "x y"\ntimeout = 3')):
        folder = tmp_path / str(number)
        write(folder, {"s/web.toml": f"{COMMAND}[watch]\n{text}", "s/db.toml": COMMAND})
        configuration = load(None, [str(folder / "s")], root=NOWHERE)
        write(folder, {"again/web.toml": show(configuration, "web")})
        again = read(None, [str(folder / "again")], root=NOWHERE)
        assert [str(problem) for problem in again.problems] == []
        assert again.configuration.services["web"].watch == configuration.services["web"].watch
        assert "[watch]" not in show(configuration, "db")


def test_the_defaults_say_how_and_for_whom_they_name_paths_what(tmp_path: Path) -> None:
    """A debounce of [defaults] watches nothing by itself; paths of [defaults] are everybody's, but a target's."""
    one = {"asyncinit.toml": '[defaults.watch]\ndebounce = "1s"\n[services.web]\ncommand = "x"\nwatch.paths = "a"\n'}
    one["asyncinit.toml"] += '[services.db]\ncommand = "x"\n'
    write(tmp_path, one)
    services = load(str(tmp_path / "asyncinit.toml"), [], root=NOWHERE).services
    assert (services["web"].watch, services["db"].watch) == (Watch(("a",), debounce=1), None)
    write(
        tmp_path,
        {
            "asyncinit.toml": '[defaults.watch]\npaths = "a"\n[services.t]\ntype = "target"\n[services.db]\ncommand = "x"\n'
        },
    )
    services = load(str(tmp_path / "asyncinit.toml"), [], root=NOWHERE).services
    assert (services["t"].watch, services["db"].watch) == (None, Watch(("a",)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[watch]", '2: watch: names nothing to watch (expected paths = ["PATH"])'),
        ('[watch]\npaths = ""', "3: watch.paths: is empty"),
        ('[watch]\npaths = "a"\naction = "run"', '4: watch.action: is "run", and there is no command (expected command = ["PROGRAM"])'),
        ('[watch]\npaths = "a"\ncommand = "x"', '4: watch.command: has no meaning with action "restart"; did you mean action = "run"?'),
        ('[watch]\npaths = "a"\ndebounce = 0', "4: watch.debounce: "),
        ('[watch]\npath = "a"', "3: watch.path: is not a key of [watch]; did you mean paths?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_words_of_the_file(tmp_path: Path, text: str, found: str) -> None:
    """Line, key, what was found and what was expected."""
    problems = problems_of(tmp_path, COMMAND + text)
    assert len(problems) == 1 and problems[0].startswith(found), problems


def test_a_oneshot_is_not_reloaded(tmp_path: Path) -> None:
    """It runs until it is done; a restart is what it can have."""
    text = f'{COMMAND}type = "oneshot"\nwatch = {{ paths = "a", action = "reload" }}'
    assert problems_of(tmp_path, text) == ["3: watch.action: cannot be reload here: a oneshot runs until it is done"]
    assert service(tmp_path / "well", f'{COMMAND}type = "oneshot"\nwatch.paths = "a"').watch == Watch(("a",))


def test_what_is_watched_is_no_business_of_the_process(tmp_path: Path) -> None:
    """Other paths are watched at once, and nobody is restarted for that."""
    old = service(tmp_path / "old", COMMAND + 'watch.paths = "a"')
    new = service(tmp_path / "new", COMMAND + 'watch.paths = "b"')
    assert between(old, new) == Change(("watch.paths",), Impact.NOW)
