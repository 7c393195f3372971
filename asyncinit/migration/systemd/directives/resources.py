"""Limit*=, Nice=, CPU*=, Memory*=, Tasks*=, IO*=: what processes may use."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from asyncinit.config.sections.limits import cpu_list, format_cpus
from asyncinit.config.values import BadValueError
from asyncinit.migration.report import Setting
from asyncinit.migration.systemd.times import duration, seconds, size
from asyncinit.migration.systemd.words import Untranslatable
from asyncinit.migration.systemd.work import Directive, Table, Work, each, lost, needless, one


def _count(text: str) -> int | str:
    if text == "infinity":
        return "none"
    if not text.isdigit() or len(text) > 18:
        raise Untranslatable("is no number")
    return int(text)


def _rlimit(key: str, read: Callable[[str], Any]) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        soft, colon, hard = setting.value.partition(":")
        found = {"soft": read(soft), "hard": read(hard)} if colon else read(soft)
        work.put(setting, f"limits.{key}", found)
        work.prefer(f"limits.{key}")

    return one(f"`limits.{key}`", function)


def _number(key: str, low: int, high: int) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        try:
            number = int(setting.value)
        except ValueError:
            raise Untranslatable("is no number") from None
        if not low <= number <= high:
            raise Untranslatable(f"is not from {low} to {high}")
        work.put(setting, f"limits.{key}", number)
        work.prefer(f"limits.{key}")

    return one(f"`limits.{key}`", function)


def _word(key: str, words: dict[str, str]) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        if setting.value not in words:
            raise Untranslatable("is none that is known")
        work.put(setting, f"limits.{key}", words[setting.value])
        work.prefer(f"limits.{key}")

    return one(f"`limits.{key}`", function)


def _memory(key: str) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        if "%" in setting.value:
            raise Untranslatable("a part of the machine's memory is not possible: say how much")
        work.put(setting, f"limits.{key}", size(setting.value))
        work.prefer(f"limits.{key}")

    return one(f"`limits.{key}`", function)


def _tasks(work: Work, setting: Setting) -> None:
    if "%" in setting.value:
        raise Untranslatable("a part of what the machine can is not possible: say how many")
    work.put(setting, "limits.pids_max", _count(setting.value))
    work.prefer("limits.pids_max")


def _affinity(work: Work, setting: Setting) -> None:
    if setting.value == "numa":
        raise Untranslatable("say which processors")
    try:
        cpus = cpu_list(",".join(setting.value.replace(",", " ").split()))
    except BadValueError:
        raise Untranslatable("is no list of processors") from None
    there = work.draft.get("limits.cpu_affinity")
    work.put(setting, "limits.cpu_affinity", format_cpus(tuple(sorted({*cpus, *(cpu_list(there) if there else ())}))))


def _priority(work: Work, setting: Setting) -> None:
    if work.draft.get("limits.scheduler") not in ("fifo", "rr"):
        work.needless(setting, "it is for real-time schedulers")
    elif not setting.value.isdigit() or not 1 <= int(setting.value) <= 99:
        raise Untranslatable("is not from 1 to 99")
    else:
        work.put(setting, "limits.scheduler_priority", int(setting.value))


def _quota(work: Work, setting: Setting) -> None:
    period = work.unit.last("Service", "CPUQuotaPeriodSec")
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", setting.value)
    if match is None:
        raise Untranslatable("is no share of a processor")
    length = seconds(period.value) if period is not None else None
    if length is None or not 0.001 <= length <= 1:
        work.put(setting, "limits.cpu_max", setting.value)
        return
    quota = {"quota": duration(f"{float(match[1]) / 100 * length:.6f}"), "period": duration(f"{length:.6f}")}
    work.put(setting, "limits.cpu_max", quota)
    if period is not None:
        work.put(period, "limits.cpu_max", quota)
    work.prefer("limits.cpu_max")


def _period(work: Work, setting: Setting) -> None:
    if not isinstance(work.draft.get("limits.cpu_max"), dict):
        work.lost(setting, "it is for CPUQuota=, and from 1 ms to 1 s")


def _io_max(key: str, read: Callable[[str], Any]) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        words = work.words(setting)
        if len(words) != 2 or not words[0].startswith("/dev/"):
            raise Untranslatable("is no device with its limit: the folder of a file system is not possible here")
        work.put(setting, ("limits", "io_max"), _with(work, words[0], key, read(words[1])))
        work.prefer("limits.io_max")

    return each("`limits.io_max`", function)


def _with(work: Work, device: str, key: str, limit: Any) -> dict[str, Any]:
    there = work.draft.get("limits.io_max", {})
    return {**there, device: {**there.get(device, {}), key: limit}}


def _delegate(work: Work, setting: Setting) -> None:
    if setting.value.lower() in ("no", "false", "0", "off"):
        work.kept(setting, "the default")
    elif setting.value.lower() in ("yes", "true", "1", "on"):
        work.put(setting, "limits.delegate", True)
        work.prefer("limits.delegate")
    else:
        work.roughly(setting, "limits.delegate", True, "with all controllers that it has")
        work.prefer("limits.delegate")


def _oom_policy(work: Work, setting: Setting) -> None:
    if setting.value == "kill":
        work.put(setting, "limits.memory_oom_group", True)
        work.prefer("limits.memory_oom_group")
    elif setting.value == "continue":
        work.kept(setting, "it is so here")
    else:
        raise Untranslatable("a service whose child was killed goes on; `memory_oom_group` has all of it killed")


_ACCOUNTING = needless("what there is to count is counted")
_RESERVED = lost("no memory is reserved")
_OTHER_CGROUPS = lost("what all services may use together is the machine's or the container's")

SERVICE: Table = {
    "LimitNOFILE": _rlimit("nofile", _count),
    "LimitNPROC": _rlimit("nproc", _count),
    "LimitCORE": _rlimit("core", size),
    "LimitMEMLOCK": _rlimit("memlock", size),
    "LimitSTACK": _rlimit("stack", size),
    "LimitAS": _rlimit("as", size),
    "LimitDATA": _rlimit("data", size),
    "LimitFSIZE": _rlimit("fsize", size),
    "LimitRSS": _rlimit("rss", size),
    "LimitCPU": _rlimit("cpu", duration),
    "LimitRTTIME": _rlimit("rttime", lambda text: duration(f"{text}us" if text.isdigit() else text)),
    "LimitRTPRIO": _rlimit("rtprio", _count),
    "LimitSIGPENDING": _rlimit("sigpending", _count),
    "LimitMSGQUEUE": _rlimit("msgqueue", size),
    "LimitNICE": lost("`limits.nice` is how it runs, and not how far it may go"),
    "LimitLOCKS": lost("without effect since Linux 2.4"),
    "Nice": _number("nice", -20, 19),
    "OOMScoreAdjust": _number("oom_score_adj", -1000, 1000),
    "OOMPolicy": one("`limits.memory_oom_group`", _oom_policy),
    "IOSchedulingClass": _word(
        "io_class",
        {"realtime": "realtime", "best-effort": "best-effort", "idle": "idle", "1": "realtime", "2": "best-effort"}
        | {"3": "idle"},
    ),
    "IOSchedulingPriority": _number("io_priority", 0, 7),
    "CPUSchedulingPolicy": _word("scheduler", {name: name for name in ("other", "batch", "idle", "fifo", "rr")}),
    "CPUSchedulingPriority": one("`limits.scheduler_priority`", _priority),
    "CPUSchedulingResetOnFork": lost("children have what their parent has"),
    "CPUAffinity": each("`limits.cpu_affinity`", _affinity),
    "CPUQuota": one("`limits.cpu_max`", _quota),
    "CPUQuotaPeriodSec": one("`limits.cpu_max`", _period),
    "CPUWeight": _number("cpu_weight", 1, 10000),
    "CPUShares": lost("CPUWeight= is what there is now"),
    "MemoryMax": _memory("memory_max"),
    "MemoryLimit": _memory("memory_max"),
    "MemoryHigh": _memory("memory_high"),
    "MemorySwapMax": _memory("memory_swap_max"),
    "TasksMax": one("`limits.pids_max`", _tasks),
    "IOWeight": _number("io_weight", 1, 10000),
    "IOReadBandwidthMax": _io_max("read", size),
    "IOWriteBandwidthMax": _io_max("write", size),
    "IOReadIOPSMax": _io_max("read_ops", _count),
    "IOWriteIOPSMax": _io_max("write_ops", _count),
    "Delegate": one("`limits.delegate`", _delegate),
    "Slice": lost("there are no slices: a service's cgroup is its own"),
    "CPUAccounting": _ACCOUNTING,
    "MemoryAccounting": _ACCOUNTING,
    "TasksAccounting": _ACCOUNTING,
    "IOAccounting": _ACCOUNTING,
    "IPAccounting": lost("no packets are counted"),
    "BlockIOAccounting": _ACCOUNTING,
    "MemoryMin": _RESERVED,
    "MemoryLow": _RESERVED,
    "MemoryZSwapMax": lost("there is no such limit"),
    "AllowedCPUs": lost("`limits.cpu_affinity` says which processors"),
    "StartupCPUWeight": _OTHER_CGROUPS,
    "StartupIOWeight": _OTHER_CGROUPS,
    "StartupMemoryMax": _OTHER_CGROUPS,
    "IODeviceWeight": lost("`limits.io_weight` is for all devices"),
    "ManagedOOMSwap": lost("there is no systemd-oomd"),
    "ManagedOOMMemoryPressure": lost("there is no systemd-oomd"),
    "MemoryPressureWatch": lost("nobody is told of memory pressure"),
    "NUMAPolicy": lost("numactl(8) before the command does so"),
    "NUMAMask": lost("numactl(8) before the command does so"),
    "TimerSlackNSec": lost("it has asyncinit's own"),
    "CoredumpFilter": lost("it has asyncinit's own"),
    "MemoryKSM": lost("it has asyncinit's own"),
    "DisableControllers": lost("a service's cgroup has the controllers that its limits take"),
}


def settle(work: Work) -> None:
    """Take out what means nothing beside what else there is."""
    draft = work.draft
    if draft.get("limits.io_class") == "idle" and draft.get("limits.io_priority") is not None:
        for setting in draft.drop("limits.io_priority"):
            work.needless(setting, "means nothing for the class idle")
    for key in list(draft.get("limits", {})):
        pair = draft.get(f"limits.{key}")
        if isinstance(pair, dict) and pair.keys() == {"soft", "hard"} and pair["soft"] == "none" != pair["hard"]:
            pair["soft"] = pair["hard"]
