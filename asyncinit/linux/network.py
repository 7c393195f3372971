"""The network of a namespace that is new: its loopback; must not know whose it is."""

from __future__ import annotations

import fcntl
import socket
import struct

_SIOCGIFFLAGS = 0x8913  # <linux/sockios.h>
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1  # <net/if.h>
_REQUEST = struct.Struct("=16sH22x")  # struct ifreq: the name, and flags in its union


def bring_up(interface: str = "lo") -> None:
    """Bring an interface of our network namespace up; loopback gets 127.0.0.1 and ::1 with that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        name = interface.encode()
        _, flags = _REQUEST.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, _REQUEST.pack(name, 0)))
        fcntl.ioctl(control, _SIOCSIFFLAGS, _REQUEST.pack(name, flags | _IFF_UP))
