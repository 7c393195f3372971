"""Condition*= and Assert*=: what must hold for a start."""

from __future__ import annotations

import re
from collections.abc import Callable

from asyncinit.migration.report import Setting, Verdict
from asyncinit.migration.systemd.words import Untranslatable
from asyncinit.migration.systemd.work import Table, Work, each, literal, lost

_ARCHITECTURES = {
    "x86-64": "x86_64",
    "arm64": "aarch64",
    "arm": "armv7l",
    "riscv64": "riscv64",
    "ppc64-le": "ppc64le",
    "s390x": "s390x",
    "loongarch64": "loongarch64",
}


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise Untranslatable("is no absolute path")
    return literal(text)


def _architecture(text: str) -> str:
    if text not in _ARCHITECTURES:
        raise Untranslatable("is an architecture with several names here")
    return _ARCHITECTURES[text]


def _variable(text: str) -> str:
    if not re.match(r"[A-Za-z_][A-Za-z0-9_]*(=|$)", text):
        raise Untranslatable("is no variable")
    return text


def _condition(name: str, key: str, read: Callable[[str], str], asserts: bool) -> Callable[[Work, Setting], None]:
    def function(work: Work, setting: Setting) -> None:
        text = work.text(setting)
        either = text.startswith("|")
        text = text.removeprefix("|").strip()
        negated = text.startswith("!")
        text = text.removeprefix("!").strip()
        if either and _others(work, name) > 1:
            raise Untranslatable("that one of several holds is not possible here: all must; this one is left out")
        note = "where it does not hold the service is skipped, and has not failed" if asserts else ""
        verdict = Verdict.APPROXIMATED if asserts else Verdict.TRANSLATED
        value = ("!" if negated else "") + read(text)
        work.append(setting, f"condition.{key}", value, note=note, verdict=verdict)

    return function


def _others(work: Work, name: str) -> int:
    """Return how many conditions of the unit have the sign of those of which one is enough."""
    kind = "Assert" if name.startswith("Assert") else "Condition"
    return sum(
        setting.value.startswith("|")
        for section, key in work.unit.keys()  # noqa: SIM118 - no mapping
        if section == "Unit" and key.startswith(kind)
        for setting in work.unit.all(section, key)
    )


_KINDS: dict[str, tuple[str, Callable[[str], str]]] = {
    "PathExists": ("path_exists", _path),
    "PathIsDirectory": ("path_is_directory", _path),
    "FileIsExecutable": ("path_executable", _path),
    "Environment": ("env_set", _variable),
    "KernelCommandLine": ("kernel_option", str),
    "Architecture": ("architecture", _architecture),
}

_LOST = [
    "PathExistsGlob",
    "PathIsSymbolicLink",
    "PathIsMountPoint",
    "PathIsReadWrite",
    "PathIsEncrypted",
    "DirectoryNotEmpty",
    "FileNotEmpty",
    "Virtualization",
    "Host",
    "KernelVersion",
    "Version",
    "Credential",
    "Security",
    "Capability",
    "ACPower",
    "NeedsUpdate",
    "FirstBoot",
    "User",
    "Group",
    "ControlGroupController",
    "Memory",
    "CPUs",
    "CPUFeature",
    "OSRelease",
    "MemoryPressure",
    "CPUPressure",
    "IOPressure",
    "Firmware",
    "KernelModuleLoaded",
]

_UNASKED = "it is started whether this holds or not"


def _table() -> Table:
    table = {}
    for kind in ("Condition", "Assert"):
        for name, (key, read) in _KINDS.items():
            function = _condition(kind + name, key, read, kind == "Assert")
            table[kind + name] = each(f"`condition.{key}`", function)
        table |= {kind + name: lost(_UNASKED) for name in _LOST}
    return table


UNIT: Table = _table()
