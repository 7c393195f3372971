"""What a program or library for this processor says that it is linked with; runs nothing (64 bits, little-endian)."""

from __future__ import annotations

import struct
from pathlib import Path

_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRINGS = 1, 5


def needed(path: Path) -> list[str]:
    """Return the names of the libraries that a file needs, its loader among them; nothing of what is no such file."""
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return []
        data = b"\x7fELF\x02\x01" + file.read()
    start, size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, start + size * number) for number in range(count)]

    def at(address: int) -> int:
        """Return the place in the file of an address in memory."""
        return next(
            address - where + offset
            for kind, _flags, offset, where, _physical, length, _memory, _align in headers
            if kind == _LOAD and where <= address < where + length
        )

    def text(offset: int) -> str:
        return data[offset : data.index(b"\0", offset)].decode()

    found = [Path(text(header[2])).name for header in headers if header[0] == _INTERPRETER]
    for header in headers:
        if header[0] == _DYNAMIC:
            entries = list(struct.iter_unpack("<QQ", data[header[2] : header[2] + header[5] // 16 * 16]))
            strings = next((at(value) for tag, value in entries if tag == _STRINGS), 0)
            found += [text(strings + value) for tag, value in entries if tag == _NEEDED]
    return found
