"""What of a service's bytes may reach a terminal: text and colours, nothing that moves, rings or answers; pure.

A service owns its lines, not the screen. On a terminal, colours (SGR) pass and are switched off at the end of the
line; every other escape sequence (cursor, title, clipboard, queries that make the terminal type an answer) is taken
out; other control characters are shown as `^G`. A carriage return inside a line (a progress bar) leaves what a terminal
would show: the last stage. Into a pipe or a file bytes go as they are.
"""

from __future__ import annotations

import re

_PLAIN = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09, 0x0A} - {0xC2})
_SEQUENCE = re.compile(
    rb"\x1b\[([0-?]*)([ -/]*[@-~])"  # CSI ... final
    rb"|\x1b[\]P_^X].*?(?:\x07|\x1b\\|\xc2\x9c|$)"  # OSC, DCS, APC, PM, SOS up to their end
    rb"|\x1b[ -/]*[0-~]?"  # the short ones, and a lone ESC
    rb"|\xc2[\x80-\x9f]"  # C1 in UTF-8: xterm obeys them too
    rb"|\xc2(?![\xa0-\xbf])"  # half of one, which could meet its other half when what is between is taken out
    rb"|[\x00-\x08\x0b-\x1f\x7f]"
)
_RESET = b"\x1b[0m"


def safe_for_terminal(lines: bytes, colour: bool) -> bytes:
    """Return `lines` (text with newlines between or after) with nothing in it that a line of a log must not do.

    Without `colour` the colours are taken out too. Costs one pass where there is nothing to take out.
    """
    if not lines.translate(None, _PLAIN):
        return lines
    return b"\n".join([_safe_line(line, colour) for line in lines.split(b"\n")])


def _safe_line(line: bytes, colour: bool) -> bytes:
    if not line.translate(None, _PLAIN):
        return line
    line = line.rstrip(b"\r")
    line = line[line.rfind(b"\r") + 1 :]
    coloured = False

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal coloured
        found = match[0]
        if found == b"\xc2":
            return b"\xef\xbf\xbd"
        if len(found) == 1 and found != b"\x1b":
            return b"^" + bytes([found[0] ^ 0x40])
        if colour and match[2] == b"m" and not match[1].strip(b"0123456789;:"):
            coloured = True
            return found
        return b""

    line = _SEQUENCE.sub(replace, line)
    return line + _RESET if coloured else line
