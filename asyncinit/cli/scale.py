"""`asyncinit scale web=3`: how many instances of a template there are."""

from __future__ import annotations

from asyncinit.cli import screen
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.reload_config import follow
from asyncinit.cli.server import connect
from asyncinit.client.errors import EXIT_FAILED

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncinit.cli.declaring import Invocation


def scale(invocation: Invocation) -> int:
    """Have so many instances of each of these templates."""
    screen.accept_any_text()
    values = invocation.values
    wait = None if not values["no_wait"] else False
    failed = 0
    wanted = counts(values["counts"])
    with connect(invocation.socket) as server:
        for template, count in wanted.items():
            asked = {"template": template, "count": count, "wait": wait}
            answer = follow(server, "Scale", asked, as_json=values["json"], tell_nothing=True)
            if answer is None or any(not result["ok"] for result in answer["results"]):
                failed = EXIT_FAILED
    return failed


def counts(words: Sequence[str]) -> dict[str, int]:
    """Return what `web=3 worker=2`, or `web 3`, asks for; raises UsageError."""
    if len(words) == 2 and "=" not in words[0]:
        words = ("=".join(words),)
    found = {}
    for word in words:
        name, equals, number = word.partition("=")
        if not (name and equals and number.isascii() and number.isdigit() and len(number) <= 9):
            raise UsageError(f"cannot scale {word}: expected NAME=NUMBER, as in web=3")
        found[name] = int(number)
    return found
