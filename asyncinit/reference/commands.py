"""The commands as blocks: each as its --help shows it; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import click

from asyncinit.cli.click_app import build
from asyncinit.reference.blocks import Block, Code, Heading, Paragraph, Table


def describe() -> list[Block]:
    """Return the options of all commands, then each command: how it is written, what it does, its options."""
    group = build()
    with click.Context(group, info_name="asyncinit", **group.context_settings) as above:
        blocks = _options(group.get_params(above), above)
        for name in group.list_commands(above):
            blocks += _command(above, name, group.commands[name])
    return blocks


def _command(above: click.Context, name: str, command: click.Command) -> list[Block]:
    with click.Context(command, parent=above, info_name=name) as context:
        usage = " ".join(["asyncinit", name, *command.collect_usage_pieces(context)])
        text = (command.help or "").split("\n\n")
        blocks: list[Block] = [Heading(3, f"asyncinit {name}"), Code(f"{usage}\n"), *map(Paragraph, text)]
        return blocks + _options(command.params, context)


def _options(parameters: Sequence[click.Parameter], context: click.Context) -> list[Block]:
    options = [one for one in parameters if isinstance(one, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context))]
    rows = tuple((f"`{names}`", text) for names, text in records)
    return [Table(("option", "what it does"), rows)] if rows else []
