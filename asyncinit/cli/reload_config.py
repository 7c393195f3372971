"""`asyncinit reload-config`: the configuration is read again; what differs, what is done about it, what came of it."""

from __future__ import annotations

import json
import sys

from asyncinit.cli import screen
from asyncinit.cli.act import tell_progress, tell_results
from asyncinit.cli.outcome import complain
from asyncinit.cli.server import connect
from asyncinit.client.errors import EXIT_CHANGED, EXIT_FAILED, CallError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection

_COLOURS = {"added": screen.GREEN, "removed": screen.RED, "changed": screen.YELLOW}


def reload_config(invocation: Invocation) -> int:
    """Have the running asyncinit read its configuration again."""
    screen.accept_any_text()
    values = invocation.values
    with connect(invocation.socket) as server:
        answer = take_over(
            server, dry_run=values["dry_run"], wait=not values["no_wait"], as_json=values["json"], tell_nothing=True
        )
    if answer is None:
        return EXIT_FAILED
    if any(not result["ok"] for result in answer["results"]):
        return EXIT_FAILED
    return EXIT_CHANGED if values["exit_code"] and answer["changed"] else 0


def take_over(
    server: Connection, *, dry_run: bool = False, wait: bool = True, as_json: bool = False, tell_nothing: bool = False
) -> dict[str, Any] | None:
    """Ask for it and tell what comes of it; return the last answer, None where the files cannot be used.

    `tell_nothing`: say so where nothing has changed.
    """
    asked = {"dry_run": dry_run or None, "wait": None if wait else False}
    return follow(server, "ReloadConfig", asked, dry_run=dry_run, as_json=as_json, tell_nothing=tell_nothing)


def follow(
    server: Connection,
    method: str,
    asked: dict[str, Any],
    *,
    dry_run: bool = False,
    as_json: bool = False,
    tell_nothing: bool = False,
) -> dict[str, Any] | None:
    """Call a method that answers as ReloadConfig does, and tell what comes of it; the result is as `take_over`'s."""
    answer: dict[str, Any] | None = None
    try:
        for reply in server.stream(method, asked):
            if answer is None and not as_json:
                _tell(reply, dry_run, tell_nothing)
            answer = reply
            if not as_json:
                tell_progress(reply["progress"])
    except CallError as error:
        problems = error.parameters.get("problems")
        if not isinstance(problems, list):
            raise
        tell_problems(problems, as_json)
        return None
    assert answer is not None
    if as_json:
        json.dump(answer, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        tell_results(answer["results"])
    return answer


def tell_problems(problems: list[str], as_json: bool) -> None:
    """Tell why the files cannot be used."""
    if as_json:
        json.dump({"problems": problems}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    for problem in problems:
        print(screen.plain(problem), file=sys.stderr)
    number = len(problems)
    complain(f"{number} problem{'' if number == 1 else 's'}; nothing is changed")


def _tell(answer: dict[str, Any], dry_run: bool, tell_nothing: bool) -> None:
    for warning in answer["warnings"]:
        complain(screen.plain(warning))
    lines = list(_lines(answer, dry_run))
    if not lines and tell_nothing:
        lines = ["nothing would change" if dry_run else "nothing has changed"]
    for line in lines:
        print(line)
    sys.stdout.flush()


def _lines(answer: dict[str, Any], dry_run: bool) -> Iterator[str]:
    """Return a line for each service that differs, and for what else is concerned."""
    changes = answer["services"]
    width = max((len(change["name"]) for change in changes), default=0)
    colour = screen.wants_colour()
    for change in changes:
        kind = screen.paint(f"{change['change']:<7}", _COLOURS[change["change"]] if colour else None)
        details = ", ".join(filter(None, (" ".join(change["keys"]), _effect(change["effect"], dry_run))))
        yield f"{kind}  {change['name']:<{width}}  {details}".rstrip()
    if answer["affected"]:
        also = "would also restart or start" if dry_run else "also restarts or starts"
        yield f"{also} {', '.join(answer['affected'])}"
    if answer["init"]:
        yield f"[init]   {' '.join(answer['init'])}"
    if answer["needs_restart"]:
        yield f"[init]   {' '.join(answer['needs_restart'])}, which only another start of asyncinit has"


def _effect(effect: str, dry_run: bool) -> str:
    if effect == "next_start":
        return "for the next start"
    if effect == "none":
        return ""
    return f"would {effect}" if dry_run else f"{effect}s"
