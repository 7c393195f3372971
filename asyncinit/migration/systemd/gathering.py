"""Which units are translated: those that were asked for, and those that belong to them or are needed by them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from msgspec import Struct

from asyncinit.config.problems import printable
from asyncinit.migration.report import Ledger, MigrationError, Verdict
from asyncinit.migration.systemd.finding import FOLDERS, Library, is_masked, units_in
from asyncinit.migration.systemd.names import UnitName, is_scenery, parsed, service_name
from asyncinit.migration.systemd.unit import Unit

_NEEDED = (("Unit", "Requires"), ("Unit", "Requisite"), ("Unit", "BindsTo"), ("Install", "Also"))
_TAKEN = frozenset(("service", "socket", "timer", "target"))


class Gathered(Struct):
    """The units to translate by name, and where further ones would be found."""

    units: dict[UnitName, Unit]
    library: Library


class _Wish(Struct, frozen=True):
    """A unit that is asked for: its name, and its file where one was given."""

    name: UnitName
    path: str | None = None


def gather(sources: Sequence[str], ledger: Ledger, folders: Sequence[str] = FOLDERS) -> Gathered:
    """Read the units that `sources` name (files, folders, or names of units) and those that they take along.

    Raises MigrationError.
    """
    wishes, library = _wishes(sources, ledger, folders)
    units: dict[UnitName, Unit] = {}
    while wishes:
        wish = wishes.pop(0)
        if wish.name in units:
            continue
        unit = _unit(wish, library, ledger)
        if unit is not None:
            units[wish.name] = unit
            wishes += [_Wish(name) for name in _company(unit, library) if name not in units]
    return Gathered(units, library)


def _wishes(sources: Sequence[str], ledger: Ledger, folders: Sequence[str]) -> tuple[list[_Wish], Library]:
    """Return what is asked for, and where all is found: beside files that were given, or where systemd looks."""
    wishes: list[_Wish] = []
    named: list[str] = []
    places: list[str] = []
    for source in sources:
        if os.path.isdir(source):
            places.append(source)
            wishes += _of_folder(source, ledger)
        elif "/" in source or os.path.lexists(source):
            name = parsed(os.path.basename(source))
            if name is None:
                raise MigrationError(f"{printable(source)} does not have the name of a unit, such as web.service")
            places.append(os.path.dirname(source) or ".")
            wishes.append(_Wish(name, source))
        else:
            named.append(source)
    library = Library([*places, *(folders if named else ())])
    return wishes + [_Wish(library.wanted(name)) for name in named], library


def _of_folder(folder: str, ledger: Ledger) -> Iterator[_Wish]:
    library = Library([folder])
    for path in units_in(folder):
        name = parsed(os.path.basename(path))
        if name is None:
            continue
        if library.canonical(name) != name:
            ledger.say(ledger.add(path, None, str(name)), Verdict.NOT_NEEDED, "another name of a unit")
        elif is_scenery(name):
            ledger.say(ledger.add(path, None, str(name)), Verdict.NOT_NEEDED, "a part of systemd, or of the boot")
        else:
            yield _Wish(name, path)


def _unit(wish: _Wish, library: Library, ledger: Ledger) -> Unit | None:
    path = wish.path or library.path_of(wish.name)
    if path is None:
        return None
    if is_masked(path):
        ledger.remark(f"{wish.name} is masked ({printable(path)}): not translated")
        return None
    beside = os.path.dirname(wish.path) or "." if wish.path is not None else ""
    return Unit(wish.name, [path, *library.drop_ins(wish.name, beside)], ledger, service_name(wish.name))


def service_of(unit: Unit) -> UnitName | None:
    """Return the service that a socket or a timer is for; None: it is one an instance of which each connection gets."""
    section, key = ("Socket", "Service") if unit.name.kind == "socket" else ("Timer", "Unit")
    said = unit.last(section, key)
    if said is not None:
        return parsed(said.value.replace("%i", unit.name.instance).replace("%p", unit.name.prefix))
    if unit.yes("Socket", "Accept"):
        return None
    return unit.name.of_kind("service")


def _company(unit: Unit, library: Library) -> Iterator[UnitName]:
    """Yield the units that a unit takes along, as far as there are any."""
    name = unit.name
    wanted: list[UnitName | None] = []
    if name.kind == "service":
        wanted += [name.of_kind("socket"), name.of_kind("timer")]
        wanted += [parsed("dbus.service")] if unit.value("Service", "Type") == "dbus" else []
    elif name.kind in ("socket", "timer"):
        wanted.append(service_of(unit))
    for section, key in _NEEDED:
        for setting in unit.all(section, key):
            wanted += [parsed(word) for word in setting.value.split()]
    for one in wanted:
        if one is None or library.path_of(one) is None:
            continue
        found = library.canonical(one)
        if found.kind in _TAKEN and not is_scenery(found):
            yield found
