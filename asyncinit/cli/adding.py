"""`asyncinit pod add` and `remove`: a pod that is there until the next boot, with its members.

Its files go into the run-time layer and the running asyncinit reads its configuration again: first without doing
anything, for what would come of it is to be the pod and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncinit.cli import screen
from asyncinit.cli.outcome import UsageError, complain
from asyncinit.cli.reload_config import take_over, tell_problems
from asyncinit.cli.server import connect
from asyncinit.client.errors import EXIT_FAILED, CallError, ClientError
from asyncinit.config import added
from asyncinit.config.added import AddingError
from asyncinit.config.names import is_plain_name
from asyncinit.config.problems import ConfigErrors, printable
from asyncinit.config.spec import pod_key

if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection


def add(invocation: Invocation) -> int:
    """Bring a pod in, with its members, and start it; what fails leaves nothing behind."""
    screen.accept_any_text()
    if not invocation.values["words"]:
        raise UsageError("pod add: give the FILE of a pod, and those of its members")
    try:
        given = added.examined(invocation.values["words"])
    except ConfigErrors as error:
        tell_problems([str(problem) for problem in error.problems], as_json=False)
        return EXIT_FAILED
    except AddingError as error:
        complain(f"pod add: {error}")
        return EXIT_FAILED
    with connect(invocation.socket) as server:
        try:
            _refuse_known(server, given)
            written = added.put(given)
        except AddingError as error:
            complain(f"pod {given.name}: {error}")
            return EXIT_FAILED
        return _bring_in(server, given, written)


def _refuse_known(server: Connection, given: added.Given) -> None:
    """Raise AddingError where the pod or a member is there already."""
    for pod in server.call("Pods", {"names": None})["pods"]:
        if pod["name"] == given.name:
            raise AddingError(f"is there already, declared in {pod['file'] or 'the configuration'}")
    for service in server.call("Status", {"names": None})["services"]:
        if service["name"] in given.members:
            raise AddingError(f"there is a service {service['name']} already")


def _bring_in(server: Connection, given: added.Given, written: added.Added) -> int:
    taken = False
    try:
        if not _fits(server, given, written):
            added.take_out(written)
            return EXIT_FAILED
        taken = True
        answer = take_over(server)
    except BaseException:
        _take_back(server, written, taken)
        raise
    if answer is not None and all(result["ok"] for result in answer["results"]):
        return 0
    complain(f"pod {given.name} is not added: see above")
    _take_back(server, written, taken)
    return EXIT_FAILED


def _take_back(server: Connection, written: added.Added, taken: bool) -> None:
    """Remove the files, and have asyncinit forget what it has taken over."""
    added.take_out(written)
    if taken:
        try:
            with connect(server.address) as again:  # on the other one an answer may be under way
                again.call("ReloadConfig", {"dry_run": None, "wait": False})
        except ClientError as error:
            complain(f"cannot take it back: {error}; `asyncinit reload-config` does")


def _fits(server: Connection, given: added.Given, written: added.Added) -> bool:
    """Tell whether the pod and its members would come in, and nothing else would change; else say why."""
    changes = _would_be(server)
    if changes is None:
        return False
    own = {pod_key(given.name), *given.members}
    if not _nothing_else(changes, own, "added"):
        return False
    there = {change["name"] for change in changes["services"]}
    missing = own - there if not given.apart else {pod_key(given.name)} - there
    if missing:
        folders = " and ".join(sorted({path.rpartition("/")[0] for path in written.files}))
        complain(
            f"pod {given.name}: asyncinit does not read {printable(folders)}, as it was started; copy the files to the "
            "folders that it reads, and run `asyncinit reload-config`"
        )
        return False
    return True


def _would_be(server: Connection) -> dict[str, Any] | None:
    """Return what a reload would do; None, with the problems told, where it would be refused."""
    try:
        answer: dict[str, Any] = server.call("ReloadConfig", {"dry_run": True, "wait": None})
    except CallError as error:
        problems = error.parameters.get("problems")
        if not isinstance(problems, list):
            raise
        tell_problems(problems, as_json=False)
        return None
    return answer


def _nothing_else(changes: dict[str, Any], own: set[str], change: str) -> bool:
    """Tell whether `change` of what is `own` is all that would happen; else say what would."""
    others = [one["name"] for one in changes["services"] if one["change"] != change or one["name"] not in own]
    others += [name for name in changes["affected"] if name not in own]
    others += [f"[init] {key}" for key in (*changes["init"], *changes["needs_restart"])]
    if others:
        complain(f"{', '.join(others)} would change too, by other files; run `asyncinit reload-config` first")
    return not others


def remove(invocation: Invocation) -> int:
    """Stop a pod that was added, with its members, and remove its files."""
    screen.accept_any_text()
    words = invocation.values["words"]
    if len(words) != 1:
        raise UsageError("pod remove: give the NAME of one pod")
    name = words[0]
    if not is_plain_name(name):
        raise UsageError(f"pod remove: {printable(name)} is no name of a pod")
    with connect(invocation.socket) as server:
        try:
            written = added.find(name)
            if written is None:
                return _not_added(server, name)
            added.put_away(written)
        except AddingError as error:
            complain(f"pod {name}: {error}")
            return EXIT_FAILED
        asked, answer = False, None
        try:
            changes = _would_be(server)
            if changes is not None and _nothing_else(changes, {pod_key(name), *written.members}, "removed"):
                asked = True  # from here on it goes, whether or not we see the end
                answer = take_over(server)
                asked = answer is not None
        finally:
            (added.take_out if asked else added.put_back)(written)
    if answer is None:
        return EXIT_FAILED
    return EXIT_FAILED if any(not result["ok"] for result in answer["results"]) else 0


def _not_added(server: Connection, name: str) -> int:
    """Say why a pod cannot be removed that was not added; ClientError where there is none of this name."""
    pod = server.call("Pods", {"names": [name]})["pods"][0]
    where = printable(pod["file"] or "asyncinit.toml")
    complain(
        f"pod {name} was not added by `asyncinit pod add`: it is declared in {where}; "
        "remove it there, with its members, and run `asyncinit reload-config`"
    )
    return EXIT_FAILED
