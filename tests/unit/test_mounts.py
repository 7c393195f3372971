"""What kinds of file systems may hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.linux.mounts import is_slow, remote, types

TABLE = rb"""36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 35 0:5 / /with\040space rw - fuse.sshfs user@host:/ rw
38 35 0:6 / /n rw shared:1 master:2 propagate_from:3 unbindable - nfs4 server:/x rw
nonsense

39 35 0:7 / /proc rw - proc proc rw
"""


def test_types_of_a_table() -> None:
    """The type comes after the dash, however many optional fields there are."""
    assert types(TABLE) == {"ext3", "fuse.sshfs", "nfs4", "proc"}


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "fuse", "fuse.sshfs", "fuseblk", "9p", "autofs", "virtiofs"])
def test_slow(kind: str) -> None:
    """Network and user-space file systems may hang."""
    assert is_slow(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "overlay", "tmpfs", "proc", "fusectl", "fuse.lxcfs", "fuse.portal", "", "nfsd"]
)
def test_quick(kind: str) -> None:
    """Local ones do not, nor those on which no program lives."""
    assert not is_slow(kind)


def test_the_file_system_of_a_path(tmp_path: Path) -> None:
    """The nearest mount point above counts, symbolic links are followed, and shares of a machine's host are no net."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "to-net").symlink_to(tmp_path / "net" / "x")
    (tmp_path / "here").symlink_to("plain/../net")
    (tmp_path / "round").symlink_to("round")
    mounted = {
        "/": "ext4",
        str(tmp_path / "net"): "nfs4",
        str(tmp_path / "net" / "local"): "tmpfs",
        str(tmp_path / "host"): "virtiofs",
    }
    found = {
        name: remote(f"{tmp_path}/{name}/web.log", mounted)
        for name in ("plain", "net", "net/deep/er", "to-net", "here", "host", "round", "plain/../net", "network")
    }
    assert {name for name, kind in found.items() if kind} == {"net", "net/deep/er", "to-net", "here", "plain/../net"}
    assert set(found.values()) == {"", "nfs4"}
