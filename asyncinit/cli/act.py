"""The commands that change something: start, stop, restart, reload, signal, freeze, thaw, reexec."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.names import resolve
from asyncinit.cli.outcome import UsageError, complain
from asyncinit.cli.server import connect
from asyncinit.client import locate
from asyncinit.client.errors import EXIT_FAILED, CallError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection


def start(invocation: Invocation) -> int:
    """Start services."""
    if invocation.values["attach"]:
        from asyncinit.cli.attach import join, only_one

        return join(invocation, only_one(invocation), start=True)
    return _act("Start", invocation)


def stop(invocation: Invocation) -> int:
    """Stop services."""
    return _act("Stop", invocation)


def restart(invocation: Invocation) -> int:
    """Stop services and start them again."""
    return _act("Restart", invocation, only=invocation.values["only"] or None)


def reload(invocation: Invocation) -> int:
    """Have services read their configuration again."""
    return _act("Reload", invocation)


def signal(invocation: Invocation) -> int:
    """Send a signal to services' main processes."""
    from asyncinit.wrapper.options import UsageError as SignalError
    from asyncinit.wrapper.options import parse_signal

    try:
        number = parse_signal(invocation.values["signal"])
    except SignalError as error:
        raise UsageError(_swapped(invocation) or str(error)) from None
    with connect(invocation.socket) as server:
        if invocation.values["all"] and not invocation.values["names"]:
            names = [one["name"] for one in server.call("Status")["services"] if one["pid"] is not None]
        else:
            names = resolve(server, invocation.values["names"], invocation.values["all"])
        if names:
            server.call("Signal", {"names": names, "signal": number})
    return 0


def _swapped(invocation: Invocation) -> str:
    """Return what to say where the signal stands after a name."""
    from asyncinit.wrapper.options import UsageError as SignalError
    from asyncinit.wrapper.options import parse_signal

    name: str = invocation.values["signal"]
    others: tuple[str, ...] = invocation.values["names"]
    for other in others:
        try:
            parse_signal(other)
        except SignalError:
            continue
        names = " ".join((name, *(one for one in others if one != other)))
        return f"the signal comes first; type: asyncinit signal {other} {names}"
    return ""


def freeze(invocation: Invocation) -> int:
    """Have services stand still."""
    return _at_once("Freeze", invocation)


def thaw(invocation: Invocation) -> int:
    """Have them go on."""
    return _at_once("Thaw", invocation)


def _at_once(method: str, invocation: Invocation) -> int:
    with connect(invocation.socket) as server:
        server.call(method, {"names": resolve(server, invocation.values["names"])})
    return 0


def reexec(invocation: Invocation) -> int:
    """Have asyncinit replaced by the program now installed, and wait until that has answered."""
    with locate.connect(invocation.socket) as server:  # its silence is no news: the new program has time to answer
        versions = server.call("Reexec")
    before, after = versions["before"], versions["after"]
    print(f"asyncinit {before} goes on as {after}" if before != after else f"asyncinit {after} was started anew")
    return 0


def _act(method: str, invocation: Invocation, only: bool | None = None) -> int:
    """Call an action and tell what came of it: what went well on stdout, what did not on stderr."""
    screen.accept_any_text()
    with connect(invocation.socket) as server:
        names = resolve(server, invocation.values["names"], invocation.values["all"])
        if invocation.values["no_wait"]:
            answer = server.call(method, {"names": names, "only": only, "wait": False})
            _tell_affected(method, answer["affected"])
            return 0
        return act(server, method, names, only)


def act(server: Connection, method: str, names: list[str], only: bool | None = None) -> int:
    """Call an action, wait until it is done, and tell what came of it; return the exit status."""
    results: list[dict[str, Any]] = []
    told = False
    try:
        for answer in server.stream(method, {"names": names, "only": only}):
            if not told:
                _tell_affected(method, answer["affected"])
                told = True
            tell_progress(answer["progress"])
            results = answer["results"]
    except CallError as error:
        failed = error.parameters.get("results")
        if not isinstance(failed, list):
            raise
        results = failed
    return tell_results(results)


def _tell_affected(method: str, names: list[str]) -> None:
    if names:
        print(f"also {method.lower()}s {', '.join(names)}")
        sys.stdout.flush()


def tell_progress(events: Iterable[dict[str, Any]]) -> None:
    """Show on a terminal what happens while we wait; a script only wants the end."""
    if not screen.is_terminal():
        for _ in events:
            pass
        return
    for event in events:
        name = event["service"] or "asyncinit"
        line = screen.plain(f"{screen.moment(event['time'])} {name}: {event['text']}")
        print(screen.paint(line, screen.DIM if screen.wants_colour() else None), flush=True)


def tell_results(results: list[dict[str, Any]]) -> int:
    """Show what came of each, what did not go well on stderr; return the exit status."""
    width = max((len(result["name"]) for result in results), default=0)
    colour = screen.wants_colour()
    failed = False
    for result in results:
        state, text = result["state"], screen.plain(result["text"])
        why = "" if text in {"", state} else f": {text.removeprefix(state + ': ')}"
        if result["ok"]:
            shown = screen.paint(state, screen.STATE_COLOURS.get(state) if colour else None)
            print(f"{result['name']:<{width}}  {shown}{why}")
        else:
            failed = True
            complain(f"{result['name']}: {state}{why}")
    return EXIT_FAILED if failed else 0
