"""`python -m asyncinit.machine.programs.network`: bring the network up, keep it up, take it down at SIGTERM.

What it shall be says /etc/asyncinit/network.toml (see `network_file`); else /etc/network/interfaces, where there is an
ifup; else every Ethernet interface asks by DHCP, and the first address will do. Ready (sd_notify) when all that is
waited for has an address, or when it was waited for long enough.

DHCP is done by the client that there is. When one ends by itself so do we, with a failure and all addresses in place:
asyncinit starts us again, as it does with everybody.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from ipaddress import IPv4Interface
from typing import NoReturn

from asyncinit.linux import netlink, rtnetlink
from asyncinit.linux.network import bring_up
from asyncinit.machine.programs import network_file, resolving
from asyncinit.machine.programs.child import end, run, start
from asyncinit.machine.programs.first_of import find, first_there
from asyncinit.machine.programs.lease import forget
from asyncinit.machine.programs.network_file import Link, Network, NetworkFileError

_INTERFACES = "etc/network/interfaces"
_ETHERNET = "1"  # ARPHRD_ETHER, <net/if_arp.h>


def found_by_itself(root: str = "/") -> Network:
    """Return what a machine shall have of which nothing is said: DHCP on each Ethernet device."""
    folder = os.path.join(root, "sys/class/net")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return Network(
        tuple(Link(name, dhcp=True) for name in names if _is_ethernet(os.path.join(folder, name))), any_of_them=True
    )


def _is_ethernet(path: str) -> bool:
    """Tell whether it is a device with a plug: no bridge, no half of a pair, no radio."""
    if not os.path.exists(os.path.join(path, "device")) or os.path.exists(os.path.join(path, "wireless")):
        return False
    with open(os.path.join(path, "type"), encoding="ascii") as file:
        return file.read().strip() == _ETHERNET


def dhcp_commands(interface: str, script: str) -> list[list[str]]:
    """Return the clients that may ask for an address, the best first; each stays in the foreground."""
    udhcpc = ["udhcpc", "-f", "-R", "-i", interface, "-s", script]
    return [
        ["dhcpcd", "--nobackground", "--quiet", interface],
        ["dhclient", "-d", "-q", interface],
        udhcpc,
        ["busybox", *udhcpc],
    ]


def lease_script(kept: Sequence[rtnetlink.Interface] = ()) -> str:
    """Return the path of a script that udhcpc can execute, which is `lease` by this Python, told of what is `kept`.

    It is in memory, since no folder is sure to be writable and without noexec; it lives as long as we do.
    """
    descriptor = os.memfd_create("udhcpc-script", 0)
    addresses = " ".join(map(str, kept))
    python = sys.executable.replace("'", "'\\''")
    os.write(
        descriptor, f"#!/bin/sh\nexec '{python}' -m asyncinit.machine.programs.lease \"$1\" {addresses}\n".encode()
    )
    # Opened for reading: the kernel executes nothing that is open for writing.
    path = f"/proc/{os.getpid()}/fd/{os.open(f'/proc/self/fd/{descriptor}', os.O_RDONLY)}"
    os.close(descriptor)
    return path


class Links:
    """The interfaces as they were brought up: what has to be taken away again."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.clients: dict[int, str] = {}
        self._given: list[tuple[int, rtnetlink.Interface]] = []

    def bring_up(self) -> list[str]:
        """Bring all up; return what could not be done."""
        failed = []
        for link in self.network.links:
            try:
                self._bring_up(link)
            except OSError as error:
                failed.append(f"{link.name}: {(error.strerror or str(error)).lower()}")
        return failed

    def _bring_up(self, link: Link) -> None:
        index = rtnetlink.index_of(link.name)
        bring_up(link.name)
        for address in link.addresses:
            rtnetlink.add_address(index, address)
            self._given.append((index, address))
        for gateway in link.gateways:
            rtnetlink.add_default_route(index, gateway)
        if link.servers or link.search:
            resolving.say(f"{link.name}.declared", link.servers, link.search)
        if link.dhcp:
            self._ask(link)

    def _ask(self, link: Link) -> None:
        command = first_there(dhcp_commands(link.name, lease_script(link.addresses)))
        if not command:
            raise OSError(0, "there is no DHCP client: dhcpcd, dhclient, udhcpc or a busybox with it")
        pid = start(command[1:])
        if pid is None:
            raise OSError(0, "its DHCP client cannot be run")
        self.clients[pid] = link.name

    def lacking(self) -> list[str]:
        """Return the interfaces that are waited for and have no address yet."""
        have = [found for found in rtnetlink.addresses() if _counts(found)]
        awaited = [link for link in self.network.links if not link.optional]
        lacking = [link.name for link in awaited if not has_address(link, _index(link.name), have)]
        return [] if self.network.any_of_them and len(lacking) < len(awaited) else lacking

    def take_down(self) -> None:
        """Take away all that was given."""
        for pid, interface in self.clients.items():
            end(pid)
            try:
                forget(interface)  # some clients leave the address
            except OSError:
                pass  # the interface is gone
        for index, address in self._given:
            try:
                rtnetlink.remove_address(index, address)
            except OSError:
                pass  # somebody else has, or the interface is gone
        for link in self.network.links:
            resolving.say(f"{link.name}.declared", (), ())


def has_address(link: Link, number: int, have: Sequence[rtnetlink.Found]) -> bool:
    """Tell whether an interface has what is waited for: any address, or by DHCP one of IPv4.

    IPv6 comes by itself, and sooner.
    """
    own = [found.interface for found in have if found.link == number]
    return any(not link.dhcp or isinstance(address, IPv4Interface) for address in own)


def _counts(found: rtnetlink.Found) -> bool:
    return not (found.interface.ip.is_link_local or found.interface.ip.is_loopback or found.tentative)


def _index(name: str) -> int:
    try:
        return rtnetlink.index_of(name)
    except OSError:
        return -1


def notify(text: str) -> None:
    """Tell asyncinit, if it wants to know (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)


class Signals:
    """SIGTERM and SIGCHLD as something to wait for beside others."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing)
        self.stopped = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)

    def _stop(self, _signal: int, _frame: object) -> None:
        self.stopped = True

    def drain(self) -> None:
        """Forget what woke us."""
        try:
            while os.read(self.reading, 512):
                pass
        except BlockingIOError:
            pass


def keep_up(links: Links, signals: Signals, news: socket.socket) -> int:
    """Tell when it is ready, and wait for the end."""
    deadline: float | None = time.monotonic() + links.network.wait
    while not signals.stopped:
        if deadline is not None:
            lacking = links.lacking()
            if not lacking or time.monotonic() >= deadline:
                text = f"no address yet: {', '.join(lacking)}" if lacking else "all is up"
                print(text, flush=True)
                notify(f"READY=1\nSTATUS={text}")
                deadline = None
                news.close()
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        awaited = [signals.reading] if deadline is None else [signals.reading, news.fileno()]
        select.select(awaited, [], [], timeout)
        signals.drain()
        if deadline is not None:
            netlink.drain(news)
        if not signals.stopped and (ended := _ended(links)):
            print(f"{ended}: its DHCP client has ended", file=sys.stderr)
            return 1
    links.take_down()
    return 0


def _ended(links: Links) -> str:
    """Return the interface of a client that has ended, or nothing."""
    for pid, interface in links.clients.items():
        if os.waitpid(pid, os.WNOHANG)[0]:
            del links.clients[pid]
            return interface
    return ""


def _by_ifup(ifup: str) -> NoReturn:
    """Have ifup bring up what /etc/network/interfaces says, and ifdown take it down."""
    signals = Signals()
    os.makedirs("/run/network", 0o755, exist_ok=True)  # its state
    status = run([ifup, "-a"])
    if status:
        sys.exit(status)
    notify("READY=1")
    while not signals.stopped:
        select.select([signals.reading], [], [])
        signals.drain()
    sys.exit(run([os.path.join(os.path.dirname(ifup), "ifdown"), "-a"]))


def main() -> int:
    """Bring it up and keep it so."""
    try:
        network = network_file.read()
    except NetworkFileError as error:
        print(error, file=sys.stderr)
        return 78
    ifup = find("ifup")
    if network is None and ifup is not None and os.path.exists(f"/{_INTERFACES}"):
        _by_ifup(ifup)
    links = Links(found_by_itself() if network is None else network)
    if not links.network.links:
        print("there is no interface to bring up", flush=True)
    signals = Signals()
    news = rtnetlink.watch_addresses()
    failed = links.bring_up()
    for text in failed:
        print(text, file=sys.stderr, flush=True)
    if failed and len(failed) == len(links.network.links):
        return 1
    return keep_up(links, signals, news)


if __name__ == "__main__":
    sys.exit(main())
