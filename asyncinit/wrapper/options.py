"""What the wrapper is told: the options of `-- CMD`, from the command line; must not start or signal anything."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Mapping, Sequence
else:
    import _signal

SCOPES = ("process", "group", "tree")
_UNFORWARDED = (
    "SIGKILL",
    "SIGSTOP",
    "SIGCHLD",
    "SIGSEGV",
    "SIGBUS",
    "SIGFPE",
    "SIGILL",
    "SIGTRAP",
    "SIGSYS",
    "SIGABRT",
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class UsageError(Exception):
    """An option of `-- CMD` has a value that it can't have; the text says what was expected."""


class WrapOptions:
    """What to run and how: a program and its arguments, who gets the signals, and the maps of signals and statuses.

    `rewrite` maps a signal's number to the one to send instead, 0 to none; `exit_codes` maps the final status.
    `grace` is the time in seconds from the first SIGTERM, SIGINT or SIGQUIT until all is killed; None: never.
    """

    __slots__ = ("command", "exit_codes", "grace", "rewrite", "scope")

    def __init__(
        self,
        command: "Sequence[str]",
        scope: str = "group",
        rewrite: "Mapping[int, int] | None" = None,
        exit_codes: "Mapping[int, int] | None" = None,
        grace: float | None = None,
    ) -> None:
        if scope not in SCOPES:
            raise UsageError(f"--scope: {scope!r} is none of {', '.join(SCOPES)}")
        self.command = tuple(command)
        self.scope = scope
        self.rewrite = dict(rewrite or {})
        self.exit_codes = dict(exit_codes or {})
        self.grace = grace


def parse(arguments: "Sequence[str]") -> WrapOptions | None:
    """Read `[--scope S] [--rewrite FROM:TO]... [--exit-code FROM:TO]... -- CMD...`; None if there is anything else.

    None leaves the rest to the full command line (other options, or no CMD). Raises UsageError on a bad value.
    """
    scope = "group"
    rewrite: dict[int, int] = {}
    exit_codes: dict[int, int] = {}
    position = 0
    while position < len(arguments) and arguments[position] != "--":
        option, joined, value = arguments[position].partition("=")
        if option not in ("--scope", "--rewrite", "--exit-code"):
            return None
        if not joined:
            position += 1
            if position == len(arguments):
                return None
            value = arguments[position]
        if option == "--scope":
            scope = value
        elif option == "--rewrite":
            rewrite.update((parse_rewrite(value),))
        else:
            exit_codes.update((parse_exit_code(value),))
        position += 1
    command = arguments[position + 1 :]
    return WrapOptions(command, scope, rewrite, exit_codes) if command else None


def parse_signal(text: str) -> int:
    """Return the number of the signal that `text` names: TERM, SIGTERM, 15, RTMIN+3, SIGRTMAX-1."""
    name = text.upper().removeprefix("SIG")
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    number = int(base) if base.isdecimal() and not sign else getattr(_signal, "SIG" + base, None)
    if sign and base in ("RTMIN", "RTMAX") and offset.isdecimal() and number is not None:
        number += int(sign + offset)
    elif sign:
        number = None
    if number is None or number not in _signal.valid_signals():
        expected = _meant(name) or "write a name like TERM or RTMIN+3, or a number"
        raise UsageError(f"{text!r} is not a signal; {expected}")
    return int(number)


def _meant(name: str) -> str:
    """Return the signal that was probably meant, as a question; an empty string: none."""
    import difflib  # only when something is wrong

    names = [one[3:] for one in dir(_signal) if one.startswith("SIG") and one[3:].isalnum()]
    found = difflib.get_close_matches(name, names, 1)
    return f"did you mean {found[0]}?" if found else ""


def parse_rewrite(text: str) -> tuple[int, int]:
    """Return (from, to) of a `--rewrite FROM:TO`; `to` is 0 where the signal shall be dropped."""
    source, colon, target = text.partition(":")
    if not colon:
        raise UsageError(f"--rewrite: {text!r} is not FROM:TO, such as TERM:QUIT, or HUP:0 to drop a signal")
    try:
        numbers = parse_signal(source), 0 if target == "0" else parse_signal(target)
    except UsageError as error:
        raise UsageError(f"--rewrite {text}: {error}") from None
    if numbers[0] in [getattr(_signal, name) for name in _UNFORWARDED]:
        raise UsageError(f"--rewrite {text}: {source} is never forwarded")
    return numbers


def parse_exit_code(text: str) -> tuple[int, int]:
    """Return (from, to) of an `--exit-code FROM:TO`, both 0 to 255."""
    source, colon, target = text.partition(":")
    if not (colon and source.isdecimal() and target.isdecimal() and int(source) < 256 and int(target) < 256):
        raise UsageError(f"--exit-code: {text!r} is not FROM:TO with numbers from 0 to 255, such as 143:0")
    return int(source), int(target)


def parse_grace(text: str) -> float | None:
    """Return the seconds of an ASYNCINIT_GRACE ("8", "2.5", "500ms", "1m30s"); "" and "none" are None."""
    if text in ("", "none"):
        return None
    seconds, rest = 0.0, text
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        unit = next((unit for unit in _UNITS if rest.startswith(unit)), "")
        try:
            seconds += float(number) * _UNITS[unit or "s"]
        except ValueError:
            number = ""
        if not number or not (unit or number == text):
            raise UsageError(f"ASYNCINIT_GRACE: {text!r} is not a duration such as 8, 500ms or 1m30s")
        rest = rest[len(unit) :]
    return seconds
