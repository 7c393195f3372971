"""What a container has around it and a service has not: ports, volumes, networks, what is about containers alone."""

from __future__ import annotations

import re

from asyncinit.config.problems import printable
from asyncinit.migration.compose.parsing import Value
from asyncinit.migration.compose.service import Service, is_true
from asyncinit.migration.report import Verdict

_NOT, _LOST = Verdict.NOT_NEEDED, Verdict.NO_EQUIVALENT
_NETWORK = "all services share the network of the machine: each other is at 127.0.0.1"
SAID = {
    "extends": (Verdict.TRANSLATED, "what it extends is in this file"),
    "container_name": (_NOT, "it is called by its name"),
    "expose": (_NOT, _NETWORK),
    "networks": (_NOT, _NETWORK),
    "network_mode": (_NOT, _NETWORK),
    "links": (_NOT, _NETWORK),
    "hostname": (_LOST, "it has the machine's; [namespaces] hostname gives it one"),
    "domainname": (_LOST, "it has the machine's"),
    "dns": (_LOST, "it has the machine's"),
    "dns_search": (_LOST, "it has the machine's"),
    "extra_hosts": (_LOST, "write them into /etc/hosts"),
    "mac_address": (_LOST, "it has the machine's"),
    "init": (_NOT, "asyncinit is one"),
    "stdin_open": (_NOT, "`asyncinit attach` joins a terminal to one with tty = true"),
    "labels": (_NOT, "nobody reads them here"),
    "annotations": (_NOT, "nobody reads them here"),
    "pull_policy": (_NOT, "no image is fetched"),
    "platform": (_NOT, "no image is fetched"),
    "attach": (_NOT, "asyncinit shows what all services write; [log] says otherwise"),
    "configs": (_LOST, "give the program the file's own path"),
    "secrets": (_LOST, "[security] credentials gives it files that only it can read"),
    "tmpfs": (_LOST, '[[namespaces.mounts]] with type "tmpfs" has it, for who may mount'),
    "devices": (_NOT, "it sees the machine's devices"),
    "read_only": (_LOST, "[security] protect_system is near to it, for who may mount"),
    "shm_size": (_NOT, "/dev/shm is the machine's"),
    "ipc": (_LOST, "[namespaces] ipc has it"),
    "pid": (_LOST, "[namespaces] pid has it"),
    "userns_mode": (_LOST, "[namespaces] user has it"),
    "cgroup": (_NOT, "asyncinit decides who gets a cgroup"),
    "cgroup_parent": (_NOT, "asyncinit decides who gets a cgroup"),
    "runtime": (_NOT, "there is no container"),
    "isolation": (_NOT, "there is no container"),
    "group_add": (_LOST, "supplementary_groups has them, by the machine's own names"),
    "sysctls": (_LOST, "they would be the machine's"),
}
_EVERYWHERE = ("0.0.0.0", "::", "[::]")
_PORT = re.compile(r"(?:(?P<ip>.*):)?(?P<host>[0-9-]*):(?P<inside>[0-9-]+)(?:/\w+)?")


def volumes(service: Service, value: Value) -> None:
    """Note where files of the machine are in the container, and say what becomes of each volume."""
    for item in value.items:
        setting = service.add("volumes", item)
        source, target = _volume(service, item)
        if source and source.startswith((".", "/", "~")) and target:
            path = service.absolute(source, item)
            service.binds.append((path, target))
            service.ledger.say(
                setting, _LOST, f"the program finds it at {printable(path)}, and not at {printable(target)}"
            )
        elif target:
            note = f"what the program keeps in {printable(target)} is in a folder of the machine"
            service.ledger.say(setting, _LOST, note)


def _volume(service: Service, item: Value) -> tuple[str, str]:
    if item.table:
        texts = {key: service.fixed(part) or "" for key, part in item.table.items() if part.text is not None}
        return (texts.get("source", "") if texts.get("type") == "bind" else ""), texts.get("target", "")
    text = service.fixed(item) or ""
    source, colon, rest = text.partition(":")
    return (source, rest.partition(":")[0]) if colon else ("", text)


def ports(service: Service, value: Value) -> None:
    """Say where it listens: no port is mapped."""
    for item in value.items:
        setting = service.add("ports", item)
        address, host, inside = _ports(service, item)
        service.listens.append(inside)
        if address and address not in _EVERYWHERE:
            note = f"its own configuration has to say that it listens at {address} alone"
            service.ledger.say(setting, _LOST, note)
        if host in ("", inside):
            service.ledger.say(setting, _NOT, f"it listens on {inside} of the machine itself")
        else:
            note = f"no port is mapped: it listens on {inside}, not on {host}, unless its own configuration says so"
            service.ledger.say(setting, _LOST, note)


def _ports(service: Service, item: Value) -> tuple[str, str, str]:
    """Return the address and the port outside, and the port inside."""
    if item.table:
        texts = {key: service.fixed(part) or "" for key, part in item.table.items() if part.text is not None}
        return texts.get("host_ip", ""), texts.get("published", ""), texts.get("target", "")
    text = service.fixed(item) or item.text or ""
    found = _PORT.fullmatch(text)
    return (found["ip"] or "", found["host"], found["inside"]) if found else ("", "", text.partition("/")[0])


def logging(service: Service, value: Value) -> None:
    """Translate `logging`: the drivers that there is something like."""
    driver = value.table["driver"].text if "driver" in value.table else "json-file"
    for key, item in value.table.items():
        setting = service.add(f"logging.{key}", item)
        if key == "driver" and driver in ("none", "syslog"):
            service.put(setting, "log.to", "null" if driver == "none" else "syslog")
        elif driver in ("json-file", "local", "none"):
            service.ledger.say(setting, _NOT, "output goes to asyncinit's own; [log] file has files that are rotated")


def terminal(service: Service, value: Value) -> None:
    """Translate `tty`."""
    setting = service.add("tty", value)
    if is_true(value):
        service.put(setting, "tty", True)
    else:
        service.ledger.say(setting, _NOT, "a service has no terminal unless it says so")
