"""A supervisord.conf to drafts: which services there are, their order and groups; `programs` says what each has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from asyncinit.config.problems import printable
from asyncinit.migration.report import Ledger, MigrationError, Setting, Verdict
from asyncinit.migration.service import Draft, Translation
from asyncinit.migration.supervisord import server
from asyncinit.migration.supervisord.parsing import Option
from asyncinit.migration.supervisord.programs import drafts as drafts_of
from asyncinit.migration.supervisord.programs import names_of
from asyncinit.migration.supervisord.sources import INCLUDE, Section, included, read, sections, text_of

_PROGRAMS = ("program", "fcgi-program")
_DEFAULT_PRIORITY = 999
_ORDER = "those whose priority is the next lower one; `requires` would say whom it really needs"
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


class _Group(Struct):
    """A [group:x], or a program that is a group of its own, with its place in the order."""

    priority: int
    programs: list[str]


def translate(sources: Sequence[str]) -> Translation:
    """Translate configuration files with what they include. Raises MigrationError."""
    options = read(sources)
    found = sections(options)
    programs = {each.subject: each for each in found.values() if each.kind in _PROGRAMS}
    names = _names(programs)
    groups = {each.subject: each for each in found.values() if each.kind == "group"}
    targets = {name: _fit(name) if _fit(name) not in _taken(names) else f"{_fit(name)}.target" for name in groups}
    ledger = Ledger()
    for name in programs:
        if _fit(name) != name:
            ledger.remark(f"[program:{printable(name)}] is called {_fit(name)} here, for no service can have its name")
    settings = _register(options, found, {**_of_programs(programs, names), **_of_groups(groups, targets)}, ledger)
    of_group = {name: group for group, section in groups.items() for name in _members(section, programs)}
    made = {
        name: list(drafts_of(section, names[name], settings, ledger, of_group.get(name, name)))
        for name, section in programs.items()
    }
    server.translate(found, settings, ledger, [draft for drafts in made.values() for draft in drafts])
    _order(programs, groups, made, settings, ledger)
    drafts = [draft for each in made.values() for draft in each]
    for name, section in groups.items():
        drafts.append(_target(targets[name], section, made, settings, ledger))
    return Translation(drafts, ledger)


# ---------------------------------------------------------------------------------------------------------------------
# Names


def _names(programs: dict[str, Section]) -> dict[str, list[str]]:
    """Return what the services of each program are called."""
    return {name: names_of(section, _fit(name)) for name, section in programs.items()}


def _fit(name: str) -> str:
    """Return a name as a service can have it."""
    return _UNFIT.sub("-", name).strip("-_.") or "program"


def _taken(names: dict[str, list[str]]) -> set[str]:
    return {name.rstrip("@") for each in names.values() for name in each}


def _of_programs(programs: dict[str, Section], names: dict[str, list[str]]) -> dict[str, str]:
    return {section.name: names[name][0] for name, section in programs.items()}


def _of_groups(groups: dict[str, Section], targets: dict[str, str]) -> dict[str, str]:
    return {section.name: targets[name] for name, section in groups.items()}


def _register(
    options: Sequence[Option], found: dict[str, Section], services: dict[str, str], ledger: Ledger
) -> dict[Option, Setting]:
    """Take down every option in its order, and say what is said again or is about the files themselves."""
    settings: dict[Option, Setting] = {}
    for option in options:
        name, text = f"[{option.section}] {option.key}", text_of(option)
        service = services.get(option.section, "")
        setting = ledger.add(option.file, option.line, name, option.value, text=text, service=service)
        settings[option] = setting
        last = found[option.section].options[option.key]
        if (option.section, option.key) == INCLUDE:
            many = len(included(option))
            ledger.say(setting, Verdict.TRANSLATED, f"{many} {'file was' if many == 1 else 'files were'} read")
        elif last is not option:
            ledger.say(setting, Verdict.NOT_NEEDED, f"line {last.line} says it again, and the last one counts")
    return settings


# ---------------------------------------------------------------------------------------------------------------------
# Groups and order


def _members(section: Section, programs: dict[str, Section]) -> list[str]:
    """Return the programs of a group. Raises MigrationError for one that does not exist."""
    option = section.options.get("programs")
    names = [name.strip() for name in option.value.split(",") if name.strip()] if option is not None else []
    for name in names:
        if option is not None and name not in programs:
            where = f"{printable(option.file)}:{option.line}: programs"
            raise MigrationError(f"{where}: there is no [program:{printable(name)}]")
    return names


def _target(
    name: str, section: Section, made: dict[str, list[Draft]], settings: dict[Option, Setting], ledger: Ledger
) -> Draft:
    """Return the target that stands for a group: to start and stop it as a whole, `asyncinit start NAME`."""
    members = [draft for program in _members(section, dict.fromkeys(made, section)) for draft in made[program]]
    option = section.options.get("programs")
    draft = Draft(name, ledger, origin=option.file if option else "")
    draft.put(None, "type", "target")
    if option is not None:
        setting = settings[option]
        draft.put(setting, "wants", [member.name for member in members])
        if name != section.subject:
            draft.remark(f"[{section.name}] there: a program has the name of its group")
    if members and all(member.get("enabled") is False for member in members):
        draft.put(None, "enabled", False, "none of its programs is started by itself")
    return draft


def _order(
    programs: dict[str, Section],
    groups: dict[str, Section],
    made: dict[str, list[Draft]],
    settings: dict[Option, Setting],
    ledger: Ledger,
) -> None:
    """Have each program start after those of the next lower priority, and so stop before them."""
    in_group = {name: section for section in groups.values() for name in _members(section, programs)}
    ranks = {}
    for name, section in programs.items():
        own = _priority(section)
        ranks[name] = (_priority(in_group[name]), own) if name in in_group else (own, _DEFAULT_PRIORITY)
    levels = sorted(set(ranks.values()))
    for name, rank in ranks.items():
        level = levels.index(rank)
        lower = [other for other in programs if level and ranks[other] == levels[level - 1]]
        said = [settings[section.options["priority"]] for section in _said(name, programs, in_group)]
        if not lower:
            for setting in said:
                ledger.say(setting, Verdict.APPROXIMATED, "nothing has a lower one; others start after it")
            continue
        for draft in made[name]:
            names = [before.name for other in lower for before in made[other]]
            if not said:
                draft.append(None, "after", *names, note="those whose priority is the next lower one")
            for setting in said:
                draft.append(setting, "after", *names, note=_ORDER, verdict=Verdict.APPROXIMATED)


def _said(name: str, programs: dict[str, Section], in_group: dict[str, Section]) -> Iterator[Section]:
    for section in (programs[name], in_group.get(name)):
        if section is not None and "priority" in section.options:
            yield section


def _priority(section: Section) -> int:
    option = section.options.get("priority")
    if option is None:
        return _DEFAULT_PRIORITY
    try:
        return int(option.value)
    except ValueError:
        where = f"{printable(option.file)}:{option.line}: priority"
        raise MigrationError(f"{where}: {printable(option.value)} is no integer") from None
