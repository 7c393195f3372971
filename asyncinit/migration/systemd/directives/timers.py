"""[Timer]: when the service of a timer is started."""

from __future__ import annotations

from asyncinit.config import times
from asyncinit.config.values import BadValueError
from asyncinit.migration.report import Setting, Verdict
from asyncinit.migration.systemd.calendar import cron
from asyncinit.migration.systemd.directives.relations import starts_by_itself
from asyncinit.migration.systemd.times import finite, seconds
from asyncinit.migration.systemd.words import Untranslatable, boolean
from asyncinit.migration.systemd.work import Directive, Table, Work, each, lost, needless, one


def _calendar(work: Work, setting: Setting) -> None:
    expression, zone, note = cron(work.text(setting))
    try:
        times.cron(expression)
    except BadValueError as error:
        raise Untranslatable(f"cron cannot say it: {error}") from None
    there = work.draft.get("timer.time_zone")
    if work.draft.get("timer.cron") and there != zone:
        raise Untranslatable("all times of a timer are of one time zone here")
    if zone is not None:
        work.put(setting, "timer.time_zone", zone)
    verdict = Verdict.APPROXIMATED if note else Verdict.TRANSLATED
    work.append(setting, "timer.cron", expression, note=note, verdict=verdict)


def _span(key: str, note: str = "") -> Directive:
    def function(work: Work, setting: Setting) -> None:
        length = finite(setting.value)
        if key == "every" and seconds(setting.value) == 0:
            raise Untranslatable("without a pause between them it would be started for ever")
        if work.draft.get(f"timer.{key}") is not None:
            raise Untranslatable(f"there is one `timer.{key}`")
        verdict = Verdict.APPROXIMATED if note else Verdict.TRANSLATED
        work.put(setting, f"timer.{key}", length, note, verdict)

    return each(f"`timer.{key}`", function)


def _delay(work: Work, setting: Setting) -> None:
    work.put(setting, "timer.random_delay", finite(setting.value))


def _persistent(work: Work, setting: Setting) -> None:
    if not boolean(setting.value):
        work.kept(setting, "the default")
    elif not work.draft.get("timer.cron") and not work.draft.get("timer.every"):
        work.needless(setting, "it means nothing without OnCalendar=")
    else:
        work.put(setting, "timer.persistent", True)


def _unit(work: Work, setting: Setting) -> None:
    work.kept(setting, f"the timer is a part of {work.draft.name} here")


TIMER: Table = {
    "Unit": one("the service that has the `[timer]`", _unit),
    "OnCalendar": each("`timer.cron`", _calendar),
    "OnBootSec": _span("after_boot", "counted from asyncinit's start"),
    "OnStartupSec": _span("after_boot"),
    "OnActiveSec": _span("after_boot", "counted from asyncinit's start, and not from when the timer was started"),
    "OnUnitActiveSec": _span("every"),
    "OnUnitInactiveSec": _span("every", "counted from its last start, and not from its last end"),
    "AccuracySec": needless("a timer is on time"),
    "RandomizedDelaySec": one("`timer.random_delay`", _delay),
    "RandomizedOffsetSec": lost("the random delay is another one each time"),
    "FixedRandomDelay": lost("the random delay is another one each time"),
    "DeferReactivation": lost("a run is left out while the last one goes on: `timer.overlap`"),
    "OnClockChange": lost("nothing is started because the clock is set"),
    "OnTimezoneChange": lost("nothing is started because the time zone is another"),
    "Persistent": one("`timer.persistent`", _persistent),
    "WakeSystem": lost("no sleeping machine is woken"),
    "RemainAfterElapse": needless("a timer is a part of its service"),
}


def settle(work: Work, service: Work) -> None:
    """Say what a timer makes of its service; `work` is the timer's."""
    draft = work.draft
    if not any(draft.get(f"timer.{key}") for key in ("cron", "every", "after_boot")):
        draft.data.pop("timer", None)
        for path in [path for path in draft.sources if path[0] == "timer"]:
            for setting in draft.sources.pop(path):
                work.lost(setting, "nothing of this timer says when")
        return
    if work.unit.keys() and starts_by_itself(service):
        draft.put(None, "timer.at_start", True, "its service is started at boot, too")
    if draft.get("timer.after_boot") and draft.get("timer.every"):
        draft.remark("first so long after the start, then each interval", ("timer", "after_boot"))
