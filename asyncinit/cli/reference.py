"""The generated parts of docs/reference/commands.md: each command as click shows it, and the control interface's text.

`python -m asyncinit.cli.reference [FILE]` writes them between the page's `<!-- NAME -->` and `<!-- end -->` marks; what
stands around these is written by hand.
"""

from __future__ import annotations

import re
import sys

import click

from asyncinit.cli.click_app import build
from asyncinit.control.interface import load_description

PAGE = "docs/reference/commands.md"
_PART = re.compile(r"(<!-- (commands|interface) -->\n).*?(<!-- end -->)", re.DOTALL)


def current(page: str) -> str:
    """Return the page's text with its generated parts made anew."""
    parts = {"commands": _commands, "interface": _interface}
    return _PART.sub(lambda found: found[1] + parts[found[2]]() + found[3], page)


def _commands() -> str:
    group = build()
    with click.Context(group, info_name="asyncinit") as above:
        return "\n".join(_command(above, name, group.commands[name]) for name in group.list_commands(above))


def _command(above: click.Context, name: str, command: click.Command) -> str:
    lines = [f"### asyncinit {name}", ""]
    with click.Context(command, parent=above, info_name=name) as context:
        lines += ["```", " ".join(["asyncinit", name, *command.collect_usage_pieces(context)]), "```", ""]
        lines += [command.help or "", ""]
        options = [option for option in command.params if isinstance(option, click.Option)]
        records = [record for option in options if (record := option.get_help_record(context))]
    if not records:
        return "\n".join(lines)
    lines += ["| option | what it does |", "|---|---|"]
    lines += [f"| `{names}` | {text} |" for names, text in map(_row, records)]
    return "\n".join([*lines, ""])


def _row(record: tuple[str, str]) -> tuple[str, str]:
    """Return an option's names and text; "|" would end the table's cell."""
    return record[0].replace("|", "/"), record[1].replace("|", "/")


def _interface() -> str:
    return f"```\n{load_description()}```\n"


def main(arguments: list[str]) -> None:
    """Write the page anew."""
    path = arguments[0] if arguments else PAGE
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(current(text))


if __name__ == "__main__":
    main(sys.argv[1:])
