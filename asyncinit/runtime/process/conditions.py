"""Look whether the conditions of a service hold; a look at a path may block, so who calls decides where it is done."""

from __future__ import annotations

import os
from collections.abc import Mapping

from asyncinit.config.spec import PATH_CHECKS, Check, CheckKind, Condition, ServiceSpec
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.environment import UnsetVariableError, expand, ground, path_environment
from asyncinit.runtime.process.offload import StepCallback

_COMMAND_LINE = "/proc/cmdline"
_ARCHITECTURES = {"amd64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64"}
"""Other words for what uname(2) says."""


def looks_at_paths(condition: Condition) -> bool:
    """Tell whether any of it looks at a file system."""
    return any(check.kind in PATH_CHECKS for check in condition.checks)


def unmet_of(spec: ServiceSpec, inherited: Mapping[str, str], own: Mapping[str, str], step: StepCallback) -> str:
    """Return the condition of a service that does not hold, or an empty string; as `unmet`."""
    known = path_environment(spec, ground(spec, inherited, None, {}, own))
    try:
        folder = expand(spec.working_directory or "", known, "working_directory")
    except UnsetVariableError as error:
        raise SpawnError("check conditions", 0, str(error)) from error
    return unmet(spec.condition, known, folder, step)


def unmet(condition: Condition, environment: Mapping[str, str], folder: str, step: StepCallback) -> str:
    """Return the first condition that does not hold, in words, or an empty string.

    Relative paths are seen from `folder`. Raises SpawnError for a variable that is not set.
    """
    for check in condition.checks:
        try:
            argument = expand(check.argument, environment, f"condition.{check.kind}")
        except UnsetVariableError as error:
            raise SpawnError(f"check condition.{check.kind}", 0, str(error)) from error
        step(f"look at condition {check}")
        if _holds(check, argument, environment, folder) is check.negated:
            return f"{check} does not hold"
    return ""


def _holds(check: Check, argument: str, environment: Mapping[str, str], folder: str) -> bool:
    """Tell whether a condition holds, were it not negated."""
    path = os.path.join(folder, argument)
    match check.kind:
        case CheckKind.PATH_EXISTS:
            return os.path.exists(path)
        case CheckKind.PATH_IS_DIRECTORY:
            return os.path.isdir(path)
        case CheckKind.PATH_EXECUTABLE:
            return os.path.isfile(path) and os.access(path, os.X_OK)
        case CheckKind.ENV_SET:
            name, equals, value = argument.partition("=")
            return environment.get(name) == value if equals else name in environment
        case CheckKind.KERNEL_OPTION:
            return _is_option(argument)
        case CheckKind.ARCHITECTURE:
            return _ARCHITECTURES.get(argument, argument) == os.uname().machine


def _is_option(argument: str) -> bool:
    try:
        with open(_COMMAND_LINE, encoding="utf-8", errors="surrogateescape") as file:
            words = file.read().split()
    except OSError:
        return False
    return argument in words or ("=" not in argument and any(word.startswith(f"{argument}=") for word in words))
