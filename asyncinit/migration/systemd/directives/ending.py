"""Restart=, Kill*=, Timeout*=, StartLimit*= and exit statuses: how a service ends, and what follows."""

from __future__ import annotations

from asyncinit.migration.report import Setting
from asyncinit.migration.systemd.directives.execution import START_TIMEOUT, kind_of
from asyncinit.migration.systemd.signals import signal, status
from asyncinit.migration.systemd.times import duration, finite, seconds
from asyncinit.migration.systemd.words import Untranslatable, boolean, split
from asyncinit.migration.systemd.work import Directive, Table, Work, each, lost, needless, one

_POLICIES = {"no": "never", "always": "always", "on-failure": "on-failure", "on-abnormal": "on-abnormal"}


def _restart(work: Work, setting: Setting) -> None:
    value = setting.value
    if value in _POLICIES:
        if value == "no" and kind_of(work) == "oneshot":
            work.kept(setting, "the default of a oneshot")
        else:
            work.put(setting, "restart.policy", _POLICIES[value])
    elif value == "on-abort":
        work.roughly(setting, "restart.policy", "on-abnormal", "after a timeout too")
    elif value == "on-success":
        work.put(setting, "restart.policy", "never")
        work.append(setting, "restart.on", 0)
    elif value == "on-watchdog":
        work.put(setting, "restart.policy", "never")
        work.append(setting, "restart.on", "watchdog")
    else:
        raise Untranslatable("is no policy that is known")


def without_restart(work: Work) -> None:
    """Say what systemd does where nothing is said: a service is not restarted."""
    if work.unit.last("Service", "Restart") is None and kind_of(work) != "oneshot":
        work.put(None, "restart.policy", "never", "systemd's default: Restart=no")


def _delay(work: Work, setting: Setting) -> None:
    work.put(setting, "restart.delay", finite(setting.value))
    steps, longest = work.unit.last("Service", "RestartSteps"), work.unit.last("Service", "RestartMaxDelaySec")
    if steps is None or longest is None:
        work.put(setting, "restart.backoff", 1.0)
        return
    first, last, count = seconds(setting.value), seconds(longest.value), steps.value
    if not count.isdigit() or not int(count) or not first or last is None or last < first:
        raise Untranslatable("RestartSteps= and RestartMaxDelaySec= do not fit")
    work.put(steps, "restart.backoff", round((last / first) ** (1 / int(count)), 3))
    work.put(longest, "restart.max_delay", finite(longest.value))


def _of_delay(work: Work, setting: Setting) -> None:
    if "max_delay" not in work.draft.get("restart", {}):
        work.needless(setting, "RestartSec=, RestartSteps= and RestartMaxDelaySec= mean something together alone")


def _statuses(key: str) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        for word in split(setting.value):
            work.append(setting, key, status(word))

    return each(f"`{key}`", function)


def _success(work: Work, setting: Setting) -> None:
    work.append(setting, "success_exit", 0, *map(status, split(setting.value)))


# --- Start limits ----------------------------------------------------------------------------------------------------


def _burst(work: Work, setting: Setting) -> None:
    if not setting.value.isdigit():
        raise Untranslatable("is no number")
    if setting.value == "0" or work.unit.value("Unit", "StartLimitIntervalSec", "10s") in ("0", "0s"):
        work.kept(setting, "there is no limit: the default here")
        return
    # systemd counts starts, and the first one is none of the restarts that are counted here.
    work.put(setting, "restart.limit", int(setting.value) - 1)
    if work.unit.last("Unit", "StartLimitIntervalSec") is None and work.unit.last("Unit", "StartLimitInterval") is None:
        work.put(setting, "restart.window", "10s")


def _interval(work: Work, setting: Setting) -> None:
    if seconds(setting.value) == 0:
        work.kept(setting, "there is no limit: the default here")
        return
    work.put(setting, "restart.window", duration(setting.value))
    if work.draft.get("restart.limit") is None:
        work.put(setting, "restart.limit", 4, "systemd's default: StartLimitBurst=5")


_ACTIONS = {
    "none": None,
    "reboot": "reboot",
    "reboot-force": "reboot",
    "reboot-immediate": "reboot",
    "poweroff": "shutdown",
    "poweroff-force": "shutdown",
    "poweroff-immediate": "shutdown",
    "exit": "shutdown",
    "exit-force": "shutdown",
}


def _give_up(work: Work, setting: Setting) -> None:
    if setting.value not in _ACTIONS:
        raise Untranslatable("is no action that there is here")
    action = _ACTIONS[setting.value]
    if action is None:
        work.kept(setting, "the default")
    elif setting.value in ("reboot", "poweroff", "exit"):
        work.put(setting, "restart.on_give_up", action)
    else:
        work.roughly(setting, "restart.on_give_up", action, "all else is stopped in order first")


# --- The end ---------------------------------------------------------------------------------------------------------


def _kill_mode(work: Work, setting: Setting) -> None:
    if setting.value == "control-group":
        work.put(setting, "stop.scope", "tree")
    elif setting.value == "mixed":
        work.put(setting, "stop.scope", "process")
    elif setting.value == "process":
        note = "what is left then is killed here; systemd lets it run on"
        work.roughly(setting, "stop.scope", "process", note)
    else:
        raise Untranslatable("nothing of a service outlives its stop here")


def _kill_signal(work: Work, setting: Setting) -> None:
    work.put(setting, "stop.signal", signal(setting.value))


def _send_sigkill(work: Work, setting: Setting) -> None:
    if boolean(setting.value):
        work.kept(setting, "it is so here")
    elif work.unit.value("Service", "TimeoutStopSec") == "infinity":
        work.put(setting, "stop.timeout", "none")
    else:
        raise Untranslatable('what does not end is killed in the end; `stop.timeout = "none"` waits for ever')


def _stop_timeout(work: Work, setting: Setting) -> None:
    work.put(setting, "stop.timeout", _timeout(setting))


def _start_timeout(work: Work, setting: Setting) -> None:
    if kind_of(work) in ("simple", "exec", "idle"):
        work.needless(setting, "it is ready once its program is executed; hooks have it as their timeout")
    else:
        work.put(setting, "ready.timeout", _timeout(setting))


def _timeout(setting: Setting) -> str:
    """Return a timeout, of which 0 is none at all."""
    return "none" if seconds(setting.value) == 0 else duration(setting.value)


def _both_timeouts(work: Work, setting: Setting) -> None:
    if work.unit.last("Service", "TimeoutStopSec") is None:
        _stop_timeout(work, setting)
    if work.unit.last("Service", "TimeoutStartSec") is None:
        _start_timeout(work, setting)
    else:
        work.needless(setting, "TimeoutStartSec= counts")


def without_timeouts(work: Work) -> None:
    """Say how long systemd waits where nothing is said."""
    kind, has = kind_of(work), work.draft.get
    if (kind != "oneshot" or has("stop.command")) and has("stop.timeout") is None:
        work.put(None, "stop.timeout", START_TIMEOUT, "systemd's default: TimeoutStopSec=90s")
    waits = any(sign in has("ready", {}) for sign in ("notify", "pid_file", "command"))
    if waits and has("ready.timeout") is None:
        work.put(None, "ready.timeout", START_TIMEOUT, "systemd's default: TimeoutStartSec=90s")


def _watchdog(work: Work, setting: Setting) -> None:
    if seconds(setting.value) in (0, None):
        work.kept(setting, "there is none: the default here")
    elif kind_of(work) == "oneshot":
        raise Untranslatable("a oneshot has no watchdog")
    else:
        work.put(setting, "watchdog", duration(setting.value))


def _watchdog_signal(work: Work, setting: Setting) -> None:
    if signal(setting.value) != "SIGABRT":
        raise Untranslatable("it is SIGABRT here")
    work.kept(setting, "it is so here")


UNIT: Table = {
    "StartLimitBurst": one("`restart.limit`, one less: the first start is no restart", _burst),
    "StartLimitIntervalSec": one("`restart.window`", _interval),
    "StartLimitInterval": one("`restart.window`", _interval),
    "StartLimitAction": one("`restart.on_give_up`", _give_up),
    "FailureAction": one("`restart.on_give_up`", _give_up),
    "RebootArgument": lost("a reboot has no argument"),
    "FailureActionExitStatus": lost("asyncinit ends with what has failed; see `[init] exit_codes`"),
    "SuccessAction": lost("`essential = true` ends all when the service does, whatever the cause"),
    "SuccessActionExitStatus": lost("see `[init] exit_codes`"),
    "JobTimeoutSec": lost("each service has a timeout of its own, and none of what it waits for"),
    "JobRunningTimeoutSec": lost("each service has a timeout of its own, and none of what it waits for"),
    "JobTimeoutAction": lost("each service has a timeout of its own, and none of what it waits for"),
    "JobTimeoutRebootArgument": lost("a reboot has no argument"),
}

SERVICE: Table = {
    "Restart": one("`restart.policy`", _restart),
    "RestartSec": one("`restart.delay`, with `backoff = 1.0`", _delay),
    "RestartSteps": one("`restart.backoff`", _of_delay),
    "RestartMaxDelaySec": one("`restart.max_delay`", _of_delay),
    "RestartMode": lost("those that require a service go down when it fails for good, and not before"),
    "RestartPreventExitStatus": _statuses("restart.never_on"),
    "RestartForceExitStatus": _statuses("restart.on"),
    "SuccessExitStatus": each("`success_exit`", _success),
    "StartLimitBurst": one("`restart.limit`, one less", _burst),
    "StartLimitInterval": one("`restart.window`", _interval),
    "StartLimitAction": one("`restart.on_give_up`", _give_up),
    "FailureAction": one("`restart.on_give_up`", _give_up),
    "KillMode": one("`stop.scope`: tree (control-group) or process (mixed, process)", _kill_mode),
    "KillSignal": one("`stop.signal`", _kill_signal),
    "SendSIGKILL": one("`stop.timeout`", _send_sigkill),
    "SendSIGHUP": lost("`stop.escalate` sends further signals"),
    "RestartKillSignal": lost("a restart stops a service as a stop does"),
    "FinalKillSignal": lost("it is SIGKILL"),
    "TimeoutStopSec": one("`stop.timeout`", _stop_timeout),
    "TimeoutStartSec": one("`ready.timeout`, and that of hooks", _start_timeout),
    "TimeoutSec": one("`stop.timeout`, `ready.timeout`", _both_timeouts),
    "TimeoutAbortSec": lost("after SIGABRT of the watchdog it is stopped as always"),
    "TimeoutStartFailureMode": lost("a start that takes too long is stopped as always"),
    "TimeoutStopFailureMode": lost("a stop that takes too long ends with SIGKILL"),
    "TimeoutCleanSec": needless("nothing is cleaned up by systemctl clean"),
    "RuntimeMaxSec": lost("no service is ended because it has run for so long"),
    "RuntimeRandomizedExtraSec": lost("no service is ended because it has run for so long"),
    "WatchdogSec": one("`watchdog`", _watchdog),
    "WatchdogSignal": one("not needed: SIGABRT", _watchdog_signal),
}
