"""A unit with its drop-ins: which of its settings count, by the rules of systemd; knows no directive."""

from __future__ import annotations

from collections.abc import Sequence

from asyncinit.migration.report import Ledger, Setting, Verdict
from asyncinit.migration.sources import read_source
from asyncinit.migration.systemd.names import UnitName
from asyncinit.migration.systemd.parsing import parse
from asyncinit.migration.systemd.words import Untranslatable, boolean


class Unit:
    """What the files of a unit say, in order: the unit's own, then its drop-ins. `service` is what it is about."""

    def __init__(self, name: UnitName, paths: Sequence[str], ledger: Ledger, service: str) -> None:
        self.name = name
        self.path = paths[0] if paths else ""
        self.service = service
        self.settings: dict[tuple[str, str], list[Setting]] = {}
        self._all: list[Setting] = []
        for path in paths:
            for one in parse(read_source(path)):
                text = f"[{one.section}] {one.key}" if one.key else "a line that is no setting"
                setting = ledger.add(path, one.line, text, one.value, service=service)
                self._all.append(setting)
                self._take(one.section, one.key, setting, ledger)

    def _take(self, section: str, key: str, setting: Setting, ledger: Ledger) -> None:
        if not key:
            ledger.say(setting, Verdict.NO_EQUIVALENT, "systemd passes it over, too")
        elif section.startswith("X-") or key.startswith("X-"):
            ledger.say(setting, Verdict.NOT_NEEDED, "for other programs than systemd")
        else:
            self.settings.setdefault((section, key), []).append(setting)

    def all(self, section: str, key: str) -> list[Setting]:
        """Return the settings of a list: those after the last one that empties it."""
        found: list[Setting] = []
        for setting in self.settings.get((section, key), ()):
            found = [*found, setting] if setting.value else []
        return found

    def last(self, section: str, key: str) -> Setting | None:
        """Return the one that counts of a setting that is no list; None: it is not set, or was set back."""
        found = self.settings.get((section, key), ())
        return found[-1] if found and found[-1].value else None

    def value(self, section: str, key: str, default: str = "") -> str:
        """Return the value of a setting that is no list."""
        found = self.last(section, key)
        return found.value if found is not None else default

    def yes(self, section: str, key: str) -> bool:
        """Tell whether a boolean says yes; what is neither is told where it is translated."""
        try:
            return boolean(self.value(section, key, "no"))
        except Untranslatable:
            return False

    def keys(self) -> list[tuple[str, str]]:
        """Return the section and key of everything that is set."""
        return list(self.settings)

    def everything(self) -> list[Setting]:
        """Return all that its files say, whether it counts or not."""
        return list(self._all)
