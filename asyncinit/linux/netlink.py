"""News that the kernel sends by netlink(7): of devices and of addresses; must not know what they say.

Whoever waits for one of several things looks at them anew whenever there is news, so what it says is not read.
"""

from __future__ import annotations

import socket

UEVENTS = 15
"""NETLINK_KOBJECT_UEVENT, <linux/netlink.h>: devices that come and go."""
KERNEL, UDEV = 1, 2
"""The groups of UEVENTS: the kernel's own messages, and udev's when it has made its links."""

_LARGEST = 1 << 17


def listen(protocol: int, groups: int) -> socket.socket:
    """Return a socket that is readable whenever there is news; `drain` reads it empty. Raises OSError."""
    news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        news.bind((0, groups))
    except OSError:
        news.close()
        raise
    return news


def drain(news: socket.socket) -> None:
    """Read all that has come; the kernel drops some where it is much, which is news as well."""
    while True:
        try:
            news.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            continue
