"""`python -m asyncinit.machine.programs.power_button`: have the machine switched off when its power button is pressed.

The button is an input device that has the key (ACPI's, a board's own by gpio-keys, a keyboard's); which devices there
are the kernel says in /sys, and by a message when one comes. Pressed again on the way down, nothing is waited for.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from collections.abc import Callable

from asyncinit.linux import netlink
from asyncinit.machine.programs.child import run

KEY_POWER = 116  # <linux/input-event-codes.h>
_EV_KEY = 1
_PRESSED = 1
_EVENT = struct.Struct("llHHi")  # struct input_event: time, type, code, value
_MANY = 64

POWEROFF = (sys.executable, "-m", "asyncinit", "poweroff", "--no-wait")


def buttons(root: str = "/") -> set[str]:
    """Return the paths of the devices that have the key."""
    folder = os.path.join(root, "sys/class/input")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {
        os.path.join(root, "dev/input", name)
        for name in names
        if name.startswith("event") and _has_key(os.path.join(folder, name, "device/capabilities/key"))
    }


def _has_key(path: str) -> bool:
    """Tell whether the bits of a device have the key: hexadecimal words, of a long each, the highest first."""
    try:
        with open(path, encoding="ascii") as file:
            words = file.read().split()
    except OSError:
        return False
    at, bit = divmod(KEY_POWER, 8 * struct.calcsize("l"))
    return at < len(words) and bool(int(words[-1 - at], 16) >> bit & 1)


def presses(data: bytes) -> int:
    """Return how often the key was pressed, in the events that a device has given."""
    whole = len(data) - len(data) % _EVENT.size
    return sum(
        (kind, code, value) == (_EV_KEY, KEY_POWER, _PRESSED)
        for _, _, kind, code, value in _EVENT.iter_unpack(data[:whole])
    )


class Buttons:
    """All power buttons, those that come later too; `pressed` is called for each press."""

    def __init__(self, pressed: Callable[[], object], find: Callable[[], set[str]] = buttons) -> None:
        self._pressed = pressed
        self._find = find
        self._poll = select.poll()
        self._open: dict[int, str] = {}

    def look(self) -> None:
        """Open those that are there and not open yet."""
        for path in sorted(self._find() - set(self._open.values())):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                print(f"cannot open {path}: {(error.strerror or '').lower()}", file=sys.stderr, flush=True)
                continue
            self._open[fd] = path
            self._poll.register(fd, select.POLLIN)
            print(f"{path} has a power button", flush=True)

    def wait(self, news: socket.socket | None = None) -> None:
        """Wait for something to happen, and do what follows."""
        if news is not None:
            self._poll.register(news, select.POLLIN)
        for fd, _ in self._poll.poll():
            if fd in self._open:
                self._read(fd)
            elif news is not None:
                netlink.drain(news)
                self.look()

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _EVENT.size * _MANY)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # the device is gone
        if not data:
            self._poll.unregister(fd)
            os.close(fd)
            del self._open[fd]
        for _ in range(presses(data)):
            self._pressed()


def main() -> None:
    """Ask for the end of the machine at each press."""
    news = netlink.listen(netlink.UEVENTS, netlink.KERNEL)
    all_buttons = Buttons(lambda: run(POWEROFF))
    all_buttons.look()
    while True:
        all_buttons.wait(news)


if __name__ == "__main__":
    main()
