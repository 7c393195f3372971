"""Put together what `doctor` tells: what the running parts know, and what a child finds with the same rights."""

from __future__ import annotations

import resource

from msgspec import Struct

from asyncinit.control.types import Check, ProcessEntry
from asyncinit.linux import proc
from asyncinit.runtime.doctor import checks
from asyncinit.runtime.doctor.checks import good, limited, problem
from asyncinit.runtime.doctor.processes import Family, census
from asyncinit.runtime.process.offload import StepCallback

TIMEOUT = 30.0


class Facts(Struct, frozen=True):
    """What the running asyncinit knows of itself.

    `subreaper`: orphans come to it. `control`: where its socket is, None: nowhere. `warnings` of its configuration;
    `not_applied`: keys of `prefer` that could not be had, by service; `oom_refusal`: why its place when memory runs out
    could not be lowered, if so. `watchdog` in words, and `watched` whether it is used, or not wanted. `early`: what
    went wrong of the early steps of a machine, None: there were none.
    """

    family: Family
    subreaper: bool
    loop: str
    control: str | None
    warnings: tuple[str, ...]
    not_applied: dict[str, list[str]]
    oom_refusal: str
    watchdog: str
    watched: bool
    early: tuple[str, ...] | None = None


class Findings(Struct):
    """What a child has found."""

    processes: list[ProcessEntry]
    total: int
    checks: list[Check]


def examine(facts: Facts, step: StepCallback) -> Findings:
    """In a child: look at everything."""
    step("look at processes")
    processes, total = census(facts.family)
    step("look at rights and kernel features")
    return Findings(processes, total, [*_own(facts), *checks.machine()])


def _own(facts: Facts) -> list[Check]:
    return [
        _role(facts),
        _loop(facts),
        _control(facts),
        _files(facts),
        _memory(facts),
        _watchdog(facts),
        *_early(facts),
        _warnings(facts),
        _preferences(facts),
    ]


def _role(facts: Facts) -> Check:
    pid = facts.family.root
    if pid == 1:
        return good("role", "PID 1")
    if facts.subreaper:
        return good("role", f"pid {pid}, a subreaper")
    return problem("role", f"pid {pid}, no subreaper", "what services leave behind goes to another process")


def _loop(facts: Facts) -> Check:
    if facts.loop == "uvloop":
        return good("loop", "uvloop")
    return limited("loop", facts.loop, "the same behaviour at somewhat more time for each event")


def _control(facts: Facts) -> Check:
    if facts.control is None:
        return problem("control socket", "none could be made", "no command reaches it")
    if facts.control.startswith("@"):
        return limited("control socket", facts.control, "an abstract name: only this network namespace reaches it")
    return good("control socket", facts.control)


def _files(facts: Facts) -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = proc.open_files(facts.family.root)
    text = f"{'?' if used is None else used} of {soft} (at most {'any' if hard == resource.RLIM_INFINITY else hard})"
    if used is not None and soft != resource.RLIM_INFINITY and used > 0.8 * soft:
        return problem("open files", text, "services cannot start when none is left")
    return good("open files", text)


def _memory(facts: Facts) -> Check:
    if facts.oom_refusal:
        found = f"oom_score_adj cannot be lowered: {facts.oom_refusal}"
        return limited("out of memory", found, "the kernel may end asyncinit rather than a service")
    try:
        with open(f"/proc/{facts.family.root}/oom_score_adj", encoding="ascii") as file:
            return good("out of memory", f"oom_score_adj is {file.read().strip()}")
    except OSError as error:
        return limited("out of memory", f"oom_score_adj cannot be read: {error.strerror}", "not known")


def _watchdog(facts: Facts) -> Check:
    if facts.watched:
        return good("watchdog", facts.watchdog)
    return limited("watchdog", facts.watchdog, "an asyncinit that hangs is not noticed")


def _early(facts: Facts) -> list[Check]:
    if facts.early is None:
        return []
    if facts.early:
        return [limited("early steps", "; ".join(facts.early), "the machine has booted without that")]
    return [good("early steps", "all done")]


def _warnings(facts: Facts) -> Check:
    if facts.warnings:
        return limited("configuration", f"{len(facts.warnings)} warnings", "; ".join(facts.warnings[:10]))
    return good("configuration", "no warnings")


def _preferences(facts: Facts) -> Check:
    left_out = "; ".join(f"{name} without {', '.join(keys)}" for name, keys in facts.not_applied.items())
    if left_out:
        return limited("prefer", left_out, "these keys could not be applied here")
    return good("prefer", "nothing had to be left out")
