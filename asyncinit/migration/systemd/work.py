"""What the translation of a directive has at hand: its unit, the draft, the others; and what a directive is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from asyncinit.migration.report import Ledger, Setting, Verdict
from asyncinit.migration.service import Draft, Path
from asyncinit.migration.systemd import specifiers, words
from asyncinit.migration.systemd.names import UnitName
from asyncinit.migration.systemd.unit import Unit


class World(Protocol):
    """The units that are translated together."""

    ledger: Ledger

    def draft(self, name: UnitName) -> Draft | None:
        """Return the draft of a unit, or of what a socket or timer is for; None: it has none."""

    def known(self, text: str) -> tuple[str | None, str]:
        """Return what a unit that is named is called here, or None and why it is nothing here."""


class Work:
    """The translation of one unit into one draft."""

    def __init__(self, unit: Unit, draft: Draft, world: World) -> None:
        self.unit = unit
        self.draft = draft
        self.world = world
        self.preferred: dict[str, None] = {}

    # --- What is read ------------------------------------------------------------------------------------------------

    def text(self, setting: Setting) -> str:
        """Return the value with its specifiers expanded. Raises Untranslatable."""
        return specifiers.expand(setting.value, self.unit.name, self.unit.path)

    def words(self, setting: Setting) -> list[str]:
        """Return the words of the value, each with its specifiers expanded. Raises Untranslatable."""
        return [specifiers.expand(word, self.unit.name, self.unit.path) for word in words.split(setting.value)]

    # --- What is written ---------------------------------------------------------------------------------------------

    def put(
        self,
        setting: Setting | None,
        key: str | Path,
        value: Any,
        note: str = "",
        verdict: Verdict = Verdict.TRANSLATED,
    ) -> None:
        """Put a key into the draft; a note makes it approximated where `verdict` says so."""
        self.draft.put(setting, key, _named(value), note, verdict)

    def append(
        self,
        setting: Setting | None,
        key: str | Path,
        *items: Any,
        note: str = "",
        verdict: Verdict = Verdict.TRANSLATED,
    ) -> None:
        """Add to a key that is a list."""
        self.draft.append(setting, key, *map(_named, items), note=note, verdict=verdict)

    def roughly(self, setting: Setting, key: str | Path, value: Any, note: str) -> None:
        """Put a key that is not quite what the setting is."""
        self.put(setting, key, value, note, Verdict.APPROXIMATED)

    def prefer(self, key: str) -> None:
        """Have a key applied where possible, as systemd does with what a container refuses."""
        self.preferred[key] = None

    def kept(self, setting: Setting, note: str) -> None:
        """Say that what the setting asks for is so without any key."""
        self.world.ledger.say(setting, Verdict.TRANSLATED, note)

    def needless(self, setting: Setting, note: str) -> None:
        """Say that nothing has to be done for it here."""
        self.world.ledger.say(setting, Verdict.NOT_NEEDED, note)

    def lost(self, setting: Setting, note: str) -> None:
        """Say that there is nothing like it here."""
        self.world.ledger.say(setting, Verdict.NO_EQUIVALENT, note)


def _named(value: Any) -> Any:
    """Return a value with ${INSTANCE} where the name of the instance belongs."""
    if isinstance(value, str):
        return value.replace(specifiers.INSTANCE_MARK, "${INSTANCE}")
    if isinstance(value, list):
        return [_named(item) for item in value]
    if isinstance(value, dict):
        return {_named(key): _named(item) for key, item in value.items()}
    return value


_DOLLARS = re.compile(r"\$\$+|\$(?=\{)")


def literal(text: str) -> str:
    """Return a text in which a dollar is a dollar, for the keys that ${NAME} is replaced in."""
    return _DOLLARS.sub(lambda found: found[0] * 2, text)


One = Callable[[Work, Setting], None]
Many = Callable[[Work, list[Setting]], None]


class Directive(Struct, frozen=True):
    """How a setting is translated: `becomes` is for people. A `many` is a list, which an empty value empties."""

    becomes: str
    one: One | None = None
    many: Many | None = None


Table = Mapping[str, Directive]
"""Directives by their names, of one section."""


def one(becomes: str, function: One) -> Directive:
    """Return a directive of which the last setting counts."""
    return Directive(becomes, one=function)


def many(becomes: str, function: Many) -> Directive:
    """Return a directive whose settings add up."""
    return Directive(becomes, many=function)


def each(becomes: str, function: One) -> Directive:
    """Return a directive whose settings add up, each translated by itself."""

    def all_of_them(work: Work, settings: list[Setting]) -> None:
        for setting in settings:
            try:
                function(work, setting)
            except words.Untranslatable as error:
                work.lost(setting, str(error))

    return Directive(becomes, many=all_of_them)


def value(key: str, read: Callable[[str], Any], prefer: str = "") -> Directive:
    """Return a directive that is a key here, its value read by a function of the text."""

    def function(work: Work, setting: Setting) -> None:
        work.put(setting, key, read(work.text(setting)))
        if prefer:
            work.prefer(prefer)

    return one(f"`{key}`", function)


def flag(key: str, given: Any, otherwise: str, prefer: str = "") -> Directive:
    """Return a directive that is a boolean: `given` is the key's value for yes, `otherwise` what no is here."""

    def function(work: Work, setting: Setting) -> None:
        if not words.boolean(setting.value):
            work.needless(setting, otherwise)
            return
        work.put(setting, key, given)
        if prefer:
            work.prefer(prefer)

    return one(f"`{key}`", function)


def needless(note: str) -> Directive:
    """Return a directive that nothing has to be done for."""
    return each(f"not needed: {note}", lambda work, setting: work.needless(setting, note))


def lost(note: str) -> Directive:
    """Return a directive that has no equivalent."""
    return each(f"no equivalent: {note}", lambda work, setting: work.lost(setting, note))
