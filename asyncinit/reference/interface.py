"""The control interface as blocks, from the comments and declarations of its IDL; writes nothing.

A comment is prose. A sentence of it that begins with the name of something declared below it and a colon explains that
thing, and is put into a list; sentences that follow and begin with a small letter belong to it.
"""

from __future__ import annotations

import re

from asyncinit.control.interface import load_description
from asyncinit.reference.blocks import Block, Code, Heading, Items, Paragraph

_KINDS = {"method": "Methods", "type": "Types", "error": "Errors"}
_MEMBER = re.compile(r"((?:#.*\n)+)((interface|type|method|error) ([\w.]+)(?:.*\n)(?:[^#\n].*\n)*)")
_WORD = re.compile(r"\w+")
_EXPLAINED = re.compile(r"(\w+): (.*)")


def describe() -> list[Block]:
    """Return the whole interface: what is said of it, then its methods, types and errors, each in the IDL's order."""
    members = [found.groups() for found in _MEMBER.finditer(load_description())]
    blocks: list[Block] = []
    for comment, _, kind, _ in members:
        if kind == "interface":
            blocks += [Paragraph(_joined(part)) for part in comment.split("#\n")]
    for wanted, title in _KINDS.items():
        blocks.append(Heading(3, title))
        for comment, declaration, kind, name in members:
            if kind == wanted:
                blocks += _member(comment, declaration, name)
    return blocks


def _joined(comment: str) -> str:
    return " ".join(line.removeprefix("#").strip() for line in comment.splitlines())


def _member(comment: str, declaration: str, name: str) -> list[Block]:
    declared = set(_WORD.findall(declaration)) - {name}
    prose: list[str] = []
    explained: list[str] = []
    into = prose
    for sentence in re.split(r"(?<=\.) ", _joined(comment)):
        found = _EXPLAINED.fullmatch(sentence)
        if found and found[1] in declared:
            explained.append(f"`{found[1]}`: {found[2]}")
            into = explained
        elif into is explained and sentence[:1].islower():
            explained[-1] += f" {sentence}"
        else:
            prose.append(sentence)
            into = prose
    blocks: list[Block] = [Heading(4, name), Paragraph(" ".join(prose)), Code(declaration)]
    return [*blocks, Items(tuple(explained))] if explained else blocks
