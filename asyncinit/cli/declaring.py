"""What a command of the command line is made of: options, arguments, and what was given; imports nothing."""

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
    """What stands after the options: `least` to `most` words (None: any number); `choices`: one of these."""

    __slots__ = ("choices", "key", "least", "metavar", "most", "of_services")

    def __init__(
        self,
        key: str,
        metavar: str,
        least: int = 0,
        most: int | None = None,
        services: bool = True,
        choices: tuple[str, ...] = (),
    ) -> None:
        self.key = key
        self.choices = choices
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
