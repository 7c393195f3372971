"""`python -m asyncinit.machine.programs.lease EVENT [ADDRESS...]`: what udhcpc has got is given to the interface.

What it has got is in the environment: interface, ip, mask, router, dns, domain, search; see udhcpc's documentation.
The addresses are others that the interface keeps.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Interface, ip_address, ip_interface
from typing import NamedTuple

from asyncinit.linux import rtnetlink
from asyncinit.linux.network import bring_up
from asyncinit.machine.programs import resolving


class Lease(NamedTuple):
    """What udhcpc has got for an interface."""

    address: IPv4Interface
    routers: tuple[str, ...]
    servers: tuple[str, ...]
    search: tuple[str, ...]


def lease_of(environment: Mapping[str, str]) -> Lease:
    """Return what the environment says. Raises ValueError, KeyError."""
    prefix = environment.get("mask") or environment.get("subnet") or "32"
    search = (environment.get("search") or environment.get("domain", "")).split()
    return Lease(
        IPv4Interface(f"{environment['ip']}/{prefix}"),
        tuple(environment.get("router", "").split()),
        tuple(environment.get("dns", "").split()),
        tuple(search),
    )


def forget(interface: str, kept: Collection[rtnetlink.Interface] = ()) -> None:
    """Take all other IPv4 addresses away from an interface."""
    index = rtnetlink.index_of(interface)
    own = [found.interface for found in rtnetlink.addresses() if found.link == index]
    own = [address for address in own if isinstance(address, IPv4Interface)]
    for address in own:
        if address not in kept:
            try:
                rtnetlink.remove_address(index, address)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
    # The kernel takes away with an address those that came after it in the same network (promote_secondaries).
    for address in own:
        if address in kept:
            rtnetlink.add_address(index, address)


def apply(interface: str, lease: Lease, kept: Collection[rtnetlink.Interface] = ()) -> None:
    """Give an interface what was got for it."""
    forget(interface, {*kept, lease.address})
    index = rtnetlink.index_of(interface)
    rtnetlink.add_address(index, lease.address)
    for metric, router in enumerate(lease.routers):
        rtnetlink.add_default_route(index, ip_address(router), metric)
    resolving.say(interface, lease.servers, lease.search)


def main(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Do what an event of udhcpc's asks for; those that ask for nothing are no error."""
    event, kept = words[0], set(map(ip_interface, words[1:]))
    interface = environment["interface"]
    if event == "deconfig":
        forget(interface, kept)
        resolving.say(interface, (), ())
        bring_up(interface)
    elif event in {"bound", "renew"}:
        lease = lease_of(environment)
        apply(interface, lease, kept)
        print(f"{interface}: {lease.address}, by {', '.join(lease.routers) or 'no router'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [""], os.environ))
