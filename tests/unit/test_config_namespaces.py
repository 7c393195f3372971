"""[namespaces]: what its values mean, what they must agree on, and how they are shown again."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from asyncinit.config import spec
from asyncinit.config.sections import namespaces
from asyncinit.config.spec import IdRange, Mount, MountKind, NamespaceKind
from tests.unit.config_world import read_service, service, told

COMMAND = 'command = "x"\n'


def resolved(table: dict[str, Any]) -> spec.Namespaces:
    return namespaces.resolve(msgspec.convert(table, namespaces.NamespacesTable))


def mount(table: dict[str, Any]) -> Mount:
    (found,) = resolved({"mounts": [table]}).mounts
    return found


def test_nothing_is_separate_without_a_key() -> None:
    """An empty table is as none: the service is where asyncinit is."""
    assert not resolved({})
    assert resolved({}).private() == frozenset()


@pytest.mark.parametrize(
    ("table", "private"),
    [
        ({"net": "private"}, {NamespaceKind.NET}),
        ({"root": "/srv"}, {NamespaceKind.MOUNT}),
        ({"mounts": [{"source": "/a"}]}, {NamespaceKind.MOUNT}),
        ({"pid": "private"}, {NamespaceKind.PID, NamespaceKind.MOUNT}),
        ({"user": "private", "uts": "host"}, {NamespaceKind.USER}),
    ],
)
def test_file_systems_become_private_where_something_needs_it(
    table: dict[str, Any], private: set[NamespaceKind]
) -> None:
    """A root, mounts and a private pid, whose /proc is another, take a mount namespace along."""
    assert resolved(table).private() == private


def test_a_bind_is_recursive_and_shown_where_it_is() -> None:
    """The target of a bind is its source unless something else is said; a dash says that it may be absent."""
    assert mount({"source": "-/srv/data"}) == Mount(MountKind.BIND, "/srv/data", source="/srv/data", optional=True)


def test_the_kernels_file_systems_have_the_options_that_fit() -> None:
    """What nobody runs programs from, or opens devices in, is mounted so, unless options are given."""
    proc = mount({"type": "proc", "target": "/proc/"})
    assert (proc.target, proc.nosuid, proc.nodev, proc.noexec) == ("/proc", True, True, True)
    tmpfs = mount({"type": "tmpfs", "target": "/tmp", "size": "1M", "mode": "1777", "options": []})
    assert (tmpfs.size, tmpfs.mode, tmpfs.nosuid) == (1 << 20, 0o1777, False)


def test_an_overlay_without_an_upper_folder_is_read_only() -> None:
    """There is no place to write to."""
    table: dict[str, Any] = {"type": "overlay", "target": "/x", "lower": ["/a", "/b"]}
    assert mount(table).read_only
    assert not mount({**table, "upper": "/u", "work": "/w"}).read_only


def test_ids_are_mapped_in_ranges() -> None:
    """INSIDE:OUTSIDE:COUNT."""
    assert resolved({"uid_map": ["0:100000:65536"]}).uid_map == (IdRange(0, 100000, 65536),)


EVERYTHING = """
prefer = ["namespaces", "namespaces.net"]
[namespaces]
pid = "private"
init = false
mount = "private"
net = "host"
ipc = "private"
uts = "private"
cgroup = "private"
user = "private"
root = "/srv/root"
hostname = "web-1"
uid_map = ["0:100000:65536"]
gid_map = ["0:100000:65536"]

[[namespaces.mounts]]
source = "-/srv/data"
target = "/data"
read_only = true
recursive = false
options = ["nodev"]

[[namespaces.mounts]]
type = "tmpfs"
target = "/tmp"
size = "64M"
mode = "1777"

[[namespaces.mounts]]
type = "overlay"
target = "/opt"
lower = ["/a", "/b"]
upper = "/u"
work = "/w"

[[namespaces.mounts]]
type = "proc"
target = "/proc"
options = []
"""


def test_what_is_shown_means_the_same(tmp_path: Path) -> None:
    """The keys that are shown resolve to what they were shown from."""
    found = service(tmp_path, COMMAND + EVERYTHING).namespaces
    assert resolved(namespaces.declare(found)) == found
    assert namespaces.declare(spec.Namespaces()) == {}


MISTAKES = {
    "hostname without uts": (
        '[namespaces]\nhostname = "web"',
        '3: namespaces.hostname: is for a private uts: asyncinit\'s own is not changed for a service (expected uts = "private" beside it)',
    ),
    "strange hostname": (
        '[namespaces]\nuts = "private"\nhostname = "a_b"',
        '4: namespaces.hostname: found "a_b", expected a name of letters, digits, dots and dashes',
    ),
    "init without pid": (
        "[namespaces]\ninit = false",
        '3: namespaces.init: is about process 1 of a private pid, and it has none (expected pid = "private" beside it)',
    ),
    "maps without user": (
        '[namespaces]\nuid_map = ["0:1:1"]\ngid_map = []',
        '3: namespaces.uid_map: is for a private user: asyncinit\'s own is not changed for a service (expected user = "private" beside it)',
    ),
    "half a mapping": (
        '[namespaces]\nuser = "private"\nuid_map = ["0:1:1"]',
        "4: namespaces.uid_map: is half a mapping (expected gid_map beside it)",
    ),
    "ranges that overlap": (
        '[namespaces]\nuser = "private"\nuid_map = ["0:1000:10", "9:5000:1"]\ngid_map = ["0:1000:10"]',
        '4: namespaces.uid_map[1]: has inside ids that "0:1000:10" has too',
    ),
    "no range": (
        '[namespaces]\nuser = "private"\nuid_map = ["0:1000"]\ngid_map = ["0:1000:1"]',
        '4: namespaces.uid_map[0]: found "0:1000", expected ids such as "0:100000:65536": INSIDE:OUTSIDE:COUNT',
    ),
    "relative root": (
        '[namespaces]\nroot = "srv/web"',
        '3: namespaces.root: is not an absolute path (found "srv/web")',
    ),
    "relative folder in a root": (
        'working_directory = "web"\n[namespaces]\nroot = "/srv/web"',
        '2: working_directory: is not an absolute path (found "web")',
    ),
    "root in the host's mounts": (
        '[namespaces]\nmount = "host"\nroot = "/srv/web"',
        '3: namespaces.mount: cannot stand beside namespaces.root: that takes file systems of its own (found "host", expected "private")',
    ),
    "own processes in the host's mounts": (
        '[namespaces]\nmount = "host"\npid = "private"',
        '3: namespaces.mount: cannot stand beside pid = "private": a /proc of its own takes file systems of its own (found "host", expected "private")',
    ),
    "pod without a pod": (
        '[namespaces]\nnet = "pod"',
        '3: namespaces.net: is for a service in a pod (found "pod", expected pod = "NAME" at the top level, or "private")',
    ),
    "probe from outside": (
        '[namespaces]\nnet = "private"\n[ready]\ntcp = "127.0.0.1:80"',
        "5: ready.tcp: is looked at from outside of its private network (namespaces.net), and never answers; did you mean command?",
    ),
    "a pid that means another process": (
        '[namespaces]\npid = "private"\n[ready]\npid_file = "/run/x.pid"',
        "5: ready.pid_file: tells a number of its private pid (namespaces.pid), which is another process outside; did you mean notify?",
    ),
    "another program's network": (
        "PrivateNetwork = true",
        "2: PrivateNetwork: is not a known key; did you mean [namespaces] net?",
    ),
    "a misspelt key of a mount": (
        '[[namespaces.mounts]]\nsource = "/x"\ntargt = "/y"',
        "4: namespaces.mounts[0].targt: is not a known key; did you mean target?",
    ),
    "mount of nothing": (
        '[[namespaces.mounts]]\ntarget = "/data"',
        "2: namespaces.mounts[0]: does not say what is mounted (expected source = PATH)",
    ),
    "mount to nowhere": (
        '[[namespaces.mounts]]\ntype = "tmpfs"',
        "2: namespaces.mounts[0]: does not say where it is mounted (expected target = PATH)",
    ),
    "mount out of the root": (
        '[[namespaces.mounts]]\nsource = "/x"\ntarget = "/../x"',
        '4: namespaces.mounts[0].target: has ".." in it (found "/../x")',
    ),
    "mount of the root": (
        '[[namespaces.mounts]]\nsource = "/x"\ntarget = "/"',
        "4: namespaces.mounts[0].target: is the root itself (expected root = PATH in [namespaces])",
    ),
    "another kind's key": (
        '[[namespaces.mounts]]\nsource = "/x"\nsize = "1M"',
        "4: namespaces.mounts[0].size: means nothing for a mount of type bind",
    ),
    "overlay of nothing": (
        '[[namespaces.mounts]]\ntype = "overlay"\ntarget = "/x"',
        "2: namespaces.mounts[0]: has nothing to read (expected lower = [PATH])",
    ),
    "overlay without work": (
        '[[namespaces.mounts]]\ntype = "overlay"\ntarget = "/x"\nlower = ["/a"]\nupper = "/u"',
        "6: namespaces.mounts[0].upper: needs work beside it (expected work = PATH)",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    """Each is told once, with line and key, what was found and what was expected."""
    text, expected = MISTAKES[name]
    assert [told(problem) for problem in read_service(tmp_path, COMMAND + text).problems] == [expected]
