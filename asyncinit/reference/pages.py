"""The parts of the pages below docs/ that are made: between `<!-- made: NAME -->` and `<!-- end -->`.

What stands around them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from asyncinit.migration.systemd.directives.tables import SECTIONS
from asyncinit.reference import (
    cells,
    changes,
    commands,
    habits,
    interface,
    keys,
    limits,
    machine,
    machine_services,
    markdown,
    systemd_units,
    top,
)
from asyncinit.reference.blocks import Block

_PART = re.compile(r"(<!-- made: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

PARTS: dict[str, Callable[[], list[Block]]] = {
    **{f"keys {name}": partial(keys.describe, struct) for name, struct in keys.TABLES.items()},
    "commands": commands.describe,
    "habits": habits.describe,
    "foreign keys": habits.describe_keys,
    "interface": interface.describe,
    "life cycle": cells.describe,
    "changes of services": changes.describe_services,
    "changes of init": changes.describe_init,
    "limits of output": limits.describe_output,
    "limits of control": limits.describe_control,
    "early steps": machine.describe_early,
    "last steps": machine.describe_last,
    "api file systems": machine.describe_file_systems,
    "kernel words": machine.describe_words,
    "machine services": machine_services.describe,
    "keys of top": top.describe,
    **{f"systemd {section}": partial(systemd_units.describe, section) for section in SECTIONS},
}
"""What makes each part, by its name."""


def current(page: str) -> str:
    """Return a page's text with its parts made anew; raises KeyError for a name that no part has."""
    return _PART.sub(lambda found: found[1] + markdown.render(PARTS[found[2]]()) + found[3], page)
