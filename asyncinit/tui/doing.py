"""What keys have done: calls that change something, and what came of them in words; draws nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncinit.client.errors import CallError, ClientError
from asyncinit.tui import acts
from asyncinit.tui.follower import Follower


class Doing:
    """Carries out actions; `say` is told how they go, `complain` (a title, a text) what did not go well."""

    def __init__(self, follower: Follower, say: Callable[[str], None], complain: Callable[[str, str], None]) -> None:
        self._follower = follower
        self._say = say
        self._complain = complain

    def act(self, method: str, name: str, only: bool = False) -> None:
        """Start, stop, restart or reload a service, and tell what comes of it."""
        asked: dict[str, object] = {"names": [name], "only": True if only else None}
        self._follow(method, asked, f"{method} {name}")
        self._say(acts.doing(method, name))

    def scale(self, template: str, count: int) -> None:
        """Have so many instances of a template."""
        self._follow("Scale", {"template": template, "count": count}, f"Scale {template}")
        self._say(f"scaling {template} to {count} ...")

    def signal(self, name: str, chosen: tuple[str, int, str]) -> None:
        """Send a signal to the main process of a service."""
        short, number, _ = chosen
        title = f"{short} to {name}"
        self._follower.link.call(
            "Signal",
            {"names": [name], "signal": number},
            lambda _answer, _last: self._say(f"{title}: sent"),
            lambda error: self._complain(title, str(error)),
        )

    def _follow(self, method: str, asked: dict[str, object], title: str) -> None:
        """Call a method that goes on until it is done: the last answer has the results."""

        def answered(answer: dict[str, Any], last: bool) -> None:
            if last:
                self._tell(title, answer["results"], answer.get("changed", True))
            elif answer["progress"]:
                event = answer["progress"][-1]
                self._say(f"{event['service'] or 'asyncinit'}: {event['text']}")

        def failed(error: ClientError) -> None:
            found = error.parameters.get("results") if isinstance(error, CallError) else None
            problems = error.parameters.get("problems") if isinstance(error, CallError) else None
            if isinstance(found, list):
                self._tell(title, found, True)
            else:
                self._complain(title, "\n".join(problems) if isinstance(problems, list) else str(error))

        self._follower.link.stream(method, asked, answered, failed)

    def _tell(self, title: str, found: list[dict[str, Any]], changed: bool) -> None:
        well, badly = acts.results(found)
        if badly:
            self._complain(f"{title}: not done", "\n".join([*badly, *well]))
        elif well:
            self._say("; ".join(well))
        else:
            self._say(f"{title}: {'done' if changed else 'nothing has changed'}")
