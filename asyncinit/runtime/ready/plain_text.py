"""Make what other programs wrote safe to match and to show: pure, linear time, knows nothing of who wrote it."""

from __future__ import annotations

from asyncinit.errors import why

_ESCAPE = 0x1B
_BELL = 0x07


def strip_escapes(line: bytes) -> bytes:
    """Return `line` without terminal escape sequences (ECMA-48: colours, cursor, titles, links); never fails.

    A sequence that the line's end cuts off is dropped. No regular expression: a hostile line costs its length.
    """
    position = line.find(_ESCAPE)
    if position < 0:
        return line
    kept = bytearray()
    start = 0
    while position >= 0:
        kept += line[start:position]
        start = _end_of_sequence(line, position)
        position = line.find(_ESCAPE, start)
    kept += line[start:]
    return bytes(kept)


def obstacle_of(error: Exception) -> str:
    """Return what stood in the way, in words: an OSError's errno, without the file that the context names."""
    number = error.errno if isinstance(error, OSError) else None
    return why(number) if number is not None else one_line(str(error)) or type(error).__name__


def _end_of_sequence(line: bytes, start: int) -> int:
    """Return the index after the escape sequence that begins at `start`."""
    size = len(line)
    position = start + 1
    if position >= size:
        return size
    kind = line[position]
    if kind == 0x5B:  # CSI: parameters and intermediates, then one final byte
        position += 1
        while position < size and 0x20 <= line[position] <= 0x3F:
            position += 1
        return min(position + 1, size)
    if kind in b"]PX^_":  # OSC, DCS, SOS, PM, APC: a string that BEL or ESC \ ends
        position += 1
        while position < size and line[position] not in (_BELL, _ESCAPE):
            position += 1
        if line[position : position + 2] == b"\x1b\\":
            return position + 2
        return min(position + 1, size) if line[position : position + 1] == b"\x07" else position
    while position < size and 0x20 <= line[position] <= 0x2F:  # ESC ( B and the like
        position += 1
    return min(position + 1, size)


def one_line(data: bytes | str, limit: int = 256) -> str:
    """Return `data` as at most `limit` printable characters on one line, for a log or a status.

    Bytes that are not UTF-8, control characters and those that turn the direction of text become a replacement or a
    blank; a longer text is cut and ends in "...".
    """
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    # Four bytes a character at most, and room for escape sequences: what comes after that is never shown.
    cut = len(raw) > limit * 16
    text = strip_escapes(raw[: limit * 16]).decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    text = text.strip()
    if len(text) > limit or cut:
        return text[: max(0, limit - 3)].rstrip() + "..."
    return text
