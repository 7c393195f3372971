"""What a member of a pod tries in vain, as root: to see, signal, trace or enter what is outside, or the pod's init."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.namespace.sandboxed import Model, World, world

MEMBERS = Model('pod = "pod"', "")


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A pod with members a and b."""
    with world(tmp_path_factory.mktemp("pod"), MEMBERS) as made:
        yield made


@pytest.fixture(scope="module")
def outsider(pod: World) -> Iterator[int]:
    """A process outside, whose number nobody in the pod has."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        assert process.pid not in pod.inside(pod.pid("a"))
        yield process.pid
        process.kill()


def test_it_sees_its_pod_and_nothing_else(pod: World) -> None:
    """Its /proc is that of the pod's PID namespace."""
    seen = pod.ask("a", "sorted(int(name) for name in os.listdir('/proc') if name.isdigit())")
    assert seen == sorted(pod.inside(pod.pid("a")))


def test_it_cannot_signal_what_is_outside(pod: World, outsider: int) -> None:
    """There is no number by which it could, and a signal to all goes to its pod alone."""
    assert pod.ask("a", f"attempt('os.kill({outsider}, 0)')") == errno.ESRCH
    assert pod.ask("a", "attempt('os.kill(-1, 10)')") == 0
    assert os.waitpid(outsider, os.WNOHANG) == (0, 0)


def test_it_cannot_trace_what_is_outside(pod: World, outsider: int) -> None:
    """Nor the pod's init."""
    assert pod.ask("a", f"trace({outsider})") == errno.ESRCH
    assert pod.ask("a", "trace(1)") == errno.EPERM


def test_it_cannot_signal_the_init(pod: World) -> None:
    """Not even by SIGKILL: the kernel passes it nothing from inside."""
    before = pod.pid1(pod.pid("a")).pids
    assert pod.ask("a", "attempt('os.kill(1, 9)')") in {0, errno.EPERM}
    assert pod.ask("a", "attempt('os.kill(1, 15)')") in {0, errno.EPERM}
    assert pod.pid1(pod.pid("a")).pids == before


@pytest.mark.parametrize(
    "name", ["environ", "mem", "maps", "exe", "cwd", "root", "fd/3", "ns/mnt", "ns/pid", "io", "auxv"]
)
def test_it_reads_nothing_of_the_init(pod: World, name: str) -> None:
    """Neither its memory nor a way to the file system that it comes from."""
    refused = {errno.EACCES, errno.EPERM}
    other_kind = {errno.EINVAL, errno.ENOTDIR, errno.EISDIR}
    ways = f"open('/proc/1/{name}').read(1)", f"os.readlink('/proc/1/{name}')", f"os.listdir('/proc/1/{name}')"
    answers = {pod.ask("a", f"attempt({way!r})") for way in ways}
    assert answers <= refused | other_kind
    assert answers & refused


@pytest.mark.parametrize(
    "attempt",
    [
        "libc.mount(b'x', b'/mnt', b'tmpfs', 0, None)",
        "libc.unshare(0x00020000)",
        "libc.pivot_root(b'/', b'/')",
        "libc.umount2(b'/proc', 2)",
        "libc.sethostname(b'x', 1)",
        "libc.reboot(0x01234567)",
        "libc.swapoff(b'/')",
    ],
)
def test_it_has_no_right_to_change_the_system(pod: World, attempt: str) -> None:
    """It has no CAP_SYS_ADMIN, though it is root."""
    loaded = "ctypes.CDLL(None, use_errno=True)"
    text = f"(lambda libc: ({attempt}, ctypes.get_errno()))({loaded})"
    if "pivot_root" in attempt:
        text = f"(lambda libc: (libc.syscall(155, b'/', b'/'), ctypes.get_errno()))({loaded})"
    assert pod.ask("a", text) == (-1, errno.EPERM)


def test_it_makes_no_device(pod: World, tmp_path: Path) -> None:
    """By which it could read the disk of the machine."""
    assert pod.ask("a", f"attempt('os.mknod(\"{tmp_path}/disk\", 0o60600, os.makedev(8, 0))')") == errno.EPERM


@pytest.mark.parametrize(
    "path", ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic"]
)
def test_it_tunes_no_kernel(pod: World, path: str) -> None:
    """What would be run by the machine's root, or concerns all."""
    assert pod.ask("a", f'attempt(\'open("{path}", "a").close()\')') in {errno.EROFS, errno.EACCES, errno.EPERM}
