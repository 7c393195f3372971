"""What `asyncinit import systemd` makes of each directive: the tables of the translator, for people."""

from __future__ import annotations

from asyncinit.migration.systemd.directives.tables import SECTIONS
from asyncinit.reference.blocks import Block, Table


def describe(section: str) -> list[Block]:
    """Return a section's directives, by name, with what each becomes; what has no equivalent comes last."""
    rows = sorted((directive.becomes, name) for name, directive in SECTIONS[section].items())
    grouped: dict[str, list[str]] = {}
    for becomes, name in rows:
        grouped.setdefault(becomes, []).append(f"`{name}=`")
    found = sorted(grouped.items(), key=lambda item: (item[0].startswith("no equivalent"), item[1][0].lower()))
    return [Table(("systemd", "asyncinit"), tuple((", ".join(names), becomes) for becomes, names in found))]
