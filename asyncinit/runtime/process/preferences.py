"""Try what a service would rather have than need, in a child of a child; knows nothing of how it is told.

Whether the kernel lets us become somebody depends on capabilities, user namespaces and security modules: the one sure
answer is to try, in a process that ends afterwards. It may block, so it is called in an offloaded child only.
"""

from __future__ import annotations

import os

from asyncinit.config.spec import Limits, Security, ServiceSpec
from asyncinit.errors import SpawnError, why
from asyncinit.runtime.process import limiting, securing
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
    return identity or folder or terminal or bool(_preferred_limits(spec)) or _prefers_security(spec)


def try_identity(spec: ServiceSpec, wanted: Identity) -> tuple[Identity, list[tuple[str, str]]]:
    """Return as much of `wanted` as the kernel grants, and what `prefer` had to leave out, with why.

    What `prefer` does not name is left in, and fails when the service is spawned.
    """
    keys = {key: getattr(spec, key) for key in _IDENTITY}
    left_out: list[tuple[str, str]] = []
    for key in _IDENTITY:
        if key not in spec.prefer or not keys[key]:
            continue
        text = _try(_credential_steps(wanted.credentials))
        if not text:
            break
        keys[key] = None
        left_out.append((key, text))
        wanted = identify(keys["user"], keys["group"], keys["supplementary_groups"], ask=True)
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
    security: Security, named: frozenset[str], credentials: Credentials | None
) -> tuple[Security, list[tuple[str, str]]]:
    """Return as much of `security` as the kernel grants, and what of `named` had to be left out, with why.

    Its system call filter is not tried: see `securing.make_filter`.
    """
    if securing.is_ours(credentials):
        credentials = None
    granted, left_out = security, []
    for key, alone in securing.by_key(security):
        if named & {"security", f"security.{key}"} and key != "seccomp":
            way = Securing(alone, credentials)
            text = _try([*way.become(), *way.close_off()])
            if text:
                granted = securing.without(granted, key)
                left_out.append((f"security.{key}", text))
    return granted, left_out


def try_directory(path: str, credentials: Credentials | None) -> str:
    """Return why `path` can't be the working directory of somebody with these credentials, or ""."""
    return _try([*_credential_steps(credentials), Step(f"change directory to {path}", os.chdir, (path,))])


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


def _credential_steps(credentials: Credentials | None) -> list[Step]:
    return Securing(NO_SECURITY, None if securing.is_ours(credentials) else credentials).become()


def _try(steps: list[Step]) -> str:
    """Take the steps in a child and return why one failed, or ""."""
    if not steps:
        return ""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        name, failure = "", ""
        try:
            for name, call, arguments in steps:  # noqa: B007 (the name is for the handlers below)
                call(*arguments)
        except SpawnError as error:
            failure = str(SpawnError(error.step or name, error.errno, error.detail))
        except OSError as error:
            failure = f"cannot {name}: {why(error.errno or 0)}"
        except BaseException as error:
            failure = f"cannot {name}: {error}"
        finally:
            os.write(writer, failure.encode(errors="replace")[:4000])
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        text = file.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return text
