"""Signals as the kernel gives them: masks, signalfd, and who sent what; must not know what a signal is for.

Why a signalfd: one pending bit per signal lives in the kernel, so a flood of one signal can't push out another, and
the sender comes with it. The usual objection, that a library does not own the process's mask, does not hold for an
init: it owns the whole process.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from asyncinit.linux.libc import call

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal  # the signal module turns each number into an enum member; a forked child has 64 of them to reset

FAULTS = frozenset(
    int(number)
    for number in (
        _signal.SIGSEGV,
        _signal.SIGBUS,
        _signal.SIGFPE,
        _signal.SIGILL,
        _signal.SIGTRAP,
        _signal.SIGSYS,
        _signal.SIGABRT,
    )
)
"""Signals by which the kernel tells a fault of this very process; blocked, they would kill it without a trace."""

CATCHABLE = frozenset(map(int, _signal.valid_signals())) - FAULTS - {int(_signal.SIGKILL), int(_signal.SIGSTOP)}
"""What an init blocks and reads: all signals but the faults and the two that nobody can catch."""

SI_KERNEL = 0x80  # <asm-generic/siginfo.h>
_SFD_NONBLOCK = 0o4000  # <sys/signalfd.h>
_SFD_CLOEXEC = 0o2000000
_SIGINFO = struct.Struct("=IiiII108x")  # struct signalfd_siginfo: signo, errno, code, pid, uid, ...
_READ_AT_ONCE = 64
_READS_AT_MOST = 16


class SignalInfo(NamedTuple):
    """One signal that arrived; `pid` and `uid` are the sender's (pid 0: from outside our PID namespace)."""

    number: int
    code: int
    pid: int
    uid: int

    @property
    def from_kernel(self) -> bool:
        """Whether the kernel sent it (a key or the hang-up of a terminal, ctrl-alt-del), not a process."""
        return self.code == SI_KERNEL


def _sigset(signals: Iterable[int]) -> bytes:
    """Return a sigset_t: 1,024 bits in machine words, as glibc and musl have it."""
    bits = struct.calcsize("L") * 8
    words = [0] * (1024 // bits)
    for number in signals:
        words[(number - 1) // bits] |= 1 << (number - 1) % bits
    return struct.pack(f"{len(words)}L", *words)


def signalfd(signals: Iterable[int]) -> int:
    """Return a new descriptor (non-blocking, close-on-exec) from which `signals` can be read.

    The signals must be blocked by the caller, before any thread exists. See signalfd(2); raises OSError.
    """
    return call("signalfd", -1, _sigset(signals), _SFD_CLOEXEC | _SFD_NONBLOCK)


def read_signals(fd: int) -> list[SignalInfo]:
    """Take what has arrived at a signalfd, many at a time, and return it in the kernel's order.

    Bounded, so that a flood of queued real-time signals can't hold the caller; what is left keeps `fd` readable.
    """
    arrived: list[SignalInfo] = []
    for _ in range(_READS_AT_MOST):
        try:
            data = os.read(fd, _SIGINFO.size * _READ_AT_ONCE)
        except BlockingIOError:
            break
        for number, _errno, code, pid, uid in _SIGINFO.iter_unpack(data):
            arrived.append(SignalInfo(number, code, pid, uid))
        if len(data) < _SIGINFO.size * _READ_AT_ONCE:
            break
    return arrived


def block(signals: Iterable[int]) -> set[int]:
    """Add to this thread's signal mask; return the mask that was before."""
    return set(map(int, _signal.pthread_sigmask(_signal.SIG_BLOCK, signals)))


def reset_in_child() -> None:
    """Give a forked child what a program expects: default dispositions for all signals, then an empty mask.

    In this order, so that what is pending meets no handler of ours. Python's own ignoring of SIGPIPE and SIGXFSZ, and
    what our parent made us ignore, would otherwise pass through exec.
    """
    for number in _signal.valid_signals():
        if number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
