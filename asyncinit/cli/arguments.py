"""Every command of asyncinit as a table, and a quick parser for well-formed command lines.

The table is the one place where commands and options are declared: click's commands (`cli.click_app`), the help, the
reference page and the parser here all come from it. The parser understands what most calls look like; for anything else
(an error, --help, completion) it gives up, and click, whose import takes longer than the whole of `asyncinit status`,
does it properly. Imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Option:
    """An option: a flag, or with a `metavar` one that takes a value; `many`: may be repeated (a flag then counts).

    Its value is found under its long name, with "_" for "-".
    """

    __slots__ = ("choices", "help", "key", "many", "metavar", "names")

    def __init__(
        self, names: str, text: str, metavar: str | None = None, many: bool = False, choices: tuple[str, ...] = ()
    ) -> None:
        self.names = names.split()
        self.key = self.names[-1].lstrip("-").replace("-", "_")
        self.help = text
        self.metavar = metavar
        self.many = many
        self.choices = choices

    @property
    def default(self) -> Any:
        """What its value is when it is not given."""
        if self.metavar is None:
            return 0 if self.many else False
        return () if self.many else None


class Argument:
    """What stands after the options: `least` to `most` words (None: any number)."""

    __slots__ = ("key", "least", "metavar", "most", "of_services")

    def __init__(self, key: str, metavar: str, least: int = 0, most: int | None = None, services: bool = True) -> None:
        self.key = key
        self.metavar = metavar
        self.least = least
        self.most = most
        self.of_services = services


class Command:
    """A command: `target` ("module:function" of asyncinit.cli) gets its Invocation and returns the exit status.

    `takes_command`: what stands after "--" is not ours.
    """

    __slots__ = ("arguments", "help", "name", "options", "takes_command", "target")

    def __init__(
        self,
        name: str,
        target: str,
        text: str,
        options: Sequence[Option] = (),
        arguments: Sequence[Argument] = (),
        takes_command: bool = False,
    ) -> None:
        self.name = name
        self.target = target
        self.help = text
        self.options = tuple(options)
        self.arguments = tuple(arguments)
        self.takes_command = takes_command


class Invocation:
    """A command line that was understood: each option and argument in `values`, by key.

    `socket`: of `--socket`. `program`: the words after "--" of a command that takes one, None without "--".
    """

    __slots__ = ("declared", "program", "socket", "values")

    def __init__(
        self, declared: Command, values: dict[str, Any], socket: str | None, program: tuple[str, ...] | None = None
    ) -> None:
        self.declared = declared
        self.values = values
        self.socket = socket
        self.program = program

    def execute(self) -> int:
        """Carry it out and return the exit status."""
        module_name, _, function_name = self.declared.target.partition(":")
        module = __import__(f"asyncinit.cli.{module_name}", fromlist=[function_name])
        status: int = getattr(module, function_name)(self)
        return status


_JSON = Option("--json", "Write JSON.")
_CONFIG = Option("--config", "The file with [init], [defaults] and [services] (./asyncinit.toml).", "FILE")
_SERVICES = Option("--services", "A folder of service files; replaces all others. Repeatable.", "DIR", many=True)
_NAMES = Argument("names", "NAME")
_ACT = (
    Option("--all", "All services."),
    Option("--no-wait", "Do not wait until it is done."),
)

SOCKET = Option("--socket", "The control socket to use (a path, or @ and an abstract name).", "PATH")

COMMANDS: tuple[Command, ...] = (
    Command(
        "run",
        "run:run",
        "Start the services and supervise them; with CMD, run CMD beside them or, without services, alone.\n\n"
        "As PID 1 of a container, or anywhere else. Ends when nothing runs any more, on SIGTERM, or when CMD ends. "
        '"asyncinit -- CMD" is the same as "asyncinit run -- CMD".',
        (
            _CONFIG,
            _SERVICES,
            Option("--unshare", "Run as PID 1 of a fresh PID namespace (as root, or in a user namespace)."),
            Option("--ready-fd", "Write a newline to this descriptor when all services are ready.", "FD"),
            Option("--log-format", "How output is written.", "FORMAT", choices=("auto", "text", "json", "raw")),
            Option("-q --quiet", "Say less of what asyncinit does. Repeatable.", many=True),
            Option("-v --verbose", "Say more of what asyncinit does.", many=True),
            Option("--scope", "Who of CMD's gets forwarded signals.", "WHO", choices=("process", "group", "tree")),
            Option(
                "--rewrite", "Send CMD signal TO when FROM arrives (TO 0: nothing). Repeatable.", "FROM:TO", many=True
            ),
            Option("--exit-code", "End with TO where the exit status would be FROM. Repeatable.", "FROM:TO", many=True),
        ),
        takes_command=True,
    ),
    Command(
        "check",
        "check:check",
        "Check service files and configuration, and print every problem as FILE:LINE: KEY: PROBLEM.\n\n"
        "Without PATH: what `run` would read here. The exit status is 1 if there is an error.",
        (Option("--strict", "Count warnings as errors."), _CONFIG, _SERVICES),
        (Argument("paths", "PATH", services=False),),
    ),
    Command(
        "status",
        "status:status",
        "Show the services, or one of them in detail.",
        (
            _JSON,
            Option("--watch", "Go on, and show every change until ^C."),
            Option("--ready", "Show nothing; the exit status is 0 if all (or these) are ready, 1 if not."),
        ),
        (_NAMES,),
    ),
    Command(
        "start",
        "act:start",
        "Start services and what they require, and wait until they are ready.",
        _ACT,
        (_NAMES,),
    ),
    Command(
        "stop",
        "act:stop",
        "Stop services, first what requires them, and wait until nothing of them is left.",
        _ACT,
        (_NAMES,),
    ),
    Command(
        "restart",
        "act:restart",
        "Stop services and start them again, with what requires them, and wait until they are ready.",
        (*_ACT, Option("--only", "Leave what requires them alone.")),
        (_NAMES,),
    ),
    Command(
        "reload",
        "act:reload",
        "Have services read their configuration again, as their [reload] section says.",
        _ACT,
        (_NAMES,),
    ),
    Command(
        "signal",
        "act:signal",
        "Send a signal (TERM, SIGUSR1, RTMIN+3, 15) to the main processes of services.",
        (Option("--all", "All services that run."),),
        (Argument("signal", "SIG", 1, 1, services=False), _NAMES),
    ),
    Command(
        "logs",
        "logs:logs",
        "Show what services wrote, as far as it is in asyncinit's memory.",
        (
            Option("-f --follow", "Go on with new lines until ^C."),
            Option("-n --lines", 'The newest N lines, or "all" (the default; with -f: 20).', "N"),
            Option(
                "--since", "Nothing older: a duration (5m), a time of day (17:30), a date, or an RFC 3339 time.", "T"
            ),
            _JSON,
        ),
        (_NAMES,),
    ),
    Command(
        "show",
        "show:show",
        "Show a service's merged declaration as TOML, with each value's origin as a comment.",
        (),
        (Argument("name", "NAME", 1, 1),),
    ),
    Command(
        "events",
        "logs:events",
        "Show the newest changes of services.",
        (Option("-f --follow", "Go on with new events until ^C."), _JSON),
        (_NAMES,),
    ),
    Command(
        "shutdown",
        "act:shutdown",
        "Stop everything and end asyncinit; asked again, there is no more waiting.",
        (Option("--no-wait", "Do not wait until it has ended."),),
    ),
)


def find_command(name: str) -> Command | None:
    """Return the command of this name."""
    return next((command for command in COMMANDS if command.name == name), None)


def parse(arguments: Sequence[str]) -> Invocation | None:
    """Understand a well-formed command line (without the program's name); None: let click look at it."""
    words = list(arguments)
    socket = None
    if words and words[0].startswith("--socket"):
        word = words.pop(0)
        if word.startswith("--socket="):
            socket = word[len("--socket=") :]
        elif word == "--socket" and words:
            socket = words.pop(0)
        if not socket:
            return None
    if words[:1] == ["--"]:
        words.insert(0, "run")
    command = find_command(words[0]) if words else None
    return None if command is None else _parse_command(command, words[1:], socket)


def split_program(command: Command, words: Sequence[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """Return a command's own words, and what stands after "--" if that is not ours (else None)."""
    if not command.takes_command or "--" not in words:
        return list(words), None
    position = list(words).index("--")
    return list(words[:position]), tuple(words[position + 1 :])


def _parse_command(command: Command, words: Sequence[str], socket: str | None) -> Invocation | None:
    own, program = split_program(command, words)
    values: dict[str, Any] = {option.key: option.default for option in command.options}
    options = {name: option for option in command.options for name in option.names}
    plain: list[str] = []
    while own:
        word = own.pop(0)
        if not word.startswith("-") or word == "-":
            plain.append(word)
        elif word == "--":
            plain += own
            own = []
        elif not _take_option(word, own, options, values):
            return None
    if not _take_arguments(command, plain, values):
        return None
    return Invocation(command, values, socket, program)


def _take_option(word: str, rest: list[str], options: dict[str, Option], values: dict[str, Any]) -> bool:
    """Take one option, and from `rest` its value; False if this is not ours to understand."""
    value: str | None
    if word.startswith("--"):
        name, equals, text = word.partition("=")
        value = text if equals else None
    else:
        name, value = word[:2], word[2:] or None
    option = options.get(name)
    if option is None:
        return False
    if option.metavar is None:
        values[option.key] = values[option.key] + 1 if option.many else True
        if value is None or word.startswith("--"):
            return value is None
        return _take_option("-" + value, rest, options, values)  # -fn5: several in one word
    if value is None:
        if not rest:
            return False
        value = rest.pop(0)
    if option.choices and value not in option.choices:
        return False
    values[option.key] = (*values[option.key], value) if option.many else value
    return True


def _take_arguments(command: Command, plain: list[str], values: dict[str, Any]) -> bool:
    for argument in command.arguments:
        if argument.most == 1:
            if not plain:
                return False
            values[argument.key] = plain.pop(0)
        else:
            if len(plain) < argument.least:
                return False
            values[argument.key] = tuple(plain)
            plain = []
    return not plain
