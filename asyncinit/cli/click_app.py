"""The table of commands as click commands: help, errors of usage; the only module that imports click."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from asyncinit import __version__
from asyncinit.cli.arguments import split_program
from asyncinit.cli.commands import COMMANDS, find_command
from asyncinit.cli.declaring import Argument, Command, Invocation, Option
from asyncinit.cli.options import SOCKET
from asyncinit.cli.outcome import complain, guard
from asyncinit.cli.screen import plain

INTRODUCTION = """An init system: runs services as PID 1 or below it, and talks to a running one.

"asyncinit -- CMD" runs CMD under asyncinit.
"""

EXIT_STATUS = """Exit status: 0 done, 1 it failed, 2 usage, 3 not running or no such service, 4 not allowed.
"asyncinit run" ends with CMD's own status, or see its documentation.
"""


def main(words: Sequence[str]) -> int:
    """Carry out a command line by click and return the exit status."""
    own = list(words)
    if own[:1] == ["--"]:
        own.insert(0, "run")
    program = None
    command = find_command(own[0]) if own else None
    if command is not None:
        own, program = split_program(command, own)
    try:
        status = build().main(own or ["--help"], prog_name="asyncinit", standalone_mode=False, obj=program)
    except click.Abort:
        return 130
    except click.UsageError as error:
        return _refuse(error, words)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return int(status or 0)


def _refuse(error: click.UsageError, words: Sequence[str]) -> int:
    """Say what is wrong with a command line and, where that is known, what to type; return the exit status."""
    from asyncinit.cli import habits

    own = list(words)
    if own and own[0].startswith("--socket"):
        own = own[1:] if "=" in own[0] else own[2:]
    here = habits.told(own)
    if own and not own[0].startswith("-") and find_command(own[0]) is None:
        complain(plain(f"no such command: {own[0]}; " + (f"type: {here}" if here else _instead(own))))
    elif here:
        problem = error.format_message().rstrip(".")
        complain(plain(f"{problem[:1].lower()}{problem[1:]}; type: {here}"))
    elif meant := _choice_meant(error):
        problem = error.format_message().rstrip(".")
        complain(plain(f"{own[0]}: {problem[:1].lower()}{problem[1:]}; did you mean {meant}?"))
    else:
        error.show()
    return error.exit_code


def _choice_meant(error: click.UsageError) -> str:
    """Return the one of an argument's or option's few words that a misspelt one is, or an empty string."""
    import difflib

    kind = error.param.type if isinstance(error, click.BadParameter) and error.param is not None else None
    given = re.match(r"'(.*)' is not", error.message)
    if not isinstance(kind, click.Choice) or given is None:
        return ""
    return (difflib.get_close_matches(given[1], list(map(str, kind.choices)), 1) or [""])[0]


def _instead(words: Sequence[str]) -> str:
    """Return what to say of a command that is none, and nobody's habit."""
    import shutil

    from asyncinit.cli import habits

    guess = habits.guess(words[0])
    if guess and find_command(guess) is not None:
        return f"did you mean {guess}?"
    if guess and (here := habits.told((guess, *words[1:])) or habits.told((guess, "NAME"))):
        return f"type: {here}"
    if shutil.which(words[0]) is not None and not habits.of_a_peer(words[0]):
        line = " ".join(words)
        return f"to run {line} under asyncinit: asyncinit -- {line}"
    return "asyncinit --help lists them"


def build() -> click.Group:
    """Return the whole command, made from the table."""
    version = click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the version and exit.",
    )
    group = _Group(
        "asyncinit",
        help=INTRODUCTION,
        epilog=EXIT_STATUS,
        params=[_socket_option(), version],
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in COMMANDS:
        group.add_command(_command(command))
    return group


class _Group(click.Group):
    """Lists its commands in the table's order: what is used first comes first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.commands)


def _socket_option() -> click.Option:
    return click.Option(SOCKET.names, metavar=SOCKET.metavar, help=SOCKET.help, callback=_not_empty)


def _not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value == "" and not context.resilient_parsing:
        raise click.BadParameter("must not be empty", context, parameter)
    return value


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"asyncinit {__version__}")
        context.exit()


def _command(declared: Command) -> click.Command:
    @click.pass_context
    def carry_out(context: click.Context, /, **values: Any) -> int:
        above = context.parent.params if context.parent is not None else {}
        return guard(Invocation(declared, values, above.get("socket"), context.obj).execute)

    tail = "[-- CMD...]" if declared.takes_command and not declared.arguments else ""
    ending = " -- CMD..." if declared.takes_command else ""
    return click.Command(
        declared.name,
        callback=carry_out,
        help=declared.help,
        short_help=declared.help.split("\n")[0],
        params=[*map(_option, declared.options), *(_argument(argument, ending) for argument in declared.arguments)],
        options_metavar=" ".join(part for part in ("[OPTIONS]", tail) if part),
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _option(option: Option) -> click.Option:
    kind: dict[str, Any] = {"type": click.Choice(option.choices) if option.choices else click.STRING}
    if option.metavar is None:
        kind = {"count": True} if option.many else {"is_flag": True}
    else:
        kind["multiple"] = option.many
        if not option.choices:
            kind["metavar"] = option.metavar
    return click.Option([option.key, *option.names], help=option.help, **kind)


def _argument(argument: Argument, ending: str) -> click.Argument:
    single = argument.most == 1
    metavar = (
        (argument.metavar if argument.least else f"[{argument.metavar}]") if single else f"[{argument.metavar}]..."
    )
    return click.Argument(
        [argument.key],
        metavar=metavar + ending,
        type=click.Choice(argument.choices) if argument.choices else click.STRING,
        required=argument.least > 0,
        nargs=1 if single else -1,
    )
