"""`python -m asyncinit.machine.programs.lease EVENT`: what udhcpc has got becomes the interface's; udhcpc's script.

What it has got is in the environment: interface, ip, mask, router, dns, domain, search. See udhcpc's own documentation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from ipaddress import IPv4Interface, ip_address
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


def forget(interface: str, but: IPv4Interface | None = None) -> None:
    """Take all IPv4 addresses away from an interface but one."""
    index = rtnetlink.index_of(interface)
    for found in rtnetlink.addresses():
        if found.link == index and isinstance(found.interface, IPv4Interface) and found.interface != but:
            rtnetlink.remove_address(index, found.interface)


def apply(interface: str, lease: Lease) -> None:
    """Give an interface what was got for it."""
    forget(interface, lease.address)
    index = rtnetlink.index_of(interface)
    rtnetlink.add_address(index, lease.address)
    for metric, router in enumerate(lease.routers):
        rtnetlink.add_default_route(index, ip_address(router), metric)
    resolving.say(interface, lease.servers, lease.search)


def main(event: str, environment: Mapping[str, str]) -> int:
    """Do what an event of udhcpc's asks for; those that ask for nothing are no error."""
    interface = environment["interface"]
    if event == "deconfig":
        forget(interface)
        resolving.say(interface, (), ())
        bring_up(interface)
    elif event in {"bound", "renew"}:
        lease = lease_of(environment)
        apply(interface, lease)
        print(f"{interface}: {lease.address}, by {', '.join(lease.routers) or 'no router'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "", os.environ))
