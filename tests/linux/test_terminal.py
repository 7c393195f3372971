"""Terminals and namespaces, by their system calls."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from asyncinit.linux import libc, namespaces, terminal
from tests.support import ROOT


def in_session(code: str) -> str:
    """Run Python code in a session of its own without a terminal and return its output."""
    line = [sys.executable, "-c", "import os, signal\nfrom asyncinit.linux import terminal\n" + code]
    return subprocess.run(
        line,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
        start_new_session=True,
    ).stdout


def test_a_pty_has_a_size_and_is_private() -> None:
    """Both ends are close-on-exec; what is set as size on one is read on the other."""
    ours, theirs = terminal.open_pty()
    try:
        terminal.set_window_size(ours, 40, 100)
        assert terminal.window_size(theirs) == (40, 100)
        assert not os.get_inheritable(ours)
        assert not os.get_inheritable(theirs)
        assert terminal.foreground(theirs) is None  # not our controlling terminal
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_is_no_terminal_has_no_foreground() -> None:
    """A pipe, a closed descriptor: no foreground, and setting it fails without an exception."""
    reader, writer = os.pipe()
    os.close(writer)
    assert terminal.foreground(reader) is None
    assert not terminal.set_foreground(reader, os.getpgrp())
    os.close(reader)
    assert terminal.foreground(reader) is None


def test_a_controlling_terminal_is_taken_found_lent_and_released() -> None:
    """A session leader takes a terminal, lends it to a child's group, takes it back, and gives it up."""
    code = """
assert terminal.controlling_terminal() == -1
assert not terminal.JobControl().wanted_at_start()
ours, theirs = terminal.open_pty()
terminal.make_controlling(theirs)
jobs = terminal.JobControl()
assert jobs.fd > 2 and not os.get_inheritable(jobs.fd) and jobs.wanted_at_start()
reader, writer = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(writer)
    os.read(reader, 1)
    os._exit(0)
os.setpgid(pid, pid)
assert jobs.lend(pid) and jobs.lend(pid) and terminal.foreground(theirs) == pid
assert not jobs.wanted_at_start()
jobs.take_back(pid)
assert terminal.foreground(theirs) == os.getpgrp()
assert jobs.lend(pid)
os.close(writer)
os.waitpid(pid, 0)
jobs.take_back(12345678)  # the group is gone, so the terminal is nobody's
assert terminal.foreground(theirs) == os.getpgrp()
assert not jobs.lend(pid)
assert not jobs.stop_with(pid, signal.SIGTSTP)  # the group of a session leader is orphaned
signal.signal(signal.SIGHUP, signal.SIG_IGN)
terminal.release_controlling(theirs)
assert terminal.controlling_terminal() == -1
print("well")
"""
    assert in_session(code) == "well\n"


def test_stopping_with_a_job_waits_for_its_continuation() -> None:
    """Where a parent can continue us, stop_with stops our group and comes back with SIGCONT still pending."""
    code = """
from asyncinit.linux import signals
signals.block(signals.CATCHABLE)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    jobs = terminal.JobControl()
    came_back = jobs.stop_with(os.getpgrp(), signal.SIGTSTP)
    os._exit(7 if came_back and signal.sigpending() == {signal.SIGCONT} else 8)
stopped = os.waitpid(pid, os.WUNTRACED)[1]
assert os.WIFSTOPPED(stopped) and os.WSTOPSIG(stopped) == signal.SIGTSTP
os.kill(pid, signal.SIGCONT)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert in_session(code) == "7\n"


def test_we_know_our_pid_namespace() -> None:
    """Not being PID 1, we own no PID namespace, so nothing here may ever kill all."""
    assert not namespaces.owns_pid_namespace()
    inode = os.stat("/proc/self/ns/pid").st_ino
    assert namespaces.in_initial_pid_namespace() == (inode == namespaces._INITIAL_PID_NAMESPACE)


def test_refusals_are_oserrors() -> None:
    """Nonsense given to the namespace calls raises OSError with the kernel's errno."""
    for call in (lambda: namespaces.unshare(0xFFFF), lambda: namespaces.setns(-1)):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno in (errno.EINVAL, errno.EBADF, errno.EPERM)
    with pytest.raises(OSError):
        namespaces.mount_proc("/nonexistent")


def test_a_sibling_is_our_parents_child() -> None:
    """A process made by fork_sibling has our parent as its parent."""
    code = """
from asyncinit.linux import namespaces
helper = os.fork()
if helper == 0:
    if namespaces.fork_sibling(0, signal.SIGCHLD) == 0:
        os._exit(9)
    os._exit(1)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)))
"""
    assert in_session(code) == "[1, 9]\n"
    assert libc.clone_number() > 0
