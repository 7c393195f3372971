"""Standard descriptors, inherited ones, and the environment as it was given."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support import ROOT


def in_child(code: str, prefix: str = "", **run: object) -> tuple[int, str]:
    """Run Python code in a process of its own, `prefix` being the shell's redirections; return status and output."""
    line = ["sh", "-c", f'exec "$@" {prefix}', "sh", sys.executable, "-c", "import os\n" + code]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **run)  # type: ignore[call-overload]
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("closed", [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_closed_standard_descriptors_are_opened(closed: tuple[int, ...]) -> None:
    """Whichever of 0 to 2 are closed become /dev/null, inheritable; the others stay; no other descriptor appears."""
    code = f"""
from asyncinit.linux import descriptors
before = descriptors.inherited()
opened = descriptors.open_standard()
right = opened == {closed!r} and descriptors.inherited() == before and all(map(os.get_inheritable, (0, 1, 2)))
right = right and all(os.readlink(f"/proc/self/fd/{{fd}}") == "/dev/null" for fd in opened)
os._exit(50 if right and descriptors.open_standard() == () else 51)
"""
    assert in_child(code, " ".join(f"{fd}>&-" for fd in closed))[0] == 50


def test_without_dev_null_something_is_opened() -> None:
    """Where neither the wanted file nor /dev/null can be opened, the descriptors are open all the same."""
    code = """
from asyncinit.linux import descriptors
true_open = os.open
def refuse(*arguments, **options): raise OSError(2, "no")
os.open = refuse
assert descriptors.open_standard("/nowhere") == (0, 1, 2)
os.open = true_open
assert os.read(0, 1) == b""
try:
    os.write(1, b"x")
except BrokenPipeError:
    pass
os._exit(50)
"""
    assert in_child(code, "<&- >&- 2>&-")[0] == 50


def test_inherited_descriptors_are_found_and_kept_from_programs() -> None:
    """Descriptors from our caller are listed, then not passed on any more."""
    code = """
from asyncinit.linux import descriptors
assert descriptors.inherited() == [7, 9], descriptors.inherited()
descriptors.cloexec_from(3)
os.execvp("sh", ["sh", "-c", "test ! -e /proc/self/fd/7 && test ! -e /proc/self/fd/9 && echo gone"])
"""
    assert in_child(code, "7</dev/null 9</dev/null") == (0, "gone\n")


def test_closing_all_others_is_quick_and_exact() -> None:
    """close_others spares what is to be kept, at any number, also with a limit of very many descriptors."""
    code = """
import resource
from asyncinit.linux import descriptors
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
high = min(hard, 100000) - 1
for fd in (5, 6, 7, high):
    os.dup2(0, fd)
descriptors.close_others(3, (6, high))
assert descriptors.inherited() == [6, high], descriptors.inherited()
descriptors.close_from(3)
assert descriptors.inherited() == []
true_listdir = os.listdir
def refuse(path): raise OSError(2, "no /proc")
for fd in (5, 6, 7):
    os.dup2(0, fd)
os.listdir = refuse
assert descriptors.inherited() == [5, 6, 7]
descriptors.close_others(3, (6,))
os.listdir = true_listdir
assert descriptors.inherited() == [6]
print("well")
"""
    assert in_child(code) == (0, "well\n")


@pytest.mark.parametrize(
    "given", [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C"}, {"LANG": "C", "LC_CTYPE": "POSIX"}]
)
def test_the_environment_is_as_it_was_given(given: dict[str, str]) -> None:
    """Whatever Python did to LC_CTYPE is undone, and what our own code set is there."""
    code = """
from asyncinit.linux import environment
os.environ["ADDED"] = "x"
print(sorted((k, v) for k, v in environment.original_environment().items() if k not in (b"PWD", b"OLDPWD")))
"""
    wanted = {"PATH": os.environ["PATH"]} | given
    status, text = in_child(code, env=wanted)
    assert (status, text.strip()) == (
        0,
        str(sorted((k.encode(), v.encode()) for k, v in (wanted | {"ADDED": "x"}).items())),
    )
