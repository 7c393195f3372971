"""`run --unshare`: PID 1 of a fresh namespace inside, an ordinary process of a shell's outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support import PROGRAMS, PYTHON, ROOT, wait_until
from tests.wrapping import RECORDER, as_pid1, children, descendants, is_gone, is_stopped, running, wrapped

WRAP = [PYTHON, "-I", str(PROGRAMS / "wrap.py")]
PROBE = "import os; print(os.getpid(), os.getppid(), os.getuid(), len([n for n in os.listdir('/proc') if n.isdigit()]))"


def unshared(*command: str, options: tuple[str, ...] = (), **more: object) -> object:
    """Run CMD under the wrapper as PID 1, made by --unshare."""
    return running([*WRAP, "--unshare", *options, "--", *command], **more)


def test_the_inner_process_is_pid_1_with_a_proc_of_its_own() -> None:
    """CMD is pid 2, its parent pid 1, and /proc shows no more than these two."""
    with unshared(PYTHON, "-c", PROBE) as run:
        run.out.expect(f"^2 1 {os.getuid() if os.geteuid() == 0 else 0} 2\n")
        assert run.wait() == 0


def test_without_root_a_user_namespace_maps_us() -> None:
    """An ordinary user becomes 0 inside and stays itself outside."""
    if os.geteuid() != 0:
        pytest.skip("as an ordinary user all tests of this file are this test")
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None or shutil.which("setpriv") is None:
        pytest.skip("there is no python3 in /usr/bin, or no setpriv, for another user to run")
    line = [
        "setpriv",
        "--reuid",
        "12345",
        "--regid",
        "12345",
        "--clear-groups",
        python,
        "-I",
        str(PROGRAMS / "wrap.py"),
    ]
    with running([*line, "--unshare", "--", python, "-c", f"{PROBE}; import time; time.sleep(1000)"]) as run:
        text = run.out.expect(r"^2 1 0 2\n|asyncinit: cannot .*\n")[0]
        if "cannot" in text:
            pytest.skip(text)
        assert {os.stat(f"/proc/{pid}").st_uid for pid in descendants(run.pid)} == {12345}


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_the_exit_code_comes_out(code: int) -> None:
    """What PID 1 exits with is what the outer process exits with."""
    with unshared("sh", "-c", f"exit {code}") as run:
        assert run.wait() == code


def test_death_by_signal_comes_out_as_such() -> None:
    """If PID 1 is killed, the outer process dies of the same signal, which a shell sees as 128+n."""
    with unshared(*RECORDER) as run:
        run.out.expect("^ready.*\n")
        os.kill(children(run.pid)[0], signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL


def test_signals_are_forwarded_once() -> None:
    """Each signal to the outer process, or to its whole group, reaches CMD once."""
    with unshared(*RECORDER) as run:
        run.out.expect("^ready.*\n")
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN + 2):
            run.signal(number)
            run.out.expect("^.* from process\n")
        os.killpg(run.pid, signal.SIGINT)
        run.signal(signal.SIGUSR2)
        lines = run.out.expect("(?s).*SIGUSR2 from process\n")[0]
        assert sorted(lines.splitlines()) == ["SIGINT from process", "SIGUSR2 from process"]


def test_both_die_together() -> None:
    """When the outer process is killed, nothing of the inner ones lives on."""
    with unshared("sh", "-c", "trap '' TERM HUP; sleep 1000 & setsid sleep 1000 & echo up; wait; wait") as run:
        run.out.expect("up\n")
        inside = descendants(run.pid)
        assert len(inside) >= 4
        os.kill(run.pid, signal.SIGKILL)
        wait_until(lambda: all(map(is_gone, inside)))


def test_keys_reach_cmd_once() -> None:
    """On a terminal CMD is the foreground: each ^C gives it one SIGINT, from the kernel."""
    with unshared(*RECORDER, terminal=True) as run:
        run.out.expect("^ready.*\n")
        for _ in range(3):
            run.type("\x03")
            run.out.expect("SIGINT from kernel\n")
        run.signal(signal.SIGUSR1)
        run.out.expect("SIGUSR1 from process\n")
        assert "SIGINT from process" not in run.out.text


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash, whose job control is tested")
def test_a_shell_around_keeps_its_terminal() -> None:
    """CMD without need of the terminal: ^Z gives it back to the shell, all goes on; fg and ^C end it."""
    environment = {"PATH": os.environ["PATH"], "PS1": "sh> ", "TERM": "dumb", "HOME": "/nonexistent"}
    with running(["bash", "--norc", "--noprofile", "--noediting", "-i"], terminal=True, env=environment) as run:
        run.out.expect("sh> ")
        run.type(" ".join([*WRAP, "--unshare", "--", "setsid", "--wait", *RECORDER, "1"]) + " </dev/null | cat\n")
        run.out.expect("^ready.*\n")
        outer = next(pid for pid in children(run.pid) if children(pid))
        run.type("\x1a")
        run.out.expect("Stopped")
        assert is_stopped(outer)
        assert not any(map(is_stopped, descendants(outer)))
        run.type("fg\n")
        wait_until(lambda: not is_stopped(outer))
        inner = descendants(outer)
        run.type("\x03")
        wait_until(lambda: is_gone(outer) and all(map(is_gone, inner)))
        run.type("echo $((40+2))\n")
        run.out.expect("42\n")


def test_a_shell_gets_its_terminal_back() -> None:
    """After CMD has had the terminal, what comes next in a script can read from it."""
    script = f"{' '.join(WRAP)} --unshare -- head -n1; read y; echo script $y; exit 5"
    with running(["sh", "-c", script], terminal=True) as run:
        run.type("one\n")
        run.out.expect("^one\none\n")
        run.type("two\n")
        run.out.expect("script two\n")
        assert run.wait() == 5


def test_a_terminal_that_goes_away_ends_all(tmp_path: Path) -> None:
    """Also where the leader of its session, who alone is told, waits for us as make does."""
    (tmp_path / "web.toml").write_text('command = ["sleep", "1000"]\n')
    line = f"{PYTHON} -m asyncinit run --unshare --services {tmp_path}; exit 7"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with running(["sh", "-c", f"trap : HUP; {line}"], terminal=True, env=environment) as run:
        run.out.expect("all services are ready")
        inside = descendants(run.pid)
        os.close(run.keyboard)
        assert run.wait() == 7
        assert all(map(is_gone, inside))


def test_a_refusal_names_the_step_and_changes_nothing() -> None:
    """Where no namespace can be made, the error says so, no process is left, and the caller may go on as it is."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from asyncinit.cli import unshare\n"
        "try:\n    unshare.unshare_and_wait(['x'])\n"
        "except unshare.UnshareError as error:\n    print(error.step, '|', error)\n"
        "try:\n    os.wait()\n"
        "except ChildProcessError:\n    pid = os.fork() or os._exit(0); os.wait(); print('clean')\n"
    )
    root = str(PROGRAMS.parent.parent)
    limit = 'echo 0 > /proc/sys/user/max_pid_namespaces && echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    line = as_pid1(["sh", "-c", limit, "sh", PYTHON, "-c", code, root])
    if os.geteuid() == 0:  # a limit of this user namespace only
        line = ["unshare", "--user", "--map-root-user", *line]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, start_new_session=True, check=False)
    assert done.stdout.splitlines()[1:] == ["clean"], done.stderr
    assert done.stdout.startswith("make a PID namespace | cannot make a PID namespace: no space left")


def test_closed_standard_descriptors_are_no_obstacle() -> None:
    """Started with 0 to 2 closed, it works, and the pipes of the making are not taken for standard ones."""
    line = [*WRAP, "--unshare", "--", "sh", "-c", "exit 9"]
    line = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *line]
    assert subprocess.run(line, start_new_session=True, timeout=60, check=False).returncode == 9


def test_it_can_be_nested() -> None:
    """Inside a namespace made so another can be made."""
    with unshared(*WRAP, "--unshare", "--", "sh", "-c", "echo $$ $PPID; exit 6") as run:
        run.out.expect("^2 1\n")
        assert run.wait() == 6


def test_with_the_wrapper_of_util_linux_it_is_the_same() -> None:
    """The wrapper under unshare(1) behaves as under ours: the reference of these tests."""
    with wrapped("sh", "-c", "echo $$ $PPID; exit 6", pid1=True) as run:
        run.out.expect("^2 1\n")
        assert run.wait() == 6
