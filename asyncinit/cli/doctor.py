"""`asyncinit doctor`: what is not as it should be, of the asyncinit that runs or of this machine alone."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.outcome import complain
from asyncinit.cli.server import connect
from asyncinit.cli.status import write_json
from asyncinit.client.errors import EXIT_FAILED, NotRunningError
from asyncinit.client.pids import translator
from asyncinit.core.phrases import duration

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation

_ORDER = ("problem", "limited", "good")
_SHADES = {"problem": screen.RED, "limited": screen.YELLOW, "good": screen.GREEN}


def doctor(invocation: Invocation) -> int:
    """Show what was found, the worst first; 1 if something goes wrong."""
    screen.accept_any_text()
    answer = _ask(invocation)
    answer["checks"].sort(key=lambda check: _ORDER.index(check["grade"]))
    if invocation.values["json"]:
        write_json(answer)
    else:
        sys.stdout.write(report(answer, screen.wants_colour()))
    return EXIT_FAILED if any(check["grade"] == "problem" for check in answer["checks"]) else 0


def _ask(invocation: Invocation) -> dict[str, Any]:
    try:
        with connect(invocation.socket) as server:
            answer = server.call("Doctor")
            own = server.call("Status", {"names": []})["asyncinit"]["pid"]
            translate = translator(server.server_pid, own)
            for process in answer["processes"]:
                process["pid"], process["parent"] = translate(process["pid"]), translate(process["parent"])
            return {"running": True, **answer}
    except NotRunningError as error:
        if invocation.socket is not None:
            raise
        complain(f"{error}; looking at this machine alone")
    return {"running": False, "processes": [], "total": 0, "checks": _machine(), "outlived": [], "strays_ended": 0}


def _machine() -> list[dict[str, Any]]:
    from asyncinit.runtime.doctor.checks import machine

    return [
        {"name": check.name, "grade": str(check.grade), "found": check.found, "means": check.means}
        for check in machine()
    ]


def report(answer: dict[str, Any], colour: bool) -> str:
    """Return what was found for people: checks, processes, the audit of leaks."""
    checks = answer["checks"]
    rows = [(check["name"], check["grade"], screen.plain(_found(check))) for check in checks]
    shades = {number: _SHADES.get(grade) for number, (_, grade, _) in enumerate(rows)} if colour else None
    out = screen.table(rows, colours=shades)
    if answer["running"]:
        out += "\n" + _processes(answer) + "\n" + _leaks(answer)
    return out


def _found(check: dict[str, Any]) -> str:
    return f"{check['found']}: {check['means']}" if check["means"] else str(check["found"])


def _processes(answer: dict[str, Any]) -> str:
    total = answer["total"]
    if not answer["processes"]:
        return f"{total} process{'' if total == 1 else 'es'} below asyncinit: no zombie, no stray\n"
    rows = [("PID", "PARENT", "AGE", "WHAT", "SERVICE", "COMMAND")]
    for one in answer["processes"]:
        what = "zombie" if one["zombie"] else one["standing"]
        age = "-" if one["age"] is None else duration(one["age"])
        owner = one["service"] or ("asyncinit" if one["standing"] == "helper" else "-")
        pid, parent = ("-" if number is None else str(number) for number in (one["pid"], one["parent"]))
        rows.append((pid, parent, age, what, owner, screen.plain(one["command"])))
    return screen.table(rows)


def _leaks(answer: dict[str, Any]) -> str:
    lines = [f"{one['service']}: {one['count']} outlived it and were ended\n" for one in answer["outlived"]]
    if answer["strays_ended"]:
        lines.append(f"{answer['strays_ended']} that belonged to no service were ended\n")
    return "".join(lines) or "no process has outlived its service\n"
