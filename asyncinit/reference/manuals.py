"""Which sections of which reference pages make up each manual page; knows no roff.

A page's beginning is the manual's: code of no language in it is the synopsis, the rest the description.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from asyncinit import __version__
from asyncinit.reference import markdown, roff
from asyncinit.reference.blocks import Block, Code, Heading, Paragraph

_COMMANDS = "docs/reference/commands.md"
_CONFIGURATION = "docs/reference/configuration.md"
_CODES = "docs/reference/exit-codes-and-signals.md"


class Section(NamedTuple):
    """A section of a manual page: its title there, and where it stands."""

    title: str
    page: str
    heading: str


class Manual(NamedTuple):
    """A manual page: `about` is its line in apropos(1), `beginning` the page whose beginning is its own."""

    name: str
    number: int
    about: str
    beginning: str
    sections: tuple[Section, ...]
    see_also: str


MANUALS: dict[str, Manual] = {
    "docs/man/asyncinit.1": Manual(
        "asyncinit",
        1,
        "init system: run services as PID 1 or below it, and talk to a running one",
        _COMMANDS,
        (
            Section("Commands", _COMMANDS, "The commands"),
            Section("Names and patterns", _COMMANDS, "Names and patterns"),
            Section("Which asyncinit is meant", _COMMANDS, "Which asyncinit is meant"),
            Section("Exit status", _CODES, "Exit status"),
            Section("Signals", _CODES, "Signals"),
            Section("Environment", _CODES, "Environment"),
            Section("Files", _COMMANDS, "Files"),
            Section("JSON", _COMMANDS, "JSON"),
            Section("Completion", _COMMANDS, "Completion"),
            Section("Examples", _COMMANDS, "Examples"),
        ),
        "`asyncinit.toml`(5), `init`(1), `sd_notify`(3), `signal`(7), `pid_namespaces`(7)",
    ),
    "docs/man/asyncinit.toml.5": Manual(
        "asyncinit.toml",
        5,
        "services and settings of asyncinit",
        _CONFIGURATION,
        (
            Section("Where files are", _CONFIGURATION, "Where files are"),
            Section("How values are written", _CONFIGURATION, "How values are written"),
            Section("A service", _CONFIGURATION, "A service"),
            Section("A pod", _CONFIGURATION, "A pod"),
            Section("asyncinit.toml", _CONFIGURATION, "asyncinit.toml"),
        ),
        "`asyncinit`(1), `sd_notify`(3), `environ`(7), `signal`(7)",
    ),
}
"""Every manual page, by its path in the repository."""


def write(manual: Manual, read: Callable[[str], str]) -> str:
    """Return a manual page; `read` gives the text of a reference page. Raises KeyError for a section that is gone."""
    beginning = _sections(read(manual.beginning))[""]
    synopsis = [block for block in beginning if isinstance(block, Code) and not block.language]
    blocks: list[Block] = [Heading(2, "Name"), Paragraph(f"{manual.name} \N{EN DASH} {manual.about}")]
    blocks += [Heading(2, "Synopsis"), *synopsis]
    blocks += [Heading(2, "Description"), *(block for block in beginning if block not in synopsis)]
    for section in manual.sections:
        blocks += [Heading(2, section.title), *_sections(read(section.page))[section.heading]]
    blocks += [Heading(2, "See also"), Paragraph(manual.see_also)]
    return roff.manual(manual.name, manual.number, f"asyncinit {__version__}", blocks)


def _sections(page: str) -> dict[str, list[Block]]:
    """Return what stands under each heading of the second level; under "": what comes before the first."""
    sections: dict[str, list[Block]] = {"": []}
    name = ""
    for block in markdown.parse(page):
        if isinstance(block, Heading) and block.level == 2:
            name = block.text
            sections[name] = []
        elif not (isinstance(block, Heading) and block.level == 1):
            sections[name].append(block)
    return sections
