"""Names of units, and what they are called here; knows which units are systemd's own scenery; opens no file."""

from __future__ import annotations

import re

from msgspec import Struct

from asyncinit.config.names import LONGEST

KINDS = frozenset(
    ("service", "socket", "timer", "target", "path", "mount", "automount", "swap", "slice", "scope", "device")
)
"""What stands after the last dot of a unit's name."""

_UNIT = re.compile(r"(?P<prefix>[\w:.\\-]+)(?P<at>@(?P<instance>[\w:.\\@-]*))?\.(?P<kind>[a-z]+)", re.ASCII)
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")


class UnitName(Struct, frozen=True):
    """A unit's name in its parts: PREFIX[@INSTANCE].KIND; of a template the instance is empty."""

    prefix: str
    at: bool
    instance: str
    kind: str

    def __str__(self) -> str:
        return f"{self.stem}.{self.kind}"

    @property
    def stem(self) -> str:
        """The name without its kind."""
        return self.prefix + (f"@{self.instance}" if self.at else "")

    @property
    def template(self) -> bool:
        """Whether it is a template."""
        return self.at and not self.instance

    @property
    def of_template(self) -> UnitName | None:
        """The template that it is an instance of."""
        return UnitName(self.prefix, True, "", self.kind) if self.instance else None

    def of_kind(self, kind: str) -> UnitName:
        """Return the name of the unit of another kind that belongs to it: web.socket of web.service."""
        return UnitName(self.prefix, self.at, self.instance, kind)


def parsed(text: str) -> UnitName | None:
    """Return the parts of a unit's name, None: it is none."""
    match = _UNIT.fullmatch(text)
    if match is None or match["kind"] not in KINDS or len(text) > 255:
        return None
    return UnitName(match["prefix"], match["at"] is not None, match["instance"] or "", match["kind"])


def unescape(text: str) -> str:
    """Return what an escaped part of a unit's name stands for (systemd-escape(1))."""
    whole = text.replace("-", "/")
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), whole)


def service_name(name: UnitName) -> str:
    """Return what a unit is called here: web.service is web, web@.service web@, web.target web.target.

    What a name here cannot have becomes "_"; \\x2d is a dash.
    """
    stem = _plain(name.prefix)
    if name.at:
        stem += "@" + (_plain(name.instance) if name.instance else "")
    return stem + (".target" if name.kind == "target" else "")


def _plain(text: str) -> str:
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    text = re.sub(r"[^A-Za-z0-9_.-]", "_", text)
    return (text if text[:1].isalnum() else "unit" + text)[: LONGEST // 2]


SCENERY = frozenset(
    [
        "basic",
        "bluetooth",
        "boot-complete",
        "cryptsetup",
        "cryptsetup-pre",
        "ctrl-alt-del",
        "default",
        "emergency",
        "exit",
        "factory-reset",
        "final",
        "first-boot-complete",
        "getty",
        "getty-pre",
        "graphical",
        "halt",
        "hibernate",
        "hybrid-sleep",
        "initrd",
        "initrd-fs",
        "initrd-root-device",
        "initrd-root-fs",
        "initrd-switch-root",
        "initrd-usr-fs",
        "integritysetup",
        "integritysetup-pre",
        "kbrequest",
        "kexec",
        "local-fs",
        "local-fs-pre",
        "machines",
        "multi-user",
        "network",
        "network-online",
        "network-pre",
        "nss-lookup",
        "nss-user-lookup",
        "paths",
        "poweroff",
        "printer",
        "reboot",
        "remote-cryptsetup",
        "remote-fs",
        "remote-fs-pre",
        "remote-veritysetup",
        "rescue",
        "rpcbind",
        "runlevel0",
        "runlevel1",
        "runlevel2",
        "runlevel3",
        "runlevel4",
        "runlevel5",
        "runlevel6",
        "shutdown",
        "sigpwr",
        "sleep",
        "slices",
        "smartcard",
        "sockets",
        "soft-reboot",
        "sound",
        "storage-target-mode",
        "suspend",
        "suspend-then-hibernate",
        "swap",
        "sysinit",
        "system-update",
        "system-update-pre",
        "time-set",
        "time-sync",
        "timers",
        "umount",
        "usb-gadget",
        "veritysetup",
        "veritysetup-pre",
    ]
)
"""Targets of systemd.special(7): stages of a boot or a shutdown, which here need no name."""

STARTED_AT_BOOT = frozenset(
    [
        "basic",
        "default",
        "getty",
        "graphical",
        "local-fs",
        "machines",
        "multi-user",
        "network",
        "network-online",
        "nss-lookup",
        "nss-user-lookup",
        "paths",
        "remote-fs",
        "rpcbind",
        "runlevel2",
        "runlevel3",
        "runlevel4",
        "runlevel5",
        "slices",
        "sockets",
        "swap",
        "sysinit",
        "time-set",
        "time-sync",
        "timers",
        "bluetooth",
        "printer",
        "smartcard",
        "sound",
        "boot-complete",
        "first-boot-complete",
        "network-pre",
    ]
)
"""Those of them that each boot reaches: what they want is started by itself."""


def is_scenery(name: UnitName) -> bool:
    """Tell whether a unit is one of systemd itself, whose part asyncinit plays or nobody has to."""
    if name.kind == "target":
        return name.prefix in SCENERY
    if name.kind in ("mount", "automount", "swap", "slice", "scope", "device"):
        return True
    return name.prefix.startswith("systemd-") or name.prefix in ("initrd", "emergency", "rescue", "plymouth")
