"""Try what a service would rather have than need, in a child of a child; knows nothing of how it is told.

Whether the kernel lets us become somebody depends on capabilities, user namespaces and security modules: the one sure
answer is to try, in a process that ends afterwards. It may block, so it is called in an offloaded child only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import reduce

from asyncinit.config.spec import Belonging, Limits, NamespaceKind, Namespaces, Security, ServiceSpec
from asyncinit.errors import SpawnError, why
from asyncinit.runtime.process import concealing, isolating, limiting, securing, separation
from asyncinit.runtime.process.identity import Identity, identify
from asyncinit.runtime.process.plan import NO_SECURITY, Credentials
from asyncinit.runtime.process.securing import Securing
from asyncinit.runtime.process.step import Step

_IDENTITY = ("supplementary_groups", "group", "user")  # in the order in which they are given up


def to_be_tried(spec: ServiceSpec) -> bool:
    """Tell whether `prefer` names a key that can only be tried."""
    identity = any(getattr(spec, key) is not None for key in _IDENTITY if key in spec.prefer)
    folder = "working_directory" in spec.prefer and spec.working_directory is not None
    terminal = "tty" in spec.prefer and isinstance(spec.tty, str)
    identified = identity or folder or terminal or bool(_preferred_limits(spec))
    return identified or _prefers_security(spec) or _prefers_namespaces(spec)


def _prefers_namespaces(spec: ServiceSpec) -> bool:
    return bool(spec.namespaces) and any(key.partition(".")[0] == "namespaces" for key in spec.prefer)


def try_namespaces(spec: ServiceSpec, wanted: Namespaces) -> tuple[Namespaces, list[tuple[str, str]]]:
    """Return as much of `wanted`, whose paths are expanded, as the kernel grants, and what had to be left out."""
    left_out: list[tuple[str, str]] = []
    # What happens in the namespaces of a pod can't be tried outside of them.
    while _prefers_namespaces(spec) and wanted and Belonging.POD not in map(wanted.of, NamespaceKind):
        keyed = list(_isolation_steps(wanted, None))
        index, text = _attempt([step for _, step in keyed])
        if not text:
            break
        keys = separation.together(wanted, keyed[index][0])
        smaller = separation.without(wanted, keys)
        if smaller == wanted or not (
            "namespaces" in spec.prefer or {f"namespaces.{key}" for key in keys} <= spec.prefer
        ):
            break  # it fails when the service is spawned
        wanted = smaller
        left_out += ((f"namespaces.{key}", text) for key in sorted(keys))
    return wanted, left_out


def _isolation_steps(namespaces: Namespaces, credentials: Credentials | None) -> Iterator[tuple[str, Step]]:
    isolation = separation.isolation(namespaces, separation.granted(credentials, namespaces))
    return isolating.by_key(isolation, pids=namespaces.of(NamespaceKind.PID) is Belonging.PRIVATE)


def try_identity(spec: ServiceSpec, wanted: Identity, namespaces: Namespaces) -> tuple[Identity, list[tuple[str, str]]]:
    """Return as much of `wanted` as the kernel grants, and what `prefer` had to leave out, with why.

    What `prefer` does not name is left in, and fails when the service is spawned.
    """
    keys = {key: getattr(spec, key) for key in _IDENTITY}
    left_out: list[tuple[str, str]] = []
    for key in _IDENTITY:
        if key not in spec.prefer or not keys[key]:
            continue
        text = _try(_credential_steps(wanted.credentials, namespaces))
        if not text:
            break
        keys[key] = None
        left_out.append((key, text))
        wanted = identify(keys["user"], keys["group"], keys["supplementary_groups"], True, namespaces.root)
    return wanted, left_out


def _preferred_limits(spec: ServiceSpec) -> list[tuple[str, Step]]:
    """Return what of [limits] the service can do without, with the step that applies it."""
    named = spec.prefer
    return [(key, step) for key, step in limiting.by_key(spec.limits) if named & {"limits", f"limits.{key}"}]


def _prefers_security(spec: ServiceSpec) -> bool:
    keys = (key for key, _ in securing.by_key(spec.security))
    return any(spec.prefer & {"security", f"security.{key}"} for key in keys)


def try_limits(spec: ServiceSpec) -> tuple[Limits, list[tuple[str, str]]]:
    """Return as much of the service's limits as the kernel grants, and what `prefer` had to leave out, with why."""
    granted, left_out = spec.limits, []
    for key, step in _preferred_limits(spec):
        text = _try([step])
        if text:
            granted = limiting.without(granted, key)
            left_out.append((f"limits.{key}", text))
    return granted, left_out


def try_security(
    security: Security, named: frozenset[str], credentials: Credentials | None, namespaces: Namespaces, secrets: str
) -> tuple[Security, list[tuple[str, str]]]:
    """Return as much of `security` as the kernel grants, and what of `named` had to be left out, with why.

    Each key is tried alone, within `namespaces`; `secrets` is the folder for these. Of the filter of system calls it is
    tried whether there can be one. Where it fails without any of them too, none is left out: the start will say of
    what it is that fails.
    """
    wanted = [one for one in securing.by_key(security) if named & {"security", f"security.{one[0]}"}]
    failures = [(key, text) for key, alone in wanted if (text := _try_alone(alone, credentials, namespaces, secrets))]
    if failures and _try_alone(NO_SECURITY, credentials, namespaces, secrets):
        return security, []
    granted = reduce(securing.without, (key for key, _ in failures), security)
    return granted, [(f"security.{key}", text) for key, text in failures]


def _try_alone(alone: Security, credentials: Credentials | None, namespaces: Namespaces, secrets: str) -> str:
    isolation = separation.isolation(namespaces, credentials)
    pids = namespaces.of(NamespaceKind.PID) is Belonging.PRIVATE
    inside = concealing.added(isolation, alone, secrets, credentials)
    stays = not isolating.changes_users(inside) and securing.is_ours(credentials)
    way = Securing(alone, None if stays else credentials)
    isolated = [step for _, step in isolating.by_key(inside, pids=pids)]
    filtered = [Step("set security.seccomp", securing.try_filter)] if alone.seccomp is not None else []
    return _try([*isolated, *way.become(), *way.close_off(), *filtered])


def try_directory(path: str, credentials: Credentials | None, namespaces: Namespaces) -> str:
    """Return why `path` can't be the working directory of somebody with these credentials and namespaces, or ""."""
    isolation = [step for _, step in _isolation_steps(namespaces, credentials)]
    if isolation:
        steps = [*isolation, *Securing(NO_SECURITY, credentials).become()]
    else:
        steps = _credential_steps(credentials, namespaces)
    return _try([*steps, Step(f"change directory to {path}", os.chdir, (path,))])


def try_terminal(path: str) -> str:
    """Return why `path` can't be opened as a terminal, or ""."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return str(SpawnError(f"open terminal {path}", error.errno or 0))
    try:
        return "" if os.isatty(fd) else str(SpawnError(f"open terminal {path}", 0, "it is not a terminal"))
    finally:
        os.close(fd)


def _credential_steps(credentials: Credentials | None, namespaces: Namespaces) -> list[Step]:
    credentials = separation.granted(credentials, namespaces)
    user = isolating.user_step(separation.isolation(namespaces, credentials))
    if user is None:
        return Securing(NO_SECURITY, None if securing.is_ours(credentials) else credentials).become()
    return [user, *Securing(NO_SECURITY, credentials).become()]


def _try(steps: list[Step]) -> str:
    """Take the steps in a child and return why one failed, or ""."""
    return _attempt(steps)[1]


def _attempt(steps: list[Step]) -> tuple[int, str]:
    """Take the steps in a child and return which failed, and why; or ""."""
    if not steps:
        return 0, ""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        index, name, failure = 0, "", ""
        try:
            for index, (name, call, arguments) in enumerate(steps):  # noqa: B007 (they are for the handlers below)
                call(*arguments)
        except SpawnError as error:
            failure = str(SpawnError(error.step or name, error.errno, error.detail))
        except OSError as error:
            failure = f"cannot {name}: {why(error.errno or 0)}"
        except BaseException as error:
            failure = f"cannot {name}: {error}"
        finally:
            os.write(writer, f"{index} {failure}".encode(errors="replace")[:4000])
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        text = file.read().decode(errors="replace")
    os.waitpid(pid, 0)
    place, _, failure = text.partition(" ")
    return (int(place), failure) if place.isdecimal() else (0, f"cannot {steps[0].name}: the attempt was killed")
