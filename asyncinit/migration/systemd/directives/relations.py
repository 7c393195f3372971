"""Requires=, After=, Conflicts= and the like; WantedBy= and all of [Install]: what belongs to what."""

from __future__ import annotations

from collections.abc import Callable

from asyncinit.config.names import is_plain_name
from asyncinit.migration.report import Setting, Verdict
from asyncinit.migration.systemd.names import STARTED_AT_BOOT, is_scenery, parsed
from asyncinit.migration.systemd.words import Untranslatable
from asyncinit.migration.systemd.work import Directive, Table, Work, each, lost, needless

MISSING = "there is no such unit here"
"""Why a name that a unit has is nothing: it is not among what is translated, and not where units are looked for."""

_ORDERED = frozenset(("requires", "wants", "binds_to"))


def _named(work: Work, setting: Setting, take: Callable[[str], None]) -> None:
    """Give each service that is named to `take`, and say of the others why they are nothing here."""
    for word in work.words(setting):
        name, why = work.world.known(word)
        if name is None:
            _say(work, setting, word, why)
        elif name == work.draft.name:
            work.needless(setting, f"{word} is a part of this service here")
        else:
            take(name)


def _say(work: Work, setting: Setting, word: str, why: str) -> None:
    needs = setting.name.rpartition(" ")[2] in ("Requires", "Requisite", "BindsTo")
    (work.lost if needs and why == MISSING else work.needless)(setting, f"{word}: {why}")


def _edge(key: str, note: str = "") -> Directive:
    def function(work: Work, setting: Setting) -> None:
        def take(name: str) -> None:
            verdict = Verdict.APPROXIMATED if note else Verdict.TRANSLATED
            work.append(setting, key, name, note=note, verdict=verdict)
            if key in _ORDERED and not note and not _is_ordered(work, name):
                text = f"and waits for {name}, which systemd would start at the same time"
                work.world.ledger.say(setting, Verdict.APPROXIMATED, text)

        _named(work, setting, take)

    return each(f"`{key}`", function)


def _is_ordered(work: Work, name: str) -> bool:
    """Tell whether the unit comes after another one anyhow: by After=, or as one that has to be done first."""
    afters = (word for setting in work.unit.all("Unit", "After") for word in setting.value.split())
    return any(work.world.known(word)[0] == name for word in afters)


def _part_of(work: Work, setting: Setting) -> None:
    def take(name: str) -> None:
        if name in work.draft.get("requires", []) or name in work.draft.get("binds_to", []):
            work.needless(setting, f"what requires {name} is stopped and restarted with it")
        else:
            work.lost(setting, f"a stop or restart of {name} leaves it alone; `requires` would take it along")

    _named(work, setting, take)


def _conflicts(work: Work, setting: Setting) -> None:
    def take(name: str) -> None:
        if name in (*work.draft.get("requires", []), *work.draft.get("wants", [])):
            work.lost(setting, f"it wants {name} too")
        else:
            work.append(setting, "conflicts", name)

    _named(work, setting, take)


# --- [Install] -------------------------------------------------------------------------------------------------------


def _wanted_by(key: str) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        for word in work.words(setting):
            _wanted_by_one(work, setting, word, key)

    return each(f"nothing: it starts by itself; of another service its `{key}`", function)


def _wanted_by_one(work: Work, setting: Setting, word: str, key: str) -> None:
    name = parsed(word)
    if name is None:
        raise Untranslatable("no unit, or one whose name is known with its instance alone")
    if is_scenery(name):
        if name.kind == "target" and name.prefix in STARTED_AT_BOOT:
            work.kept(setting, "it starts by itself: the default")
        else:
            work.lost(setting, f"{word} is no moment at which services are started here")
        return
    other, draft = work.world.known(word)[0], work.world.draft(name)
    if draft is None or other is None or draft is work.draft:
        work.lost(setting, f"{word} is not among what is translated")
    else:
        draft.append(setting, key, work.draft.name)


def starts_by_itself(work: Work) -> bool:
    """Tell whether [Install] has a unit started at boot, once it is enabled."""
    for key in ("WantedBy", "RequiredBy", "UpheldBy"):
        for setting in work.unit.all("Install", key):
            for word in setting.value.split():
                name = parsed(word)
                if name is not None and name.kind == "target" and name.prefix in STARTED_AT_BOOT:
                    return True
    return False


def _alias(work: Work, setting: Setting) -> None:
    work.lost(setting, f"a service has one name here: {work.draft.name}")


def _also(work: Work, setting: Setting) -> None:
    work.needless(setting, "each file says itself whether it starts")


def _default_instance(work: Work, setting: Setting) -> None:
    instance = work.text(setting)
    if not work.unit.name.template:
        work.needless(setting, "it is no template")
    elif not is_plain_name(instance):
        raise Untranslatable("is no name of an instance")
    elif starts_by_itself(work):
        work.put(setting, "instances", [instance])
    else:
        work.needless(setting, "no instance is started by itself")


UNIT: Table = {
    "Requires": _edge("requires"),
    "Requisite": _edge("requires", "started too where it is not up; systemd would fail"),
    "BindsTo": _edge("binds_to"),
    "Wants": _edge("wants"),
    "Upholds": _edge("wants", "not started again whenever it ends: its own `restart` decides"),
    "After": _edge("after"),
    "Before": _edge("before"),
    "PartOf": each("not needed beside `requires`, which does so; else no equivalent", _part_of),
    "Conflicts": each("`conflicts`", _conflicts),
    "OnFailure": _edge("on_failure"),
    "OnSuccess": _edge("on_success"),
    "OnFailureJobMode": needless("it is started, and nothing else happens"),
    "OnSuccessJobMode": needless("it is started, and nothing else happens"),
    "PropagatesReloadTo": lost("a reload is of one service"),
    "ReloadPropagatedFrom": lost("a reload is of one service"),
    "PropagatesStopTo": lost("a stop takes along what requires the service"),
    "StopPropagatedFrom": lost("`requires` and `binds_to` do so, seen from here"),
    "JoinsNamespaceOf": lost("services that share namespaces are members of a pod"),
    "RequiresMountsFor": needless("file systems are mounted before services start"),
    "WantsMountsFor": needless("file systems are mounted before services start"),
    "DefaultDependencies": needless("there are no dependencies but those that are said"),
    "AllowIsolate": needless("nothing is isolated"),
    "IgnoreOnIsolate": needless("nothing is isolated"),
    "StopWhenUnneeded": lost("what was started for another goes on without it"),
    "RefuseManualStart": lost("who may start services may start all"),
    "RefuseManualStop": lost("who may stop services may stop all"),
    "CollectMode": needless("what has failed is forgotten when it is gone from the files"),
    "SurviveFinalKillSignal": lost("nothing outlives a shutdown"),
}

INSTALL: Table = {
    "WantedBy": _wanted_by("wants"),
    "RequiredBy": _wanted_by("requires"),
    "UpheldBy": _wanted_by("wants"),
    "Alias": each("no equivalent: a service has one name", _alias),
    "Also": each("not needed: each file says itself whether it starts", _also),
    "DefaultInstance": each("`instances`", _default_instance),
}
