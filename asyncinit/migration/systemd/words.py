"""How systemd splits a value into words: quotes, C escapes, lists; knows no directive (systemd.syntax(7))."""

from __future__ import annotations

import re


class Untranslatable(ValueError):  # noqa: N818 - it is an answer, and no failure of ours
    """A setting cannot be translated; the text says why, for the report."""


_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
    ";": ";",
}
_NUMBERS = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")
_SPACE = " \t\n\r"


def split(text: str) -> list[str]:
    """Return the words of a value, unquoted. Raises Untranslatable where a quote is left open."""
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            found, position = _escape(text, position)
            word = [*(word or []), found]
            continue
        position += 1
        if quote:
            if character == quote:
                quote = ""
            elif word is not None:
                word.append(character)
        elif character in "\"'":
            quote, word = character, word if word is not None else []
        elif character in _SPACE:
            if word is not None:
                words.append("".join(word))
            word = None
        else:
            word = word if word is not None else []
            word.append(character)
    if quote:
        raise Untranslatable(f"a quote is open: {quote}")
    if word is not None:
        words.append("".join(word))
    return words


def _escape(text: str, position: int) -> tuple[str, int]:
    """Return what a backslash and what follows stand for, and where to go on; an unknown escape stands for itself."""
    following = text[position + 1 : position + 2]
    if following in _ESCAPES and following:
        return _ESCAPES[following], position + 2
    if match := _NUMBERS.match(text, position + 1):
        octal = match[4]
        number = int(octal, 8) if octal else int(match[1] or match[2] or match[3], 16)
        if 0 < number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
            return chr(number), match.end()
    return "\\" + following, position + 2


_TRUE = frozenset(("1", "yes", "y", "true", "t", "on"))
_FALSE = frozenset(("0", "no", "n", "false", "f", "off"))


def boolean(text: str) -> bool:
    """Return what a boolean of systemd is. Raises Untranslatable."""
    folded = text.lower()
    if folded not in _TRUE | _FALSE:
        raise Untranslatable("is neither yes nor no")
    return folded in _TRUE
