"""The environment of a service: who wins, `${NAME}`, and files of NAME=value lines; pure, reads no file or process.

From the weakest to the strongest: what asyncinit was given (without what was meant for asyncinit alone), HOME, USER,
LOGNAME and SHELL of the service's user, its environment files in order, its `environment`, its directories, and what
asyncinit itself has to say. A value of `environment` sees all that is weaker, what stands before it, and the last two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from asyncinit.config.spec import Command, ServiceSpec
from asyncinit.errors import AsyncinitError
from asyncinit.runtime.process.accounts import Account
from asyncinit.runtime.process.executable import DEFAULT_PATH

# Each names something that belongs to asyncinit, or to the asyncinit around it, and would mislead a service.
NOT_INHERITED = frozenset(
    (
        *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "ASYNCINIT_TOKEN", "ASYNCINIT_HANDED"),
        *("TRIGGER_UNIT", "TRIGGER_TIMER_REALTIME_USEC", "TRIGGER_TIMER_MONOTONIC_USEC"),
        *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"),
    )
)

_BLANK = " \t"
_LINE_ENDS = "\n\r"
_QUOTED_ESCAPES = '"\\`$'  # what a backslash escapes between double quotes


@dataclass(eq=False)
class UnsetVariableError(AsyncinitError):
    """A `${NAME}` without default has no value; `key` is the configuration key that it stands in, where known."""

    name: str
    key: str = ""

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        return f"{where}${{{self.name}}} is not set; give it a value, or a default as in ${{{self.name}:-value}}"


@dataclass(eq=False)
class EnvironmentFileError(AsyncinitError):
    """A line of an environment file has no meaning."""

    path: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem}"


def expand(text: str, environment: Mapping[str, str], key: str = "") -> str:
    """Replace `${NAME}` and `${NAME:-default}` in `text` from `environment`; `$$` is a dollar, any other `$` is itself.

    An empty value counts as set for `${NAME}`, and as not set for `:-`. Raises UnsetVariableError with `key`.
    """
    if "$" not in text:
        return text
    parts = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        end = text.find("}", dollar) if following == "{" else -1
        name, has_default, default = text[dollar + 2 : end].partition(":-") if end > 0 else ("", "", "")
        if following == "$":
            parts.append("$")
            at = dollar + 2
        elif not (name.isascii() and name.isidentifier()):
            parts.append("$")
            at = dollar + 1
        else:
            value = environment.get(name)
            if value is None and not has_default:
                raise UnsetVariableError(name, key)
            parts.append(value or default.replace("$$", "$"))
            at = end + 1
    return "".join(parts) + text[at:]


def expand_command(command: Command, environment: Mapping[str, str], key: str) -> tuple[str, ...]:
    """Return the words of `command`, each expanded and still one word. Raises UnsetVariableError."""
    if not command.expand:
        return command.argv
    return tuple(expand(word, environment, key) for word in command.argv)


def ground(
    spec: ServiceSpec,
    inherited: Mapping[str, str],
    account: Account | None,
    directories: Mapping[str, str],
    own: Mapping[str, str],
) -> dict[str, str]:
    """Return what an environment file's path and the values of `environment` may refer to before any file is read."""
    environment = {}
    if not spec.clear_environment:
        environment = {name: value for name, value in inherited.items() if name not in NOT_INHERITED}
    if account is not None:
        environment |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name, "SHELL": account.shell}
    environment.update(directories)
    environment.update(own)
    return environment


def path_environment(spec: ServiceSpec, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the path of the next environment file may refer to, `environment` having the earlier files.

    The service's own `environment` is in it as far as it can be expanded without the files that are to come.
    """
    known = dict(environment)
    for name, value in spec.environment.items():
        try:
            known[name] = expand(value, known)
        except UnsetVariableError:
            pass  # it may come with a file; if not, build() says so
    return known


def build(
    spec: ServiceSpec,
    inherited: Mapping[str, str],
    *,
    account: Account | None = None,
    files: Iterable[Mapping[str, str]] = (),
    directories: Mapping[str, str] | None = None,
    own: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of `spec`'s processes. Raises UnsetVariableError naming the variable and the key.

    `account` is the user's if the service has one, `files` what its environment files say, `directories` such as
    RUNTIME_DIRECTORY, `own` what asyncinit adds. PATH has a default, for PID 1 of a machine is given none.
    """
    environment = ground(spec, inherited, account, directories or {}, own or {})
    for file in files:
        environment.update(file)
    for name, value in spec.environment.items():
        environment[name] = expand(value, environment, f"environment.{name}")
    environment.setdefault("PATH", DEFAULT_PATH)
    for name in spec.unset_environment:
        environment.pop(name, None)
    environment.update(directories or {})
    environment.update(own or {})
    return environment


def parse_environment_file(data: bytes, path: str) -> dict[str, str]:
    """Return the variables of an environment file, by systemd's rules (see `EnvironmentFile` in systemd.exec(5)).

    A leading `export` is taken as the shell takes it. Raises EnvironmentFileError for what systemd leaves out in
    silence: text that is not UTF-8, a NUL, a name with a space in it, a quote that is never closed.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EnvironmentFileError(path, line, f"expected UTF-8, found the byte 0x{data[error.start]:02x}") from error
    if "\0" in text:
        raise EnvironmentFileError(path, text.count("\n", 0, text.index("\0")) + 1, "found a NUL character")
    return _FileParser(text.replace("\r\n", "\n"), path).parse()


class _FileParser:
    """One pass over the text of an environment file."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._at = 0

    def parse(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        while self._at < len(self._text):
            start = self._at
            if self._text[start] in _BLANK + _LINE_ENDS:
                self._at += 1
                continue
            end = self._line_end()
            line = self._text[start:end]
            equals = line.find("=")
            if line[0] in "#;" or equals < 0:
                self._at = end
                continue
            name = line[:equals].strip(_BLANK)
            if name.startswith(("export ", "export\t")):
                name = name[7:].strip(_BLANK)
            if not name or any(character.isspace() for character in name):
                raise self._error(start, f"expected NAME=value, found the name {name!r}")
            self._at = start + equals + 1
            variables[name] = self._value()
        return variables

    def _line_end(self) -> int:
        ends = [end for end in (self._text.find(character, self._at) for character in _LINE_ENDS) if end >= 0]
        return min(ends, default=len(self._text))

    def _error(self, at: int, problem: str) -> EnvironmentFileError:
        return EnvironmentFileError(self._path, self._text.count("\n", 0, at) + 1, problem)

    def _value(self) -> str:
        """Read a value: quoted parts as long as they come first, then the rest of the line as it is."""
        parts: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in _LINE_ENDS:
            character = self._text[self._at]
            if character in _BLANK:
                self._at += 1
            elif character == "'":
                parts.append(self._single_quoted())
            elif character == '"':
                parts.append(self._double_quoted())
            else:
                parts.append(self._plain())
        return "".join(parts)

    def _single_quoted(self) -> str:
        start = self._at + 1
        end = self._text.find("'", start)
        if end < 0:
            raise self._error(start, "the ' that begins here is never closed")
        self._at = end + 1
        return self._text[start:end]

    def _double_quoted(self) -> str:
        start = self._at
        parts: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(parts)
            if character == "\\":
                escaped = self._text[self._at : self._at + 1]
                self._at += 1
                if escaped not in _QUOTED_ESCAPES:
                    escaped = "" if escaped == "\n" else "\\" + escaped
                character = escaped
            parts.append(character)
        raise self._error(start, 'the " that begins here is never closed')

    def _plain(self) -> str:
        """Read to the end of the line, blanks at its end left out; a backslash takes the next character as it is."""
        parts: list[str] = []
        kept = 0  # so many parts stay, whatever blanks follow
        while self._at < len(self._text) and self._text[self._at] not in _LINE_ENDS:
            character = self._text[self._at]
            self._at += 1
            if character == "\\":
                character = self._text[self._at : self._at + 1]
                self._at += 1
                parts.append("" if character == "\n" else character)
                kept = len(parts)
                continue
            parts.append(character)
            if character not in _BLANK:
                kept = len(parts)
        return "".join(parts[:kept])
