"""`asyncinit crash list` and `asyncinit crash show`: reports of failures."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.details import used_together
from asyncinit.cli.names import resolve
from asyncinit.cli.outcome import UsageError, complain
from asyncinit.cli.server import connect
from asyncinit.cli.status import write_json
from asyncinit.client.errors import EXIT_FAILED
from asyncinit.client.pids import translator
from asyncinit.core.phrases import duration, size

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection


def crash(invocation: Invocation) -> int:
    """List the reports that asyncinit has, or show one."""
    values = invocation.values
    screen.accept_any_text()
    with connect(invocation.socket) as server:
        if values["action"] == "list":
            return _list(server, values["names"], values["json"])
        return _show(server, values["names"], values["json"])


def _list(server: Connection, names: tuple[str, ...], as_json: bool) -> int:
    answer = _fetch(server, {"names": resolve(server, names) if names else None})
    if as_json:
        write_json(answer)
        return 0
    sys.stdout.write(table(answer["crashes"]))
    if answer["forgotten"]:
        number = answer["forgotten"]
        complain(f"{number} older {'report is' if number == 1 else 'reports are'} no longer in memory")
    return 0


def _show(server: Connection, names: tuple[str, ...], as_json: bool) -> int:
    if len(names) != 1:
        raise UsageError("crash show: give one ID, or the NAME of a service for its newest report")
    asked: dict[str, object] = {"names": [names[0]]}
    if names[0].isdecimal() and names[0] not in {one["name"] for one in server.call("Status")["services"]}:
        asked = {"id": int(names[0])}
    found = _fetch(server, asked)["crashes"]
    if not found:
        complain(f"{names[0]}: no failure is known")
        return EXIT_FAILED
    if as_json:
        write_json(found[-1])
    else:
        sys.stdout.write(details(found[-1]))
    return 0


def _fetch(server: Connection, asked: dict[str, object]) -> dict[str, Any]:
    """Return the answer of Crashes with pids as we see them: from outside of a container those of the dead are null."""
    answer = server.call("Crashes", asked)
    translate = translator(server.server_pid, server.call("Status", {"names": []})["asyncinit"]["pid"])
    for report in answer["crashes"]:
        for item in (report, *report["left_over"]):
            item["pid"] = translate(item["pid"])
    return answer


def table(reports: list[dict[str, Any]]) -> str:
    """Return the reports as a table, oldest first."""
    if not reports:
        return "no failures\n"
    rows = [("ID", "SERVICE", "TIME", "STATE", "UPTIME", "REASON")]
    for report in reports:
        uptime = "-" if report["uptime"] is None else duration(report["uptime"])
        why = screen.plain(f"{report['reason']['text']}; {report['outcome']}")
        rows.append((str(report["id"]), report["service"], screen.moment(report["time"]), report["phase"], uptime, why))
    return screen.table(rows)


def details(report: dict[str, Any]) -> str:
    """Return a report in lines of "key: value", and the last lines of output."""
    lines = [f"{label + ':':<13}{value}" for label, value in _facts(report) if value]
    if report["output"]:
        lines.append("")
        lines += [f"{screen.moment(line['time'])} {screen.plain(line['message'])}" for line in report["output"]]
    return "\n".join(lines) + "\n"


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    usage, reason = report["usage"], report["reason"]
    left = ", ".join(f"{one['name']} ({one['pid'] or '?'}, {one['state']})" for one in report["left_over"])
    failed = screen.plain(f"{reason['text']} [{reason['code']}]")
    colour = screen.RED if screen.wants_colour() else None
    return [
        ("service", f"{report['service']} (report {report['id']})"),
        ("failed", f"{screen.moment(report['time'])} {screen.paint(failed, colour)}"),
        ("while", report["phase"]),
        ("then", screen.plain(report["outcome"])),
        ("exit", _exit(report)),
        ("uptime", "" if report["uptime"] is None else duration(report["uptime"]) + _ready(report)),
        ("restarts", f"{report['restarts']} before"),
        ("pid", "" if report["pid"] is None else str(report["pid"])),
        ("command", screen.plain(_quoted(report["command"]))),
        ("says", screen.plain(report["status_text"] or "")),
        ("left over", screen.plain(left)),
        ("used", _used(usage) if usage else ""),
        ("together", used_together(report.get("cgroup"))),
        ("environment", " ".join(report["environment"])),
        ("declared in", report["file"] or ""),
    ]


def _quoted(words: list[str]) -> str:
    from shlex import join

    return join(words)


def _exit(report: dict[str, Any]) -> str:
    found = report["exit"]
    killed = "; something of it had to be killed" if report["killed"] else ""
    if found is None:
        return killed.lstrip("; ")
    if found["code"] is not None:
        return f"code {found['code']}{killed}"
    if found["signal"] is None:
        return f"unknown status{killed}"
    dumped = ", core dumped" if found["core_dumped"] else ""
    from asyncinit.core.status import signal_name

    return f"signal {signal_name(found['signal'])}{dumped}{killed}"


def _ready(report: dict[str, Any]) -> str:
    return "" if report["ready_for"] is None else f", ready for {duration(report['ready_for'])}"


def _used(usage: dict[str, Any]) -> str:
    cpu = f"{usage['user_seconds']:.3f} s user, {usage['system_seconds']:.3f} s system"
    faults = f"{usage['minor_faults']} minor and {usage['major_faults']} major page faults"
    return f"{cpu}; {size(usage['max_rss'])} at most; {faults}"
