"""The kinds of value that keys have: a plain type, how to check it, and what to call it; knows no key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from asyncinit.config import addresses, destinations, ends, rights, times, values


class Kind(Struct, frozen=True):
    """What a value must be beyond its plain type.

    `name` is for tables of the reference, `expected` ends the sentence "expected ...", `parse` gives the resolved
    value or raises `values.BadValueError`.
    """

    name: str
    expected: str
    parse: Callable[[Any], object]


def _kind(name: str, expected: str, parse: Callable[[Any], object], **schema: object) -> Any:
    return Meta(extra={"kind": Kind(name, expected, parse)}, extra_json_schema=schema or None)


_DURATION = 'a duration such as "500ms", "5s" or "1m30s", a number of seconds'
_ENDS = "an exit code from 0 to 255 or the name of a signal"

Duration = Annotated[str | int | float, _kind("duration", f'{_DURATION}, or "none"', values.duration)]
Finite = Annotated[str | int | float, _kind("duration", _DURATION, values.finite)]
Idle = Annotated[str | int | float, _kind("duration", f'{_DURATION}, or "none"', values.idle)]
Positive = Annotated[str | int | float, _kind("duration", _DURATION, values.positive)]
Limit = Annotated[str | int | float, _kind("duration", f'{_DURATION}, or "none"', values.over_zero)]
Watchdog = Annotated[
    str | int | float, _kind("duration", 'a duration from 10s on such as "30s" or "1m", or "none"', values.watchdog)
]
Signal = Annotated[
    str | int, _kind("signal", 'the name of a signal, such as "SIGTERM" or "RTMIN+3"', ends.signal_number)
]
End = Annotated[int | str, _kind("exit code or signal", _ENDS, ends.end)]
EndOrCause = Annotated[
    int | str,
    _kind("exit code, signal or cause", f'{_ENDS}, or "oom", "health", "watchdog"', ends.end_or_cause),
]
ExitCode = Annotated[int, _kind("exit code", "an exit code from 0 to 255", ends.exit_code, minimum=0, maximum=255)]
CodeKey = Annotated[str, _kind("exit code", "an exit code from 0 to 255", ends.code_key)]
Command = Annotated[str | list[str], _kind("command", "a list of words, or a string", values.command)]
Umask = Annotated[
    str,
    _kind("octal digits", 'a string of octal digits such as "0027": an integer would be decimal', values.umask),
]
Mode = Annotated[
    str,
    _kind("octal digits", 'a string of octal digits such as "0755": an integer would be decimal', values.octal),
]
NAME = 'a name of letters, digits, "_", "." and "-" that begins with a letter or digit'
ServiceName = Annotated[str, _kind("service", NAME, values.service_name)]
PodName = Annotated[str, _kind("pod", NAME, values.instance_name)]
ProfileName = Annotated[str, _kind("profile", NAME, values.instance_name)]
InstanceName = Annotated[str, _kind("name", NAME, values.instance_name)]
Account = Annotated[str | int, _kind("name or id", "a name from /etc/passwd or /etc/group, or an id", values.account)]
Line = Annotated[str, _kind("text", "one line of text", values.text_line)]
Filled = Annotated[str, _kind("text", "a text", values.filled)]
Condition = Annotated[str, _kind("text", 'a text, with "!" before it if it must not be so', values.condition)]
Folder = Annotated[str, _kind("path", "the path of a folder", values.filled)]
Watched = Annotated[str, _kind("path", "the path of a file or folder, or a pattern", values.filled)]
File = Annotated[str, _kind("path", "the path of a file", values.filled)]
LogFile = Annotated[str, _kind("path", "the path of a file", destinations.log_file)]
Destination = Annotated[
    str,
    _kind("destination", '"console", "file", "syslog", "inherit", "null" or "service:NAME"', destinations.destination),
]
Size = Annotated[
    str | int, _kind("size", 'a size such as "64K", "10M" or a number of bytes, or "none"', destinations.file_size)
]
Word = Annotated[str, _kind("word", "a word of visible ASCII characters", destinations.word)]
Variable = Annotated[str, _kind("variable", 'the name of an environment variable, without "="', values.variable)]
EnvironmentFile = Annotated[
    str, _kind("path", 'a path, with "-" before it if it may be absent', values.environment_file)
]
DirectoryName = Annotated[
    str, _kind("name", 'a relative name such as "web" or "web/cache", without ".."', values.directory)
]
Terminal = Annotated[
    bool | str,
    _kind("true, false or a path", 'true, false, or the path of a terminal such as "/dev/tty1"', values.terminal),
]
Cron = Annotated[
    str, _kind("cron expression", 'a cron expression of five fields such as "30 3 * * *", or "@daily"', times.cron)
]
TimeZone = Annotated[str, _kind("time zone", 'the name of a time zone such as "Europe/Berlin"', times.time_zone)]
TcpAddress = Annotated[str, _kind("HOST:PORT", 'HOST:PORT such as "127.0.0.1:8080" or "[::1]:8080"', addresses.tcp)]
HttpAddress = Annotated[str, _kind("URL", 'an address such as "http://127.0.0.1:8080/healthz"', addresses.http)]
UnixAddress = Annotated[str, _kind("path", 'the path of a socket, or "@" and an abstract name', addresses.unix)]
ListenAddress = Annotated[
    str,
    _kind("HOST:PORT", 'IP:PORT such as "127.0.0.1:8080" or "[::1]:8080", or "*:8080" for all', addresses.listen),
]
ListenPath = Annotated[
    str, _kind("path", 'an absolute path such as "/run/web.sock", or "@" and an abstract name', addresses.listen_unix)
]
SocketName = Annotated[str, _kind("name", 'up to 255 printable ASCII characters without ":"', addresses.socket_name)]
SocketPlace = Annotated[str, _kind("path", 'a path, or "@" and an abstract name', addresses.listening)]
ControlRead = Annotated[str, _kind("text", '"owner", "all" or "group:NAME"', values.control_read)]
NoLimit = Literal["none"]
_CAPABILITY = 'the name of a capability such as "CAP_NET_BIND_SERVICE"'
Capability = Annotated[str, _kind("capability", _CAPABILITY, rights.one_capability)]
CapabilityWord = Annotated[
    str,
    _kind(
        "capability or set",
        f'{_CAPABILITY}, "all", "none" or "docker-default", with "~" before it what is taken out',
        rights.capability,
    ),
]
SystemCall = Annotated[
    str,
    _kind(
        "system call or set",
        'the name of a system call such as "ptrace", or of a set such as "@system-service"',
        rights.system_call,
    ),
]
FilterAction = Annotated[
    str, _kind("errno or `kill`", 'the name of an errno such as "EPERM", or "kill"', rights.filter_action)
]
RulePath = Annotated[str, _kind("path", 'an absolute path, with "-" before it if it may be absent', rights.rule_path)]
CredentialName = Annotated[str, _kind("name", 'the name of a file, such as "db-password"', rights.credential_name)]
TcpPort = Annotated[int, Meta(ge=0, le=65535)]
