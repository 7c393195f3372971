"""Units to drafts, the way in: what each unit becomes, and what they are to each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asyncinit.config.keys import TARGET_KEYS
from asyncinit.config.problems import printable
from asyncinit.migration.report import Ledger, MigrationError, Setting, Verdict
from asyncinit.migration.service import Draft, Translation
from asyncinit.migration.systemd import cycles
from asyncinit.migration.systemd.directives import ending, identity, resources, sandbox, sockets, timers
from asyncinit.migration.systemd.directives.relations import MISSING, starts_by_itself
from asyncinit.migration.systemd.directives.tables import SECTIONS
from asyncinit.migration.systemd.finding import FOLDERS, Library
from asyncinit.migration.systemd.gathering import gather, service_of
from asyncinit.migration.systemd.names import UnitName, is_scenery, parsed, service_name
from asyncinit.migration.systemd.unit import Unit
from asyncinit.migration.systemd.words import Untranslatable
from asyncinit.migration.systemd.work import Directive, Work

_STATIC = "nothing of it has it started at boot: it is started by hand, or by those that require it"

_NO_UNIT = {
    "path": "nothing is started because a file has changed; `[watch]` restarts or reloads a service for that",
    "mount": "file systems are mounted before services start: fstab(5), or `namespaces.mounts` for one service alone",
    "automount": "file systems are mounted before services start, and not when they are needed",
    "swap": "swap space is switched on before services start: fstab(5)",
    "slice": "there are no slices: a service's cgroup is its own",
    "scope": "there are no scopes",
    "device": "no device is waited for",
}
"""Kinds of units that become nothing, and why."""


def translate(sources: Sequence[str], folders: Sequence[str] = FOLDERS) -> Translation:
    """Translate units: files, folders of them, or names of units that are looked for in `folders`.

    Raises MigrationError.
    """
    ledger = Ledger()
    gathered = gather(sources, ledger, folders)
    world = _World(gathered.units, gathered.library, ledger)
    world.translate()
    return Translation(list(world.drafts.values()), ledger)


class _World:
    """The units that are translated together, and their drafts by the names they have here."""

    def __init__(self, units: dict[UnitName, Unit], library: Library, ledger: Ledger) -> None:
        self.ledger = ledger
        self._units = units
        self._library = library
        self._parts = {name: service_of(unit) for name, unit in units.items() if name.kind in ("socket", "timer")}
        self.drafts: dict[str, Draft] = {}
        for name, unit in units.items():
            if name.kind == "service" or (name.kind == "target" and not is_scenery(name) and not name.template):
                called = service_name(name)
                if called in self.drafts:
                    other, this = printable(self.drafts[called].origin), printable(unit.path)
                    raise MigrationError(f"{other} and {this} would both be called {called}: translate one at a time")
                self.drafts[called] = Draft(called, ledger, origin=unit.path)
        self._works: dict[UnitName, Work] = {}

    # --- What directives ask for (work.World) ------------------------------------------------------------------------

    def draft(self, name: UnitName) -> Draft | None:
        """Return the draft of a unit, or of what a socket or timer is for; None: it has none."""
        whole = self._library.canonical(name)
        owner = self._parts.get(whole, whole) if whole.kind in ("socket", "timer") else whole
        if owner is None or owner not in self._units or owner.kind not in ("service", "target"):
            return None
        return self.drafts.get(service_name(owner))

    def known(self, text: str) -> tuple[str | None, str]:
        """Return what a unit that is named is called here, or None and why it is nothing here."""
        name = parsed(text)
        if name is None:
            return None, "is no name of a unit"
        draft = self.draft(name)
        if draft is not None:
            return draft.name, ""
        if why := _why_nothing(name):
            return None, why
        known = name.of_template in self._units if name.instance else False
        if known or (name.kind in ("service", "target") and self._library.path_of(name) is not None):
            return service_name(self._library.canonical(name)), ""
        return None, MISSING

    # --- The translation ---------------------------------------------------------------------------------------------

    def translate(self) -> None:
        """Translate all units, and settle what they are to each other."""
        for name, unit in self._units.items():
            draft = self.draft(name)
            if draft is None:
                self._nothing(unit)
                continue
            work = Work(unit, draft, self)
            self._works[name] = work
            for section in self._sections(name):
                self._section(work, section)
        for name, work in self._works.items():
            if name.kind == "service":
                self._settle_service(name, work)
            elif name.kind == "target":
                _settle_target(work)
        cycles.untie(self.drafts, self.ledger)

    def _nothing(self, unit: Unit) -> None:
        """Say why a unit becomes nothing."""
        kind = unit.name.kind
        if kind == "socket" and self._parts.get(unit.name) is None:
            why = "no instance is started for each connection (Accept=yes)"
        elif kind in ("socket", "timer"):
            why = "the service that it is for is not here"
        elif unit.name.template:
            why = "a target is no template here"
        else:
            why = _NO_UNIT.get(kind, "a part of systemd or a stage of the boot")
        for setting in unit.everything():
            self.ledger.say(setting, Verdict.NO_EQUIVALENT, why)
        self.ledger.remark(f"{unit.name}: becomes nothing: {why}")

    def _sections(self, name: UnitName) -> tuple[str, ...]:
        return {
            "service": ("Unit", "Service", "Install"),
            "target": ("Unit", "Install"),
            "socket": ("Unit", "Socket", "Install"),
            "timer": ("Unit", "Timer", "Install"),
        }[name.kind]

    def _section(self, work: Work, section: str) -> None:
        part = work.unit.name.kind in ("socket", "timer")
        for key, directive in SECTIONS[section].items():
            if (section, key) in work.unit.settings:
                if part and section == "Unit" and not key.startswith(("Condition", "Assert")):
                    _of_part(work, work.unit.settings[section, key])
                else:
                    _apply(work, section, key, directive)

    def _settle_service(self, name: UnitName, work: Work) -> None:
        draft = work.draft
        if draft.get("command") is None and not self._without_command(work):
            return
        ending.without_restart(work)
        ending.without_timeouts(work)
        identity.without_directory(work)
        sandbox.settle(work)
        resources.settle(work)
        identity.keep_user_aside(work)
        self._say_when(name, work)
        if work.preferred:
            keys = [key for key in work.preferred if draft.get(key) is not None]
            note = "left out where the kernel or the container refuses it, as systemd does"
            if keys:
                draft.put(None, "prefer", keys, note)

    def _without_command(self, work: Work) -> bool:
        """Settle a service that has no command: one that only stops something, or one that cannot be read."""
        commands = [key for section, key in work.unit.keys() if section == "Service" and key.startswith("Exec")]  # noqa: SIM118
        if not commands or work.unit.all("Service", "ExecStart"):
            del self.drafts[work.draft.name]
            why = "its command cannot be read" if commands else "it has no command; systemd refuses it, too"
            for setting in work.unit.everything():
                self.ledger.say(setting, Verdict.NO_EQUIVALENT, why, anew=True)
            self.ledger.remark(f"{work.unit.name}: becomes nothing: {why}")
            return False
        work.put(None, "type", "oneshot")
        work.put(None, "command", ["true"], "it has no ExecStart=")
        return True

    def _say_when(self, name: UnitName, work: Work) -> None:
        """Say whether a service is started by itself, by its sockets, or at the times of its timers."""
        draft = work.draft
        parts = [self._works[part] for part, owner in self._parts.items() if owner == name and part in self._works]
        starts = starts_by_itself(work)
        by_part = any(starts_by_itself(part) for part in parts)
        for part in parts:
            if part.unit.name.kind == "timer":
                timers.settle(part, work)
            else:
                sockets.settle(part, work, starts=starts)
        timed = any(part.unit.name.kind == "timer" for part in parts) and draft.get("timer") is not None
        enabled = by_part if timed else starts or by_part
        if not enabled and not (name.template and not draft.get("instances")):
            draft.put(None, "enabled", False, _STATIC)


def _why_nothing(name: UnitName) -> str:
    """Return why a unit is nothing here whatever it says; an empty string for those that may be something."""
    scenery = "a part of systemd or a stage of the boot, and here needs no name"
    return _NO_UNIT.get(name.kind, scenery if is_scenery(name) else "")


def _of_part(work: Work, settings: Iterable[Setting]) -> None:
    """Say what becomes of what a socket or timer says of itself: it is a part of its service here."""
    for setting in settings:
        work.needless(setting, f"the {work.unit.name.kind} is a part of {work.draft.name} here")


def _apply(work: Work, section: str, key: str, directive: Directive) -> None:
    """Translate what counts of a directive, and say of the rest that it does not count."""
    everything = work.unit.settings[section, key]
    if directive.many is not None:
        found = work.unit.all(section, key)
    else:
        last = work.unit.last(section, key)
        found = [last] if last is not None else []
    for setting in everything:
        if setting not in found:
            work.needless(setting, "a later one counts" if setting.value else "it empties what was before")
    if not found:
        return
    try:
        if directive.many is not None:
            directive.many(work, found)
        elif directive.one is not None:
            directive.one(work, found[0])
    except Untranslatable as error:
        for setting in found:
            work.lost(setting, str(error))


def _settle_target(work: Work) -> None:
    """A target has no process: what it cannot have is taken out. It is started by itself where [Install] says so."""
    draft = work.draft
    draft.put(None, "type", "target")
    for key in [key for key in draft.data if key not in TARGET_KEYS]:
        del draft.data[key]
        for path in [path for path in draft.sources if path[0] == key]:
            for setting in draft.sources.pop(path):
                work.world.ledger.say(setting, Verdict.NO_EQUIVALENT, "a target is a name for a group", anew=True)
    if not starts_by_itself(work):
        draft.put(None, "enabled", False, _STATIC)
