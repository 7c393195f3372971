"""Exec*=, Type= and what goes with them: what is run, and when it counts as ready."""

from __future__ import annotations

from typing import Any

from asyncinit.migration.report import Setting, Verdict
from asyncinit.migration.systemd.commands import SPLIT_NOTE, Run, parse, signal_of
from asyncinit.migration.systemd.signals import signal
from asyncinit.migration.systemd.times import duration, seconds
from asyncinit.migration.systemd.words import Untranslatable, boolean
from asyncinit.migration.systemd.work import Table, Work, each, lost, many, needless, one

START_TIMEOUT = "90s"
"""What systemd waits for a start or a stop where a unit says nothing."""

_NOT_STOPPED = "a oneshot that does not remain is not stopped: there is nothing to be run"
_HOOK_TIMEOUT = 30.0  # ours, where a hook says nothing
_FOREGROUND = "give it the option that keeps it in the foreground, and drop Type=forking"


def kind_of(work: Work) -> str:
    """Return the type of a service's unit, also where it is not said."""
    unit = work.unit
    kind = unit.value("Service", "Type") or ("simple" if unit.all("Service", "ExecStart") else "oneshot")
    return "oneshot" if _stays_up(work, kind) else kind


def _stays_up(work: Work, kind: str) -> bool:
    """Tell whether a service counts as up when its processes have ended: that is a oneshot here."""
    if not _remains(work):
        return False
    return kind in ("simple", "exec", "idle") or (kind == "forking" and work.unit.last("Service", "PIDFile") is None)


def _remains(work: Work) -> bool:
    return work.unit.yes("Service", "RemainAfterExit")


# --- Type= -----------------------------------------------------------------------------------------------------------


def _type(work: Work, setting: Setting) -> None:
    kinds = {
        "simple": _simple,
        "exec": _simple,
        "idle": _simple,
        "oneshot": _oneshot,
        "forking": _forking,
        "notify": _notify,
        "notify-reload": _notify_reload,
        "dbus": _dbus,
    }
    if setting.value not in kinds:
        raise Untranslatable("is no type of a service that is known")
    if _stays_up(work, setting.value):
        note = "it stays up when its process has ended (RemainAfterExit=): it is ready then, and not before"
        work.roughly(setting, "type", "oneshot", note)
        return
    kinds[setting.value](work, setting)


def _simple(work: Work, setting: Setting) -> None:
    work.kept(setting, "ready once its program is executed: the default here")


def _oneshot(work: Work, setting: Setting) -> None:
    work.put(setting, "type", "oneshot")


def _forking(work: Work, setting: Setting) -> None:
    file = work.unit.last("Service", "PIDFile")
    if file is None:
        note = f"without PIDFile= it cannot be told which process is the daemon; {_FOREGROUND}"
        work.draft.remark(note)
        raise Untranslatable(note)
    path = work.text(file)
    path = path if path.startswith("/") else f"/run/{path}"
    work.put(setting, "ready.pid_file", path)
    work.put(file, "ready.pid_file", path)


def _pid_file(work: Work, setting: Setting) -> None:
    if kind_of(work) != "forking":
        work.needless(setting, "its main process is the one that was started")


def _notify(work: Work, setting: Setting) -> None:
    work.put(setting, "ready.notify", True)


def _notify_reload(work: Work, setting: Setting) -> None:
    _notify(work, setting)
    work.put(setting, "reload.signal", "SIGHUP")


def _dbus(work: Work, setting: Setting) -> None:
    name = work.unit.last("Service", "BusName")
    bus = work.world.known("dbus.service")[0]
    if bus is not None:
        work.append(None, "requires", bus, note="systemd has a service of the type dbus require it")
    if name is None:
        raise Untranslatable("without BusName= it cannot be told when it is ready")
    asked = ["--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetNameOwner", f"string:{work.text(name)}"]
    note = "ready when dbus-send finds its name on the bus; nothing starts it when somebody calls that name"
    work.roughly(setting, "ready.command", ["dbus-send", "--system", "--print-reply", *asked], note)
    work.put(name, "ready.command", work.draft.get("ready.command"))


def _bus_name(work: Work, setting: Setting) -> None:
    if kind_of(work) != "dbus":
        work.needless(setting, "nothing waits for the name")


def _remain(work: Work, setting: Setting) -> None:
    if kind_of(work) == "oneshot":
        stays = boolean(setting.value)
        if stays and work.unit.last("Service", "Type") is None:
            work.put(setting, "type", "oneshot")
        work.needless(setting, "a oneshot that succeeded stays completed" if stays else "it can be started again")
    elif boolean(setting.value):
        raise Untranslatable("a service whose process has ended is not up here")
    else:
        work.needless(setting, "it is so here")


# --- ExecStart= ------------------------------------------------------------------------------------------------------


def _runs(work: Work, settings: list[Setting]) -> list[tuple[Setting, Run]]:
    """Return the commands of settings, each with where it stands; what cannot be read is told and left out."""
    found: list[tuple[Setting, Run]] = []
    for setting in settings:
        try:
            runs = parse(work.words(setting))
        except Untranslatable as error:
            work.lost(setting, str(error))
            continue
        found += [(setting, run) for run in runs]
    return found


def _start(work: Work, settings: list[Setting]) -> None:
    runs = _runs(work, settings)
    if not runs:
        return
    *before, (setting, run) = runs
    for setting_before, run_before in before:
        if kind_of(work) != "oneshot":
            work.lost(setting_before, "a service has one ExecStart=; systemd refuses several, too")
        else:
            note = "all but the last of several commands are hooks before it"
            work.append(setting_before, "hooks.pre_start", _hook(work, run_before, "none"), note=note)
            _tell(work, setting_before, run_before)
    _main(work, setting, run)


def _main(work: Work, setting: Setting, run: Run) -> None:
    may_fail = run.may_fail and kind_of(work) == "oneshot"
    if run.splits or may_fail:
        work.put(setting, "command", run.as_shell(leave=not may_fail) + (" || :" if may_fail else ""))
        work.put(setting, "shell", True)
        work.draft.sources.pop(("shell",), None)
    else:
        work.put(setting, "command", run.as_words())
    if run.may_fail and not may_fail:
        _note(work, setting, "command", "that it may fail (-) is not known here: a failure is one")
    if run.privileged and work.unit.last("Service", "User") is not None:
        note = "started as asyncinit's own user (! and +), and not as User= says; it changes its user itself"
        _note(work, setting, "command", note)
    _tell(work, setting, run, "command")


def _note(work: Work, setting: Setting, key: str, text: str) -> None:
    work.draft.remark(text, key)
    work.world.ledger.say(setting, Verdict.APPROXIMATED, text)


def _tell(work: Work, setting: Setting, run: Run, key: str = "") -> None:
    """Tell what of a command is not quite what it was."""
    if run.splits:
        _note(work, setting, key, SPLIT_NOTE) if key else work.world.ledger.say(
            setting, Verdict.APPROXIMATED, SPLIT_NOTE
        )
    if run.renamed and run.renamed != run.words[0]:
        work.world.ledger.say(setting, Verdict.APPROXIMATED, f"it is called by its path, and not {run.renamed}")


def main_is_privileged(work: Work) -> bool:
    """Tell whether the main command is started without the unit's User=."""
    settings = work.unit.all("Service", "ExecStart")
    try:
        runs = parse(work.words(settings[-1])) if settings else []
    except Untranslatable:
        return False
    return bool(runs) and runs[-1].privileged


# --- Hooks -----------------------------------------------------------------------------------------------------------


def _hook(work: Work, run: Run, timeout: str = "") -> Any:
    """Return a command of [hooks]: its words, or a table where there is more to say."""
    timeout = timeout or _beyond_ours(work.unit.value("Service", "TimeoutStartSec") or _both(work))
    table: dict[str, Any] = {"command": run.anyway()}
    user = work.unit.last("Service", "User")
    if user is not None and (run.privileged or work.unit.yes("Service", "PermissionsStartOnly")):
        table["user"] = "root"
    elif user is not None and main_is_privileged(work):
        table["user"] = work.text(user)
    if timeout:
        table["timeout"] = timeout
    if run.may_fail:
        table["ignore_failure"] = True
    return table if len(table) > 1 else table["command"]


def _beyond_ours(said: str) -> str:
    """Return the timeout of a hook, an empty string where it is no longer than that of each hook here."""
    found = seconds(said) if said else 0
    return duration(said) if found is None or found > _HOOK_TIMEOUT else ""


def _both(work: Work) -> str:
    return work.unit.value("Service", "TimeoutSec")


def _hooks(key: str, note: str = "") -> Any:
    def function(work: Work, settings: list[Setting]) -> None:
        for setting, run in _runs(work, settings):
            if key == "hooks.post_stop" and kind_of(work) == "oneshot" and _remains(work):
                work.lost(setting, "a oneshot's hook is run when it has completed, and not when it is undone")
                continue
            verdict = Verdict.APPROXIMATED if note else Verdict.TRANSLATED
            work.append(setting, key, _hook(work, run), note=note, verdict=verdict)
            _tell(work, setting, run)

    return function


def _in_a_row(runs: list[Run]) -> list[str]:
    """Return commands as one of a shell, each run when the one before has succeeded, or may fail."""
    texts = [run.as_shell(leave=False) + (" || :" if run.may_fail else "") for run in runs]
    texts = [f"{{ {text}; }}" if run.may_fail or run.splits else text for text, run in zip(texts, runs, strict=True)]
    return ["/bin/sh", "-c", " && ".join(texts).replace("$", "$$")]


def _undo(work: Work, found: list[tuple[Setting, Run]]) -> None:
    """Have a oneshot that stays completed undone by a stop command; by that time it has no process."""
    runs = []
    for setting, run in found:
        if not _remains(work):
            work.lost(setting, _NOT_STOPPED)
        elif signal_of(run) is not None:
            work.needless(setting, "a oneshot that has completed has no process")
        else:
            runs.append((setting, run))
    for setting, run in runs:
        alone = len(runs) == 1 and not run.may_fail
        work.put(setting, "stop.command", run.anyway() if alone else _in_a_row([each for _, each in runs]))
        _tell(work, setting, run)


def _reload(work: Work, settings: list[Setting]) -> None:
    runs = _runs(work, settings)
    if len(runs) > 1:
        for setting, run in runs:
            work.put(setting, "reload.command", _in_a_row([run for _, run in runs]))
            _tell(work, setting, run)
        return
    for setting, run in runs:
        name = signal_of(run)
        if name is not None:
            work.put(setting, "reload.signal", signal(name))
        else:
            work.put(setting, "reload.command", run.anyway())
            _tell(work, setting, run)


def _stop(work: Work, settings: list[Setting]) -> None:
    runs = _runs(work, settings)
    if kind_of(work) == "oneshot":
        _undo(work, runs)
        return
    said = work.unit.value("Service", "TimeoutStopSec") or _both(work)
    for setting, run in runs:
        name = signal_of(run)
        if name is not None and len(runs) == 1:
            work.put(setting, "stop.signal", signal(name))
            continue
        # As with systemd: the commands first, and then the signal to what is left.
        work.append(setting, "hooks.pre_stop", _hook(work, run, _beyond_ours(said)))
        _tell(work, setting, run)


def _reload_signal(work: Work, setting: Setting) -> None:
    if "command" not in work.draft.get("reload", {}):
        work.put(setting, "reload.signal", signal(setting.value))
    else:
        work.needless(setting, "ExecReload= is run in its place")


def _sockets(work: Work, setting: Setting) -> None:
    own = str(work.unit.name.of_kind("socket"))
    others = [word for word in setting.value.split() if word != own]
    if others:
        work.lost(setting, f"of several socket units that of its own name counts; put those of {others[0]} there")
    else:
        work.kept(setting, "its sockets are a part of it here")


_SKIPS = "where it would leave the service out, the start fails here"

SERVICE: Table = {
    "Type": one("`type`, or the kind of `ready`", _type),
    "PIDFile": one("`ready.pid_file`", _pid_file),
    "BusName": one("`ready.command` that asks the bus", _bus_name),
    "RemainAfterExit": one("not needed: a oneshot that succeeded stays completed", _remain),
    "ExecStart": many("`command`; of a oneshot all but the last are `hooks.pre_start`", _start),
    "ExecCondition": many("`hooks.pre_start`", _hooks("hooks.pre_start", _SKIPS)),
    "ExecStartPre": many("`hooks.pre_start`", _hooks("hooks.pre_start")),
    "ExecStartPost": many("`hooks.post_start`", _hooks("hooks.post_start")),
    "ExecReload": many("`reload.signal` or `reload.command`", _reload),
    "ReloadSignal": one("`reload.signal`", _reload_signal),
    "ExecStop": many("`hooks.pre_stop`; `stop.signal` if it sends one; `stop.command` if a oneshot remains", _stop),
    "ExecStopPost": many("`hooks.post_stop`", _hooks("hooks.post_stop")),
    "PermissionsStartOnly": each(
        "`user` of hooks", lambda work, setting: work.kept(setting, "the hooks are run as root")
    ),
    "Sockets": each("the `[[sockets]]` of its own socket unit", _sockets),
    "GuessMainPID": needless("the main process is never guessed"),
    "NotifyAccess": needless("all processes of a service may notify, and nobody else"),
    "RootDirectoryStartOnly": lost("the whole service is in `namespaces.root`"),
    "NonBlocking": lost("sockets are passed on as they are"),
    "FileDescriptorStoreMax": lost("no descriptors are kept for a service, but its [[sockets]]"),
    "FileDescriptorStorePreserve": lost("no descriptors are kept for a service, but its [[sockets]]"),
    "OpenFile": lost("no files are opened for a service"),
    "ExitType": lost("a service ends with its main process"),
    "USBFunctionDescriptors": lost("USB gadgets are beyond asyncinit"),
    "USBFunctionStrings": lost("USB gadgets are beyond asyncinit"),
}
