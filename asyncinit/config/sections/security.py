"""[security]: what a service's processes give up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, rights, spec
from asyncinit.config.problems import Finding, shown
from asyncinit.config.sections.given import Keys, filled, names, or_none
from asyncinit.config.spec import capabilities

Profile = Literal["strict", "none"]


class SeccompTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which system calls the processes can make: names, and sets by the names that systemd has made known (see
    SystemCallFilter in systemd.exec(5)). Takes libseccomp where it runs. What every program needs to begin and to end,
    `@default`, is always allowed. Short form: `seccomp = [...]` is `allow`."""

    allow: Annotated[
        list[kinds.SystemCall] | UnsetType,
        Meta(description="These alone.", examples=[["@system-service"]], extra={"default": "all"}),
    ] = UNSET
    deny: Annotated[
        list[kinds.SystemCall], Meta(description="Not these, of what is allowed.", examples=[["@mount", "ptrace"]])
    ] = []
    action: Annotated[
        kinds.FilterAction, Meta(description="How another call fails; `kill`: the process is ended by SIGSYS.")
    ] = "EPERM"


class LandlockTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which files and ports the processes can reach; needs no right. With one of the first three keys, nothing but what
    they list can be read, written and executed. A path is that file, or the folder and all that is below it."""

    read: Annotated[
        list[kinds.RulePath] | UnsetType,
        Meta(description="Can be read and listed.", examples=[["/usr", "/etc", "-/opt"]], extra={"default": ""}),
    ] = UNSET
    write: Annotated[
        list[kinds.RulePath] | UnsetType,
        Meta(
            description="Can be read, written, made and removed.",
            examples=[["${STATE_DIRECTORY}", "/dev/null"]],
            extra={"default": ""},
        ),
    ] = UNSET
    execute: Annotated[
        list[kinds.RulePath] | UnsetType,
        Meta(description="Can be read and executed.", examples=[["/usr"]], extra={"default": ""}),
    ] = UNSET
    bind_tcp: Annotated[
        list[kinds.TcpPort] | UnsetType,
        Meta(description="Ports that it can listen on (Linux 6.7).", examples=[[8080]], extra={"default": "all"}),
    ] = UNSET
    connect_tcp: Annotated[
        list[kinds.TcpPort] | UnsetType,
        Meta(description="Ports that it can connect to (Linux 6.7).", examples=[[443, 5432]], extra={"default": "all"}),
    ] = UNSET


class SecurityTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What the processes of the service give up, for good: the main one, its hooks and its probe commands. Short form:
    `security = "strict"`."""

    profile: Annotated[
        Profile | UnsetType, Meta(description="Where the other keys begin: see the guide.", extra={"default": ""})
    ] = UNSET
    no_new_privileges: Annotated[
        bool | UnsetType,
        Meta(
            description="No program gives them more than they have, set-user-id or not.",
            extra={"default": "`true` with `seccomp` or `landlock`"},
        ),
    ] = UNSET
    capabilities: Annotated[
        kinds.CapabilityWord | list[kinds.CapabilityWord] | UnsetType,
        Meta(
            description="The most that they, and all that they execute, can have.",
            examples=[["CAP_NET_BIND_SERVICE"], ["docker-default", "~CAP_NET_RAW"], "none"],
            extra={"default": "asyncinit's own"},
        ),
    ] = UNSET
    ambient_capabilities: Annotated[
        list[kinds.Capability],
        Meta(description="What they have without being root.", examples=[["CAP_NET_BIND_SERVICE"]]),
    ] = []
    seccomp: Annotated[
        list[kinds.SystemCall] | SeccompTable | UnsetType,
        Meta(description="Which system calls they can make.", examples=[["@system-service"]], extra={"default": "all"}),
    ] = UNSET
    landlock: Annotated[
        LandlockTable | UnsetType, Meta(description="Which files and ports they can reach.", extra={"default": "all"})
    ] = UNSET
    private_tmp: Annotated[
        bool | UnsetType,
        Meta(description="An empty /tmp and /var/tmp in memory, for each process alone.", extra={"default": "`false`"}),
    ] = UNSET
    private_dev: Annotated[
        bool | UnsetType,
        Meta(description="A /dev of null, zero, random and the like, without disks.", extra={"default": "`false`"}),
    ] = UNSET
    protect_system: Annotated[
        bool | Literal["full", "strict"] | UnsetType,
        Meta(
            description="/usr and /boot cannot be written to; `full`: nor /etc; `strict`: nor anything else but /dev, "
            "/proc, /sys, its `[directories]` and `write_paths`.",
            extra={"default": "`false`"},
        ),
    ] = UNSET
    protect_home: Annotated[
        bool | Literal["read-only"] | UnsetType,
        Meta(
            description="/home, /root and /run/user are empty, or cannot be written to.", extra={"default": "`false`"}
        ),
    ] = UNSET
    protect_kernel: Annotated[
        bool | UnsetType,
        Meta(
            description="What tunes the kernel in /proc and /sys cannot be written to, what tells its secrets not be "
            "read, as in Docker.",
            extra={"default": "`false`"},
        ),
    ] = UNSET
    read_only_paths: Annotated[
        list[kinds.RulePath] | UnsetType,
        Meta(description="Cannot be written to, with all below.", examples=[["/srv/web"]], extra={"default": ""}),
    ] = UNSET
    write_paths: Annotated[
        list[kinds.RulePath] | UnsetType,
        Meta(description="Can, although what is above cannot.", examples=[["/srv/web/cache"]], extra={"default": ""}),
    ] = UNSET
    hidden_paths: Annotated[
        list[kinds.RulePath] | UnsetType,
        Meta(description="Are empty: nobody sees what is below.", examples=[["-/srv/other"]], extra={"default": ""}),
    ] = UNSET
    credentials: Annotated[
        dict[kinds.CredentialName, kinds.RulePath],
        Meta(
            description="Secrets as files: copies of these in a folder of the service's own, in memory, told as "
            "`CREDENTIALS_DIRECTORY`.",
            examples=[{"db-password": "/etc/secrets/db"}],
        ),
    ] = {}


KEYS = frozenset(SecurityTable.__struct_fields__) - {"profile"}
"""What `prefer` can name of the table."""

PROFILES: Mapping[str, Keys] = {
    "none": {},
    "strict": {
        "no_new_privileges": True,
        "capabilities": "none",
        "seccomp": ["@system-service"],
        "private_tmp": True,
        "private_dev": True,
        "protect_system": "strict",
        "protect_home": True,
        "protect_kernel": True,
    },
}
"""The keys of each profile; one that stands beside it counts instead."""


def in_full(declared: Profile | SecurityTable) -> SecurityTable:
    """Return the table with the keys of its profile."""
    table = SecurityTable(profile=declared) if isinstance(declared, str) else declared
    if isinstance(table.profile, UnsetType):
        return table
    given = {key: getattr(table, key) for key in KEYS}
    own = {key: value for key, value in given.items() if value not in (UNSET, [], {})}
    return SecurityTable(**{**PROFILES[table.profile], **own})


def resolve(declared: SecurityTable) -> spec.Security:
    """Return what the table declares, its profile given in full."""
    words = declared.capabilities
    return spec.Security(
        no_new_privileges=or_none(declared.no_new_privileges),
        capabilities=None if isinstance(words, UnsetType) else _words(words),
        ambient_capabilities=names([rights.one_capability(name) for name in declared.ambient_capabilities]),
        seccomp=_seccomp(declared.seccomp),
        landlock=_landlock(declared.landlock),
        private_tmp=declared.private_tmp is True,
        private_dev=declared.private_dev is True,
        protect_system=_SYSTEM[declared.protect_system],
        protect_home=_HOME[declared.protect_home],
        protect_kernel=declared.protect_kernel is True,
        read_only_paths=_paths(declared.read_only_paths),
        write_paths=_paths(declared.write_paths),
        hidden_paths=_paths(declared.hidden_paths),
        credentials=declared.credentials,
    )


_SYSTEM: Mapping[Any, spec.ProtectSystem] = {
    UNSET: spec.ProtectSystem.NO,
    False: spec.ProtectSystem.NO,
    True: spec.ProtectSystem.YES,
    "full": spec.ProtectSystem.FULL,
    "strict": spec.ProtectSystem.STRICT,
}
_HOME: Mapping[Any, spec.ProtectHome] = {
    UNSET: spec.ProtectHome.NO,
    False: spec.ProtectHome.NO,
    True: spec.ProtectHome.YES,
    "read-only": spec.ProtectHome.READ_ONLY,
}


def _paths(given: list[str] | UnsetType) -> tuple[str, ...]:
    return () if isinstance(given, UnsetType) else names(given)


def _words(given: str | list[str]) -> tuple[str, ...]:
    words = [rights.capability(word) for word in ([given] if isinstance(given, str) else given)]
    return tuple(word for word in words if word != "none")


def _seccomp(given: list[str] | SeccompTable | UnsetType) -> spec.Seccomp | None:
    if isinstance(given, UnsetType):
        return None
    table = SeccompTable(allow=given) if isinstance(given, list) else given
    allow = None if isinstance(table.allow, UnsetType) else names(table.allow)
    found = spec.Seccomp(allow, names(table.deny), table.action)
    return None if allow is None and not table.deny else found


def _landlock(table: LandlockTable | UnsetType) -> spec.Landlock | None:
    if isinstance(table, UnsetType):
        return None
    given = {key: getattr(table, key) for key in LandlockTable.__struct_fields__}
    found = spec.Landlock(**{key: tuple(dict.fromkeys(one)) for key, one in given.items() if one is not UNSET})
    return None if found == spec.Landlock() else found


def declare(security: spec.Security) -> Keys:
    """Return the keys that resolve to `security`."""
    seccomp, landlock = security.seccomp, security.landlock
    return filled(
        {
            "no_new_privileges": security.no_new_privileges,
            "capabilities": None if security.capabilities is None else list(security.capabilities) or "none",
            "ambient_capabilities": list(security.ambient_capabilities),
            "seccomp": seccomp and _declared_seccomp(seccomp),
            "landlock": landlock and _declared_landlock(landlock),
            **{key: getattr(security, key) or None for key in ("private_tmp", "private_dev", "protect_kernel")},
            "protect_system": _given(_SYSTEM, security.protect_system),
            "protect_home": _given(_HOME, security.protect_home),
            **{key: list(getattr(security, key)) for key in ("read_only_paths", "write_paths", "hidden_paths")},
            "credentials": dict(security.credentials),
        }
    )


def _given(words: Mapping[Any, Any], value: object) -> Any:
    """Return the word for a value, None for the default."""
    return next((word for word, meant in words.items() if meant is value and word), None)


def _declared_seccomp(seccomp: spec.Seccomp) -> Keys | list[str]:
    if seccomp.allow and seccomp == spec.Seccomp(seccomp.allow):
        return list(seccomp.allow)
    keys = filled({"deny": list(seccomp.deny), "action": seccomp.action})
    return keys if seccomp.allow is None else {"allow": list(seccomp.allow), **keys}


def _declared_landlock(landlock: spec.Landlock) -> Keys:
    lists = {key: getattr(landlock, key) for key in landlock.__struct_fields__}
    return {key: list(given) for key, given in lists.items() if given is not None}


MOUNTED = frozenset(
    (
        *("private_tmp", "private_dev", "protect_system", "protect_home", "protect_kernel"),
        *("read_only_paths", "write_paths", "hidden_paths", "credentials"),
    )
)
"""Keys that take a mount namespace of the service's own."""


def check(table: Mapping[str, Any], namespaces: object = None) -> Iterator[Finding]:
    """Check what the keys of [security] must agree on among themselves, and with [namespaces]."""
    if isinstance(namespaces, dict) and namespaces.get("mount") == "host":
        for key in sorted(MOUNTED & {key for key, value in table.items() if value not in (False, [], {})}):
            problem = 'takes mounts of its own, and namespaces.mount is "host"'
            yield Finding(("security", key), problem)
    most, ambient = table.get("capabilities"), table.get("ambient_capabilities")
    if most is None and isinstance(profile := table.get("profile"), str) and profile in PROFILES:
        most = PROFILES[profile].get("capabilities")
    if most is not None and isinstance(ambient, list):
        try:
            within = capabilities.bits(_words(most))
            over = [name for name in map(rights.one_capability, ambient) if not capabilities.bits([name]) & within]
        except (ValueError, TypeError, AttributeError):
            return  # told elsewhere
        for name in over:
            yield Finding(("security", "ambient_capabilities"), f"has {shown(name)}, which security.capabilities lacks")
    seccomp = table.get("seccomp")
    if isinstance(seccomp, dict) and "allow" not in seccomp and not seccomp.get("deny"):
        yield Finding(("security", "seccomp"), "refuses nothing", expected="allow or deny")
