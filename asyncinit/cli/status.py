"""`asyncinit status`: a table, one service in detail, JSON, or a yes or no."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.names import choose, has_pattern
from asyncinit.cli.outcome import complain
from asyncinit.cli.server import connect
from asyncinit.client.pids import translator

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection

WELL = frozenset({"ready", "reloading", "completed", "listening"})
"""States of a service that is as it should be."""


def status(invocation: Invocation) -> int:
    """Show the services that are named, or all."""
    names = invocation.values["names"]
    if invocation.values["watch"]:
        from asyncinit.cli.watch import watch

        return watch(invocation)
    with connect(invocation.socket) as server:
        answer = fetch(server, names)
        if invocation.values["json"]:
            write_json(answer)
        if invocation.values["ready"]:
            return tell_ready(answer, asked=bool(names), quiet=invocation.values["json"])
        if not invocation.values["json"]:
            screen.accept_any_text()
            if len(names) == 1 and not has_pattern(names[0]):
                from asyncinit.cli.details import details

                sys.stdout.write(details(server, answer))
            else:
                sys.stdout.write(overview(answer))
    return 0


def fetch(server: Connection, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer of Status for services that names and patterns choose, with pids as we see them."""
    patterns = any(map(has_pattern, names))
    answer = server.call("Status", {"names": None if patterns or not names else list(names)})
    if patterns:
        by_name = {service["name"]: service for service in answer["services"]}
        answer["services"] = [by_name[name] for name in choose(names, by_name)]
    translate_pids(answer, server.server_pid)
    return answer


def translate_pids(answer: dict[str, Any], server_pid: int) -> None:
    """Have an answer of Status hold pids as we see them; `server_pid`: asyncinit's, as we see it."""
    own = answer["asyncinit"]
    translate = translator(server_pid, own["pid"])
    for item in (own, *answer["services"]):
        item["pid"] = translate(item["pid"])
        # An asyncinit that runs since before this command was installed does not tell of them.
        item["successor"] = translate(item.get("successor"))
        item["draining"] = [translate(pid) for pid in item.get("draining", ())]


def write_json(answer: dict[str, Any], indent: int | None = 2) -> None:
    """Write the answer as JSON, as the design has it."""
    import json

    sys.stdout.write(json.dumps(answer, indent=indent, ensure_ascii=False) + "\n")


def overview(answer: dict[str, Any], width: int | None = None) -> str:
    """Return the services as a table."""
    rows = [("NAME", "STATE", "PID", "SINCE", "RESTARTS", "")]
    for service in answer["services"]:
        pid = "-" if service["pid"] is None else str(service["pid"])
        since = screen.moment(service["since"])
        rows.append((service["name"], service["state"], pid, since, str(service["restarts"]), remark(service)))
    if len(rows) == 1:
        return "no services\n"
    colours = None
    if screen.wants_colour():
        states = {number: row[1] for number, row in enumerate(rows)}
        colours = {number: screen.STATE_COLOURS.get(state, screen.BOLD) for number, state in states.items()}
    return screen.table(rows, width, colours)


def remark(service: dict[str, Any]) -> str:
    """Return what there is to say beside a service's state: what it waits for, why it is so, what it says itself."""
    parts = []
    if service.get("frozen"):  # not told by an asyncinit that runs since before this command was installed
        parts.append("frozen")
    if service["waiting_on"]:
        parts.append("waits for " + ", ".join(service["waiting_on"]))
    if service["reason"]:
        parts.append(service["reason"]["text"])
    if service["next_start"]:
        parts.append("next start " + screen.moment(service["next_start"]))
    if service["successor"]:
        parts.append(f"pid {service['successor']} is to take over")
    if service["draining"]:
        parts.append("still ending: pid " + ", ".join(map(str, service["draining"])))
    if service["status_text"]:
        parts.append(service["status_text"])
    watch = service.get("watch")
    if watch and watch["text"] and not watch["watching"]:
        parts.append(f"not watched: {watch['text']}")
    if service["not_applied"]:
        parts.append("without " + ", ".join(service["not_applied"]))
    return screen.plain("; ".join(parts))


def tell_ready(answer: dict[str, Any], asked: bool, quiet: bool) -> int:
    """Return 0 if all are ready, else say on stderr what is not and return 1.

    Services that nobody started, or that a timer starts now and then, count only if they were `asked` for by name.
    """
    counted = [one for one in answer["services"] if asked or not (one["state"] == "inactive" or one["armed"])]
    missing = [one for one in counted if one["state"] not in WELL]
    system = answer["asyncinit"]
    if not missing and (asked or system["ready"]):
        return 0
    if not quiet:
        for service in missing:
            why = remark(service)
            complain(f"not ready: {service['name']} is {service['state']}" + (f": {why}" if why else ""))
        if not missing:
            complain(f"not ready: asyncinit is {system['state']}")
    return 1
