"""Find out and make what a service needs before its processes can start; knows nothing of their life.

Users, directories, environment files, and what `prefer` allows to go without. Where the files of accounts are enough,
that is done at once; all that may block is done in one child with a deadline (see `offload`). The child reports plain
facts; the environment is put together here, from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct, field

from asyncinit.config.spec import Limits, Namespaces, Security, ServiceSpec
from asyncinit.errors import SpawnError
from asyncinit.linux.mounts import slow_file_systems
from asyncinit.runtime.process import (
    concealing,
    conditions,
    directories,
    environment,
    environment_files,
    preferences,
    securing,
    separation,
)
from asyncinit.runtime.process.environment import UnsetVariableError
from asyncinit.runtime.process.identity import Identity, NotInFilesError, identify
from asyncinit.runtime.process.offload import Offloader, StepCallback
from asyncinit.runtime.process.prepared import NotApplied, Prepared, Unmet

TIMEOUT = 30.0
"""Seconds for all of it: directory servers and network file systems that answer at all answer within."""


class Findings(Struct):
    """What was found and done; plain data, for it comes from a child.

    `users` are those that hooks name, None where there is no such user; `files` the variables of each environment
    file; `directories` the variables that tell of them; `limits` and `namespaces` what is granted of what may be left
    out, None: it was not tried; `security` the same, its variables replaced, and `system_call_filter` what is made of
    it. `unmet` is the condition that does not hold, if one was found: then that is all.
    """

    identity: Identity = field(default_factory=Identity)
    users: dict[str, Identity | None] = field(default_factory=dict)
    files: list[dict[str, str]] = field(default_factory=list)
    directories: dict[str, str] = field(default_factory=dict)
    limits: Limits | None = None
    security: Security | None = None
    system_call_filter: bytes = b""
    namespaces: Namespaces | None = None
    not_applied: list[NotApplied] = field(default_factory=list)
    unmet: str = ""


class Cancellable(Protocol):
    """Something under way."""

    def cancel(self) -> None:
        """End it and call nobody; harmless when it is over."""


class Preparation:
    """Prepare services.

    `inherited` is the environment that asyncinit was given; `slow` tells whether a file system is mounted that can
    hang, so that even /etc/passwd is left to a child.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        offloader: Offloader,
        inherited: Mapping[str, str],
        slow: Callable[[], bool] = slow_file_systems,
    ) -> None:
        self._loop = loop
        self._offloader = offloader
        self._inherited = inherited
        self._slow = slow

    def begin(
        self,
        spec: ServiceSpec,
        own: Mapping[str, str],
        done: Callable[[Prepared | Unmet | SpawnError], None],
        timeout: float = TIMEOUT,
        make: bool = True,
    ) -> Cancellable:
        """Prepare a run of `spec`; `done` is called once, after this has returned, with the result or the failed step.

        `own` is what asyncinit adds to the environment, over all else. `make` false: only look, make no directories.
        """
        inherited = self._inherited

        def assemble(findings: Findings | SpawnError) -> None:
            if isinstance(findings, SpawnError):
                done(findings)
                return
            if findings.unmet:
                done(Unmet(findings.unmet))
                return
            try:
                prepared = _assemble(spec, inherited, own, findings)
            except SpawnError as error:
                done(error)
            else:
                done(prepared)

        in_child = conditions.looks_at_paths(spec.condition) and self._slow()
        if spec.condition and not in_child:
            try:
                findings = Findings(unmet=conditions.unmet_of(spec, inherited, own, lambda _step: None))
            except SpawnError as error:
                return self._loop.call_soon(assemble, error)
            if findings.unmet:
                return self._loop.call_soon(assemble, findings)
        if not in_child and not _needs_child(spec) and not (self._slow() and _names_users(spec)):
            try:
                return self._loop.call_soon(assemble, _identities(spec, ask=False))
            except SpawnError as error:
                return self._loop.call_soon(assemble, error)
            except NotInFilesError:
                pass  # a directory server may know, and may take its time

        def find(step: StepCallback) -> Findings:
            unmet = conditions.unmet_of(spec, inherited, own, step) if in_child else ""
            return Findings(unmet=unmet) if unmet else _find(spec, inherited, own, step, make)

        return self._offloader.run(find, Findings, timeout, assemble)

    def remove_directories(
        self, spec: ServiceSpec, done: Callable[[SpawnError | None], None], timeout: float = TIMEOUT
    ) -> Cancellable:
        """Remove the runtime directories after the service has ended; `done` is called once, later, as in `begin`."""
        inherited = self._inherited
        if not spec.directories.runtime:
            return self._loop.call_soon(done, None)

        def remove(step: StepCallback) -> None:
            try:
                paths = directories.paths("runtime", spec.directories, directories.of_the_system(), inherited)
            except SpawnError:
                return  # there is no place for them, and so none was made
            for path in paths:
                directories.remove(path, step)

        return self._offloader.run(remove, type(None), timeout, done)


def _names_users(spec: ServiceSpec) -> bool:
    return any((spec.user, spec.group, spec.supplementary_groups, *spec.hooks.users))


def _needs_child(spec: ServiceSpec) -> bool:
    filtered = spec.security.seccomp is not None
    # Who is in the files of its own root is on a disk of which nothing is known.
    elsewhere = spec.namespaces.root is not None and _names_users(spec)
    known = not (spec.directories or spec.environment_file or filtered or elsewhere)
    return not known or preferences.to_be_tried(spec)


def _identities(spec: ServiceSpec, ask: bool, root: str | None = None) -> Findings:
    """Find who the service and its hooks run as. Raises SpawnError, and without `ask` NotInFilesError."""
    findings = Findings()
    try:
        findings.identity = identify(spec.user, spec.group, spec.supplementary_groups, ask, root)
    except SpawnError as error:
        key = "user" if error.step.startswith("set user") else "group"
        if key not in spec.prefer:
            raise
        findings.not_applied.append(NotApplied(key, str(error)))
    for user in spec.hooks.users:
        try:
            findings.users[user] = identify(user, None, None, ask, root)
        except SpawnError:
            findings.users[user] = None  # the hook that names it will fail, or may
    return findings


def _find(
    spec: ServiceSpec, inherited: Mapping[str, str], own: Mapping[str, str], step: StepCallback, make: bool
) -> Findings:
    """In a child: find out and do everything, and name each step before it."""
    namespaces = separation.of_service(spec, inherited, own)
    step("make namespaces")
    namespaces, refused = preferences.try_namespaces(spec, namespaces)
    step("look up users and groups")  # of the root that it gets
    findings = _identities(spec, True, namespaces.root)
    findings.namespaces = namespaces
    findings.not_applied += [NotApplied(key, text) for key, text in refused]
    findings.identity, refused = preferences.try_identity(spec, findings.identity, findings.namespaces)
    findings.not_applied += [NotApplied(key, text) for key, text in refused]
    _make_directories(spec, inherited, findings, step, make)
    _read_files(spec, inherited, own, findings, step)
    step("set limits")
    findings.limits, refused = preferences.try_limits(spec)
    findings.not_applied += [NotApplied(key, text) for key, text in refused]
    _secure(spec, inherited, own, findings, step)
    if "working_directory" in spec.prefer and spec.working_directory is not None:
        prepared = _assemble(spec, inherited, own, findings)
        step(f"change directory to {prepared.working_directory}")
        text = preferences.try_directory(prepared.working_directory or "", prepared.credentials, findings.namespaces)
        if text:
            findings.not_applied.append(NotApplied("working_directory", text))
    if "tty" in spec.prefer and isinstance(spec.tty, str):
        step(f"open terminal {spec.tty}")
        text = preferences.try_terminal(spec.tty)
        if text:
            findings.not_applied.append(NotApplied("tty", text))
    return findings


def _make_directories(
    spec: ServiceSpec, inherited: Mapping[str, str], findings: Findings, step: StepCallback, make: bool
) -> None:
    credentials = findings.identity.credentials
    namespaces = spec.namespaces if findings.namespaces is None else findings.namespaces
    owner = separation.outside(separation.isolation(namespaces, credentials), credentials)
    for kind in directories.KINDS:
        key = f"directories.{kind}"
        told = ""

        def begin(name: str) -> None:
            nonlocal told
            told = name
            step(name)

        try:
            paths = directories.paths(kind, spec.directories, directories.of_the_system(), inherited)
            names: tuple[str, ...] = getattr(spec.directories, kind)
            for path, name in zip(paths, names, strict=True):
                if make:
                    directories.make(path[: -len(name) - 1], name, spec.directories.mode, owner, begin)
            if paths:
                findings.directories[directories.variable(kind)] = ":".join(paths)
        except (OSError, SpawnError) as error:
            failure = error if isinstance(error, SpawnError) else SpawnError(told, error.errno or 0)
            if not spec.prefer & {key, "directories"}:
                raise failure from error
            findings.not_applied.append(NotApplied(key, str(failure)))


def _secure(
    spec: ServiceSpec, inherited: Mapping[str, str], own: Mapping[str, str], findings: Findings, step: StepCallback
) -> None:
    """Find out what of [security] is granted, and make the filter of system calls."""
    if not spec.security:
        return
    step("set security")
    prepared = _assemble(spec, inherited, own, findings)
    granted, refused = preferences.try_security(
        prepared.security,
        spec.prefer,
        prepared.credentials,
        findings.namespaces or spec.namespaces,
        prepared.environment.get(concealing.VARIABLE, ""),
    )
    if granted.seccomp is not None:
        findings.system_call_filter = securing.make_filter(granted.seccomp)
    findings.security = granted
    findings.not_applied += [NotApplied(key, text) for key, text in refused]


def _read_files(
    spec: ServiceSpec, inherited: Mapping[str, str], own: Mapping[str, str], findings: Findings, step: StepCallback
) -> None:
    known = environment.ground(spec, inherited, findings.identity.account, findings.directories, own)
    for file in spec.environment_file:
        try:
            variables = environment_files.read(file, environment.path_environment(spec, known), step)
        except SpawnError as error:
            if "environment_file" not in spec.prefer:
                raise
            findings.not_applied.append(NotApplied("environment_file", str(error)))
        else:
            if variables is not None:
                known.update(variables)
                findings.files.append(variables)


def _assemble(spec: ServiceSpec, inherited: Mapping[str, str], own: Mapping[str, str], findings: Findings) -> Prepared:
    """Put together what the processes start with. Raises SpawnError for a variable that is not set."""
    omitted = {one.key for one in findings.not_applied}
    namespaces = separation.of_service(spec, inherited, own) if findings.namespaces is None else findings.namespaces
    credentials = separation.granted(findings.identity.credentials, namespaces)
    folders = list(filter(None, ":".join(findings.directories.values()).split(":")))
    security = spec.security if findings.security is None else findings.security
    told = {**findings.directories, **concealing.variables(security, spec.name, inherited)}

    def variables_of(identity: Identity) -> dict[str, str]:
        return environment.build(
            spec,
            inherited,
            account=identity.account,
            files=findings.files,
            directories=told,
            own=own,
        )

    try:
        variables = variables_of(findings.identity)
        folder = spec.working_directory
        if folder is not None:
            folder = environment.expand(folder, variables, "working_directory")
        security = securing.expanded(security, variables)
        users = {
            name: (separation.granted(identity.credentials, namespaces), variables_of(identity))
            for name, identity in findings.users.items()
            if identity is not None
        }
    except UnsetVariableError as error:
        raise SpawnError("set the environment", 0, str(error)) from error
    notified = own.get("NOTIFY_SOCKET", "")
    shown = [*folders, *([notified] if notified.startswith("/") else [])]
    isolation = separation.isolation(namespaces, credentials, map(separation.shown, shown))
    return Prepared(
        variables,
        credentials,
        None if "working_directory" in omitted else folder,
        spec.umask,
        spec.tty if isinstance(spec.tty, str) and "tty" not in omitted else None,
        tuple(findings.not_applied),
        users,
        spec.limits if findings.limits is None else findings.limits,
        security,
        findings.system_call_filter,
        isolation=concealing.added(isolation, security, told.get(concealing.VARIABLE, ""), credentials, shown),
        pid1=separation.pid1(namespaces),
    )
