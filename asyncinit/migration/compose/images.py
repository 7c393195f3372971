"""What an image would run: of well known ones from a table, of a Dockerfile from its last stage; fetches nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from copy import copy

from msgspec import Struct

from asyncinit.config.problems import printable
from asyncinit.migration.report import MigrationError
from asyncinit.migration.sources import read_source

_CONTINUED = re.compile(r"\\\s*$")
_VERSION = re.compile(r"[0-9]+")


class Program(Struct, frozen=True):
    """What is run in the place of an image, and why; `user` is who Debian's package runs it as, `port` where it
    listens unless its configuration says otherwise."""

    command: tuple[str, ...]
    note: str
    user: str = ""
    port: int = 0

    def started_with(self, words: list[str]) -> list[str]:
        """Return the whole command for the `command` of a Compose file: none, the program with options, or options."""
        if not words or words == ["postgres"]:
            return list(self.command)
        if self.command[0] == _CLUSTER and words[0].startswith(("-", "postgres")):
            options = words[1:] if words[0] == "postgres" else words
            return [*self.command[:2], "-o", shlex.join(options), *self.command[2:]]
        return [*self.command, *words] if words[0].startswith("-") else words


_CLUSTER = "pg_ctlcluster"


_KNOWN = {
    "redis": Program(("redis-server",), "redis-server of Debian's package redis-server", port=6379),
    "valkey": Program(("valkey-server",), "valkey-server of Debian's package valkey-server", port=6379),
    "memcached": Program(("memcached", "-u", "memcache"), "memcached of Debian's package memcached", port=11211),
    "nginx": Program(("nginx", "-g", "daemon off;"), "nginx of Debian's package nginx"),
    "httpd": Program(("apache2ctl", "-D", "FOREGROUND"), "Apache of Debian's package apache2"),
    "haproxy": Program(("haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"), "Debian's package haproxy"),
    "caddy": Program(("caddy", "run", "--config", "/etc/caddy/Caddyfile"), "caddy of Debian's package caddy"),
    "mariadb": Program(("mariadbd",), "mariadbd of Debian's package mariadb-server", "mysql", port=3306),
    "mysql": Program(("mysqld",), "mysqld of the package mysql-server", "mysql", port=3306),
    "rabbitmq": Program(("rabbitmq-server",), "Debian's package rabbitmq-server", "rabbitmq", port=5672),
    "mongo": Program(
        ("mongod", "--config", "/etc/mongod.conf"), "mongod of the package mongodb-org", "mongodb", port=27017
    ),
}


def known(image: str) -> Program | None:
    """Return what stands in for a well known image ("redis:7-alpine", "docker.io/library/redis"), None for others."""
    name, _, rest = image.partition("@")[0].rpartition("/")[2].partition(":")
    owner = image.partition("@")[0].rpartition("/")[0].removeprefix("docker.io").strip("/")
    if owner not in ("", "library", "valkey") and owner:
        return None
    if name == "postgres" and (version := _VERSION.match(rest)):
        command = (_CLUSTER, "--foreground", version[0], "main", "start")
        return Program(command, f"the cluster that Debian's package postgresql-{version[0]} makes", "postgres", 5432)
    return _KNOWN.get(name)


class Dockerfile(Struct):
    """What the last stage of a Dockerfile says of how its image is run."""

    file: str
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    folder: str = ""
    stop_signal: str = ""
    line: int = 0
    environment: dict[str, str] = {}


def dockerfile(path: str, target: str = "") -> Dockerfile | None:
    """Return what a Dockerfile says of its stage `target`, or the last; None where there is no such file or stage.

    Raises MigrationError for one that cannot be read.
    """
    if not os.path.isfile(path):
        return None
    made = Dockerfile(path)
    stages: dict[str, Dockerfile] = {}
    for number, word, rest in _instructions(read_source(path)):
        match word:
            case "FROM":
                image, name = _stage(rest)
                made = copy(stages.get(image, Dockerfile(path)))
                stages[name or str(len(stages))] = made
            case "ENTRYPOINT":
                made.entrypoint, made.line = _words(path, number, rest), number
            case "CMD":
                made.command, made.line = _words(path, number, rest), number
            case "WORKDIR":
                made.folder = os.path.join(made.folder or "/", rest)
            case "STOPSIGNAL":
                made.stop_signal = rest
            case "ENV":
                made.environment = made.environment | _variables(path, number, rest)
    return stages.get(target.lower()) if target else made


def _stage(text: str) -> tuple[str, str]:
    """Return what a stage is from, and its name, in lower case: FROM [--platform=X] IMAGE [AS NAME]."""
    words = [word for word in text.lower().split() if not word.startswith("--")]
    return words[0] if words else "", words[2] if len(words) == 3 and words[1] == "as" else ""


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    parts: list[str] = []
    start = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith("#") or not (line or parts):
            continue
        start = start if parts else number
        parts.append(_CONTINUED.sub("", line))
        if _CONTINUED.search(line):
            continue
        word, _, rest = " ".join(parts).partition(" ")
        parts = []
        yield start, word.upper(), rest.strip()


def _words(path: str, number: int, text: str) -> list[str]:
    """Return a command: a list in JSON, or a text for a shell."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            raise MigrationError(f"{printable(path)}:{number}: is no list in JSON: {printable(text)}") from None
        if isinstance(found, list) and all(isinstance(word, str) for word in found):
            return found
    return ["/bin/sh", "-c", text]


def _variables(path: str, number: int, text: str) -> dict[str, str]:
    if "=" not in text.split(" ", 1)[0]:  # the old form: ENV NAME VALUE
        name, _, value = text.partition(" ")
        return {name: value.strip()}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise MigrationError(f"{printable(path)}:{number}: ENV: {str(error).lower()}") from None
    return {name: value for name, equals, value in (word.partition("=") for word in words) if equals}
