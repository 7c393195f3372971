"""`asyncinit status NAME`: all that is known of one service, with the last lines of its log."""

from __future__ import annotations

from asyncinit.cli import screen

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.client.connection import Connection

LAST_LINES = 10


def details(server: Connection, answer: dict[str, Any]) -> str:
    """Return the one service of the answer in lines of "key: value", and what it wrote last."""
    service = answer["services"][0]
    name = service["name"]
    lines = [f"{label + ':':<13}{value}" for label, value in facts(service, screen.wants_colour()) if value]
    log = server.call("Logs", {"names": [name], "lines": LAST_LINES})["entries"]
    if log:
        from asyncinit.cli.log_lines import LogPrinter

        lines.append("")
        lines += LogPrinter([name]).format(log).decode(errors="replace").splitlines()
    return "\n".join(lines) + "\n"


def facts(service: dict[str, Any], colour: bool) -> list[tuple[str, str]]:
    """Return what is known of a service: what it is called, and its value, empty where there is none."""
    state = service["state"]
    if colour:
        state = screen.paint(state, screen.STATE_COLOURS.get(state))
    since = f" since {screen.moment(service['since'])}" if service["since"] else ""
    reason = service["reason"]
    cause = f" (because of {reason['service']})" if reason and reason["service"] else ""
    return [
        ("name", service["name"]),
        ("type", service["type"]),
        ("state", state + (", frozen" if service.get("frozen") else "") + since),
        ("reason", screen.plain(f"{reason['text']}{cause} [{reason['code']}]") if reason else ""),
        ("waits for", screen.plain(", ".join(service["waiting_on"]))),
        ("next start", screen.moment(service["next_start"]) if service["next_start"] else ""),
        ("pid", "" if service["pid"] is None else str(service["pid"])),
        ("successor", "" if service["successor"] is None else f"pid {service['successor']}"),
        ("draining", ", ".join(f"pid {pid}" for pid in service["draining"])),
        ("ready", f"since {screen.moment(service['ready_since'])}" if service["ready_since"] else ""),
        ("says", screen.plain(service["status_text"] or "")),
        ("health", _health(service["health"])),
        ("restarts", str(service["restarts"])),
        ("last exit", _last_exit(service["last_exit"])),
        ("requires", ", ".join(service["requires"])),
        ("without", ", ".join(service["not_applied"])),
        ("file", service["file"] or ""),
        ("log", screen.plain(_log(service["log"]))),
        ("watches", screen.plain(_watch(service.get("watch")))),
        ("cgroup", screen.plain(used_together(service.get("cgroup"), path=True))),
    ]


def used_together(cgroup: dict[str, Any] | None, *, path: bool = False) -> str:
    """Return what is counted in a cgroup, where it has one."""
    if cgroup is None:
        return ""
    from asyncinit.core.phrases import size

    parts = [cgroup["path"]] if path else []
    if cgroup["memory"] is not None:
        peak = "" if cgroup["memory_peak"] is None else f", {size(cgroup['memory_peak'])} at most"
        parts.append(f"{size(cgroup['memory'])} of memory{peak}")
    if cgroup["processes"] is not None:
        peak = "" if cgroup["processes_peak"] is None else f", {cgroup['processes_peak']} at most"
        parts.append(f"{cgroup['processes']} processes{peak}")
    if cgroup["cpu_seconds"] is not None:
        held = f" (held back for {cgroup['throttled_seconds']:.3f} s)" if cgroup["throttled_seconds"] else ""
        parts.append(f"{cgroup['cpu_seconds']:.3f} s of processors{held}")
    if cgroup["oom_kills"]:
        parts.append(f"{cgroup['oom_kills']} killed for want of memory")
    if cgroup["forks_refused"]:
        parts.append(f"{cgroup['forks_refused']} forks refused")
    return "; ".join(parts)


def _health(health: dict[str, Any] | None) -> str:
    if health is None:
        return ""
    if health["probed"] is None:
        return "not probed yet"
    at = f" at {screen.moment(health['probed'])}"
    if health["text"] is None:
        return f"{'well' if health['healthy'] else 'probe passed'}{at}"
    in_a_row = f" ({health['failures']} in a row)" if health["failures"] > 1 else ""
    return screen.plain(f"probe failed{at}{in_a_row}: {health['text']}")


def _log(log: dict[str, Any] | None) -> str:
    """Return where output goes, where that is not the console alone, and what is wrong with it."""
    if log is None:
        return ""
    paths = {file["path"]: None for file in log["files"]}
    parts = ["file " + " and ".join(paths) if word == "file" and paths else word for word in log["to"]]
    told = [] if log["to"] == ["console"] else [", ".join(parts)]
    if log["dropped"]:
        told.append(f"{log['dropped']} lines dropped")
    return "; ".join(told + [f"cannot write to {trouble}" for trouble in log["trouble"]])


def _watch(watch: dict[str, Any] | None) -> str:
    """Return what is watched, and what cannot be."""
    if watch is None:
        return ""
    paths = ", ".join(watch["paths"])
    if watch["watching"]:
        told = f"{paths} ({watch['folders']} folder{'' if watch['folders'] == 1 else 's'}), to {watch['action']}"
        return f"{told}; {watch['text']}" if watch["text"] else told
    return f"{paths}: not watched" + (f": {watch['text']}" if watch["text"] else "")


def _last_exit(exited: dict[str, Any] | None) -> str:
    if exited is None:
        return ""
    at = f" at {screen.moment(exited['time'])}"
    if exited["code"] is not None:
        return f"code {exited['code']}{at}"
    if exited["signal"] is not None:
        from asyncinit.core.status import signal_name

        return f"{signal_name(exited['signal'])}{' (core dumped)' if exited['core_dumped'] else ''}{at}"
    return f"unknown{at}"
