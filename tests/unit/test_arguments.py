"""The quick parser, and click made from the same table: never two opinions on one command line."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncinit.cli import click_app
from asyncinit.cli.arguments import parse, split_program
from asyncinit.cli.commands import COMMANDS
from asyncinit.cli.declaring import Command, Invocation, Option


def by_click(words: list[str]) -> Invocation | None:
    """What click makes of a command line; None where it finds an error or shows help."""
    group, found = remembering_group()
    found.clear()
    own = ["run", *words] if words[:1] == ["--"] else list(words)
    declared = {command.name: command for command in COMMANDS}
    program = None
    position = next((n for n, word in enumerate(own) if word in declared), None)
    if position is not None:
        own[position:], program = split_program(declared[own[position]], own[position:])
    try:
        group.main(own, prog_name="asyncinit", standalone_mode=False, obj=program)
    except (click.ClickException, click.exceptions.Exit):
        return None
    return found[0] if found else None


@functools.cache
def remembering_group() -> tuple[click.Group, list[Invocation]]:
    """The commands of click, but each only remembers what it would have done."""
    found: list[Invocation] = []
    group = click_app.build()
    for command in COMMANDS:
        group.commands[command.name].callback = remembering(command, found)
    return group, found


def remembering(declared: Command, found: list[Invocation]) -> Any:
    @click.pass_context
    def remember(context: click.Context, /, **values: Any) -> None:
        above = context.parent.params if context.parent else {}
        found.append(Invocation(declared, values, above.get("socket"), context.obj))

    return remember


def told(invocation: Invocation | None) -> object:
    if invocation is None:
        return None
    return invocation.declared.name, invocation.values, invocation.socket, invocation.program


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("status", {"names": ()}),
        ("status web --json db", {"names": ("web", "db"), "json": True}),
        ("logs -fn5 web", {"follow": True, "lines": "5", "names": ("web",)}),
        ("logs -n 5 -f", {"follow": True, "lines": "5"}),
        ("logs --lines=5 --since -5m", {"lines": "5", "since": "-5m"}),
        ("signal TERM web db", {"signal": "TERM", "names": ("web", "db")}),
        ("stop -- --odd", {"names": ("--odd",)}),
        ("run -vvq --services a --services=b", {"verbose": 2, "quiet": 1, "services": ("a", "b")}),
        ("show web", {"name": "web"}),
    ],
)
def test_well_formed_lines(line: str, expected: dict[str, object]) -> None:
    """Options may stand anywhere, short ones together, values joined or apart."""
    invocation = parse(line.split())
    assert invocation is not None
    assert invocation.values.items() >= expected.items()
    assert told(invocation) == told(by_click(line.split()))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nope",
        "status --help",
        "status -h",
        "--version",
        "status --jsn",
        "status --json=yes",
        "logs -x",
        "logs -n",
        "show",
        "show a b",
        "signal",
        "run web",
        "run --scope everybody",
        "--socket",
        "--bla status",
    ],
)
def test_everything_else_is_left_to_click(line: str) -> None:
    """What is not well-formed, or asks for help, is not understood by the quick parser."""
    assert parse(line.split()) is None


def test_what_comes_after_two_dashes_is_not_ours() -> None:
    """CMD's own options stay CMD's, a "--" of its own too; `asyncinit --` is `asyncinit run`."""
    invocation = parse(["run", "--scope", "tree", "--", "sh", "-c", "--help", "--"])
    assert invocation is not None
    assert invocation.program == ("sh", "-c", "--help", "--")
    assert invocation.values["scope"] == "tree"
    bare = parse(["--"])
    assert bare is not None
    assert (bare.declared.name, bare.program) == ("run", ())
    short = parse(["--", "bash"])
    assert short is not None
    assert (short.declared.name, short.program) == ("run", ("bash",))


def test_the_socket_comes_before_the_command() -> None:
    """--socket, in both spellings."""
    for words in (["--socket", "/s", "status"], ["--socket=/s", "status"]):
        invocation = parse(words)
        assert invocation is not None
        assert invocation.socket == "/s"
    after = parse(["status", "--socket", "/s"])
    assert after is None


def words_for(command: Command) -> st.SearchStrategy[list[str]]:
    def spelled(option: Option) -> st.SearchStrategy[list[str]]:
        names = st.sampled_from(option.names)
        if option.metavar is None:
            return names.map(lambda name: [name])
        values = st.sampled_from(option.choices or ("5", "x", "a=b", "-1", ""))
        return st.one_of(
            st.tuples(names, values).map(list),
            st.tuples(st.just(option.names[-1]), values).map(lambda pair: ["=".join(pair)]),
        )

    options = st.one_of(*(spelled(option) for option in command.options)) if command.options else st.just([])
    plain = st.sampled_from(["web", "db", "15", "-", "--", "--nope", "-h", "-fn", "-qv", "-n7"]).map(
        lambda word: [word]
    )
    return st.lists(st.one_of(options, plain), max_size=6).map(lambda parts: [command.name, *itertools.chain(*parts)])


@settings(max_examples=150)
@given(st.sampled_from(COMMANDS).flatmap(words_for))
def test_click_and_the_quick_parser_agree(words: list[str]) -> None:
    """Whatever the quick parser understands, click understands in the same way."""
    quick = parse(words)
    if quick is not None:
        assert told(quick) == told(by_click(words))


def test_every_command_leads_somewhere() -> None:
    """Each target is a function, each option has a help text that ends as a sentence."""
    for command in COMMANDS:
        module, _, function = command.target.partition(":")
        assert callable(getattr(__import__(f"asyncinit.cli.{module}", fromlist=[function]), function))
        assert all(option.help.endswith(".") for option in command.options)
