"""`asyncinit -- CMD` as PID 1 of a fresh PID namespace, and as an ordinary process: the same promises."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import PROGRAMS, PYTHON, wait_until
from tests.wrapping import RECORDER, WRAP, as_pid1, blocks, descendants, is_gone, is_stopped, running, wrapped

FAULTS = {4, 5, 6, 7, 8, 11, 31}
STOPS = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
FORWARDED = sorted(
    set(map(int, signal.valid_signals())) - FAULTS - STOPS - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
)
BOTH = pytest.mark.parametrize("pid1", [True, False], ids=["pid1", "subreaper"])


NAMES = {getattr(signal, name): name for name in sorted(dir(signal)) if name.startswith("SIG") and name[3] != "_"}


def name_of(number: int) -> str:
    """Return what the recorder calls a signal, of two names the later in the alphabet."""
    return NAMES.get(number, str(int(number)))


def finished(*command: str, pid1: bool, options: tuple[str, ...] = (), **popen: object) -> tuple[int, str]:
    """Run CMD to its end; return the wrapper's status and all output."""
    with wrapped(*command, pid1=pid1, options=options, **popen) as run:
        text = run.out.rest()
        return run.wait(), text


def test_all_exit_codes_pass_through_pid_1_and_can_be_mapped() -> None:
    """Each of the 256 exit codes of CMD is that of PID 1, or the one that --exit-code says."""
    program = str(PROGRAMS / "exit_codes.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN + 5])
def test_a_signal_that_ends_cmd_becomes_128_plus_n(pid1: bool, number: int) -> None:
    """A CMD that signal n ended gives the status 128+n."""
    assert finished("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$", pid1=pid1) == (128 + number, "")


@BOTH
def test_what_cannot_be_executed_is_said(pid1: bool, tmp_path: Path) -> None:
    """A missing program gives 127, one that can't be executed 126, each with one line that names it and why."""
    status, text = finished("no-such-program", pid1=pid1)
    assert (status, text) == (127, "asyncinit: cannot execute no-such-program: no such file or directory\n")
    status, text = finished("/etc/passwd", pid1=pid1)
    assert (status, text) == (126, "asyncinit: cannot execute /etc/passwd: permission denied\n")
    status, text = finished("", pid1=pid1)
    assert (status, text) == (127, "asyncinit: cannot execute '': no such file or directory\n")
    script = tmp_path / "script"
    script.write_text("#!/no/interpreter\n")
    script.chmod(0o755)
    status, text = finished(str(script), pid1=pid1)
    assert status == 127
    assert str(script) in text and "#!" in text


@BOTH
def test_a_script_without_interpreter_line_is_run_by_sh(pid1: bool, tmp_path: Path) -> None:
    """What execvp(3) gives to the shell, the wrapper gives to the shell, with its arguments."""
    script = tmp_path / "script"
    script.write_text('echo "$0 $*"; exit 5\n')
    script.chmod(0o755)
    assert finished(str(script), "a b", "c", pid1=pid1) == (5, f"{script} a b c\n")


@BOTH
def test_the_final_status_can_be_mapped(pid1: bool) -> None:
    """--exit-code maps CMD's status, its death by a signal, and our own 127."""
    options = ("--exit-code", "143:0", "--exit-code=127:1")
    assert finished("sh", "-c", "kill $$", pid1=pid1, options=options)[0] == 0
    assert finished("no-such-program", pid1=pid1, options=options)[0] == 1


@BOTH
def test_every_signal_is_forwarded_each_time(pid1: bool) -> None:
    """Each signal but SIGCHLD and the faults reaches CMD as itself, once for each time that it is sent."""
    with wrapped(*RECORDER, pid1=pid1) as run:
        run.out.expect("^ready.*\n")
        for number in FORWARDED * 2:
            run.signal(number)
            assert run.out.expect("^(.*) from process\n")[1] == name_of(number)
        for number in FAULTS | {signal.SIGCHLD}:
            if pid1:  # another process would be ended by a fault
                run.signal(number)
        run.signal(signal.SIGUSR1)
        run.out.expect(r"\ASIGUSR1 from process\n")


@BOTH
def test_queued_real_time_signals_are_all_forwarded(pid1: bool) -> None:
    """2,000 queued real-time signals and a SIGTERM after them all reach CMD, and nothing else does."""
    amount = 2000
    with wrapped(*RECORDER, str(amount + 1), pid1=pid1) as run:
        run.out.expect("^ready.*\n")
        os.kill(run.pid, signal.SIGSTOP)
        wait_until(lambda: is_stopped(run.pid))
        for _ in range(amount):
            run.signal(signal.SIGRTMIN + 1)
        run.signal(signal.SIGTERM)
        run.signal(signal.SIGCONT)
        text = run.out.rest()
        assert run.wait() == 0
        real_time = f"{name_of(signal.SIGRTMIN + 1)} from process\n"
        assert text.count(real_time) >= amount - 1  # the recorder ends after so many; SIGCONT is one of them
        assert text.count("SIGTERM from process\n") == 1


@BOTH
def test_signals_can_be_rewritten_and_dropped(pid1: bool) -> None:
    """--rewrite sends another signal instead, or none; names, numbers and real-time signals are understood."""
    options = ("--rewrite", "TERM:QUIT", "--rewrite=SIGHUP:0", "--rewrite", "RTMIN+3:15")
    with wrapped(*RECORDER, pid1=pid1, options=options) as run:
        run.out.expect("^ready.*\n")
        run.signal(signal.SIGTERM)
        run.out.expect(r"\ASIGQUIT from process\n")
        run.signal(signal.SIGHUP)
        run.signal(signal.SIGRTMIN + 3)
        run.out.expect(r"\ASIGTERM from process\n")


@BOTH
@pytest.mark.parametrize(("scope", "reached"), [("process", 1), ("group", 2), ("tree", 3)])
def test_scope_says_who_gets_the_signals(pid1: bool, scope: str, reached: int) -> None:
    """Scope process reaches CMD alone, group also a child in its group, tree also one in a session of its own."""
    script = (
        "import os, sys\nif os.fork() == 0:\n    if os.fork() == 0: os.setsid()\nos.execv(sys.argv[1], sys.argv[1:])"
    )
    with wrapped(PYTHON, "-c", script, *RECORDER, pid1=pid1, options=("--scope", scope)) as run:
        for _ in range(3):
            run.out.expect("^ready.*\n")
        run.signal(signal.SIGUSR1)
        for _ in range(reached):
            run.out.expect("^SIGUSR1 from process\n")
        run.signal(signal.SIGUSR2)
        for _ in range(reached):
            run.out.expect("^SIGUSR2 from process\n")
        assert "USR1" not in run.out.text


@BOTH
def test_cmd_starts_clean(pid1: bool) -> None:
    """CMD has no descriptor but 0 to 2, and a process group of its own in our session."""
    code = (
        "import os; print(os.getpgrp() == os.getpid(), os.getsid(0) == os.getsid(os.getppid()), "
        "[n for n in range(3, 100) if os.path.exists(f'/proc/self/fd/{n}')])"
    )
    reader, writer = os.pipe()
    try:
        result = finished(PYTHON, "-I", "-S", "-c", code, pid1=pid1, pass_fds=(writer,))
    finally:
        os.close(reader)
        os.close(writer)
    assert result == (0, "True True []\n")


@BOTH
def test_dispositions_are_default_whatever_our_caller_ignores(pid1: bool) -> None:
    """All signals are back to default in CMD but a SIGHUP that nohup made ignored; SIGCHLD ignored costs no status."""
    everything = " ".join(str(n) for n in range(1, 65) if n not in (9, 19, 32, 33))
    line = [*WRAP, "--", "sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 3"]
    line = ["sh", "-c", f"trap '' {everything}; exec \"$@\"", "sh", *(as_pid1(line) if pid1 else line)]
    done = subprocess.run(line, capture_output=True, text=True, start_new_session=True, timeout=60, check=False)
    blocked, ignored = (int(line.split()[1], 16) for line in done.stdout.splitlines())
    internal = 0x180000000  # 32 and 33, glibc's own: a caller's posix_spawn leaves them ignored
    assert (blocked, ignored & ~internal) == (0, 1)
    assert done.returncode == 3


@BOTH
def test_the_environment_is_passed_on_unchanged(pid1: bool) -> None:
    """CMD sees our environment, NOTIFY_SOCKET included, without the LC_CTYPE that Python gives itself."""
    for extra in ({}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C", "LC_CTYPE": "UTF-8"}):
        given = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": "/run/x", "EMPTY": ""} | extra
        status, text = finished("env", pid1=pid1, env=given)
        assert status == 0
        assert sorted(text.splitlines()) == sorted(f"{key}={value}" for key, value in given.items())


@BOTH
def test_closed_standard_descriptors_are_opened(pid1: bool) -> None:
    """With 0 to 2 closed, CMD has /dev/null there and its status still comes back."""
    code = "import os; os._exit(40 + sum(os.readlink(f'/proc/self/fd/{n}') == '/dev/null' for n in (0, 1, 2)))"
    line = [*WRAP, "--", PYTHON, "-I", "-S", "-c", code]
    line = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *(as_pid1(line) if pid1 else line)]
    assert subprocess.run(line, start_new_session=True, timeout=60, check=False).returncode == 43


@BOTH
def test_orphans_are_reaped_while_cmd_runs(pid1: bool) -> None:
    """Orphans of CMD, of whatever session, leave no zombie, and their statuses do not become CMD's."""
    script = "for i in 1 2 3 4 5 6 7 8 9; do (setsid sh -c 'exit 9' & sh -c 'kill -9 $$' &); done; echo; read x; exit 6"
    reader, writer = os.pipe()
    with wrapped("sh", "-c", script, pid1=pid1, stdin=reader) as run:
        os.close(reader)
        run.out.expect("\n")
        cmd = run.cmd()
        wait_until(lambda: descendants(run.pid) == [cmd])
        os.write(writer, b"\n")
        assert run.wait() == 6
    os.close(writer)


@BOTH
def test_what_cmd_leaves_behind_is_asked_to_end_and_waited_for(pid1: bool) -> None:
    """Leftovers get SIGTERM, stopped ones too, and may finish: their last words come out, with CMD's status after."""
    leftover = "trap 'sleep 0.2; echo bye; exit' TERM; echo up; while :; do sleep 0.01; done"
    script = 'setsid sh -c "$1" & sleep 1000 & kill -STOP $!; read x; exit 4'
    reader, writer = os.pipe()
    with wrapped("sh", "-c", script, "sh", leftover, pid1=pid1, stdin=reader) as run:
        os.close(reader)
        run.out.expect("up\n")
        os.close(writer)
        assert run.out.rest().endswith("bye\n")
        assert run.wait() == 4


@BOTH
def test_what_ignores_sigterm_is_killed(pid1: bool) -> None:
    """A leftover that ignores SIGTERM, in a session of its own, is dead when the wrapper has left."""
    script = 'setsid sh -c "trap \\"\\" TERM; echo up; while :; do sleep 0.01; done" & read x; exit 4'
    reader, writer = os.pipe()
    with wrapped("sh", "-c", script, pid1=pid1, stdin=reader) as run:
        os.close(reader)
        run.out.expect("up\n")
        below = descendants(run.pid)
        os.close(writer)
        assert run.wait() == 4
        assert all(map(is_gone, below))


@BOTH
def test_a_fork_loop_left_behind_is_ended(pid1: bool) -> None:
    """Processes that ignore SIGTERM and replace themselves all the time can't outlive the wrapper."""
    bomb = (
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "while True:\n    if os.fork(): os._exit(0)\n    os.setsid()\n    time.sleep(0.001)"
    )
    script = 'echo up; "$@" & read x; exit 4'
    reader, writer = os.pipe()
    with wrapped("sh", "-c", script, "sh", PYTHON, "-I", "-S", "-c", bomb, pid1=pid1, stdin=reader) as run:
        os.close(reader)
        run.out.expect("up\n")
        wait_until(lambda: len(descendants(run.pid)) > 1)
        os.close(writer)
        assert run.wait() == 4
        assert run.out.rest() == ""  # all who hold the pipe are gone


@BOTH
def test_grace_ends_in_a_kill_of_all(pid1: bool) -> None:
    """With ASYNCINIT_GRACE a CMD that ignores SIGTERM is killed with its tree; without, it is left alone."""
    recorder = " ".join(RECORDER)
    for grace in ("200ms", "none"):
        environment = {"PATH": os.environ["PATH"], "ASYNCINIT_GRACE": grace}
        script = f"trap : HUP TERM; setsid {recorder} & {recorder}"
        with wrapped("sh", "-c", script, pid1=pid1, env=environment) as run:
            run.out.expect("^ready.*\n")
            run.out.expect("^ready.*\n")
            below = descendants(run.pid)
            run.signal(signal.SIGHUP)  # no request to end: starts no clock
            run.out.expect("^SIGHUP.*\n")
            run.signal(signal.SIGTERM)
            run.out.expect("^SIGTERM.*\n")
            if grace == "none":
                run.signal(signal.SIGUSR1)
                run.out.expect("^SIGUSR1.*\n")
            else:
                assert run.wait() == 128 + signal.SIGKILL
                assert all(map(is_gone, below))


@BOTH
def test_no_flood_holds_up_the_kill(pid1: bool) -> None:
    """A storm of orphans and a flood of signals do not keep ASYNCINIT_GRACE from being kept."""
    storm = (
        "import os, signal\nsignal.signal(15, signal.SIG_IGN)\nsignal.signal(1, signal.SIG_IGN)\n"
        "print('up', flush=True)\nwhile True:\n    pid = os.fork()\n"
        "    if not pid:\n        os.fork()\n        os._exit(0)\n    os.waitpid(pid, 0)"
    )
    environment = {"PATH": os.environ["PATH"], "ASYNCINIT_GRACE": "300ms"}
    with wrapped(PYTHON, "-I", "-S", "-c", storm, pid1=pid1, env=environment) as run:
        run.out.expect("up\n")
        run.signal(signal.SIGTERM)
        while run.process.poll() is None:
            try:
                run.signal(signal.SIGHUP)
            except ProcessLookupError:
                break
        assert run.wait() == 128 + signal.SIGKILL


def test_a_bad_grace_is_refused() -> None:
    """A value of ASYNCINIT_GRACE that is no duration is named, and CMD is not started."""
    environment = {"PATH": os.environ["PATH"], "ASYNCINIT_GRACE": "soon"}
    status, text = finished("echo", "started", pid1=False, env=environment)
    assert status == 2
    assert text == "asyncinit: ASYNCINIT_GRACE: 'soon' is not a duration such as 8, 500ms or 1m30s\n"


@BOTH
def test_a_stopped_cmd_obeys_sigterm(pid1: bool) -> None:
    """A CMD that somebody has stopped is continued with a request to end, so that it ends."""
    with wrapped("sleep", "1000", pid1=pid1) as run:
        cmd = run.cmd()
        os.kill(cmd, signal.SIGSTOP)
        wait_until(lambda: is_stopped(cmd))
        run.signal(signal.SIGTERM)
        assert run.wait() == 128 + signal.SIGTERM


@BOTH
def test_stop_and_continue_are_forwarded(pid1: bool) -> None:
    """A forwarded SIGTSTP stops CMD for as long as nobody sends SIGCONT: it was asked for."""
    with wrapped(*RECORDER, pid1=pid1) as run:
        run.out.expect("^ready.*\n")
        cmd = run.cmd()
        run.signal(signal.SIGTSTP)
        wait_until(lambda: is_stopped(cmd))
        run.signal(signal.SIGUSR1)  # is dealt with after what stopping may have led to
        wait_until(lambda: "SIGTSTP" in (run.out.read() or run.out.text))
        assert is_stopped(cmd)
        run.signal(signal.SIGCONT)
        run.out.expect("^SIGTSTP from process\n")
        assert {run.out.expect("^(SIG.*) from process\n")[1] for _ in range(2)} == {"SIGUSR1", "SIGCONT"}


def test_pid_1_continues_what_nobody_else_could() -> None:
    """As PID 1 a CMD that stops as if by ^Z is continued at once; one that gets SIGSTOP is left alone."""
    with wrapped(*RECORDER, pid1=True) as run:
        run.out.expect("^ready.*\n")
        cmd = run.cmd()
        os.kill(cmd, signal.SIGTSTP)
        run.out.expect("^SIGTSTP from process\n")
        run.out.expect("^SIGCONT from process\n")
        os.kill(cmd, signal.SIGSTOP)
        wait_until(lambda: is_stopped(cmd))


@BOTH
def test_cmd_may_die_while_signals_are_in_flight(pid1: bool) -> None:
    """Signals sent without pause while CMD ends disturb neither its status nor the end."""
    with wrapped("sh", "-c", "trap '' USR1 HUP; echo up; sleep 0.2; exit 33", pid1=pid1) as run:
        run.out.expect("up\n")
        while run.process.poll() is None:
            for number in (signal.SIGUSR1, signal.SIGHUP):
                try:
                    run.signal(number)
                except ProcessLookupError:
                    break
        assert run.wait() == 33


@BOTH
def test_a_flood_of_a_low_signal_does_not_hide_the_end_of_cmd(pid1: bool) -> None:
    """SIGHUP, taken before SIGCHLD by the kernel's order, sent all the time, does not keep the wrapper from ending."""
    flood = "import os, sys\nwhile True: os.kill(int(sys.argv[1]), 1)"
    with wrapped("sh", "-c", "trap '' HUP; echo up; read x; exit 21", pid1=pid1, stdin=subprocess.PIPE) as run:
        run.out.expect("up\n")
        line = [PYTHON, "-I", "-S", "-c", flood, str(run.pid)]
        with subprocess.Popen(line, stderr=subprocess.DEVNULL) as flooder:
            try:
                time.sleep(0)
                run.process.stdin.close()  # type: ignore[union-attr]
                assert run.wait() == 21
            finally:
                flooder.kill()


def test_without_proc_pid_1_still_ends_all() -> None:
    """Without /proc the leftovers of PID 1 get their SIGTERM, and nothing waits for what can't be seen."""
    leftover = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done"
    script = 'setsid sh -c "$1" & read x; exit 4'
    if os.geteuid() != 0:
        pytest.skip("in a user namespace the outer /proc can't be unmounted")
    unmount = "while umount -l /proc 2>/dev/null; do :; done; test ! -e /proc/self"
    line = ["sh", "-c", f'{unmount} && exec "$@"', "sh", *WRAP, "--"]
    line = as_pid1([*line, "sh", "-c", script, "sh", leftover])
    with running(line, stdin=subprocess.PIPE) as run:
        run.out.expect("up\n")
        run.process.stdin.close()  # type: ignore[union-attr]
        assert run.out.rest().endswith("bye\n")
        assert run.wait() == 4


def test_no_more_processes_is_told() -> None:
    """Where no process can be made, that is said, and the status is that of what can't be executed."""
    missing = [name for name in ("setpriv", "prlimit") if shutil.which(name) is None]
    if missing or os.geteuid() != 0 or shutil.which("python3", path="/usr/bin") is None:
        pytest.skip("needs root, setpriv, prlimit, and a python3 in /usr/bin that another user may run")
    line = ["setpriv", "--reuid", "54321", "--clear-groups", "prlimit", "--nproc=0", "--"]
    line += ["/usr/bin/python3", "-I", "-S", str(PROGRAMS / "wrap.py"), "--", "true"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, start_new_session=True, check=False)
    assert done.stderr == "asyncinit: cannot execute true: resource temporarily unavailable\n"
    assert done.returncode == 126


def test_no_more_descriptors_is_no_obstacle() -> None:
    """With no descriptor left CMD runs, and its status comes back."""
    line = ["sh", "-c", 'exec 7</dev/null; ulimit -n 8; exec "$@"', "sh", *WRAP, "--", "sh", "-c", "exit 5"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, start_new_session=True, check=False)
    assert done.returncode == 5


def test_a_signal_during_the_first_imports_is_kept() -> None:
    """A SIGTERM sent as soon as the wrapper blocks signals, long before CMD exists, ends CMD."""
    with wrapped("sleep", "1000", pid1=True) as run:
        wait_until(lambda: blocks(run.pid, signal.SIGTERM))
        run.signal(signal.SIGTERM)
        assert run.wait() == 128 + signal.SIGTERM


def test_a_stalled_reader_of_stderr_holds_nothing_up() -> None:
    """With standard error a full pipe that nobody reads, an error to be told does not keep the wrapper."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    try:
        assert finished("no-such-program", pid1=True, stderr=writer)[0] == 127
    finally:
        os.close(reader)
        os.close(writer)


def test_children_of_an_entrypoint_script_are_ours_too() -> None:
    """What a shell started before it became the wrapper by exec is reaped, and ended with CMD."""
    line = ["sh", "-c", 'sleep 1000 & true & exec "$@"', "sh", *WRAP, "--", "sh", "-c", "exit 12"]
    done = subprocess.run(as_pid1(line), timeout=60, start_new_session=True, check=False)
    assert done.returncode == 12
