"""Protect*=, Private*=, Restrict*=, capabilities, system calls, paths: what processes cannot do or see.

systemd leaves out what the kernel or a container refuses, so these keys are in `prefer`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from asyncinit.config import rights
from asyncinit.config.values import BadValueError
from asyncinit.migration.report import Setting, Verdict
from asyncinit.migration.systemd.times import size
from asyncinit.migration.systemd.words import Untranslatable, boolean
from asyncinit.migration.systemd.work import Directive, Table, Work, each, flag, literal, lost, many, one

_OPEN = "the default: nothing is kept from it"

# --- Capabilities and system calls -----------------------------------------------------------------------------------


def _capabilities(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the names that are known, in full, and the others."""
    found, unknown = [], []
    for name in names:
        try:
            found.append(rights.one_capability(name.upper()))
        except BadValueError:
            unknown.append(name)
    return found, unknown


def _bounding(work: Work, settings: list[Setting]) -> None:
    words: list[str] = []
    for number, setting in enumerate(settings):
        takes_out = setting.value.startswith("~")
        found, unknown = _capabilities(setting.value.removeprefix("~").split())
        if number == 0 and takes_out:
            words.append("all")
        words += [("~" if takes_out else "") + name for name in found]
        if unknown:
            work.lost(setting, f"asyncinit does not know {', '.join(unknown)}")
    for setting in settings:
        work.put(setting, "security.capabilities", words or "none")


def _none_at_all(work: Work) -> None:
    """An empty CapabilityBoundingSet= is none at all, and not the default."""
    found = work.unit.settings.get(("Service", "CapabilityBoundingSet"), [])
    if found and not found[-1].value:
        work.put(found[-1], "security.capabilities", "none")


def _ambient(work: Work, setting: Setting) -> None:
    if setting.value.startswith("~"):
        raise Untranslatable("say which it has, and not which it lacks")
    found, unknown = _capabilities(setting.value.split())
    for name in found:
        work.append(setting, "security.ambient_capabilities", name)
        work.prefer("security.ambient_capabilities")
    if unknown:
        work.lost(setting, f"asyncinit does not know {', '.join(unknown)}")


def _system_calls(work: Work, settings: list[Setting]) -> None:
    allow: list[str] | None = None
    deny: list[str] = []
    for number, setting in enumerate(settings):
        takes_out = setting.value.startswith("~")
        for word in setting.value.removeprefix("~").split():
            name, colon, _ = word.partition(":")
            try:
                call = rights.system_call(name)
            except BadValueError:
                work.lost(setting, f"asyncinit does not know {name}")
                continue
            if colon:
                work.world.ledger.say(setting, Verdict.APPROXIMATED, "all calls fail with the same error")
            if takes_out:
                deny.append(call)
            else:
                allow = [*(allow or []), call]
                deny = [one for one in deny if one != call or number == 0]
    found = {"allow": allow} if allow else {}
    found |= {"deny": list(dict.fromkeys(deny))} if deny else {}
    if found:
        for setting in settings:
            work.put(setting, "security.seccomp", allow if found.keys() == {"allow"} else found)
        work.prefer("security.seccomp")


def _error_number(work: Work, setting: Setting) -> None:
    there = work.draft.get("security.seccomp")
    if there is None:
        work.needless(setting, "no system call is refused")
        return
    table = {"allow": there} if isinstance(there, list) else dict(there)
    action = "kill" if setting.value == "kill" else setting.value
    try:
        table["action"] = rights.filter_action(action)
    except BadValueError:
        raise Untranslatable("is no name of an error that is known") from None
    work.put(setting, "security.seccomp", table)


def without_error_number(work: Work) -> None:
    """Say what systemd does with a call that is refused: it kills the process."""
    there = work.draft.get("security.seccomp")
    unit = work.unit
    if there is None or not unit.all("Service", "SystemCallFilter"):
        return  # what takes out calls beside a filter has them fail with EPERM, as it is here
    if unit.last("Service", "SystemCallErrorNumber") is None:
        table = {"allow": there} if isinstance(there, list) else dict(there)
        work.put(None, "security.seccomp", {**table, "action": "kill"}, "systemd's default: a call is the end")


def _deny(*calls: str, capabilities: tuple[str, ...] = (), note: str) -> Directive:
    """Return a directive of yes or no that takes out system calls and capabilities."""

    def function(work: Work, setting: Setting) -> None:
        if not boolean(setting.value):
            work.needless(setting, _OPEN)
            return
        for name in capabilities:
            _take_out(work, setting, name)
        if calls:
            _refuse(work, setting, calls)
        work.world.ledger.say(setting, Verdict.APPROXIMATED, note)

    keys = [*(["`security.seccomp`"] if calls else []), *(["`security.capabilities`"] if capabilities else [])]
    return one(", ".join(keys), function)


def _take_out(work: Work, setting: Setting, name: str) -> None:
    there = work.draft.get("security.capabilities")
    if there is None:
        work.put(setting, "security.capabilities", ["all", f"~{name}"])
    elif there != "none" and f"~{name}" not in there and (name in there or "all" in there):
        work.put(setting, "security.capabilities", [*(word for word in there if word != name), f"~{name}"])


def _refuse(work: Work, setting: Setting, calls: tuple[str, ...]) -> None:
    there = work.draft.get("security.seccomp")
    table = {"allow": there} if isinstance(there, list) else dict(there or {})
    table["deny"] = list(dict.fromkeys([*table.get("deny", []), *calls]))
    work.put(setting, "security.seccomp", table)
    work.prefer("security.seccomp")


# --- Files -----------------------------------------------------------------------------------------------------------


def _system(work: Work, setting: Setting) -> None:
    value = setting.value if setting.value in ("full", "strict") else boolean(setting.value)
    if value is False:
        work.needless(setting, _OPEN)
        return
    work.put(setting, "security.protect_system", value)
    work.prefer("security.protect_system")


def _home(work: Work, setting: Setting) -> None:
    if setting.value == "tmpfs":
        work.put(setting, "security.protect_home", True)
    elif setting.value == "read-only":
        work.put(setting, "security.protect_home", "read-only")
    elif boolean(setting.value):
        work.put(setting, "security.protect_home", True)
    else:
        work.needless(setting, _OPEN)
        return
    work.prefer("security.protect_home")


def _private_tmp(work: Work, setting: Setting) -> None:
    if setting.value != "disconnected" and not boolean(setting.value):
        work.needless(setting, _OPEN)
        return
    work.put(setting, "security.private_tmp", True)
    work.prefer("security.private_tmp")


def _paths(key: str, fixed: tuple[str, ...] = ()) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        if fixed and not boolean(setting.value):
            work.needless(setting, _OPEN)
            return
        for word in fixed or work.words(setting):
            path = _path(word)
            if path is None:
                work.lost(setting, f"{word} is no absolute path")
            else:
                work.append(setting, f"security.{key}", path)
                work.prefer(f"security.{key}")

    return each(f"`security.{key}`", function)


def _path(word: str) -> str | None:
    """Return a path with the "-" that lets it be absent; a "+" is for a root folder of its own."""
    dash = "-" if "-" in word[:2] else ""
    path = word.lstrip("-+")
    return dash + literal(path) if path.startswith("/") else None


def _bind(read_only: bool) -> Callable[[Work, Setting], None]:
    def function(work: Work, setting: Setting) -> None:
        for word in work.words(setting):
            source, _, rest = word.partition(":")
            target, _, option = rest.partition(":")
            if not source.lstrip("-").startswith("/"):
                raise Untranslatable("is no absolute path")
            mount: dict[str, object] = {"type": "bind", "source": source}
            if target:
                mount["target"] = target
            if read_only:
                mount["read_only"] = True
            if option == "norbind":
                mount["recursive"] = False
            work.append(setting, "namespaces.mounts", mount)
            work.prefer("namespaces")

    return function


def _tmpfs(work: Work, setting: Setting) -> None:
    for word in work.words(setting):
        path, _, options = word.partition(":")
        if not path.startswith("/"):
            raise Untranslatable("is no absolute path")
        mount: dict[str, object] = {"type": "tmpfs", "target": path}
        for option in filter(None, options.split(",")):
            name, _, value = option.partition("=")
            if name == "size" and not value.endswith("%"):
                mount["size"] = size(value.upper())
            elif name == "mode":
                mount["mode"] = value.zfill(4)
            elif option == "ro":
                mount["read_only"] = True
            elif option not in ("rw", "nosuid", "nodev"):
                work.lost(setting, f"{option} is no option here")
        work.append(setting, "namespaces.mounts", mount)
        work.prefer("namespaces")


def _credential(work: Work, setting: Setting) -> None:
    name, colon, path = work.text(setting).partition(":")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise Untranslatable("is no name of a file")
    if not colon:
        raise Untranslatable("credentials of the system are not passed on; say which file")
    if not path.startswith("/"):
        path = f"/etc/credstore/{path}"
    work.put(setting, ("security", "credentials", name), path)


def _namespace(kind: str) -> Directive:
    return flag(f"namespaces.{kind}", "private", _OPEN, "namespaces")


_ARGUMENTS = "what is in the arguments of a system call is not looked at"

SERVICE: Table = {
    "NoNewPrivileges": flag("security.no_new_privileges", True, _OPEN),
    "CapabilityBoundingSet": many("`security.capabilities`", _bounding),
    "AmbientCapabilities": each("`security.ambient_capabilities`", _ambient),
    "SystemCallFilter": many("`security.seccomp`", _system_calls),
    "ProtectKernelTunables": flag("security.protect_kernel", True, _OPEN, "security.protect_kernel"),
    "ProtectKernelModules": _deny(
        "@module",
        capabilities=("CAP_SYS_MODULE",),
        note="its system calls and its capability; /usr/lib/modules is seen",
    ),
    "ProtectKernelLogs": _deny(
        "syslog", capabilities=("CAP_SYSLOG",), note="its system call and its capability; /dev/kmsg is there"
    ),
    "ProtectClock": _deny(
        "@clock", capabilities=("CAP_SYS_TIME", "CAP_WAKE_ALARM"), note="its system calls and capabilities"
    ),
    "RestrictNamespaces": lost(_ARGUMENTS),
    "RestrictRealtime": lost(_ARGUMENTS),
    "RestrictSUIDSGID": lost(_ARGUMENTS),
    "RestrictAddressFamilies": lost(_ARGUMENTS),
    "RestrictFileSystems": lost("`security.landlock` says which files can be reached"),
    "LockPersonality": lost(_ARGUMENTS),
    "MemoryDenyWriteExecute": lost(_ARGUMENTS),
    "SystemCallArchitectures": lost("calls of other architectures end the process where there is a filter"),
    "SystemCallLog": lost("a call is allowed, fails, or ends the process"),
    "SystemCallErrorNumber": one("`security.seccomp.action`", _error_number),
    "ProtectSystem": one("`security.protect_system`", _system),
    "ProtectHome": one("`security.protect_home`", _home),
    "ProtectHostname": _namespace("uts"),
    "ProtectControlGroups": _paths("read_only_paths", ("-/sys/fs/cgroup",)),
    "ProtectProc": lost("it sees all of /proc; `namespaces.pid` shows its own processes alone"),
    "ProcSubset": lost("it sees all of /proc; `namespaces.pid` shows its own processes alone"),
    "PrivateTmp": one("`security.private_tmp`", _private_tmp),
    "PrivateDevices": flag("security.private_dev", True, _OPEN, "security.private_dev"),
    "PrivateNetwork": _namespace("net"),
    "PrivateIPC": _namespace("ipc"),
    "PrivatePIDs": _namespace("pid"),
    "PrivateMounts": _namespace("mount"),
    "PrivateUsers": lost("`namespaces.user` is more: with it the rest needs no root"),
    "NetworkNamespacePath": lost("a network namespace is shared within a pod"),
    "IPCNamespacePath": lost("namespaces are shared within a pod"),
    "ReadWritePaths": _paths("write_paths"),
    "ReadWriteDirectories": _paths("write_paths"),
    "ReadOnlyPaths": _paths("read_only_paths"),
    "ReadOnlyDirectories": _paths("read_only_paths"),
    "InaccessiblePaths": _paths("hidden_paths"),
    "InaccessibleDirectories": _paths("hidden_paths"),
    "ExecPaths": lost("`security.landlock` says what can be executed"),
    "NoExecPaths": lost("`security.landlock` says what can be executed"),
    "BindPaths": each("`namespaces.mounts`", _bind(False)),
    "BindReadOnlyPaths": each("`namespaces.mounts`", _bind(True)),
    "TemporaryFileSystem": each("`namespaces.mounts`", _tmpfs),
    "MountAPIVFS": lost("with `namespaces.root` there are a /proc, /sys and /dev in any case"),
    "MountFlags": lost("a mount namespace of its own sees what is mounted outside"),
    "LoadCredential": each("`security.credentials`", _credential),
    "LoadCredentialEncrypted": lost("credentials are files as they are"),
    "SetCredential": lost("a secret does not stand in a service's file"),
    "SetCredentialEncrypted": lost("credentials are files as they are"),
    "ImportCredential": lost("credentials of the system are not passed on"),
    "DevicePolicy": lost("`security.private_dev` shows the harmless devices alone"),
    "DeviceAllow": lost("`security.private_dev` shows the harmless devices alone"),
    "IPAddressAllow": lost("`security.landlock` says to which ports it can connect; else a firewall"),
    "IPAddressDeny": lost("`security.landlock` says to which ports it can connect; else a firewall"),
    "SocketBindAllow": lost("`security.landlock` says which ports it can listen on"),
    "SocketBindDeny": lost("`security.landlock` says which ports it can listen on"),
    "RestrictNetworkInterfaces": lost("a firewall does so"),
    "NFTSet": lost("a firewall does so"),
    "RemoveIPC": lost("what it leaves of shared memory stays; `namespaces.ipc` takes it along"),
    "SecureBits": lost("they are asyncinit's own"),
    "SELinuxContext": lost("the policy decides"),
    "AppArmorProfile": lost("aa-exec(1) before the command does so"),
    "SmackProcessLabel": lost("the policy decides"),
}


def settle(work: Work) -> None:
    """What takes all settings together."""
    _none_at_all(work)
    _privileges_with_filter(work)
    without_error_number(work)
    _ambient_within(work)
    if work.draft.get("namespaces.root") is not None:  # a root of its own is never left out
        work.preferred.pop("namespaces", None)


def _privileges_with_filter(work: Work) -> None:
    """A filter takes away new privileges here, unless it is said that it shall not."""
    setting = work.unit.last("Service", "NoNewPrivileges")
    said = setting is not None and not work.unit.yes("Service", "NoNewPrivileges")
    if said and work.draft.get("security.seccomp") is not None:
        work.put(setting, "security.no_new_privileges", False)


def _ambient_within(work: Work) -> None:
    """Ambient capabilities that the bounding set lacks are none for systemd, and an error here."""
    ambient, most = work.draft.get("security.ambient_capabilities"), work.draft.get("security.capabilities")
    if not ambient or most is None:
        return
    from asyncinit.config.spec import capabilities

    within = capabilities.bits([] if most == "none" else most)
    kept = [name for name in ambient if capabilities.bits([name]) & within]
    if kept != ambient:
        for setting in work.draft.drop("security.ambient_capabilities"):
            work.world.ledger.say(setting, Verdict.APPROXIMATED, "those alone that CapabilityBoundingSet= has")
        if kept:
            work.put(None, "security.ambient_capabilities", kept)
