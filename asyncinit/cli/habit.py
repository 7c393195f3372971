"""One habit: a row of words of another program, and what to type here; knows no table of them and no command.

Words in capitals stand for others and may come again in what to type: any word, or one of a kind (`_KINDS`); "..." for
all that follow. "-SIG" is an option that is itself such a word.
"""

from __future__ import annotations

from itertools import takewhile

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_REST = "..."
_NAME = "NAME"
_KINDS: Mapping[str, Callable[[str], bool]] = {
    "YAML": lambda word: word.endswith((".yml", ".yaml")),
    "TOML": lambda word: word.endswith(".toml"),
    "CONF": lambda word: word.endswith((".conf", ".ini")),
    "UNIT": lambda word: word.endswith((".service", ".timer", ".socket", ".target")),
    "PROCFILE": lambda word: plain_name(word).startswith("Procfile"),
    "FROM:TO": lambda word: ":" in word,
    "NUMBER": str.isdecimal,
    "CODE": str.isdecimal,
}
"""Words that stand for some words only."""


class Habit:
    """A habit of those who know `peer`: where they type `words`, here it is `here`; `why` in a few words, if at all."""

    __slots__ = ("here", "peer", "why", "words")

    def __init__(self, peer: str, words: str, here: str, why: str = "") -> None:
        self.peer = peer
        self.words = words
        self.here = here
        self.why = why

    def told(self, given: Sequence[str]) -> str | None:
        """Return what to type in the place of `given`; None: this is another habit."""
        found = _matched(self.words.split(), given)
        if found is None:
            return None
        return " ".join(filter(None, (_filled_in(word, found) for word in self.here.split())))

    @property
    def weight(self) -> tuple[int, int]:
        """How much of a command line it is about: the more, the better it fits."""
        words = self.words.split()
        return sum(not _stands_for_any(word) for word in words), len(words)


def plain_name(word: str) -> str:
    """Return the name of a service as it is here: `/run/service/web/` and `web.service` are `web`."""
    return word.rstrip("/").rpartition("/")[2].removesuffix(".service")


def _stands_for_any(word: str) -> bool:
    return word.isupper() and not word.startswith("-")


def _matched(pattern: Sequence[str], given: Sequence[str]) -> dict[str, str] | None:
    """Return what the words in capitals of `pattern` stand for in `given`, None where that is something else.

    A NAME at the end stands for all that follow, too. What else follows may only be options: a habit that knows nothing
    of a further word ("down" of "down web") is another one.
    """
    found: dict[str, str] = {}
    for place, word in enumerate(pattern):
        rest = given[place:]
        if word == _REST:
            found[word] = " ".join(rest)
            return found
        if not rest:
            return None
        if word == _NAME and place == len(pattern) - 1:
            names = list(takewhile(_is_plain, rest))
            found[word] = " ".join(map(plain_name, names))
            return found if names and all(map(plain_name, names)) and _only_options(rest[len(names) :]) else None
        if not _matches(word, rest[0], found):
            return None
    return found if _only_options(given[len(pattern) :]) else None


def _is_plain(word: str) -> bool:
    return not word.startswith("-")


def _only_options(words: Sequence[str]) -> bool:
    return not any(_is_plain(word) or word == "--" for word in words)


def _matches(word: str, given: str, found: dict[str, str]) -> bool:
    """Tell whether one word is meant by another, and note in `found` what it stands for."""
    if word == "-SIG":
        found["SIG"] = given[1:]
        return given[:1] == "-" and len(given) > 1 and given[1:].isalnum() and given[1:].upper() == given[1:]
    if not _stands_for_any(word):
        return word == given
    found[word] = plain_name(given) if word == _NAME else given
    return bool(given) and _is_plain(given) and _KINDS.get(word, bool)(given)


def _filled_in(word: str, found: Mapping[str, str]) -> str:
    """Return a word of what to type with what it stands for, which may be a part of it ("CODE:0", "NAME=NUMBER")."""
    if word in found or word == _REST:
        return found.get(word, "")
    for mark in ":=":
        if mark in word:
            return mark.join(found.get(part, part) for part in word.split(mark))
    return word
