"""What a JSON Schema can say of the kinds of value (`kinds`): patterns and bounds, by the function that reads the kind.

Only editors load this. A shape refuses nothing that its function takes; what no pattern can say (whether a time zone or
a moment exists) is left to the function. The syntax is what ECMAScript and Rust's fancy-regex have in common.
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterable
from typing import Any

from asyncinit.config import addresses, destinations, ends, rights, spec, times, values
from asyncinit.config.sections import cgroup_limits, limits, mounts, namespaces
from asyncinit.config.spec import SHORT_FORMS, Cause, capabilities, system_calls

Schema = dict[str, Any]

_DIGITS = r"[0-9]+(?:\.[0-9]+)?"
_LENGTH = rf"(?=[0-9])(?:{_DIGITS}d)?(?:{_DIGITS}h)?(?:{_DIGITS}m)?(?:{_DIGITS}s)?(?:{_DIGITS}ms)?"
_PLAIN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}"
_SERVICE = rf"{_PLAIN}(?:@(?:{_PLAIN})?)?"
_VARIABLE = r"\$\{"  # what has a variable in it is final only when the service starts
_PART = r"(?!\.{1,2}(?:/|$))[^/]+"  # of a relative path: neither "." nor ".."
_LONGEST = values.LONGEST
_LARGEST_ID = 2**32 - 2
_BYTES = rf"{_DIGITS}[KMGT]?"


def _whole(*patterns: str) -> str:
    """Return a pattern of texts that are one of these from end to end."""
    return f"^(?:{'|'.join(patterns)})$"


def _any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.lower()}]" if letter.isalpha() else letter for letter in word)


def _chosen(words: Iterable[str], *patterns: str, **others: Any) -> Schema:
    """Return what takes `words`, which editors offer, and texts of other patterns; `others` bounds numbers."""
    choices: list[Schema] = [{"enum": list(words)}]
    choices += [{"type": "string", "pattern": _whole(*patterns)}] if patterns else []
    choices += [{"type": "integer", **others}] if others else []
    return {"anyOf": choices}


def _in_templates(shape: Schema) -> Schema:
    """Return a shape that also takes what a template has in the place of an instance's name."""
    made = {name: [_in_templates(each) for each in what] if name == "anyOf" else what for name, what in shape.items()}
    return {**made, "pattern": rf"{shape['pattern']}|\$\{{INSTANCE"} if "pattern" in shape else made


_SIGNALS = [each.name for each in signal.Signals]
_SIG = _any_case("SIG")
_NAMES = "|".join(_any_case(name.removeprefix("SIG")) for name in signal.Signals.__members__)
_ANY_SIGNAL = (
    rf"(?:{_SIG})?(?:{_NAMES})",
    rf"(?:{_SIG})?(?:{_any_case('RTMIN')}|{_any_case('RTMAX')})(?:[+-][0-9]{{1,2}})?",
)
_CODES = {"minimum": 0, "maximum": 255}
_CAPABILITIES = [f"CAP_{name}" for name in capabilities.NAMES]
_BARE_CAPABILITY = rf"(?:CAP_)?(?:{'|'.join(capabilities.NAMES)})"


def _duration(*words: str, at_least: float = 0, above: float | None = None) -> Schema:
    bound: Schema = {"minimum": at_least} if above is None else {"exclusiveMinimum": above}
    return {"pattern": _whole(*words, _LENGTH), **bound, "maximum": _LONGEST}


_SHAPES: dict[Callable[[Any], object], Schema] = {
    values.duration: _duration("none"),
    values.finite: _duration(),
    values.idle: _duration("none", above=0),
    values.positive: _duration(above=0),
    values.over_zero: _duration("none", above=0),
    values.watchdog: _duration("none", at_least=values.WATCHDOG_LEAST),
    values.size: {"pattern": _whole("none", _BYTES), "minimum": 0},
    values.command: {"minLength": 1, "minItems": 1},
    values.octal: {"pattern": _whole("[0-7]{1,4}")},
    values.umask: {"pattern": _whole("0?[0-7]{1,3}")},
    values.service_name: {"pattern": _whole(_SERVICE)},
    values.instance_name: {"pattern": _whole(_PLAIN)},
    values.account: {"pattern": r"^[^-:/,\s][^:/,\s]*$", "minimum": 0, "maximum": _LARGEST_ID},
    values.text_line: {"pattern": r"^[^\x00-\x1f\x7f]*$"},
    values.filled: {"minLength": 1},
    values.condition: {"pattern": r"^(?:![^ ]|[^!])"},
    values.variable: {"pattern": "^[^=]+$"},
    values.directory: {"pattern": _whole(rf"{_PART}(?:/{_PART})*")},
    values.terminal: {"pattern": "^/dev/"},
    values.environment_file: {"pattern": r"^(?:-[\s\S]|[^-])"},
    values.control_read: _chosen(("owner", "all"), r"group:[^-:/,\s][^:/,\s]*"),
    ends.signal_number: _chosen(_SIGNALS, *_ANY_SIGNAL, minimum=1, maximum=int(signal.SIGRTMAX)),
    ends.end: _chosen(_SIGNALS, *_ANY_SIGNAL, **_CODES),
    ends.end_or_cause: _chosen([*_SIGNALS, *(cause.value for cause in Cause)], *_ANY_SIGNAL, **_CODES),
    ends.exit_code: _CODES,
    ends.code_key: {"pattern": _whole("[0-9]{1,3}")},
    destinations.destination: _chosen(
        (spec.CONSOLE, spec.FILE, spec.SYSLOG, spec.INHERIT, spec.NULL), rf"{spec.SERVICE}{_SERVICE}"
    ),
    destinations.file_size: {"pattern": _whole("none", _BYTES), "minimum": destinations.SMALLEST_FILE},
    destinations.log_file: {"pattern": "[^/]$"},
    destinations.word: {"pattern": "^[!-~]+$"},
    addresses.tcp: {"pattern": rf"{_VARIABLE}|^\[[^\]\s]*:[^\]]*\]:[0-9]{{1,5}}$|^[^\s:\[]+:[0-9]{{1,5}}$"},
    addresses.listen: {"pattern": rf"{_VARIABLE}|^\[[^\]\s]*:[^\]]*\]:[0-9]{{1,5}}$|^[^\s:\[]+:[0-9]{{1,5}}$"},
    addresses.http: {"pattern": rf"{_VARIABLE}|^[Hh][Tt][Tt][Pp]://[!-~]+$"},
    addresses.unix: {"pattern": r"^(?:@[\s\S]|[^@])"},
    addresses.listening: {"pattern": r"^(?:@[\s\S]|/[\s\S]|[^@/])"},
    addresses.listen_unix: {"pattern": rf"{_VARIABLE}|^[/@][\s\S]*[^/]$"},
    addresses.socket_name: {"pattern": "^[ -9;-~]{1,255}$"},
    times.cron: {
        "anyOf": [
            {"enum": list(SHORT_FORMS)},
            {"type": "string", "pattern": r"^\s*(?:@[A-Za-z]+|\S+(?:\s+\S+){4})\s*$"},
        ]
    },
    rights.one_capability: _chosen(_CAPABILITIES, _BARE_CAPABILITY),
    rights.capability: _chosen(
        [*capabilities.SETS, *_CAPABILITIES], rf"~?(?:{_BARE_CAPABILITY}|{'|'.join(capabilities.SETS)})"
    ),
    rights.system_call: _chosen(system_calls.SETS, "[a-z_][a-z0-9_]*"),
    rights.filter_action: {"enum": [spec.KILL, *errno.errorcode.values()]},
    rights.rule_path: {"pattern": rf"^-?(?:/|{_VARIABLE})"},
    rights.credential_name: {"pattern": "^[^/]+$"},
    namespaces.hostname: {"pattern": _whole("[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")},
    namespaces.id_range: {"pattern": _whole("[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}")},
    mounts.target: {"pattern": r"^[/$]"},
    mounts.source: {"pattern": r"^-?[/$]"},
    limits.cpu_list: {"pattern": r"^ *[0-9][0-9 ,-]*$"},
    cgroup_limits.cpu_share: {"pattern": _whole("none", rf"{_DIGITS}%")},
    cgroup_limits.device: {"pattern": _whole("/dev/.+", "[0-9]+:[0-9]+")},
}

SHAPES = {kind: _in_templates(shape) for kind, shape in _SHAPES.items()}
"""The shape of each kind that has one. A kind without is told by its plain type alone."""
