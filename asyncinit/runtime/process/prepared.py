"""What the processes of one run of a service start with, once all is found out and made; plain data."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from msgspec import Struct, field

from asyncinit.config.spec import Command, Limits, Security
from asyncinit.errors import SpawnError
from asyncinit.runtime.process import accounts, environment, isolating, separation
from asyncinit.runtime.process.environment import UnsetVariableError
from asyncinit.runtime.process.plan import NO_LIMITS, NO_SECURITY, Credentials, ExecPlan, Isolation, NewPids, Pid1


class NotApplied(Struct, frozen=True):
    """A key that the system refused and the service does without, because it says so in `prefer`."""

    key: str
    text: str


class Unmet(Struct, frozen=True):
    """A condition of the service does not hold; nothing was prepared."""

    text: str


class Prepared(Struct, frozen=True):
    """All that the processes of one run of a service start with.

    `users` has, for each user that a hook names, its credentials and its environment; `cgroup` is the folder of the
    cgroup that they join; `pid1` who is PID 1 in a PID namespace of its own, None: it is in ours.
    """

    environment: dict[str, str]
    credentials: Credentials | None = None
    working_directory: str | None = None
    umask: int | None = None
    terminal: str | None = None
    not_applied: tuple[NotApplied, ...] = ()
    users: Mapping[str, tuple[Credentials | None, dict[str, str]]] = field(default_factory=dict)
    limits: Limits = NO_LIMITS
    security: Security = NO_SECURITY
    system_call_filter: bytes = b""
    cgroup: str | None = None
    isolation: Isolation = Isolation()
    pid1: Pid1 | None = None

    @property
    def owner(self) -> int | None:
        """The uid of its processes as asyncinit sees it, None: our own."""
        ids = separation.outside(self.isolation, self.credentials)
        return None if ids is None else ids[0]

    def plan(
        self, command: Command, key: str, user: str | None = None, additional: Mapping[str, str] | None = None
    ) -> ExecPlan:
        """Return a plan for a process of the service; session, descriptors and terminal are left to the caller.

        `key` is where the command is declared, for messages; `user` a hook's; `additional` goes over the environment.
        Raises SpawnError for a variable that is not set or a user that does not exist.
        """
        credentials, variables = self.credentials, self.environment
        if user is not None:
            if user not in self.users:
                raise SpawnError(f"set user {user}", errno.ENOENT, accounts.no_such_user(user))
            credentials, variables = self.users[user]
        variables = {**variables, **(additional or {})}
        try:
            argv = environment.expand_command(command, variables, key)
        except UnsetVariableError as error:
            raise SpawnError(f"expand {key}", 0, str(error)) from error
        return ExecPlan(
            argv,
            variables,
            credentials=credentials,
            working_directory=self.working_directory,
            umask=self.umask,
            limits=self.limits,
            security=self.security,
            system_call_filter=self.system_call_filter,
            cgroup=self.cgroup,
            isolation=self.isolation,
            placement=self.pid1 and NewPids(self.pid1, joinable=True, user=isolating.user_step(self.isolation)),
        )
