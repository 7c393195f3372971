"""What ends the machine where PID 1 does not get there: a child that waits for a deadline, and presses SysRq keys.

PID 1 itself makes no call that could hang, but its program lies on a file system and its memory may be on a swap
device; and reboot(2) waits for every driver. The child has what it needs open, so that it looks nothing up. Must not
know what PID 1 does meanwhile, only by when it is to be done.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable
from typing import NoReturn

from asyncinit.config.spec import PowerAction
from asyncinit.linux import reboot
from asyncinit.linux.close_range import close_all_but
from asyncinit.linux.process import set_name

_BREATH = 2.0  # for the kernel to do what one key asks before the next
_DEADLINE = struct.Struct("=d")


class LastResort:
    """The child that waits; `pid` is None where there can be none (no SysRq)."""

    def __init__(self, action: PowerAction, seconds: float) -> None:
        self.pid: int | None = None
        self._pipe = -1
        try:
            sysrq = reboot.open_sysrq()
        except OSError:
            return
        try:
            reader, self._pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            self.pid = os.fork()
            if self.pid == 0:
                _wait(reader, sysrq, reboot.how_to(action).keys, time.monotonic() + seconds)
            os.close(reader)
        except OSError:
            pass  # no memory: then there is one way less
        finally:
            os.close(sysrq)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open."""
        return () if self._pipe < 0 else (self._pipe,)

    def put_off(self, seconds: float) -> None:
        """Have it wait so long from now on."""
        if self._pipe >= 0:
            try:
                os.write(self._pipe, _DEADLINE.pack(time.monotonic() + seconds))
            except OSError:
                pass  # it is gone, or does not read: it has a deadline


def _wait(reader: int, sysrq: int, keys: str, deadline: float) -> NoReturn:
    """In the child: wait for the deadline, the newest that we were told, and press the keys."""
    try:
        os.setsid()
        set_name("last-resort")
        close_all_but(reader, sysrq)
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(1000 * left):
                data = os.read(reader, 1 << 16)
                if not data:
                    poll.unregister(reader)  # PID 1 can't end; but if it did, this is the more needed
                elif len(data) >= _DEADLINE.size:
                    (deadline,) = _DEADLINE.unpack(data[-_DEADLINE.size :])
        press(keys, lambda key: reboot.press(sysrq, key), pause)
    except BaseException:
        pass
    finally:
        os._exit(0)


def pause(seconds: float) -> None:
    """Wait."""
    select.poll().poll(1000 * seconds)


def press(keys: str, one: Callable[[str], None], sleep: Callable[[float], None]) -> None:
    """Press the keys, each with the time that it takes; one that fails does not keep the next from being pressed."""
    for key in keys:
        try:
            one(key)
        except OSError:
            pass
        sleep(_BREATH)
