"""The program that this process runs, as it was started; must not know what it does.

Light on purpose (no import but os and sys).
"""

import os
import sys

from asyncinit.linux.environment import original_environment


def started_as() -> list[str]:
    """Return the words by which this very program was started (interpreter, its options, script or -m NAME)."""
    words = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    return [sys.executable or "/proc/self/exe", *words[1:]]


def execute_again(variables: dict[str, str]) -> None:
    """Become the program that is installed now under the words by which this one was started.

    `variables` are added to its environment, which else is ours. Raises OSError; does not return otherwise.
    """
    words = [*started_as(), *sys.argv[1:]]
    environment = original_environment()
    environment.update({os.fsencode(name): os.fsencode(value) for name, value in variables.items()})
    os.execve(words[0], words, environment)
