"""Waiting for any child, prctl, pidfds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from asyncinit.linux import libc, process
from tests.support import ROOT


def in_child(code: str) -> str:
    """Run Python code in a process of its own and return its output."""
    line = [sys.executable, "-c", "import os, signal\nfrom asyncinit.linux import process\n" + code]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


WAIT = """
def wait():
    while (ended := process.wait_any()) is None:
        pass
    return ended
def child(function):
    pid = os.fork()
    if pid == 0:
        function()
        os._exit(99)
    return pid
"""


def test_the_pidfd_structure_has_the_kernels_size() -> None:
    """struct pidfd_info has 64 bytes in its first version, and the request number is made of that."""
    assert process._PIDFD_INFO.size == 64
    assert process._PIDFD_GET_INFO == 0xC040FF0B


def test_how_a_child_ended_is_told_exactly() -> None:
    """A code, a signal and a core dump are told apart; None while nothing has ended; an error without children."""
    code = """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
pid = child(lambda: os._exit(255))
assert wait()[:4] == (pid, 255, None, False)
pid = child(lambda: os.kill(os.getpid(), 9))
assert wait()[:4] == (pid, None, 9, False)
reader, writer = os.pipe()
pid = child(lambda: (os.close(writer), os.read(reader, 1), os._exit(0)))
assert process.wait_any() is None
os.close(writer)
assert wait()[:4] == (pid, 0, None, False)
try:
    process.wait_any()
except ChildProcessError:
    print("none left")
"""
    assert in_child(WAIT + code) == "none left\n"


def test_what_a_child_used_comes_with_its_end() -> None:
    """Its time and its size are those of that child, not of all children so far."""
    code = """
def work():
    data = bytearray(64 << 20)
    for index in range(0, len(data), 4096):
        data[index] = 1
    while os.times().user < 0.2:
        pass
    os._exit(0)
child(work)
busy = wait().usage
child(lambda: os._exit(0))
idle = wait().usage
assert busy.user_seconds >= 0.05 > idle.user_seconds
assert busy.max_rss >= 64 << 20 > idle.max_rss
assert busy.minor_faults > 0
print("well")
"""
    assert in_child(WAIT + code) == "well\n"


def test_children_by_clone_without_sigchld_are_reaped() -> None:
    """A child made by clone(2) with no exit signal, which a plain wait does not see, is reaped as well."""
    code = """
from asyncinit.linux import libc
pid = libc.call("syscall", libc.clone_number(), 0)
if pid == 0:
    os._exit(3)
assert wait()[:4] == (pid, 3, None, False)
print("well")
"""
    assert in_child(WAIT + code) == "well\n"


def test_a_subreaper_gets_orphans() -> None:
    """After set_subreaper an orphan's end is ours to collect."""
    code = """
from asyncinit.linux import subreaper
assert not process.is_subreaper()
subreaper.set_subreaper()
assert process.is_subreaper()
process.set_subreaper(False)
assert not process.is_subreaper()
process.set_subreaper()
def middle():
    if os.fork() == 0:
        os._exit(77)
    os._exit(0)
child(middle)
assert sorted(ended.code for ended in (wait(), wait())) == [0, 77]
print("well")
"""
    assert in_child(WAIT + code) == "well\n"


def test_a_parents_death_is_signalled() -> None:
    """A child with a parent-death signal is ended when its parent ends."""
    code = """
process.set_subreaper()
reader, writer = os.pipe()
def parent():
    if os.fork() == 0:
        process.set_parent_death_signal(15)
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    os._exit(0)
child(parent)
assert sorted((wait()[1:3], wait()[1:3]), key=str) == [(0, None), (None, 15)]
print("well")
"""
    assert in_child(WAIT + code) == "well\n"


def test_prctl_settings() -> None:
    """The name is cut after 15 bytes, whatever is in it; no_new_privs shows in /proc."""
    code = """
process.set_name("a name that is too long")
print(open("/proc/self/comm").read().strip())
process.set_name("")
process.set_no_new_privs()
process.set_dumpable(False)
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")])
"""
    assert in_child(code) == "a name that is \n['1']\n".replace("is \n", "is\n")


def test_pidfd_signals_reach_a_process_or_its_group() -> None:
    """A pidfd's signal reaches that process; with `group` all of the group it leads; a reaped one is an error."""
    code = """
reader, writer = os.pipe()
def leader():
    os.setpgid(0, 0)
    if os.fork() == 0:
        os.write(writer, b"x")
    else:
        os.write(writer, b"x")
    signal.pause()
process.set_subreaper()
pid = child(leader)
fd = process.pidfd_open(pid)
assert not os.get_inheritable(fd)
while os.read(reader, 1) and len(os.sched_getaffinity(0)) and os.read(reader, 1):
    break
try:
    process.pidfd_signal(fd, 15, group=True)
except OSError as error:
    assert error.errno == 22  # before Linux 6.9
    os.killpg(pid, 15)
assert {wait().signal, wait().signal} == {15}
try:
    process.pidfd_signal(fd, 0)
except ProcessLookupError:
    print("gone")
"""
    assert in_child(WAIT + code) == "gone\n"


def test_pidfd_exit_tells_what_others_have_reaped() -> None:
    """The status of a process is had from its pidfd once it was reaped, where the kernel can; never made up."""
    code = """
pid = child(lambda: os._exit(5))
fd = process.pidfd_open(pid)
assert process.pidfd_exit(fd) is None
wait()
assert process.pidfd_exit(fd) in (None, (0, 5, None, False, None))
pid = child(lambda: os.kill(os.getpid(), 9))
fd = process.pidfd_open(pid)
wait()
assert process.pidfd_exit(fd) in (None, (0, None, 9, False, None))
print("well")
"""
    assert in_child(WAIT + code) == "well\n"


def test_errors_name_the_call() -> None:
    """A failing call raises OSError with its errno and the function's name."""
    with pytest.raises(OSError, match=r"Bad file descriptor.*setns") as caught:
        libc.call("setns", -1, 0)
    assert caught.value.errno == 9


def test_a_python_without_ctypes_is_told_so() -> None:
    """Where ctypes can't be imported, the error says what to install."""
    code = """
import sys
sys.modules["ctypes"] = sys.modules["_ctypes"] = None
from asyncinit.errors import MissingCtypesError
from asyncinit.linux import subreaper
try:
    subreaper.set_subreaper()
except MissingCtypesError as error:
    print("ctypes" in str(error) and "python3-minimal" in str(error))
"""
    assert in_child(code) == "True\n"


def test_a_subreaper_without_the_ctypes_package_or_its_inside() -> None:
    """set_subreaper works by the C module alone, and by the package where the C module has changed."""
    for missing in ("ctypes", "_ctypes.dlsym"):
        code = f"""
import sys
name = {missing!r}
if name == "ctypes":
    sys.modules["ctypes"] = None
else:
    import ctypes, _ctypes
    del _ctypes.dlsym
from asyncinit.linux import subreaper
subreaper.set_subreaper()
del sys.modules["ctypes"]
assert process.is_subreaper()
print("well")
"""
        assert in_child(code) == "well\n"


def test_pids_of_our_own() -> None:
    """A pidfd of ourselves can be opened and asked: we have not ended."""
    fd = process.pidfd_open(os.getpid())
    try:
        assert process.pidfd_exit(fd) is None
    finally:
        os.close(fd)
