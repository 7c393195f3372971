"""A [program:x] or [fcgi-program:x] to drafts: one, a template's, or one a process; `output` has what it writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from asyncinit.config.problems import printable, shown
from asyncinit.migration.report import Ledger, MigrationError, Setting, Verdict
from asyncinit.migration.service import Draft
from asyncinit.migration.supervisord import output
from asyncinit.migration.supervisord.parsing import Option, words
from asyncinit.migration.supervisord.process import HOST, INSTANCE, Process, integer, where
from asyncinit.migration.supervisord.sources import Section
from asyncinit.migration.variables import OPEN, written

MOST = 1000
"""Processes of one program: so many instances a template can have."""

_NUMBER = re.compile(r"%\(process_num\)(-?[0-9]*[sd])")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_NOT, _NEARLY = Verdict.NOT_NEEDED, Verdict.APPROXIMATED


def names_of(section: Section, name: str) -> list[str]:
    """Return what the services of a program are called: by one name, a template's, or one a process.

    A template takes one way to write the number of a process. Where a program has several (`%(process_num)02d` here,
    `%(process_num)d` there), each process is a service of its own.
    """
    count, first = integer(section, "numprocs", 1), integer(section, "numprocs_start", 0)
    if not (1 <= count <= MOST and first >= 0):
        option = section.options["numprocs" if "numprocs" in section.options else "numprocs_start"]
        raise MigrationError(f"{where(option)}: expected 1 to {MOST} processes, counted from 0 or more")
    if count == 1:
        return [name]
    if len(_formats(section)) <= 1:
        return [f"{name}@"]
    return [f"{name}-{number}" for number in range(first, first + count)]


def drafts(
    section: Section, names: list[str], settings: dict[Option, Setting], ledger: Ledger, group: str
) -> Iterator[Draft]:
    """Yield the draft of each service of a program that are called `names`. Raises MigrationError."""
    command = section.options.get("command")
    if command is None:
        option = next(iter(section.options.values()))
        raise MigrationError(f"{printable(option.file)}:{option.line}: [{printable(section.name)}] has no command")
    known = {
        "program_name": section.subject,
        "group_name": group,
        "host_node_name": HOST,
        "numprocs": str(integer(section, "numprocs", 1)),
    }
    first = integer(section, "numprocs_start", 0)
    for position, name in enumerate(names):
        draft = Draft(name, ledger, origin=command.file)
        number = partial(_formatted, first + position)
        process = Process(section, settings, draft, known, (lambda _: INSTANCE) if name.endswith("@") else number)
        _instances(process)
        for key, translate in _OPTIONS.items():
            if key in section.options:
                translate(process, section.options[key])
        _defaults(process)
        output.translate(process)
        if section.kind == "fcgi-program":
            _socket(process)
        yield draft


def _formats(section: Section) -> set[str]:
    """Return the ways in which a program writes the number of a process, in what a service has too."""
    texts = [option.value for key, option in section.options.items() if key != "process_name"]
    return {found for text in texts for found in _NUMBER.findall(text)}


def _formatted(number: int, how: str) -> str:
    return f"%{how}" % (str(number) if how.endswith("s") else number)


def _instances(process: Process) -> None:
    name, many, first = process.draft.name, process.integer("numprocs", 1), process.integer("numprocs_start", 0)
    said = [process.options[key] for key in ("numprocs", "numprocs_start") if key in process.options]
    if name.endswith("@"):
        how = next(iter(_formats(process.section)), "d")
        process.put(said[0], "instances", [_formatted(number, how) for number in range(first, first + many)])
        for option in said[1:]:
            process.say(option, Verdict.TRANSLATED, key="instances")
        return
    for option in said:
        if many == 1:
            process.say(option, _NOT, "it is one process")
        else:
            note = "they write their number in several ways, so each is a service of its own"
            process.say(option, Verdict.TRANSLATED, note)


def _command(process: Process, option: Option) -> None:
    text = process.raw(option)
    try:
        argv = words(text)
    except ValueError as error:
        raise MigrationError(f"{where(option)}: {str(error).lower()}") from None
    if not argv or not argv[0]:
        raise MigrationError(f"{where(option)}: is empty")
    if OPEN in _QUOTED.sub("", text.replace(INSTANCE, "")):
        process.put(option, "command", argv, "a variable stays one word here, whatever is in it", exact=False)
    else:
        process.put(option, "command", argv)


def _process_name(process: Process, option: Option) -> None:
    process.say(option, _NOT, f"it is called {shown(process.draft.name.replace('@', '@NUMBER'))} here")


def _enabled(process: Process, option: Option) -> None:
    if process.flag("autostart", True):
        process.say(option, _NOT, "a service is enabled unless it says otherwise")
    else:
        process.put(option, "enabled", False)


def _restart(process: Process, option: Option) -> None:
    unexpected = option.value.lower() == "unexpected"
    policy = "on-failure" if unexpected else "always" if process.flag("autorestart", True) else "never"
    if policy == "never" and process.integer("startsecs", 1) > 0:
        note = "not even when it ends within startsecs, after which supervisord tries again"
        process.put(option, "restart.policy", policy, note, exact=False)
    else:
        process.put(option, "restart.policy", policy)


def _exit_codes(process: Process, option: Option) -> None:
    try:
        codes = [int(word) for word in option.value.split(",") if word.strip()]
    except ValueError:
        raise MigrationError(f"{where(option)}: {shown(option.value)} is no list of exit codes") from None
    process.put(option, "success_exit", codes)


def _start_seconds(process: Process, option: Option) -> None:
    seconds = process.integer("startsecs", 1)
    if seconds <= 0:
        process.say(option, _NEARLY, 'it is up at once in any case; a job that ends is type = "oneshot"')
    else:
        note = "up so long, counting starts over; it is up at once, unless [ready] says how one sees that it works"
        process.put(option, "restart.reset_after", f"{seconds}s", note, exact=False)


def _start_retries(process: Process, option: Option) -> None:
    retries, seconds = process.integer("startretries", 3), process.integer("startsecs", 1)
    if process.draft.get("restart.policy") == "never":
        process.say(option, _NEARLY, "it is not started again in any case")
        return
    if retries < 1:  # no restart at all would be an end after weeks, too
        process.say(option, _NEARLY, "one new start is tried, for here an end at the start is as one later on")
        retries = 1
    note = "ends so soon one after the other, whether it had come up or not; it has failed then"
    process.put(option, "restart.limit", retries, note, exact=False)
    # An attempt lasts startsecs at most. The pauses are 1, 2, 3 s, ... there, and 1 s each here.
    process.put(option, "restart.window", f"{(retries + 1) * (max(seconds, 1) + 2)}s", exact=False)
    process.put(option, "restart.delay", "1s", exact=False)
    process.put(option, "restart.backoff", 1.0, exact=False)


def _stop_signal(process: Process, option: Option) -> None:
    name = option.value.upper()
    process.put(option, "stop.signal", name if name.startswith("SIG") else f"SIG{name}")


def _stop_wait(process: Process, option: Option) -> None:
    process.put(option, "stop.timeout", f"{max(process.integer('stopwaitsecs', 10), 0)}s")


def _stop_scope(process: Process, option: Option) -> None:
    if process.flag("stopasgroup", False):
        process.say(option, _NOT, "the stop signal goes to the process group in any case")
    else:
        process.put(option, "stop.scope", "process")


def _kill_scope(process: Process, option: Option) -> None:
    note = "the final kill always reaches everything that the service has started"
    process.say(option, _NOT if process.flag("killasgroup", False) else _NEARLY, note)


def _user(process: Process, option: Option) -> None:
    user = process.raw(option)
    if OPEN in user:  # it would run with more rights
        raise MigrationError(f"{where(option)}: {shown(option.value)}: a user's name takes no variable: write it out")
    process.put(option, "user", user)
    process.say(option, Verdict.TRANSLATED, "HOME, USER and the groups are set as well")


def _umask(process: Process, option: Option) -> None:
    process.put(option, "umask", option.value if option.value.startswith("0") else f"0{option.value}")


def _directory(process: Process, option: Option) -> None:
    process.put(option, "working_directory", written(process.raw(option)))


def _environment(process: Process, option: Option) -> None:
    found = process.environment(option)
    if not found:
        process.say(option, _NOT, "it is empty")
    for name, value in found.items():
        process.put(option, ("environment", name), value)


def _server_url(process: Process, option: Option) -> None:
    note = "nobody can ask supervisord; where asyncinit can be asked is in ASYNCINIT_SOCKET"
    process.say(option, _NOT if option.value.upper() == "AUTO" else Verdict.NO_EQUIVALENT, note)


def _defaults(process: Process) -> None:
    """Say what supervisord does where nothing is said, and asyncinit does not."""
    draft = process.draft
    if "autorestart" not in process.options:
        draft.put(None, "restart.policy", "on-failure", "supervisord's default, autorestart=unexpected")
    if "stopasgroup" not in process.options:
        draft.put(None, "stop.scope", "process", "supervisord's default, stopasgroup=false")
    if "stopwaitsecs" not in process.options:
        draft.put(None, "stop.timeout", "10s", "supervisord's default, stopwaitsecs=10")
    if "startretries" not in process.options and draft.get("restart.policy") != "never":
        draft.ledger.remark(
            "Where there is no startretries, supervisord gives up after 3 failed starts; asyncinit goes on trying, "
            "less and less often. `[restart] limit = 3` has it give up."
        )


def _socket(process: Process) -> None:
    """Give the program its socket as standard input, as FastCGI wants it. Raises MigrationError."""
    options, draft = process.options, process.draft
    option = options.get("socket")
    if option is None:
        raise MigrationError(f"{where(options['command'])}: [{printable(process.section.name)}] has no socket")
    if draft.name.endswith("@") or integer(process.section, "numprocs", 1) > 1:
        raise MigrationError(
            f"{where(options['numprocs'])}: several processes of one socket are one service here: have the program "
            "start them itself, as php-fpm does, and translate it with numprocs=1"
        )
    kind, _, address = process.raw(option).partition("://")
    if kind not in ("tcp", "unix") or not address:
        raise MigrationError(f"{where(option)}: expected tcp://HOST:PORT or unix:///PATH")
    table: dict[str, object] = {kind: written(address)}
    if owner := options.get("socket_owner"):
        table["user"], _, group = owner.value.partition(":")
        table |= {"group": group} if group else {}
        process.say(owner, Verdict.TRANSLATED, key="sockets")
    if mode := options.get("socket_mode"):
        table["mode"] = mode.value
        process.say(mode, Verdict.TRANSLATED, key="sockets")
    if backlog := options.get("socket_backlog"):
        table["backlog"] = process.integer("socket_backlog", 0)
        process.say(backlog, Verdict.TRANSLATED, key="sockets")
    draft.append(process.setting(option), "sockets", table)
    argv = ["/bin/sh", "-c", 'exec "$@" <&3 3<&-', "sh", *draft.get("command")]
    process.put(options["command"], "command", argv, "FastCGI takes its socket as standard input")


_OPTIONS: dict[str, Callable[[Process, Option], None]] = {
    "command": _command,
    "process_name": _process_name,
    "autostart": _enabled,
    "directory": _directory,
    "user": _user,
    "umask": _umask,
    "environment": _environment,
    "exitcodes": _exit_codes,
    "autorestart": _restart,
    "startretries": _start_retries,
    "startsecs": _start_seconds,
    "stopsignal": _stop_signal,
    "stopwaitsecs": _stop_wait,
    "stopasgroup": _stop_scope,
    "killasgroup": _kill_scope,
    "serverurl": _server_url,
}
