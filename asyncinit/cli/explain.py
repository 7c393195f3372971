"""`asyncinit explain`: why a service is in its state, and what would happen next."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.server import connect
from asyncinit.cli.status import write_json

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation


def explain(invocation: Invocation) -> int:
    """Print the chain of causes, nearest first, and the steps that would follow."""
    with connect(invocation.socket) as server:
        answer = server.call("Explain", {"name": invocation.values["name"]})
    screen.accept_any_text()
    if invocation.values["json"]:
        write_json(answer)
    else:
        sys.stdout.write(story(answer, screen.wants_colour()))
    return 0


def story(answer: dict[str, Any], colour: bool) -> str:
    """Return the answer for people: the service, below it what it hangs on, then what follows."""
    lines = []
    for number, link in enumerate(answer["chain"]):
        shade = screen.STATE_COLOURS.get(link["state"]) if colour else None
        name = screen.paint(link["service"], shade)
        lines.append(f"{'' if number == 0 else '  '}{name} {screen.plain(link['text'])}")
    if answer["more"]:
        lines.append(f"  and {answer['more']} more")
    if answer["next"]:
        lines += ["", screen.paint("next:", screen.BOLD if colour else None)]
        lines += [f"  {screen.plain(step)}" for step in answer["next"]]
    return "\n".join(lines) + "\n"
