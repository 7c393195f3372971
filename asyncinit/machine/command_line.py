"""The kernel's command line, and what asyncinit understands of it; reads it, and does nothing about it.

Words come from two places: /proc/cmdline has all, and the kernel hands to PID 1 as arguments what it does not
understand itself (but nothing with a dot before its "="). What stands after " -- " is ours alone: options of `boot`.
Needs no msgspec: it is asked where that may be what is broken.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

RESCUE = "rescue"
"""The target for one person at the console."""

WORDS = (
    (
        "asyncinit.profile=NAME",
        "This [profile](../guides/profiles.md) of the files is active; several between commas, of which the later win.",
    ),
    ("asyncinit.target=NAME", "Start this target or service, with what it needs, in place of [init] `start`."),
    ("single, S, s, 1, rescue", "The same as `asyncinit.target=rescue`."),
    ("emergency, -b", "A shell on the console before any service is started."),
    ("quiet", "asyncinit tells of warnings and errors alone, as the kernel does."),
    ("asyncinit.debug", "asyncinit tells all; stronger than `quiet`."),
    ("asyncinit.hostname=NAME", "The machine's name, in place of what /etc/hostname says."),
    ("asyncinit.credit_seed", "The kept random seed counts as good for all of its bits."),
    ("container=NAME", "This is no machine: nothing is mounted, and `boot` is `run`."),
    (
        "-- OPTION...",
        "Options of `asyncinit boot`: `--config FILE`, `--services DIR`, `--profile NAME`, `--log-format FORMAT`, "
        "`-v`, `-q`.",
    ),
)
"""Every word that means something to us, with its meaning, for the reference."""

_RESCUE = frozenset(("single", "S", "s", "1", "-s", RESCUE))
_EMERGENCY = frozenset(("emergency", "-b"))
_FLAGS = {"quiet": "quiet", "asyncinit.debug": "debug", "asyncinit.credit_seed": "credit_seed"}
_TEXTS = {"asyncinit.target": "target", "asyncinit.hostname": "hostname"}
_MANY = {"asyncinit.profile": "profiles"}
_OPTIONS = {
    "--config": "config",
    "--services": "services",
    "--profile": "profiles",
    "--log-format": "log_format",
}
_COUNTED = {"-v": 1, "--verbose": 1, "-q": -1, "--quiet": -1}
_YES = frozenset(("1", "yes", "true", "on"))
_OURS = "asyncinit."


class KernelWords(NamedTuple):
    """What was said at boot; `services` to `more` are options of `boot`, `unknown` words that were meant for us."""

    target: str | None = None
    emergency: bool = False
    quiet: bool = False
    debug: bool = False
    hostname: str | None = None
    credit_seed: bool = False
    config: str | None = None
    services: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    log_format: str | None = None
    more: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def verbosity(self) -> int:
        """How much more (or less) asyncinit tells than usual."""
        return self.more + (1 if self.debug else -1 if self.quiet else 0)


def split(line: str) -> list[str]:
    """Return the words of a command line as the kernel does: double quotes hold blanks together."""
    words, word, quoted = [], "", False
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character.isspace() and not quoted:
            words += [word] if word else []
            word = ""
        else:
            word += character
    return [*words, word] if word else words


def said(root: str = "/") -> list[str]:
    """Return the words of the kernel's command line; none where it cannot be read."""
    try:
        with open(os.path.join(root, "proc/cmdline"), encoding="utf-8", errors="replace") as file:
            return split(file.read())
    except OSError:
        return []


def understand(line: str, arguments: Sequence[str] = ()) -> KernelWords:
    """Understand the kernel's command line and the arguments that PID 1 has got; of two that differ the later counts.

    What stands after " -- " is among the arguments, unless what ran before us (an initramfs) has not passed it on.
    """
    words = split(line)
    after: list[str] = []
    if "--" in words:
        place = words.index("--")
        words, after = words[:place], words[place + 1 :]
    own = [word for word in arguments if word not in words]
    found: dict[str, Any] = {"unknown": ()}
    for word in words:
        _take_word(word, found)
    _take_options(own or after, found)
    return KernelWords(**found)


def _take_word(word: str, found: dict[str, Any]) -> bool:
    """Take a word of the kernel's; False: it is not ours."""
    name, equals, value = word.partition("=")
    if name.startswith(_OURS):
        name = name.replace("-", "_")  # as the kernel has it for its modules
    if word in _RESCUE:
        found["target"] = RESCUE
    elif word in _EMERGENCY:
        found["emergency"] = True
    elif name in _TEXTS and value:
        found[_TEXTS[name]] = value
    elif name in _MANY and value:
        found[_MANY[name]] = (*found.get(_MANY[name], ()), value)
    elif name in _FLAGS and (not equals or value in _YES):
        found[_FLAGS[name]] = True
    elif name.startswith(_OURS):
        found["unknown"] += (word,)
    else:
        return False
    return True


def _take_options(words: Sequence[str], found: dict[str, Any]) -> None:
    """Take options of `boot`; words among them are those of the kernel's command line."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in _COUNTED:
            found["more"] = found.get("more", 0) + _COUNTED[word]
        elif name in _OPTIONS and (equals or rest):
            value = value if equals else rest.pop(0)
            key = _OPTIONS[name]
            if key == "log_format" and not _is_log_format(value):
                found["unknown"] += (f"{name}={value}",)
                continue
            found[key] = (*found.get(key, ()), value) if key in ("services", "profiles") else value
        elif not _take_word(word, found) and word.startswith("-"):
            found["unknown"] += (word,)


def _is_log_format(word: str) -> bool:
    from asyncinit.config.spec import LogFormat

    return word in list(LogFormat)
