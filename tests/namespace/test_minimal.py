"""The minimal loop: PID 1 when nothing else is left, the simple init of a pod."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests import wrapping as tree
from tests.support import PYTHON, ROOT, wait_until
from tests.wrapping import Wrapped, as_pid1, blocks, descendants, is_gone, running

MINIMAL = [PYTHON, "-I", "-S", str(ROOT / "asyncinit" / "minimal.py")]
BOTH = pytest.mark.parametrize("pid1", [True, False], ids=["pid1", "process"])


@contextlib.contextmanager
def minimal(children: str, *arguments: str, pid1: bool, **popen: object) -> Iterator[Wrapped]:
    """Run the minimal loop in place of a shell that has started `children` before."""
    line = ["sh", "-c", f'{children}\nexec "$@" $words', "sh", *MINIMAL, *arguments]
    with running(as_pid1(line) if pid1 else line, below=pid1, **popen) as run:
        starter = run.process.pid
        wait_until(
            lambda: (
                run.process.poll() is not None
                or any(blocks(pid, signal.SIGTERM) for pid in [starter, *tree.children(starter)])
            )
        )
        yield run


@BOTH
@pytest.mark.parametrize(("end", "status"), [("exit 44", 44), ("kill -9 $$", 137)])
def test_it_leaves_with_the_status_of_its_main_process(pid1: bool, end: str, status: int) -> None:
    """The main process's exit code, or 128+n, is ours; what is left then is ended, SIGTERM first."""
    leftover = "sh -c 'trap \"echo bye; exit\" TERM; echo up; while :; do sleep 0.01; done'"
    with minimal(
        f"exec 3<&0; {leftover} & sh -c 'read x; {end}' <&3 & words=main=$!", pid1=pid1, stdin=subprocess.PIPE
    ) as run:
        run.out.expect("up\n")
        run.process.stdin.close()  # type: ignore[union-attr]
        run.out.expect("bye\n")
        assert run.wait() == status


@BOTH
def test_sigterm_ends_all(pid1: bool) -> None:
    """On SIGTERM everything below gets SIGTERM, stopped processes too, and SIGKILL after the grace."""
    children = (
        "sh -c 'trap \"echo bye; exit\" TERM; echo up; while :; do sleep 0.01; done' &"
        "setsid sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.01; done' &"
        "sleep 1000 & kill -STOP $!"
    )
    with minimal(children, "grace=2", "status=5", pid1=pid1) as run:
        run.out.expect("up\n")
        run.out.expect("up\n")
        below = descendants(run.pid)
        run.signal(signal.SIGTERM)
        run.out.expect("bye\n")
        assert run.wait() == 5
        assert all(map(is_gone, below))


@BOTH
def test_it_reaps_until_nothing_is_left_or_stays(pid1: bool) -> None:
    """Without a main process it leaves when the last child has ended; with stay it waits to be told."""
    with minimal("true & sh -c 'exit 9' &", "status=70", pid1=pid1) as run:
        assert run.wait() == 70
    with minimal("sleep 0.1 &", "stay=1", pid1=pid1) as run:
        wait_until(lambda: not descendants(run.pid))
        run.signal(signal.SIGTERM)
        assert run.wait() == 0


def test_each_end_is_reported_before_its_pid_is_free() -> None:
    """The report names every child that ended, orphans too, with code or signal; without a reader it is over."""
    reader, writer = os.pipe()
    children = (
        "exec 3<&0; (sh -c 'read x <&3; exit 9' &); sh -c 'read x <&3; kill -15 $$' &"
        "sh -c 'trap \"\" TERM; sleep 1000' & sleep 1000 &"
    )
    words = (f"report={writer}", "stay=1", "grace=0.1")
    with minimal(children, *words, pid1=True, pass_fds=(writer,), stdin=subprocess.PIPE) as run:
        os.close(writer)
        run.process.stdin.close()  # type: ignore[union-attr]
        text = b""
        while text.count(b"\n") < 2:
            text += os.read(reader, 4096)
        told = sorted(tuple(map(int, line.split()[1:])) for line in text.decode().splitlines())
        assert told == [(0, 15, 0), (9, 0, 0)]
        os.close(reader)
        os.kill(tree.children(run.pid)[-1], signal.SIGKILL)
        assert run.wait() == 0


@BOTH
def test_a_storm_of_orphans_does_not_hold_up_the_end(pid1: bool) -> None:
    """SIGTERM is obeyed while orphans end faster than anyone could count them."""
    storm = "while :; do (sh -c : &); done"
    with minimal(f"for i in 1 2 3; do sh -c 'trap \"\" TERM; {storm}' & done", "grace=0.2", pid1=pid1) as run:
        run.signal(signal.SIGTERM)
        assert run.wait() == 0


@BOTH
def test_it_may_begin_with_the_end(pid1: bool) -> None:
    """With `end` what is there is asked to end at once."""
    with minimal("sleep 1000 & sleep 1000 &", "end=1", "status=70", pid1=pid1) as run:
        assert run.wait() == 70


@BOTH
def test_a_main_process_that_was_reaped_before_is_over(pid1: bool) -> None:
    """If the main process's status is lost already, the rest is ended and `status` is ours."""
    with minimal("sleep 1000 & true & wait $!; words=main=$!", "status=70", pid1=pid1) as run:
        assert run.wait() == 70


@BOTH
def test_sigchld_inherited_as_ignored_loses_no_status(pid1: bool) -> None:
    """Started with SIGCHLD ignored, it still gets the main process's status."""
    with minimal("trap '' CHLD; sh -c 'sleep 0.1; exit 33' & words=main=$!", pid1=pid1) as run:
        assert run.wait() == 33


def test_it_imports_next_to_nothing() -> None:
    """Only modules that the interpreter has loaded anyway, and builtin ones: none that could be missing later."""
    code = (
        "import sys, os; before = set(sys.modules); import asyncinit.minimal; print(sorted(set(sys.modules) - before))"
    )
    line = [PYTHON, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "['asyncinit', 'asyncinit.minimal']\n"
