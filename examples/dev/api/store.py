"""The notes: in redis where that runs, else in SQLite. Both do the same four things."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path
from typing import Protocol

DATA = Path(".data")
SOCKET = DATA / "redis.sock"

Note = dict[str, object]


class Store(Protocol):
    def add(self, text: str) -> int: ...
    def all(self) -> list[Note]: ...
    def uncounted(self) -> list[Note]: ...
    def count(self, number: int, words: int) -> None: ...


def connect() -> sqlite3.Connection:
    """Return a connection to the SQLite file, with each statement its own transaction."""
    connection = sqlite3.connect(DATA / "notes.sqlite", timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


class InSQLite:
    def add(self, text: str) -> int:
        with connect() as connection:
            return connection.execute("INSERT INTO note (text) VALUES (?)", (text,)).lastrowid or 0

    def all(self) -> list[Note]:
        with connect() as connection:
            return [dict(row) for row in connection.execute("SELECT * FROM note ORDER BY number")]

    def uncounted(self) -> list[Note]:
        return [note for note in self.all() if note["words"] is None]

    def count(self, number: int, words: int) -> None:
        with connect() as connection:
            connection.execute("UPDATE note SET words = ? WHERE number = ?", (words, number))


class InRedis:
    """The few words of redis's protocol that this takes, so that nothing has to be installed to try it."""

    def add(self, text: str) -> int:
        number = int(self._ask("INCR", "notes"))
        self._ask("HSET", f"note:{number}", "text", text)
        return number

    def all(self) -> list[Note]:
        notes: list[Note] = []
        for number in range(1, int(self._ask("GET", "notes") or 0) + 1):
            text, words = self._ask("HMGET", f"note:{number}", "text", "words")
            notes.append({"number": number, "text": text, "words": words and int(words)})
        return notes

    def uncounted(self) -> list[Note]:
        return [note for note in self.all() if note["words"] is None]

    def count(self, number: int, words: int) -> None:
        self._ask("HSET", f"note:{number}", "words", str(words))

    def _ask(self, *words: str):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(SOCKET))
            parts = [word.encode() for word in words]
            lines = [b"*%d" % len(parts)]
            for part in parts:
                lines += [b"$%d" % len(part), part]
            connection.sendall(b"\r\n".join([*lines, b""]))
            with connection.makefile("rb") as answer:
                return self._read(answer)

    def _read(self, answer):
        kind, rest = (line := answer.readline())[:1], line[1:].strip()
        if kind == b"*":
            return [self._read(answer) for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else answer.read(int(rest) + 2)[:-2].decode()
        if kind == b"-":
            raise OSError(rest.decode())
        return rest.decode()


def choose() -> Store:
    """Return the store of this machine: redis's, where somebody answers at its socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(SOCKET))
        except OSError:
            return InSQLite()
    return InRedis()
