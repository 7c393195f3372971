"""A pod that was brought in at run time: its files in /run/asyncinit, and a record of what is there for it.

The record is a hidden file beside the pod's, written before and removed after all else, so that whatever happens in
between can be taken back. Whether asyncinit reads these folders is not for this module to know.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from msgspec import Struct

from asyncinit.config.convert import examine
from asyncinit.config.documents import Document, read
from asyncinit.config.keys import ServiceFileKeys
from asyncinit.config.layers import Layer
from asyncinit.config.names import is_plain_name
from asyncinit.config.places import POD_FOLDER, SYSTEM_FOLDERS
from asyncinit.config.problems import ConfigErrors, Problem, errors_of, printable
from asyncinit.config.sections.pods import PodFileKeys
from asyncinit.config.spec import pod_key
from asyncinit.errors import AsyncinitError, why

_SUFFIX = ".toml"
_AWAY = ".removed"


class AddingError(AsyncinitError):
    """It could not be done, and nothing is changed; the text says why, for people."""


class Given(Struct, frozen=True):
    """A pod and its members as files that were given have them; `members` are texts by name.

    `apart`: its members are the services of an asyncinit inside.
    """

    name: str
    text: bytes
    members: dict[str, bytes]
    apart: bool


class Added(Struct, frozen=True):
    """What is in the run-time layer for a pod: paths of files, the pod's the last, and of folders that were made."""

    record: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    members: tuple[str, ...]


# ---------------------------------------------------------------------------------------------------------------------
# What is given


def examined(paths: Sequence[str]) -> Given:
    """Read the files of one pod and its members, and check each. Raises AddingError, ConfigErrors."""
    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    for path in paths:
        name = os.path.basename(path).removesuffix(_SUFFIX)
        if not path.endswith(_SUFFIX) or not is_plain_name(name):
            raise AddingError(f"{printable(path)} is not called as a pod or a service may be, NAME.toml")
        document = read(path, name)
        if isinstance(document, Problem):
            problems.append(document)
        elif "pod" in document.data or "command" in document.data:
            problems += _problems(name, document, ServiceFileKeys)
        else:
            problems += _problems(pod_key(name), document, PodFileKeys)
        if isinstance(document, Document):
            documents[path] = document
    if errors_of(problems):
        raise ConfigErrors(problems)
    return _sorted(documents)


def _problems(name: str, document: Document, keys: type) -> list[Problem]:
    layer = Layer(name, document, (), document.data, examine(document.data, keys))
    return [layer.problem(finding) for finding in layer.findings]


def _sorted(documents: dict[str, Document]) -> Given:
    own = [path for path, one in documents.items() if "pod" not in one.data and "command" not in one.data]
    if len(own) != 1:
        found = f"there are {len(own)}: {', '.join(map(printable, own))}" if own else "there is none"
        raise AddingError(f"one of the files has to be the pod's, without `command` or `pod`, and {found}")
    name = os.path.basename(own[0]).removesuffix(_SUFFIX)
    members: dict[str, bytes] = {}
    for path, document in documents.items():
        if path == own[0]:
            continue
        if document.data.get("pod") != name:
            raise AddingError(f'{printable(path)} is no member: it has to say pod = "{name}"')
        member = os.path.basename(path).removesuffix(_SUFFIX)
        if member in members:
            raise AddingError(f"there are two files of {member}")
        members[member] = _text(path)
    return Given(name, _text(own[0]), members, documents[own[0]].data.get("init") == "asyncinit")


def _text(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


# ---------------------------------------------------------------------------------------------------------------------
# The run-time layer


def _places(root: str) -> tuple[str, str]:
    services = os.path.join(root, SYSTEM_FOLDERS[-1])
    return services, os.path.join(os.path.dirname(services), POD_FOLDER)


def _added(name: str, members: tuple[str, ...], made: Sequence[bool], root: str) -> Added:
    """Return what there is for a pod; `made` tells which of the two folders were made for it."""
    services, pods = _places(root)
    files = [os.path.join(services, member + _SUFFIX) for member in members]
    files.append(os.path.join(pods, name + _SUFFIX))
    folders = tuple(folder for folder, new in zip((services, pods), made, strict=False) if new)
    return Added(os.path.join(pods, f".{name}.added"), tuple(files), folders, members)


def put(given: Given, root: str = "/") -> Added:
    """Write the files of a pod, all of them or none. Raises AddingError."""
    services, pods = _places(root)
    added = _added(given.name, tuple(given.members), [not os.path.isdir(folder) for folder in (services, pods)], root)
    taken = next((path for path in (added.record, *added.files) if os.path.lexists(path)), None)
    if taken is not None:
        text = f"{printable(taken)} is there already"
        raise AddingError(f"{text}; what was added, `asyncinit pod remove {given.name}` removes")
    path = pods
    try:
        for path in (services, pods):
            os.makedirs(path, 0o755, exist_ok=True)
        path = added.record
        _write(
            path,
            json.dumps({"members": added.members, "made": [one in added.folders for one in (services, pods)]}).encode(),
        )
        for path, content in zip(added.files, (*given.members.values(), given.text), strict=True):
            _write(path, content)
    except OSError as error:
        take_out(added)
        raise AddingError(f"cannot write {printable(path)}: {why(error.errno or 0)}") from None
    except BaseException:
        take_out(added)
        raise
    return added


def _write(path: str, content: bytes) -> None:
    """Write a file that is not there, complete or not at all."""
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{os.getpid()}")  # hidden: nobody reads it as a service
    try:
        with open(beside, "xb") as file:
            file.write(content)
        os.link(beside, path)  # not renamed: what has come there meanwhile is somebody else's
    finally:
        try:
            os.unlink(beside)
        except OSError:
            pass  # it was not made


def find(name: str, root: str = "/") -> Added | None:
    """Return what was written for a pod, None: nothing."""
    record = _added(name, (), (), root).record
    try:
        found = json.loads(_text(record))
        members = tuple(map(str, found["members"]))
        # Names alone are believed: who may write the record is not always who may remove any file.
        if not all(map(is_plain_name, members)):
            raise ValueError
        return _added(name, members, [made is True for made in found["made"]], root)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AddingError(f"cannot read {printable(record)}: {why(error.errno or 0)}") from None
    except (ValueError, KeyError, TypeError):
        raise AddingError(f"{printable(record)} is damaged; remove the pod's files yourself") from None


def put_away(added: Added) -> None:
    """Have nobody read the files any more, while they can be brought back. Raises AddingError."""
    for path in added.files:
        try:
            os.rename(path, _hidden(path))
        except FileNotFoundError:
            continue  # somebody has removed it
        except OSError as error:
            put_back(added)
            raise AddingError(f"cannot remove {printable(path)}: {why(error.errno or 0)}") from None


def put_back(added: Added) -> None:
    """Undo `put_away`."""
    for path in added.files:
        try:
            os.rename(_hidden(path), path)
        except OSError:
            pass  # it was not put away


def take_out(added: Added) -> None:
    """Remove all that was written, and the folders that were made for it."""
    for path in (*added.files, *map(_hidden, added.files), added.record):
        try:
            os.unlink(path)
        except OSError:
            pass  # it is not there, and what cannot be removed is told by the next one who adds or removes it
    for folder in added.folders:
        try:
            os.rmdir(folder)
        except OSError:
            pass  # others have something in it


def _hidden(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}{_AWAY}")
