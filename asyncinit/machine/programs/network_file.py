"""/etc/asyncinit/network.toml: what the interfaces of a machine shall have; reads it, and touches no interface.

wait = 30                                   # seconds until the network counts as there, addresses or not

[interfaces.eth0]
dhcp = true

[interfaces.eth1]
addresses = ["192.168.1.10/24", "fd00::10/64"]
gateways = ["192.168.1.1"]
nameservers = ["192.168.1.1"]
search = ["example.org"]
optional = true                             # not waited for
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import Any, NamedTuple

PATH = "etc/asyncinit/network.toml"
WAIT = 30.0
"""Seconds: a cable that is not plugged in keeps nobody from starting for longer."""
_KEYS = {"dhcp": bool, "addresses": list, "gateways": list, "nameservers": list, "search": list, "optional": bool}


class NetworkFileError(Exception):
    """The file cannot be used; the text says where and why."""


class Link(NamedTuple):
    """What one interface shall have."""

    name: str
    dhcp: bool = False
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    gateways: tuple[IPv4Address | IPv6Address, ...] = ()
    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    optional: bool = False


class Network(NamedTuple):
    """What all shall have; `any_of_them`: one that has an address will do."""

    links: tuple[Link, ...]
    wait: float = WAIT
    any_of_them: bool = False


def read(root: str = "/") -> Network | None:
    """Return what the file says, None where there is none. Raises NetworkFileError."""
    path = os.path.join(root, PATH)
    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NetworkFileError(f"{path}: cannot be read: {error}") from error
    try:
        return parse(data)
    except NetworkFileError as error:
        raise NetworkFileError(f"{path}: {error}") from error


def parse(data: dict[str, Any]) -> Network:
    """Return what the file's data says. Raises NetworkFileError."""
    _known(data, ("wait", "interfaces"), "")
    wait = data.get("wait", WAIT)
    if isinstance(wait, bool) or not isinstance(wait, int | float) or wait < 0:
        raise NetworkFileError(f"wait: found {wait!r}, expected a number of seconds")
    tables = data.get("interfaces", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise NetworkFileError("interfaces: expected tables such as [interfaces.eth0]")
    return Network(tuple(_link(name, table) for name, table in tables.items()), float(wait))


def _link(name: str, table: dict[str, Any]) -> Link:
    where = f"interfaces.{name}."
    _known(table, _KEYS, where)
    for key, value in table.items():
        if not isinstance(value, _KEYS[key]):
            expected = "true or false" if _KEYS[key] is bool else "a list of texts"
            raise NetworkFileError(f"{where}{key}: found {value!r}, expected {expected}")
    link = Link(
        name,
        table.get("dhcp", False),
        _each(ip_interface, table, "addresses", where, 'an address such as "192.168.1.10/24"'),
        _each(ip_address, table, "gateways", where, "an IP address"),
        tuple(str(_one) for _one in _each(ip_address, table, "nameservers", where, "an IP address")),
        _each(_word, table, "search", where, "the name of a domain"),
        table.get("optional", False),
    )
    if not link.dhcp and not link.addresses:
        raise NetworkFileError(f"interfaces.{name}: has neither dhcp = true nor addresses")
    return link


def _known(table: dict[str, Any], keys: Iterable[str], where: str) -> None:
    for key in table:
        if key not in keys:
            raise NetworkFileError(f"{where}{key}: there is no such key; there are {', '.join(keys)}")


def _each(read: Callable[[str], Any], table: dict[str, Any], key: str, where: str, expected: str) -> tuple[Any, ...]:
    found = []
    for value in table.get(key, ()):
        try:
            if not isinstance(value, str):
                raise ValueError
            found.append(read(value))
        except ValueError:
            raise NetworkFileError(f"{where}{key}: found {value!r}, expected {expected}") from None
    return tuple(found)


def _word(text: str) -> str:
    if not text or len(text.split()) != 1:
        raise ValueError
    return text
