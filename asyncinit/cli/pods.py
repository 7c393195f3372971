"""`asyncinit pod`: services that share namespaces."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.server import connect
from asyncinit.cli.status import write_json
from asyncinit.client.errors import ClientError
from asyncinit.client.pids import translator

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection

UP = frozenset({"ready", "reloading", "unhealthy"})
"""States of a member that runs."""


def pods(invocation: Invocation) -> int:
    """Carry out what is to be done with pods."""
    values = invocation.values
    if values["action"] == "enter":
        from asyncinit.cli.entering import enter

        return enter(invocation)
    screen.accept_any_text()
    if values["action"] in {"add", "remove"} and not invocation.program:
        from asyncinit.cli import adding

        return adding.add(invocation) if values["action"] == "add" else adding.remove(invocation)
    if invocation.program:
        raise UsageError(f"pod {values['action']}: takes no command; it is `pod enter` that runs one")
    if values["action"] == "show" and len(values["words"]) != 1:
        raise UsageError("pod show: give the NAME of one pod")
    with connect(invocation.socket) as server:
        found = fetch(server, values["words"])
    for pod in found:
        ask_inside(pod)
    if values["json"]:
        write_json({"pods": found} if values["action"] == "list" else found[0])
    elif values["action"] == "list":
        sys.stdout.write(table(found))
    else:
        sys.stdout.write(details(found[0]))
    return 0


def fetch(server: Connection, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return pods, by name (none: all), with pids as we see them."""
    found: list[dict[str, Any]] = server.call("Pods", {"names": list(names) or None})["pods"]
    translate = translator(server.server_pid, server.call("Status", {"names": []})["asyncinit"]["pid"])
    for pod in found:
        for item in (pod, *pod["members"]):
            item["pid"] = translate(item["pid"])
    return found


def ask_inside(pod: dict[str, Any]) -> None:
    """Add what the asyncinit in a pod tells of its services, where there is one, as the pod's members."""
    if pod["control"] is None:
        return
    try:
        with connect(pod["control"]) as server:
            answer = server.call("Status", {"names": None})
            translate = translator(server.server_pid, answer["asyncinit"]["pid"])
    except ClientError:
        known = {}  # it is not up, or hangs: its services are known all the same
    else:
        known = {one["name"]: one for one in answer["services"]}
    for name in pod["inside"]:
        one = known.get(name, {"state": "inactive", "pid": None})
        outside = None if one["pid"] is None else translate(one["pid"])
        pod["members"].append({"name": name, "state": one["state"], "pid": outside, "inner": one["pid"]})


def table(found: list[dict[str, Any]]) -> str:
    """Return the pods as a table."""
    if not found:
        return "no pods\n"
    rows = [("NAME", "STATE", "PID 1", "INIT", "MEMBERS", "SHARE", "")]
    for pod in found:
        members = pod["members"]
        up = sum(member["state"] in UP for member in members)
        reason = screen.plain(pod["reason"]["text"]) if pod["reason"] else ""
        count = f"{up} of {len(members)}"
        rows.append((pod["name"], pod["state"], _number(pod["pid"]), model(pod), count, ",".join(pod["share"]), reason))
    return screen.table(rows, colours=_colours(rows))


def model(pod: dict[str, Any]) -> str:
    """Return what its PID 1 is, and where its members are."""
    if pod["init"] == "first":
        return f"first ({pod['first']})"
    return "simple, tree outside" if pod["init"] == "simple" and pod["tree"] == "outside" else str(pod["init"])


def details(pod: dict[str, Any]) -> str:
    """Return one pod in lines of "key: value", and its members as a table."""
    lines = [f"{label + ':':<13}{value}" for label, value in _facts(pod) if value]
    members = [("MEMBER", "STATE", "PID", "PID INSIDE")]
    members += [(one["name"], one["state"], _number(one["pid"]), _number(one["inner"])) for one in pod["members"]]
    lines.append("")
    if len(members) == 1:
        return "\n".join(lines) + "no members\n"
    return "\n".join(lines) + "\n" + screen.table(members, colours=_colours(members))


def _facts(pod: dict[str, Any]) -> list[tuple[str, str]]:
    state, reason = pod["state"], pod["reason"]
    if screen.wants_colour():
        state = screen.paint(state, screen.STATE_COLOURS.get(state))
    since = f" since {screen.moment(pod['since'])}" if pod["since"] else ""
    numbers = {one["kind"]: one["number"] for one in pod["namespaces"]}
    shared = [f"{kind} {numbers[kind]}" if kind in numbers else kind for kind in pod["share"]]
    return [
        ("name", pod["name"]),
        ("service", pod["service"]),
        ("state", state + since),
        ("reason", screen.plain(f"{reason['text']} [{reason['code']}]") if reason else ""),
        ("init", model(pod)),
        ("pid 1", _number(pod["pid"], "")),
        ("control", pod["control"] or ""),
        ("hostname", pod["hostname"] or ""),
        ("share", ", ".join(shared)),
        ("restarts", str(pod["restarts"])),
        ("file", screen.plain(pod["file"] or "")),
    ]


def _number(number: int | None, absent: str = "-") -> str:
    return absent if number is None else str(number)


def _colours(rows: Sequence[Sequence[str]]) -> dict[int, str | None] | None:
    if not screen.wants_colour():
        return None
    return {number: screen.STATE_COLOURS.get(row[1], screen.BOLD) for number, row in enumerate(rows)}
