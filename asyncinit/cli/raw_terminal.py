"""The client's own terminal while it is joined to another: raw, and afterwards as it was; knows no service.

Also what a person types to leave, and what programs may have switched on in the terminal and not off again.
"""

from __future__ import annotations

import os
import re
import termios
import tty

from asyncinit.cli.outcome import UsageError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

DETACH_KEYS = "ctrl-p,ctrl-q"
"""Docker's."""

# What a terminal is switched into by full-screen programs and line editors, and out of by the other letter: the
# alternate screen, the mouse, marked pastes, the hidden cursor, application keys.
_SWITCH = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
_OFF_AT_THE_END = frozenset(b"1 47 1000 1002 1003 1004 1005 1006 1047 1049 2004".split())
_HIDDEN_CURSOR = b"25"
_LONGEST_SWITCH = 64


def keys_of(text: str) -> bytes:
    """Return what is typed to leave: keys such as "a" or "ctrl-a", with commas between; nothing for "none"."""
    if text == "none":
        return b""
    return b"".join(_key(word) for word in text.split(","))


def _key(word: str) -> bytes:
    name = word.strip()
    letter = name[5:].upper() if name.lower().startswith("ctrl-") else ""
    if len(letter) == 1 and "@" <= letter <= "_":
        return bytes([ord(letter) - 0x40])
    if len(name) == 1 and name.isascii() and name.isprintable():
        return name.encode()
    raise UsageError(f'--detach-keys: {word!r} is no key; expected "a", "ctrl-a" or several between commas, or "none"')


class Keys:
    """Looks for the keys to leave by in what is typed."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._seen = 0

    def typed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what of it is for the service, and whether the keys were typed.

        The first of them are held back until it is known what follows.
        """
        if not self._keys:
            return data, False
        out = bytearray()
        for value in data:
            if value == self._keys[self._seen]:
                self._seen += 1
                if self._seen == len(self._keys):
                    return bytes(out), True
                continue
            out += self._keys[: self._seen]
            self._seen = 0
            if value == self._keys[0]:
                self._seen = 1
                if self._seen == len(self._keys):
                    return bytes(out), True
            else:
                out.append(value)
        return bytes(out), False


class Switches:
    """What the output has switched on in the terminal."""

    def __init__(self) -> None:
        self._on: dict[bytes, None] = {}
        self._rest = b""

    def shown(self, data: bytes) -> None:
        """Look at what goes to the terminal."""
        text = self._rest + data
        end = 0
        for match in _SWITCH.finditer(text):
            end = match.end()
            for number in match[1].split(b";"):
                on = match[2] == (b"l" if number == _HIDDEN_CURSOR else b"h")
                if number in _OFF_AT_THE_END or number == _HIDDEN_CURSOR:
                    self._on.pop(number, None)
                    if on:
                        self._on[number] = None
        self._rest = text[max(end, len(text) - _LONGEST_SWITCH) :]

    def off(self) -> bytes:
        """Return what switches it all off again, the last first, and colours too."""
        parts = [b"\x1b[?%s%s" % (n, b"h" if n == _HIDDEN_CURSOR else b"l") for n in reversed(self._on)]
        return b"".join(parts) + b"\x1b[m"


class RawTerminal:
    """The terminal `fd`, raw from `enter` to `leave`; nothing happens where it is none."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.is_one = os.isatty(fd)
        self._before: list[Any] | None = None

    def enter(self) -> None:
        """Give every key as it is typed."""
        if self.is_one:
            self._before = termios.tcgetattr(self._fd)
            tty.setraw(self._fd, termios.TCSADRAIN)

    def leave(self) -> None:
        """Make it as it was; harmless when it is."""
        if self._before is not None:
            before, self._before = self._before, None
            try:
                termios.tcsetattr(self._fd, termios.TCSADRAIN, before)
            except termios.error:
                pass  # it has hung up
