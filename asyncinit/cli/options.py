"""The options and arguments that several commands have; imports nothing heavy."""

from __future__ import annotations

from asyncinit.cli.declaring import Argument, Option

JSON = Option("--json", "Write JSON.")

CONFIG = Option("--config", "The file with [init], [defaults] and [services] (./asyncinit.toml).", "FILE")

SERVICES = Option("--services", "A folder of service files; replaces all others. Repeatable.", "DIR", many=True)

PROFILE = Option(
    "--profile",
    "Have this profile of the files active; several between commas, the later win (ASYNCINIT_PROFILE). Repeatable.",
    "NAME",
    many=True,
)

FILES = (CONFIG, SERVICES, PROFILE)
"""Which files are read, and with what in them."""

ROOT = Option("--root", "The files are those of the machine whose root folder this is: an image.", "DIR")

NAMES = Argument("names", "NAME")

ONE_OR_MORE = Argument("names", "NAME", 1)

ACT = (
    Option("--all", "All services."),
    Option("--no-wait", "Do not wait until it is done."),
)

END = (
    Option("--no-wait", "Do not wait until it has ended."),
    Option("-f --force", "Do not stop services in order: end everything at once."),
)

LOG_FORMAT = Option("--log-format", "How output is written.", "FORMAT", choices=("auto", "text", "json", "raw"))

HOW_MUCH = (
    Option("-q --quiet", "Say less of what asyncinit does. Repeatable.", many=True),
    Option("-v --verbose", "Say more of what asyncinit does.", many=True),
)

SOCKET = Option("--socket", "The control socket to use (a path, or @ and an abstract name).", "PATH")
