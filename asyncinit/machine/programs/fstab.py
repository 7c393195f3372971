"""/etc/fstab as the programs of this package read it, and the devices that it names."""

from __future__ import annotations

import os
import select
import time
from typing import NamedTuple

from asyncinit.linux import mounts, netlink
from asyncinit.machine.programs.child import output_of

PATH = "etc/fstab"
_NETWORK_TYPES = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "9p", "sshfs", "fuse.sshfs", "davfs", "afs", "ocfs2")
)
_NOT_NETWORK = frozenset(("9p",))  # virtio: a folder of the machine around
_BY = {"LABEL": "label", "UUID": "uuid", "PARTUUID": "partuuid", "PARTLABEL": "partlabel", "ID": "id"}
PATIENCE = 30.0
"""Seconds for a device that shall be there, the same for whoever waits: what one finds, the other has seen too."""


class Entry(NamedTuple):
    """A line of fstab."""

    spec: str
    target: str
    type: str
    options: tuple[str, ...]
    passno: int = 0

    @property
    def is_swap(self) -> bool:
        """Tell whether it is no file system but swap space."""
        return self.type == "swap"

    @property
    def is_remote(self) -> bool:
        """Tell whether it takes the network."""
        return "_netdev" in self.options or self.type in _NETWORK_TYPES - _NOT_NETWORK

    @property
    def may_fail(self) -> bool:
        """Tell whether the machine does without it."""
        return "nofail" in self.options

    @property
    def is_manual(self) -> bool:
        """Tell whether it waits for somebody to mount it."""
        return "noauto" in self.options

    @property
    def names_device(self) -> bool:
        """Tell whether it is on a device, rather than made up by the kernel or another machine's."""
        return self.spec.startswith("/dev/") or self.spec.partition("=")[0] in _BY

    def value(self, option: str) -> str | None:
        """Return the value of an option, None if it is not given."""
        return next((o.partition("=")[2] for o in self.options if o.startswith(f"{option}=")), None)

    @property
    def patience(self) -> float:
        """The seconds to wait for its device."""
        usual = 0.0 if self.may_fail else PATIENCE
        text = (self.value("x-systemd.device-timeout") or "").removesuffix("s")
        return float(text) if text.isdecimal() else usual


def entries(root: str = "/") -> list[Entry]:
    """Return the lines of fstab; what has no sense there is passed over, as mount does. No file: no lines."""
    try:
        with open(os.path.join(root, PATH), "rb") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    return [entry for line in lines if (entry := _entry(line)) is not None]


def _entry(line: bytes) -> Entry | None:
    words = [mounts.unescaped(word) for word in line.split()]
    if len(words) < 3 or line.lstrip().startswith(b"#"):
        return None
    options = tuple(words[3].split(",")) if len(words) > 3 else ("defaults",)
    passno = int(words[5]) if len(words) > 5 and words[5].isdecimal() else 0
    return Entry(words[0], words[1], words[2], options, passno)


def device(spec: str) -> str | None:
    """Return the device that a line of fstab names, None if it is not there."""
    kind, equals, name = spec.partition("=")
    if not equals or kind not in _BY:
        return spec if os.path.exists(spec) else None
    name = name.strip('"')
    link = f"/dev/disk/by-{_BY[kind]}/{_escaped(name)}"
    if os.path.exists(link):  # udev has made it
        return link
    found = output_of(["findfs", f"{kind}={name}"]).strip() if kind != "ID" else ""
    return found or None


def _escaped(name: str) -> str:
    """Return a name as udev has it in a link."""
    return "".join(c if c.isalnum() or c in "#+-.:=@_" else f"\\x{ord(c):02x}" for c in name)


def wait_for(spec: str, patience: float) -> str | None:
    """Return the device that a line of fstab names as soon as it is there, None if it does not come in `patience` s.

    It looks again whenever the kernel or udev tells of a device.
    """
    try:
        news = netlink.listen(netlink.UEVENTS, netlink.KERNEL | netlink.UDEV)
    except OSError:
        return device(spec)
    with news:
        deadline = time.monotonic() + patience
        while (found := device(spec)) is None and (left := deadline - time.monotonic()) > 0:
            if select.select([news], [], [], left)[0]:
                netlink.drain(news)
        return found
