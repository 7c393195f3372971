"""What became of each setting of a source: the ledger that translators fill in; knows no format and no key."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from asyncinit.errors import AsyncinitError


class MigrationError(AsyncinitError):
    """The sources cannot be translated, or the result not be written; nothing is changed. The text says why.

    `exit_code` is what the command ends with.
    """

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Verdict(Enum):
    """What became of a setting, the best first."""

    TRANSLATED = "translated"
    APPROXIMATED = "approximated"
    NOT_NEEDED = "not needed"
    NO_EQUIVALENT = "no equivalent"


class Setting(Struct, frozen=True, eq=False):
    """One setting of a source: where it stands, its name as people know it there, its value.

    `text` is how it is shown: the name and the value, unless that is a secret. `service` is what it is about.
    """

    file: str
    line: int | None
    name: str
    value: str
    text: str
    service: str

    @property
    def place(self) -> str:
        """Where it stands, as a comment tells it: without the folder."""
        name = os.path.basename(self.file)
        return name if self.line is None else f"{name}:{self.line}"


class Entry(Struct, frozen=True):
    """What the report says of a setting; `keys` are those that it became, as "SERVICE: KEY"."""

    setting: Setting
    verdict: Verdict
    keys: tuple[str, ...] = ()
    note: str = ""


UNKNOWN = "asyncinit has nothing like it"
"""What is said of a setting that no translator has mentioned."""


class Ledger:
    """Every setting of the sources, in order, each with what became of it."""

    def __init__(self) -> None:
        self._entries: dict[Setting, Entry | None] = {}
        self.remarks: list[str] = []

    def add(
        self, file: str, line: int | None, name: str, value: str = "", *, text: str = "", service: str = ""
    ) -> Setting:
        """Take down a setting; until something is said of it, it has no equivalent."""
        setting = Setting(file, line, name, value, text or (f"{name}={value}" if value else name), service)
        self._entries[setting] = None
        return setting

    def say(self, setting: Setting, verdict: Verdict, note: str = "", key: str = "", *, anew: bool = False) -> None:
        """Say what became of a setting; `anew`: in place of all that was said.

        Said more than once, all notes stand, and a doubt outweighs.

        That is: approximated outweighs translated, these two outweigh not needed, and a part that has no equivalent
        leaves what else was translated approximated.
        """
        before = self._entries[setting]
        keys, notes, verdicts = (key,) if key else (), note, {verdict}
        if before is not None and not anew:
            keys = tuple(dict.fromkeys((*before.keys, *keys)))
            notes = before.note if note in before.note else "; ".join(filter(None, (before.note, note)))
            verdicts.add(before.verdict)
        self._entries[setting] = Entry(setting, _together(verdicts), keys, notes)

    def is_open(self, setting: Setting) -> bool:
        """Tell whether nothing has been said of a setting."""
        return self._entries[setting] is None

    def remark(self, text: str) -> None:
        """Say something that is about no single setting; it stands at the end of the report."""
        if text not in self.remarks:
            self.remarks.append(text)

    def entries(self) -> tuple[Entry, ...]:
        """Return an entry for every setting that was ever added."""
        return tuple(
            entry or Entry(setting, Verdict.NO_EQUIVALENT, note=UNKNOWN) for setting, entry in self._entries.items()
        )


def _together(verdicts: set[Verdict]) -> Verdict:
    if len(verdicts) == 1:
        return verdicts.pop()
    if verdicts == {Verdict.TRANSLATED, Verdict.NOT_NEEDED}:
        return Verdict.TRANSLATED
    if verdicts == {Verdict.NO_EQUIVALENT, Verdict.NOT_NEEDED}:
        return Verdict.NO_EQUIVALENT
    return Verdict.APPROXIMATED


def counted(entries: Sequence[Entry]) -> dict[Verdict, int]:
    """Return how many settings have each verdict."""
    found = Counter(entry.verdict for entry in entries)
    return {verdict: found[verdict] for verdict in Verdict}


def share(entries: Sequence[Entry]) -> float:
    """Return what part of the settings is taken care of: from 0 to 1; of none, 1."""
    lost = counted(entries)[Verdict.NO_EQUIVALENT]
    return 1 - lost / len(entries) if entries else 1.0
