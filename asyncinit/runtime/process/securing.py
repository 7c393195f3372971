"""The steps by which a child becomes somebody else and gives up what its program shall not have; knows no service.

Their order leaves no window: what needs a right comes before what gives it up, groups go before the user, and that the
way back is closed is tried, not believed. `become` says who the process is from then on, `close_off` what it can still
reach, and `filter_step` comes last of all, for after it even we can make only the calls that the program can.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from asyncinit.config.spec import KILL, Landlock, ProtectHome, ProtectSystem, Seccomp, Security
from asyncinit.config.spec.capabilities import ALL, bits, names
from asyncinit.config.spec.system_calls import ALWAYS, KNOWN, calls
from asyncinit.errors import SpawnError, why
from asyncinit.linux import capabilities, landlock, seccomp
from asyncinit.linux.capabilities import Sets
from asyncinit.linux.process import set_no_new_privs
from asyncinit.runtime.process import concealing
from asyncinit.runtime.process.environment import expand
from asyncinit.runtime.process.plan import Credentials
from asyncinit.runtime.process.step import Step

KEYS = ("no_new_privileges", "capabilities", "ambient_capabilities", "seccomp", "landlock", *concealing.KEYS)

_EMPTY: tuple[object, ...] = (None, (), False, {}, ProtectSystem.NO, ProtectHome.NO)


class Securing:
    """One child's way from our rights to its own."""

    def __init__(self, security: Security, credentials: Credentials | None) -> None:
        self._security = security
        self._credentials = credentials
        self._most = ALL if security.capabilities is None else bits(security.capabilities)
        self._ambient = bits(security.ambient_capabilities)
        self._ruleset: landlock.Ruleset | None = None

    def become(self) -> list[Step]:
        """Return the steps up to the change of user, and the look back."""
        security, credentials = self._security, self._credentials
        todo = []
        if security.capabilities is not None:
            todo.append(Step("set security.capabilities", self._limit_bounding))
        if security.landlock is not None:
            todo.append(Step("set security.landlock", self._open_landlock, (security.landlock,)))
        if self._ambient and credentials is not None:
            todo.append(Step("keep security.ambient_capabilities", capabilities.keep_over_change_of_user, (True,)))
        if credentials is not None:
            todo += _change_of_user(credentials)
        if self._ambient or security.capabilities is not None or (credentials is not None and credentials.uid != 0):
            todo.append(Step(self._rights(), self._set_rights))
        if credentials is not None:
            todo.append(Step(f"set user {credentials}", self._look_back, (credentials,)))
        return todo

    def close_off(self) -> list[Step]:
        """Return the steps after which it reaches only what it shall."""
        todo = []
        if self._security.gains_nothing:
            todo.append(Step("set security.no_new_privileges", set_no_new_privs))
        if self._security.landlock is not None:
            todo.append(Step("set security.landlock", self._enforce_landlock))
        return todo

    def _rights(self) -> str:
        if self._ambient:
            return "set security.ambient_capabilities"
        if self._security.capabilities is not None:
            return "set security.capabilities"
        return f"set user {self._credentials}"

    def _limit_bounding(self) -> None:
        try:
            capabilities.limit_bounding(self._most)
        except OSError as error:
            # Who holds nothing and gains nothing is within every bound, and needs no right to be.
            if self._security.gains_nothing and not capabilities.held().permitted:
                return
            raise refused(error) from None

    def _set_rights(self) -> None:
        """Hold what the program shall have and nothing else; what it may have beyond that was bounded before."""
        held = capabilities.held()
        missing = self._ambient & ~held.permitted
        if missing:
            text = f"asyncinit does not have {', '.join(names(missing))}"
            raise SpawnError("", errno.EPERM, text)
        keeps = self._ambient if os.geteuid() != 0 else held.permitted & self._most
        effective = keeps if os.geteuid() != 0 else held.effective & self._most
        capabilities.set_held(Sets(effective, keeps, self._ambient))
        if self._ambient:
            capabilities.set_ambient(self._ambient)

    def _look_back(self, credentials: Credentials) -> None:
        """See that the change is complete and that there is no way back."""
        uid, gid = credentials.uid, credentials.gid
        if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
            raise SpawnError("", errno.EPERM, "the kernel has not changed all of its ids")
        if credentials.groups is not None and set(os.getgroups()) != set(credentials.groups):
            raise SpawnError("", errno.EPERM, "the kernel has not changed its supplementary groups")
        if uid == 0 or self._ambient >> capabilities.SETUID & 1:
            return
        try:
            os.setresuid(-1, 0, -1)
        except OSError:
            return
        raise SpawnError("", errno.EPERM, "it could become root again")

    def _open_landlock(self, rules: Landlock) -> None:
        """Make the set of rules, as long as all of its paths can be reached."""
        unusable = landlock.why_not()
        if unusable:
            raise SpawnError("", errno.ENOSYS, unusable)
        abi = landlock.version()
        files = landlock.handled(abi) if rules.has_paths else landlock.Access(0)
        ports = landlock.Port(0)
        for key, port in (("bind_tcp", landlock.Port.BIND), ("connect_tcp", landlock.Port.CONNECT)):
            if getattr(rules, key) is not None:
                ports |= port
                if not landlock.has_ports(abi):
                    text = f"landlock of this kernel (ABI {abi}) cannot refuse ports; it takes Linux 6.7"
                    raise SpawnError(f"set security.landlock.{key}", errno.EOPNOTSUPP, text)
        self._ruleset = ruleset = landlock.Ruleset(files, ports)
        for key, access in (("read", landlock.READ), ("write", landlock.WRITE), ("execute", landlock.EXECUTE)):
            for path in getattr(rules, key) or ():
                _allow(ruleset, path, access, f"set security.landlock.{key}")
        ruleset.allow_ports(rules.bind_tcp or (), landlock.Port.BIND)
        ruleset.allow_ports(rules.connect_tcp or (), landlock.Port.CONNECT)

    def _enforce_landlock(self) -> None:
        assert self._ruleset is not None
        try:
            self._ruleset.enforce()
        except OSError as error:
            raise refused(error) from None


def _allow(ruleset: landlock.Ruleset, path: str, access: landlock.Access, step: str) -> None:
    optional = path.startswith("-")
    path = path.removeprefix("-")
    if not path.startswith("/"):
        raise SpawnError(step, errno.EINVAL, f"{path} is not an absolute path")
    try:
        ruleset.allow_beneath(path, access)
    except FileNotFoundError as error:
        if not optional:
            raise SpawnError(step, error.errno or 0, f"{path}: {why(error.errno or 0)}") from None
    except OSError as error:
        raise SpawnError(step, error.errno or 0, f"{path}: {why(error.errno or 0)}") from None


def _change_of_user(credentials: Credentials) -> list[Step]:
    uid, gid, groups = credentials.uid, credentials.gid, credentials.groups
    user = f"set user {credentials}"
    todo = []
    if groups is not None:
        todo.append(Step(f"{user} (its supplementary groups)", _change_ids, (os.setgroups, groups)))
    todo.append(Step(f"set group {credentials.group_name or gid}", _change_ids, (os.setresgid, gid, gid, gid)))
    todo.append(Step(user, _change_ids, (os.setresuid, uid, uid, uid)))
    return todo


def _change_ids(call: Callable[..., None], *arguments: object) -> None:
    """Call a function that needs rights, and say what it takes where the kernel does not."""
    try:
        call(*arguments)
    except OSError as error:
        raise refused(error) from None


def refused(error: OSError) -> SpawnError:
    """Return a failure that says what right is missing."""
    text = why(error.errno or 0)
    if error.errno == errno.EPERM and os.geteuid() != 0:
        text += f"; asyncinit runs as uid {os.geteuid()}, and only root may do this"
    elif error.errno == errno.EPERM:
        text += "; asyncinit is root without this capability, or of a user namespace that forbids it"
    elif error.errno == errno.EINVAL:
        text += "; this user namespace has no such id"
    return SpawnError("", error.errno or 0, text)


def is_ours(credentials: Credentials | None) -> bool:
    """Tell whether a child of ours has these credentials without any step."""
    if credentials is None:
        return True
    if set(os.getresuid()) != {credentials.uid} or set(os.getresgid()) != {credentials.gid}:
        return False
    return credentials.groups is None or set(credentials.groups) == set(os.getgroups())


# ---------------------------------------------------------------------------------------------------------------------
# System calls


def make_filter(wanted: Seccomp) -> bytes:
    """Return the filter that does what is wanted, for `filter_step`. Loads a library: call it in a child.

    A call that is refused fails with the action's errno; one that none of our sets knows, because it is newer than
    they are, with ENOSYS, upon which programs use an older one. Raises SpawnError.
    """
    action = seccomp.KILL_PROCESS if wanted.action == KILL else seccomp.refuse_with(getattr(errno, wanted.action))
    always = dict.fromkeys(calls([ALWAYS]), seccomp.ALLOW)
    refused_calls = dict.fromkeys(calls(wanted.deny), action)
    if wanted.allow is None:
        default, rules = seccomp.ALLOW, refused_calls | always
    else:
        default = seccomp.refuse_with(errno.ENOSYS)
        rules = dict.fromkeys(sorted(KNOWN), action) | dict.fromkeys(calls(wanted.allow), seccomp.ALLOW)
        rules |= refused_calls | always
    required = [word for word in (*(wanted.allow or ()), *wanted.deny) if not word.startswith("@")]
    try:
        return seccomp.make_filter(default, rules.items(), required)
    except (seccomp.MissingLibraryError, seccomp.UnknownCallError) as error:
        raise SpawnError("set security.seccomp", errno.ENOSYS, str(error)) from error
    except OSError as error:
        raise SpawnError("set security.seccomp", error.errno or 0) from error


def try_filter() -> None:
    """Put a filter into force that refuses nothing. Raises SpawnError."""
    _enforce_filter(make_filter(Seccomp()))


def filter_step(program: bytes) -> Step:
    """Return the very last step: from it on no call is made but those that the filter lets through."""
    return Step("set security.seccomp", _enforce_filter, (program,))


def _enforce_filter(program: bytes) -> None:
    try:
        seccomp.enforce(program)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise SpawnError("", errno.EINVAL, "this kernel has no system call filters") from None
        if error.errno == errno.EACCES:
            text = "without security.no_new_privileges it takes CAP_SYS_ADMIN"
            raise SpawnError("", errno.EACCES, text) from None
        raise


# ---------------------------------------------------------------------------------------------------------------------
# A part of it


def expanded(security: Security, variables: Mapping[str, str]) -> Security:
    """Return `security` with the variables in its paths replaced. Raises UnsetVariableError."""

    def all_of(paths: tuple[str, ...], key: str) -> tuple[str, ...]:
        return tuple(expand(path, variables, f"security.{key}") for path in paths)

    keys = {key: getattr(security, key) for key in ("read_only_paths", "write_paths", "hidden_paths")}
    changes: dict[str, object] = {key: all_of(paths, key) for key, paths in keys.items() if paths}
    if security.credentials:
        sources = all_of(tuple(security.credentials.values()), "credentials")
        changes["credentials"] = dict(zip(security.credentials, sources, strict=True))
    rules = security.landlock
    if rules is not None and rules.has_paths:
        lists = {key: getattr(rules, key) for key in ("read", "write", "execute")}
        found = {key: all_of(paths, f"landlock.{key}") for key, paths in lists.items() if paths}
        changes["landlock"] = replace(rules, **found)
    return replace(security, **changes) if changes else security


def by_key(security: Security) -> Iterator[tuple[str, Security]]:
    """Yield each key of [security] that is set, with a security of that key alone (and what it needs)."""
    for key in KEYS:
        value = getattr(security, key)
        if value not in _EMPTY:
            yield key, Security(**{key: value, "no_new_privileges": security.gains_nothing})


def without(security: Security, key: str) -> Security:
    """Return `security` less a key; what else that key took stays."""
    default = getattr(Security(), key)
    return replace(security, **{"no_new_privileges": security.gains_nothing, key: default})
