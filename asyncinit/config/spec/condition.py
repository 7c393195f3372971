"""What must hold for a service to be started, resolved; checks nothing."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class CheckKind(StrEnum):
    """What a condition looks at."""

    PATH_EXISTS = "path_exists"
    PATH_IS_DIRECTORY = "path_is_directory"
    PATH_EXECUTABLE = "path_executable"
    ENV_SET = "env_set"
    KERNEL_OPTION = "kernel_option"
    ARCHITECTURE = "architecture"


PATH_CHECKS = frozenset({CheckKind.PATH_EXISTS, CheckKind.PATH_IS_DIRECTORY, CheckKind.PATH_EXECUTABLE})
"""Checks that look at a file system, which may hang."""


class Check(Struct, frozen=True):
    """One condition: `argument` is unexpanded, `negated` (a leading "!") has it hold where it would not."""

    kind: CheckKind
    argument: str
    negated: bool = False

    def __str__(self) -> str:
        return f'{self.kind} = "{"!" if self.negated else ""}{self.argument}"'


class Condition(Struct, frozen=True):
    """The [condition] section: all of these must hold."""

    checks: tuple[Check, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.checks)
