"""The signalfd, the masks and what a forked child starts with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from asyncinit.linux import signals
from tests.support import ROOT


def in_child(code: str) -> str:
    """Run Python code in a process of its own and return its output."""
    line = [sys.executable, "-c", code]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


def test_structure_sizes_are_the_kernels() -> None:
    """struct signalfd_siginfo has 128 bytes, and a sigset_t of the C library too."""
    assert signals._SIGINFO.size == 128
    assert len(signals._sigset(())) == 128


def test_catchable_is_all_but_what_must_not_or_cannot_be_blocked() -> None:
    """The faults, SIGKILL and SIGSTOP are out; everything else, real-time signals too, is in."""
    everything = signals.FAULTS | signals.CATCHABLE | {signal.SIGKILL, signal.SIGSTOP}
    assert everything == set(map(int, signal.valid_signals()))
    assert len(signals.FAULTS) == 7
    assert {signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMIN, signal.SIGRTMAX} <= signals.CATCHABLE


def test_a_signalfd_tells_number_sender_and_origin() -> None:
    """What a process sent carries its pid and uid, and does not come from the kernel; the descriptor is private."""
    code = """
import os
from asyncinit.linux import signals
signals.block(signals.CATCHABLE)
fd = signals.signalfd(signals.CATCHABLE)
assert signals.read_signals(fd) == []
os.kill(os.getpid(), 10); os.kill(os.getpid(), 64)
first, second = signals.read_signals(fd)
assert first == (10, 0, os.getpid(), os.getuid()) and second.number == 64, (first, second)
assert not first.from_kernel
assert not os.get_inheritable(fd) and not os.get_blocking(fd)
print("well")
"""
    assert in_child(code) == "well\n"


def test_a_signal_of_the_kernel_is_known_as_such() -> None:
    """A timer's and a terminal's signals say that the kernel sent them."""
    code = """
import os, pty, fcntl, select, termios
from asyncinit.linux import signals
os.setsid()
signals.block(signals.CATCHABLE)
fd = signals.signalfd(signals.CATCHABLE)
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
os.write(master, b"\\x03")
select.select([fd], [], [])  # the terminal works in a kernel thread
(info,) = signals.read_signals(fd)
assert info.number == 2 and info.from_kernel, info
print("well")
"""
    assert in_child(code) == "well\n"


def test_a_flood_loses_no_other_signal() -> None:
    """2,000 pending real-time signals, thousands of SIGUSR1 and one SIGTERM: the SIGTERM is read, each once pending."""
    code = """
import os
from asyncinit.linux import signals
signals.block(signals.CATCHABLE)
fd = signals.signalfd(signals.CATCHABLE)
for _ in range(2000):
    os.kill(os.getpid(), 10); os.kill(os.getpid(), 40)
os.kill(os.getpid(), 15)
got = []
while new := signals.read_signals(fd):
    assert len(new) <= 1024
    got += [info.number for info in new]
assert (got.count(10), got.count(15), got.count(40)) == (1, 1, 2000)
print("well")
"""
    assert in_child(code) == "well\n"


def test_a_child_is_reset_to_defaults() -> None:
    """After reset_in_child a program starts with nothing blocked and nothing ignored."""
    code = """
import os, signal
from asyncinit.linux import signals
for number in (1, 13, 17, 25, 40):
    signal.signal(number, signal.SIG_IGN)
signals.block(signals.CATCHABLE)
if os.fork() == 0:
    signals.reset_in_child()
    os.execvp("grep", ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"])
try:
    os.wait()
except ChildProcessError:
    pass
"""
    blocked, ignored = (int(line.split()[1], 16) for line in in_child(code).splitlines())
    internal = 0x180000000  # 32 and 33, glibc's own: a caller's posix_spawn leaves them ignored, and nobody can say so
    assert (blocked, ignored & ~internal) == (0, 0)


def test_a_bad_descriptor_is_an_oserror() -> None:
    """Reading signals from something closed raises OSError and gives no empty answer."""
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    try:
        signals.read_signals(reader)
    except OSError:
        return
    raise AssertionError("no error")
