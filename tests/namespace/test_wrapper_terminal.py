"""`asyncinit -- CMD` on a terminal: keys reach CMD once, job control works in it and around it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

from tests.support import PYTHON, wait_until
from tests.wrapping import RECORDER, WRAP, as_pid1, children, is_gone, is_stopped, running, stat, wrapped

MODES = [{"pid1": True}, {"container": True}, {}]
ALL = pytest.mark.parametrize("mode", MODES, ids=["pid1", "container", "session-leader"])
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash, whose job control is tested")


def foreground(keyboard: int) -> int:
    """Return the foreground process group of the terminal whose master is `keyboard`."""
    return os.tcgetpgrp(keyboard)


@ALL
def test_cmd_is_the_foreground_from_its_start(mode: dict[str, bool]) -> None:
    """CMD finds its own group in the terminal's foreground as soon as it looks."""
    code = "import os; print('foreground', os.tcgetpgrp(0) == os.getpgrp() == os.getpid())"
    with wrapped(PYTHON, "-I", "-S", "-c", code, **mode, terminal=True) as run:
        run.out.expect("foreground True")
        assert run.wait() == 0


@ALL
def test_keys_reach_cmd_once(mode: dict[str, bool]) -> None:
    """Each press of ^C and ^\\ and each change of size gives CMD one signal, from the kernel and not from us."""
    with wrapped(*RECORDER, **mode, terminal=True) as run:
        run.out.expect("^ready.*\n")
        for key, name in (("\x03", "SIGINT"), ("\x1c", "SIGQUIT")) * 2:
            run.type(key)
            run.out.expect(f"{name} from kernel\n")
        import termios

        termios.tcsetwinsize(run.keyboard, (33, 77))
        run.out.expect("SIGWINCH from kernel\n")
        run.signal(signal.SIGUSR1)
        run.out.expect("SIGUSR1 from process\n")
        assert "from process" not in run.out.text


@ALL
def test_cmd_stopped_by_a_key_is_continued_where_nobody_else_could(mode: dict[str, bool]) -> None:
    """As PID 1, or as the leader of the session, there is no shell to go back to: ^Z does not hang the terminal."""
    with wrapped(*RECORDER, **mode, terminal=True) as run:
        run.out.expect("^ready.*\n")
        for _ in range(2):
            run.type("\x1a")
            run.out.expect("SIGTSTP from kernel\n")
            run.out.expect("SIGCONT from process\n")
        run.type("\x03")
        run.out.expect("SIGINT from kernel\n")


@ALL
def test_a_hang_up_reaches_cmd(mode: dict[str, bool]) -> None:
    """When the terminal is gone, CMD gets SIGHUP: from us, where we are the session's leader and the kernel told us."""
    with wrapped("sleep", "1000", **mode, terminal=True) as run:
        cmd = run.cmd()
        wait_until(lambda: foreground(run.keyboard) == cmd)
        os.close(run.keyboard)
        run.out.fd = run.keyboard = os.open("/dev/null", os.O_RDONLY)
        if mode.get("pid1"):  # the session's leader is the process that made the namespace: nobody tells PID 1
            run.signal(signal.SIGHUP)
        assert run.wait() in (128 + signal.SIGHUP, -signal.SIGHUP)
        wait_until(lambda: is_gone(cmd))


@ALL
def test_wrappers_may_be_nested(mode: dict[str, bool]) -> None:
    """A wrapper as CMD of a wrapper hands over the terminal and all keys, and ^Z hangs neither."""
    with wrapped(*WRAP, "--", *RECORDER, **mode, terminal=True) as run:
        run.out.expect("^ready.*\n")
        for _ in range(2):
            run.type("\x03")
            run.out.expect("SIGINT from kernel\n")
            run.type("\x1a")
            run.out.expect("SIGTSTP from kernel\n")
            run.out.expect("SIGCONT from process\n")
        run.signal(signal.SIGUSR1)
        run.out.expect("SIGUSR1 from process\n")


@needs_bash
@ALL
def test_job_control_works_inside(mode: dict[str, bool]) -> None:
    """An interactive bash as CMD stops, lists and resumes its jobs, and ^C reaches the job alone."""
    with wrapped("bash", "--norc", "--noediting", "-i", **mode, terminal=True, env=shell_environment()) as run:
        run.out.expect(r"sh\d?> ")
        run.type("cat\n")
        run.type("hello\n")
        run.out.expect("hello\nhello\n")
        run.type("\x1a")
        run.out.expect("Stopped")
        run.type("jobs; echo $((40+2))\n")
        run.out.expect("Stopped .*cat\n")
        run.out.expect("42\n")
        inner = foreground(run.keyboard)
        run.type("fg\n")
        wait_until(lambda: foreground(run.keyboard) != inner)
        run.type("\x03")  # throws away what is typed before it is dealt with
        wait_until(lambda: foreground(run.keyboard) == inner)
        run.type("echo $((40+3)) $?\n")
        run.out.expect("43 130\n")
        run.type("exit 5\n")
        assert run.wait() == 5


def shell_environment() -> dict[str, str]:
    """Return an environment in which a shell prompts with "sh> " and nothing else."""
    return {"PATH": os.environ["PATH"], "PS1": "sh> ", "TERM": "dumb", "HISTFILE": "/dev/null", "HOME": "/nonexistent"}


def shell() -> object:
    """Return a running interactive bash on a terminal of its own."""
    return running(
        ["bash", "--norc", "--noediting", "--noprofile", "-i"], terminal=True, env=shell_environment(), cwd="/"
    )


def in_shell(command: list[str], pid1: bool = False) -> str:
    """Return the line that runs the wrapper from a shell."""
    line = [*WRAP, "--", *command]
    return " ".join(as_pid1(line) if pid1 else line)


@needs_bash
def test_job_control_works_around() -> None:
    """Under a shell ^Z stops CMD and us and gives the shell its terminal; fg and bg continue both; ^C ends CMD."""
    with shell() as run:
        run.out.expect("sh> ")
        run.type(in_shell(RECORDER) + "\n")
        cmd = int(run.out.expect(r"^ready (\d+)")[1])
        wrapper = int(stat(cmd)[1])
        assert foreground(run.keyboard) == cmd
        run.type("\x1a")
        run.out.expect("Stopped")
        assert is_stopped(cmd)
        assert is_stopped(wrapper)
        assert foreground(run.keyboard) == run.pid
        run.type("fg\n")
        run.out.expect("SIGCONT from process\n")
        wait_until(lambda: foreground(run.keyboard) == cmd)
        run.type("\x03")
        run.out.expect("SIGINT from kernel\n")
        run.type("\x1a")
        run.out.expect("Stopped")
        run.type("bg\n")
        run.out.expect("SIGCONT from process\n")
        assert foreground(run.keyboard) == run.pid
        run.type("kill -USR1 %1; echo $((40+2))\n")
        run.out.expect("SIGUSR1 from process\n")
        run.type("kill -KILL " + str(cmd) + "; wait %1; echo $((100+$?))\n")
        run.out.expect("237\n")


@needs_bash
def test_a_stopped_job_is_continued_whole_whatever_the_scope() -> None:
    """With --scope process, fg continues CMD's whole group, which the key has stopped."""
    with shell() as run:
        run.out.expect("sh> ")
        script = f"'{' '.join(RECORDER)} & sleep 1000; :'"
        run.type(" ".join([*WRAP, "--scope", "process", "--", "sh", "-c", script]) + "\n")
        recorder = int(run.out.expect(r"^ready (\d+)")[1])
        wait_until(lambda: foreground(run.keyboard) == int(stat(recorder)[2]))
        run.type("\x1a")
        run.out.expect("Stopped")
        wait_until(lambda: is_stopped(recorder))
        run.type("fg\n")
        wait_until(lambda: not is_stopped(recorder))
        run.type("\x03")
        run.out.expect("SIGINT from kernel\n")


@needs_bash
def test_a_shell_can_end_a_stopped_job() -> None:
    """`kill %1` on a stopped job ends CMD and us, as it ends any other job."""
    with shell() as run:
        run.out.expect("sh> ")
        run.type(in_shell(["sleep", "1000"]) + "\n")
        wrapper = wait_until(lambda: [p for p in children(run.pid) if children(p)])[0]
        cmd = children(wrapper)[0]
        wait_until(lambda: foreground(run.keyboard) == cmd)
        run.type("\x1a")
        run.out.expect("Stopped")
        run.type("kill %1\n")
        wait_until(lambda: is_gone(cmd) and is_gone(wrapper))


@needs_bash
def test_in_the_background_cmd_does_not_take_the_terminal() -> None:
    """Started with & it leaves the shell its terminal; if CMD reads from it, the job stops, and fg lets it read."""
    with shell() as run:
        run.out.expect("sh> ")
        run.type(in_shell(["sh", "-c", "'read x; echo got $x; exit 3'"]) + " &\n")
        run.out.expect(r"\[1\] \d+")
        run.type("\n")
        wait_until(lambda: [p for p in children(run.pid) if is_stopped(p)])
        assert foreground(run.keyboard) == run.pid
        run.type("fg\n")
        run.out.expect("read x")
        run.type("hello\n")
        run.out.expect("^got hello\n")
        run.type("echo $((100+$?))\n")
        run.out.expect("103\n")


@needs_bash
def test_a_job_moved_to_the_front_while_it_runs_can_read() -> None:
    """A shell sends no SIGCONT to a job that runs already; CMD gets the terminal when it asks for it."""
    with shell() as run:
        run.out.expect("sh> ")
        reader = "'echo up; until read x < go; do sleep 0.01; done 2>&-; read y; echo got $y'"
        run.type("cd $(mktemp -d)\n")
        run.type(in_shell(["sh", "-c", reader]) + " & sleep 0.1\n")
        run.out.expect("up\n")
        run.type("(sleep 0.2; echo > go) & fg %1\n")
        run.type("hello\n")
        run.out.expect("^got hello\n")
        run.type("rm go; rmdir $PWD; cd /; echo $((40+2))\n")
        run.out.expect("42\n")


@needs_bash
def test_a_pipeline_keeps_its_terminal() -> None:
    """In a pipeline ^C reaches the other commands as well as CMD, each once."""
    with shell() as run:
        run.out.expect("sh> ")
        recorder = f"{' '.join(RECORDER)} 1 >&2"
        run.type(f"{in_shell(['sh', '-c', repr('exec ' + recorder)])} | {recorder}\n")
        run.out.expect("^ready")
        run.out.expect("^ready")
        run.type("\x03")
        first, second = (run.out.expect("SIGINT from (kernel|process)\n")[1] for _ in range(2))
        assert {first, second} == {"kernel", "process"}


@needs_bash
def test_a_script_gets_its_terminal_back() -> None:
    """After CMD has had the terminal, the rest of a script that ran it can read from it."""
    with shell() as run:
        run.out.expect("sh> ")
        run.type(f"sh -c '{in_shell(['head', '-n1'])}; read y; echo script $y'\n")
        run.type("one\n")
        run.out.expect("^one\none\n")
        run.type("two\n")
        run.out.expect("^script two\n")


def test_stdin_that_is_no_terminal_is_no_obstacle() -> None:
    """With standard input elsewhere CMD can still use /dev/tty, and its status comes back."""
    code = "f = open('/dev/tty'); print('up', flush=True); print('got', f.readline()); raise SystemExit(9)"
    line = ["sh", "-c", 'exec "$@" </dev/null', "sh", *WRAP, "--", PYTHON, "-I", "-S", "-c", code]
    with running(line, terminal=True) as run:
        run.out.expect("up\n")
        run.type("hello\n")
        run.out.expect("got hello\n")
        assert run.wait() == 9


def test_without_a_terminal_nothing_is_missed() -> None:
    """In a session without terminal CMD runs as well, and a stop that nobody asked for does not last."""
    line = [*WRAP, "--", "sh", "-c", "kill -TSTP $$; exit 8"]
    assert subprocess.run(line, start_new_session=True, timeout=60, check=False).returncode == 8
