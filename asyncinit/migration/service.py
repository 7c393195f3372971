"""A service (or pod) that is being translated: its keys, and where each is from; knows no format and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from asyncinit.config.names import is_service_name, is_template
from asyncinit.config.problems import dotted, printable
from asyncinit.migration.report import Ledger, MigrationError, Setting, Verdict

Path = tuple[str, ...]


def path_of(key: str | Path) -> Path:
    """Return a key as its parts: "restart.policy" is ("restart", "policy")."""
    return tuple(key.split(".")) if isinstance(key, str) else key


class Draft:
    """One service that will be a file NAME.toml; with `pod`, a pod.

    `data` is what the file will have; `sources` are the settings that each key is from, `remarks` what else is said
    above a key, `()` standing for the file as a whole. `how` it came about is what the file says of itself.
    """

    def __init__(
        self, name: str, ledger: Ledger, *, origin: str = "", pod: bool = False, how: str = "translated"
    ) -> None:
        if not (is_service_name(name) or (is_template(name) and not pod)):
            raise MigrationError(
                f"{printable(name)} cannot be the name of a {'pod' if pod else 'service'}: letters, digits, _, . and -"
            )
        self.name = name
        self.ledger = ledger
        self.origin = origin
        self.pod = pod
        self.how = how
        self.data: dict[str, Any] = {}
        self.sources: dict[Path, list[Setting]] = {}
        self.remarks: dict[Path, list[str]] = {}

    def put(
        self,
        setting: Setting | None,
        key: str | Path,
        value: Any,
        note: str = "",
        verdict: Verdict = Verdict.TRANSLATED,
    ) -> None:
        """Give a key its value, in place of one that it has.

        `setting` is what it is from, None where the source says nothing of it and its default is not ours: then the
        note says so in the file.
        """
        path = path_of(key)
        table = self.data
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = value
        self._account(setting, path, note, verdict)

    def append(
        self,
        setting: Setting | None,
        key: str | Path,
        *items: Any,
        note: str = "",
        verdict: Verdict = Verdict.TRANSLATED,
    ) -> None:
        """Add items to a key that is a list, each once."""
        path = path_of(key)
        there = list(self.get(path, []))
        for item in items:
            if item not in there:
                there.append(item)
        self.put(setting, path, there, note, verdict)

    def get(self, key: str | Path, default: Any = None) -> Any:
        """Return the value of a key."""
        found: Any = self.data
        for part in path_of(key):
            if not isinstance(found, dict) or part not in found:
                return default
            found = found[part]
        return found

    def paths(self) -> list[Path]:
        """Return the path of every value, and of every table that was put as a whole."""
        found: list[Path] = list(self.sources)
        tables: list[tuple[Path, dict[str, Any]]] = [((), self.data)]
        while tables:
            above, table = tables.pop()
            for key, item in table.items():
                if isinstance(item, dict) and (*above, key) not in self.sources:
                    tables.append(((*above, key), item))
                elif (*above, key) not in self.sources:
                    found.append((*above, key))
        return found

    def tidy(self) -> None:
        """Take out tables in which nothing is left."""
        for key in [key for key, item in self.data.items() if item == {}]:
            del self.data[key]

    def drop(self, key: str | Path) -> list[Setting]:
        """Take a key out again, and return what it was from; what becomes of these is to be said anew."""
        path = path_of(key)
        parent = self.get(path[:-1], {}) if path[:-1] else self.data
        parent.pop(path[-1], None)
        self.remarks.pop(path, None)
        return self.sources.pop(path, [])

    def remark(self, text: str, key: str | Path = ()) -> None:
        """Write a line above a key, or at the head of the file."""
        lines = self.remarks.setdefault(path_of(key), [])
        if text and text not in lines:
            lines.append(text)

    def _account(self, setting: Setting | None, path: Path, note: str, verdict: Verdict) -> None:
        self.remark(note, path)
        if setting is not None:
            sources = self.sources.setdefault(path, [])
            if setting not in sources:
                sources.append(setting)
            self.ledger.say(setting, verdict, note, f"{self.name}: {dotted(path)}")


class Translation(Struct, frozen=True):
    """What a translator returns: drafts of services and pods, and the ledger of all settings that it has read."""

    drafts: Sequence[Draft]
    ledger: Ledger
