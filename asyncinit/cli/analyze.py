"""`asyncinit analyze`: how long the start took and who took it, and how a shutdown would share out its time."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.names import NothingMatchesError
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.server import connect
from asyncinit.cli.status import write_json
from asyncinit.core.phrases import duration

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation


def analyze(invocation: Invocation) -> int:
    """Show one view of the start, or the plan of a shutdown."""
    view, words = invocation.values["view"], invocation.values["words"]
    _check_words(view, words)
    with connect(invocation.socket) as server:
        answer = server.call("ShutdownPlan" if view == "shutdown" else "Startup")
    screen.accept_any_text()
    if invocation.values["json"]:
        write_json(answer)
    elif view == "shutdown":
        sys.stdout.write(shutdown_plan(answer))
    elif view == "blame":
        sys.stdout.write(blame(answer))
    elif view == "early":
        sys.stdout.write(early_steps(answer))
    elif view == "critical-chain":
        sys.stdout.write(critical_chain(answer, words[0] if words else None))
    elif view == "plot":
        _plot(answer, words[0])
    else:
        sys.stdout.write(summary(answer))
    return 0


def _check_words(view: str | None, words: tuple[str, ...]) -> None:
    if view == "plot" and len(words) != 1:
        raise UsageError("analyze plot: give the file to write, or - for the standard output")
    most = 1 if view in {"plot", "critical-chain"} else 0
    if len(words) > most:
        raise UsageError(f"analyze {view or ''}: what is {words[most]}?".replace(" :", ":"))


def took(service: dict[str, Any]) -> float | None:
    """Return how long a service itself took to start: from when all that it waited for was there."""
    end = service["ready"] if service["ready"] is not None else service["ended"]
    return None if end is None or service["preparing"] is None else end - service["preparing"]


def summary(answer: dict[str, Any]) -> str:
    """Return how long it took in all, what is open, and the chain that decided it."""
    services = answer["services"]
    ready = sum(one["ready"] is not None for one in services)
    count = f"{len(services)} service{'' if len(services) == 1 else 's'}"
    if answer["finished"] is None:
        open_ones = [one["name"] for one in services if one["ready"] is None and one["ended"] is None]
        head = f"still starting: {ready} of {count} ready, {', '.join(open_ones[:5])}"
        head += f" and {len(open_ones) - 5} more open" if len(open_ones) > 5 else " open"
    else:
        early = answer.get("early")
        whole = answer["finished"] + (0.0 if early is None else early["loaded"])
        since = " after the kernel's hand-over" if early is not None and early["kernel"] is not None else ""
        head = f"started in {duration(whole)}{since}: {ready} of {count} ready"
    failed = [one["name"] for one in services if one["ready"] is None and one["ended"] is not None]
    if failed:
        head += f"; not up at first: {', '.join(failed[:5])}" + (f" and {len(failed) - 5} more" if failed[5:] else "")
    head += "\n" + ("" if answer.get("early") is None else _parts(answer))
    chain = chain_to(services, None)
    if not chain:
        return head
    return f"{head}\nwhat it waited for:\n{_chain_lines(chain)}"


def _parts(answer: dict[str, Any]) -> str:
    """Return what the time of a machine's start consists of, before the services and with them."""
    early, finished = answer["early"], answer["finished"]
    kernel = [] if early["kernel"] is None else [f"kernel {duration(early['kernel'])} before that"]
    parts = [f"{duration(early['begun'])} until asyncinit began"] if early["begun"] else []
    parts += [f"{duration(early['done'] - early['begun'])} early steps"]
    parts += [f"{duration(early['loaded'] - early['done'])} reading the program and the configuration"]
    parts += [] if finished is None else [f"{duration(finished)} services"]
    failed = [step["name"] for step in early["steps"] if step["failure"] is not None]
    wrong = f"could not {', '.join(failed)}: see analyze early\n" if failed else ""
    return f"{', '.join(parts)}{''.join(f' ({text})' for text in kernel)}\n{wrong}"


def early_steps(answer: dict[str, Any]) -> str:
    """Return what a machine did before its services, in order."""
    early = answer.get("early")
    if early is None:
        return "asyncinit did not bring up this machine: there were no early steps\n"
    rows = [("STEP", "BEGAN AFTER", "TOOK", "")]
    for step in early["steps"]:
        rows.append((step["name"], duration(step["began"]), duration(step["took"]), step["failure"] or ""))
    return screen.table(rows)


def blame(answer: dict[str, Any]) -> str:
    """Return the services by the time that they took, longest first."""
    timed = [(taken, one) for one in answer["services"] if (taken := took(one)) is not None]
    if not timed:
        return "nothing has started yet\n"
    rows = [("SERVICE", "TOOK", "READY AFTER", "")]
    for taken, one in sorted(timed, key=lambda pair: (-pair[0], pair[1]["name"])):
        after = "-" if one["ready"] is None else duration(one["ready"])
        remark = "" if one["attempts"] <= 1 else f"{one['attempts']} attempts"
        remark = "not up" if one["ready"] is None else remark
        rows.append((one["name"], duration(taken), after, remark))
    return screen.table(rows)


def critical_chain(answer: dict[str, Any], name: str | None) -> str:
    """Return what `name`, or the whole start, waited for, last first."""
    names = [one["name"] for one in answer["services"]]
    if name is not None and name not in names:
        from asyncinit.config.names import meant

        guess = meant(name, names)
        hint = f"; did you mean {guess}?" if guess else ""
        raise NothingMatchesError(f"{name} was not part of the start{hint}")
    chain = chain_to(answer["services"], name)
    if not chain:
        return "nothing has started yet\n"
    return _chain_lines(chain)


def chain_to(services: list[dict[str, Any]], name: str | None) -> list[dict[str, Any]]:
    """Return the service (None: the last to be ready), then what it waited for longest, and so on."""
    by_name = {one["name"]: one for one in services}
    if name is None:
        ends = [(one["ready"], one["name"]) for one in services if one["ready"] is not None]
        if not ends:
            return []
        name = max(ends)[1]
    chain: list[dict[str, Any]] = []
    current: str | None = name
    while current is not None and by_name[current] not in chain:
        one = by_name[current]
        chain.append(one)
        current = held_by(one, by_name)
    return chain


def held_by(one: dict[str, Any], by_name: dict[str, Any]) -> str | None:
    """Return the last of those for which a service waited: its readiness, or the end of its first attempt."""
    if one["preparing"] is None:
        return None
    # What came later is no cause: the service had begun by then.
    ends = [
        (moment, other)
        for other in one["after"]
        if other in by_name
        for moment in (by_name[other]["ready"], by_name[other]["ended"])
        if moment is not None and moment <= one["preparing"] + 1e-6
    ]
    return max(ends, default=(0.0, None))[1]


def _chain_lines(chain: list[dict[str, Any]]) -> str:
    rows = []
    for depth, one in enumerate(chain):
        taken = took(one)
        at = "not ready" if one["ready"] is None else f"ready after {duration(one['ready'])}"
        rows.append((f"{'  ' * min(depth, 20)}{one['name']}", at, "" if taken is None else f"took {duration(taken)}"))
    return screen.table(rows)


def shutdown_plan(answer: dict[str, Any]) -> str:
    """Return who gets what of the time, in the order of stopping."""
    timeout, budget = answer["timeout"], answer["budget"]
    head = "no time limit" if budget is None else f"{duration(timeout)} in all, {duration(budget)} of it for services"
    if not answer["services"]:
        return f"{head}; nothing runs\n"
    rows = [("SERVICE", "MAY STOP AFTER", "GETS", "OF ITS", "")]
    for share in answer["services"]:
        waits = ", ".join(share["waits_for"][:5]) + (" ..." if share["waits_for"][5:] else "")
        rows.append(
            (
                share["name"],
                _limit(share["begins"]),
                _limit(share["granted"]),
                _limit(share["declared"]),
                f"once {waits} {'is' if len(share['waits_for']) == 1 else 'are'} down" if waits else "",
            )
        )
    return f"{head}\n\n{screen.table(rows)}"


def _limit(seconds: float | None) -> str:
    return "no limit" if seconds is None else duration(seconds)


def _plot(answer: dict[str, Any], path: str) -> None:
    from asyncinit.cli.plot import draw

    text = draw(answer)
    if path == "-":
        sys.stdout.write(text)
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
