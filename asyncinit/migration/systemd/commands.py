"""A command line of systemd: its prefixes, words and variables, as a command here; knows no directive.

systemd replaces ${NAME} within words, and a word that is $NAME by the words of its value. Only a shell can do the
latter here, so that a command with such a word is given to one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from msgspec import Struct

from asyncinit.migration.systemd.words import Untranslatable
from asyncinit.migration.systemd.work import literal

_WHOLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_PARTS = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ONE_WORD = frozenset(("MAINPID",))
"""Variables whose value is always one word."""

SPLIT_NOTE = "a shell runs it, which splits the variable at white space and knows no quotes in it"


class Run(Struct, frozen=True):
    """A command: `words` as they are after quotes and specifiers, and what its prefixes say.

    `plain`: dollars are dollars (:). `privileged`: not as the service's user (+, !). `may_fail`: -. `renamed`: the name
    that it would be called by (@).
    """

    words: tuple[str, ...]
    may_fail: bool = False
    plain: bool = False
    privileged: bool = False
    renamed: str = ""

    @property
    def splits(self) -> bool:
        """Whether a word is a variable that may be several words."""
        found = (_WHOLE.fullmatch(word) for word in self.words)
        return not self.plain and any(match is not None and match[1] not in _ONE_WORD for match in found)

    def as_words(self) -> list[str]:
        """Return the words as a list of asyncinit has them: an unset variable is empty, as it is for systemd."""
        return [literal(word) if self.plain else _word(word) for word in self.words]

    def as_shell(self, leave: bool = True) -> str:
        """Return the text for a shell that becomes the program (`leave`), or waits for it."""
        text = " ".join(shlex.quote(word) if self.plain else _shell_word(word) for word in self.words)
        noglob = "set -f; " if self.splits else ""
        return noglob + ("exec " if leave else "") + text

    def anyway(self) -> list[str]:
        """Return it as words in any case: by a shell where it has to be."""
        if not self.splits:
            return self.as_words()
        return ["/bin/sh", "-c", self.as_shell().replace("$", "$$")]


def _word(word: str) -> str:
    if match := _WHOLE.fullmatch(word):
        return f"${{{match[1]}}}"
    parts = (_variable(match) if match else literal(text) for match, text in _pieces(word))
    return "".join(parts)


def _variable(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return "$$"
    return f"${{{name}}}" if name in _ONE_WORD else f"${{{name}:-}}"


def _shell_word(word: str) -> str:
    if match := _WHOLE.fullmatch(word):
        return f'"${match[1]}"' if match[1] in _ONE_WORD else f"${match[1]}"
    parts = (
        ("'$'" if match[1] is None else f'"${{{match[1]}}}"') if match else shlex.quote(text)
        for match, text in _pieces(word)
    )
    return "".join(parts) or "''"


def _pieces(word: str) -> Iterator[tuple[re.Match[str] | None, str]]:
    """Return a word in its pieces: variables and doubled dollars as matches, all else as text."""
    position = 0
    for match in _PARTS.finditer(word):
        if match.start() > position:
            yield None, word[position : match.start()]
        yield match, ""
        position = match.end()
    if position < len(word):
        yield None, word[position:]


def parse(words: list[str]) -> list[Run]:
    """Return the commands of one line, which a word ";" separates. Raises Untranslatable."""
    runs: list[Run] = []
    found: list[str] = []
    for word in [*words, ";"]:
        if word != ";":
            found.append(word)
        elif found:
            runs.append(_run(found))
            found = []
    return runs


def _run(words: list[str]) -> Run:
    program = words[0]
    prefixes = program[: len(program) - len(program.lstrip("-@:+!|"))]
    program, arguments = program[len(prefixes) :], words[1:]
    if not program:
        raise Untranslatable("names no program")
    renamed = ""
    if "@" in prefixes and arguments:
        renamed, arguments = arguments[0], arguments[1:]
    return Run(
        (program, *arguments),
        may_fail="-" in prefixes,
        plain=":" in prefixes,
        privileged="+" in prefixes or "!" in prefixes.replace("!!", ""),
        renamed=renamed,
    )


_KILL = re.compile(r"(?:/usr)?/bin/kill|kill")


def signal_of(run: Run) -> str | None:
    """Return the signal that a command does nothing but send to the main process: /bin/kill -HUP $MAINPID."""
    if len(run.words) < 2 or not _KILL.fullmatch(run.words[0]) or run.words[-1] not in ("$MAINPID", "${MAINPID}"):
        return None
    options = list(run.words[1:-1])
    if options[:1] in (["-s"], ["--signal"]) and len(options) == 2:
        name = options[1]
    elif len(options) == 1 and options[0].startswith(("-s", "--signal=")):
        name = options[0].removeprefix("--signal=").removeprefix("-s")
    elif len(options) == 1 and options[0].startswith("-"):
        name = options[0][1:]
    else:
        name = "" if options else "TERM"
    return name or None
