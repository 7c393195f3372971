"""asyncinit as real PID 1: order, ends, restarts, orphans, signals; on both loops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PROGRAMS, PYTHON, wait_until

FAMILY = f'"{PYTHON}", "{PROGRAMS / "family.py"}"'

on_both_loops = pytest.mark.parametrize("kind", LOOPS)


def says(text: str) -> str:
    """A service that says `text` when it gets SIGTERM, and ends well."""
    return f"""command = ["sh", "-c", "trap 'echo {text}; exit 0' TERM; echo up; while :; do sleep 0.05; done"]\n"""


@on_both_loops
def test_a_chain_starts_in_order_and_stops_in_reverse(tmp_path: Path, kind: str) -> None:
    """c requires b requires a: each starts when the one before is ready, and stops when the one after is down."""
    ready = "ready = { notify_fd = 3 }\n"
    body = "trap 'exit 0' TERM; sleep 0.1; echo ready >&3; exec 3>&-; while :; do sleep 0.02; done"
    command = f'command = ["sh", "-c", "{body}"]\n'
    services = {
        "c": f'{command}requires = ["b"]\n{ready}',
        "b": f'{command}requires = ["a"]\n{ready}',
        "a": f"{command}{ready}",
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("c", "ready")
        init.kill()
        assert init.wait() == 0
        order = [(name, state) for name, state in init.states() if state in {"starting", "ready", "inactive"}]
    assert order == [
        *[(name, state) for name in "abc" for state in ("starting", "ready")],
        *[(name, "inactive") for name in "cba"],
    ]


@pytest.mark.slow
@on_both_loops
def test_a_storm_of_orphans_leaves_no_zombie_and_a_flapping_service_goes_on(tmp_path: Path, kind: str) -> None:
    """20,000 processes are orphaned as fast as possible: all are reaped while a service is restarted over and over."""
    storm = textwrap.dedent("""
        import os, sys
        for _ in range(20_000):
            if os.fork() == 0:
                if os.fork() == 0:
                    os._exit(0)
                os._exit(0)
            os.wait()
        print("done", flush=True)
    """)
    program = tmp_path / "storm.py"
    program.write_text(storm)
    services = {
        "storm": f'type = "oneshot"\ncommand = ["{sys.executable}", "-IS", "{program}"]\n',
        "flap": 'command = ["sh", "-c", "sleep 0.02"]\nrestart = { delay = "10ms", backoff = 1.0, jitter = 0.0 }\n',
    }
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        wait_until(lambda: ("storm", "completed") in init.states(), 120)
        during = init.states("flap").count(("flap", "ready"))
        wait_until(lambda: "Z" not in init.processes().values(), 30)
        assert during > 3
        wait_until(lambda: init.states("flap").count(("flap", "ready")) > during + 2)
        init.kill()
        assert init.wait() == 0


@on_both_loops
@pytest.mark.parametrize("member", ["immune-child", "setsid-child", "escapee", "orphan-in-group"])
def test_what_a_service_left_behind_is_gone_after_stop(tmp_path: Path, kind: str, member: str) -> None:
    """A TERM-immune child of a dead leader, a setsid child and a double-forked escapee end with their service."""
    services = {
        "web": f'command = [{FAMILY}, "{member}"]\nrestart = "never"\nstop = {{ timeout = "300ms" }}\n',
        "other": 'command = ["sleep", "1000"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        # Whose leader ends at once may get its SIGTERM before it has said a word.
        told = 1 if member == "orphan-in-group" else 2
        wait_until(lambda: len(init.lines("web")) >= told)
        done = init.call("stop", "web")
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(init.processes()) == 1, "only the other service is left"


@on_both_loops
def test_a_stop_ends_with_the_last_process(tmp_path: Path, kind: str) -> None:
    """With a stop timeout of an hour, a stop is over when the last process is gone: no timer is waited for."""
    script = "trap '' TERM; (sleep 0.3; exit 0) & trap 'exit 0' TERM; while :; do sleep 0.02; done"
    services = {
        "web": f'command = ["sh", "-c", "{script}"]\nstop = {{ timeout = "1h" }}\n',
        "other": 'command = ["sleep", "1000"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        done = init.call("stop", "web")
        assert done.returncode == 0
        assert ("web", "inactive") in init.states()
        assert "killed" not in done.stdout


@on_both_loops
def test_a_slow_stop_delays_nobody_else(tmp_path: Path, kind: str) -> None:
    """While a service takes a minute to stop, another one is restarted as ever."""
    services = {
        "slow": """command = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]\nstop = { timeout = "60s" }\n""",
        "flap": 'command = ["sh", "-c", "sleep 0.02"]\nrestart = { delay = "10ms", backoff = 1.0 }\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("slow", "ready")
        assert init.call("stop", "--no-wait", "slow").returncode == 0
        init.wait_state("slow", "stopping")
        before = init.states("flap").count(("flap", "ready"))
        init.wait_state("flap", "ready", before + 5)
        assert init.states("slow")[-1] == ("slow", "stopping")


@on_both_loops
def test_a_fork_loop_is_stopped(tmp_path: Path, kind: str) -> None:
    """A service whose processes all fork for ever is gone after its stop."""
    services = {
        "bomb": f'command = [{FAMILY}, "fork-loop", "60"]\nstop = {{ timeout = "200ms" }}\nrestart = "never"\n',
        "other": 'command = ["sleep", "1000"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: len(init.processes()) > 30)
        assert init.call("stop", "bomb", timeout=50).returncode == 0
        assert len(init.processes()) == 1


@on_both_loops
def test_orphans_of_processes_that_join_from_outside_are_reaped(tmp_path: Path, kind: str) -> None:
    """What nsenter (and docker exec) leaves behind is adopted and reaped."""
    with Init(tmp_path, {"a": 'command = ["sleep", "1000"]\n'}, loop=kind) as init:
        init.wait_state("a", "ready")
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        enter = ["nsenter", *user, "-t", str(init.pid), "-p", "sh", "-c", "sleep 0.2 & exit 0"]
        subprocess.run(enter, check=True, stdin=subprocess.DEVNULL)
        assert len(init.processes()) >= 1
        wait_until(lambda: len(init.processes()) == 1)


@on_both_loops
def test_an_essential_service_ends_the_whole_with_its_status(tmp_path: Path, kind: str) -> None:
    """The exit status of an essential service is asyncinit's; the others are shut down in order."""
    services = {"main": 'command = ["sh", "-c", "sleep 0.3; exit 42"]\nessential = true\n', "side": says("bye")}
    with Init(tmp_path, services, loop=kind) as init:
        assert init.wait() == 42
        assert "bye" in init.lines("side")


@on_both_loops
def test_death_by_signal_is_told_as_128_and_its_number(tmp_path: Path, kind: str) -> None:
    """An essential service killed by SIGKILL gives 137."""
    services = {"main": 'command = ["sh", "-c", "kill -9 $$$$"]\nessential = true\n'}
    with Init(tmp_path, services, loop=kind) as init:
        assert init.wait() == 137


@on_both_loops
def test_nothing_left_to_run_ends_it(tmp_path: Path, kind: str) -> None:
    """With a oneshot alone asyncinit ends with 0; with one that fails for good, with 69."""
    with Init(tmp_path / "good", {"once": 'type = "oneshot"\ncommand = "true"\n'}, loop=kind) as init:
        assert init.wait() == 0
    with Init(tmp_path / "bad", {"once": 'type = "oneshot"\ncommand = "false"\n'}, loop=kind) as init:
        assert init.wait() == 69


@on_both_loops
def test_what_has_to_be_killed_is_killed_in_time_and_told(tmp_path: Path, kind: str) -> None:
    """A service that ignores SIGTERM is killed inside the budget; asyncinit ends with 124 and names it."""
    services = {
        "deaf": """command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"]\n"""
        'stop = { timeout = "1h" }\n',
        "polite": says("bye"),
    }
    with Init(tmp_path, services, loop=kind, settings='shutdown_timeout = "1s"') as init:
        wait_until(lambda: "up" in init.lines("deaf"))
        wait_until(lambda: "up" in init.lines("polite"))
        init.kill()
        assert init.wait() == 124
        assert "bye" in init.lines("polite")


@on_both_loops
def test_asking_twice_ends_the_waiting(tmp_path: Path, kind: str) -> None:
    """A second SIGTERM, more than a second after the first, kills what is left; one right after it does not."""
    services = {
        "deaf": """command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"]\n"""
        'stop = { timeout = "1h" }\n'
    }
    with Init(tmp_path, services, loop=kind, settings='shutdown_timeout = "none"') as init:
        wait_until(lambda: "up" in init.lines("deaf"))
        init.kill()
        init.wait_state("deaf", "stopping")
        init.kill()

        assert init.call("status", "deaf").returncode == 0, "the second one came too soon to count"
        pid = init.pid

        def again() -> bool:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            return init.process.poll() is not None

        wait_until(again)
        assert init.wait() == 124


def test_a_signal_that_comes_while_it_starts_is_not_lost(tmp_path: Path) -> None:
    """SIGTERM sent as soon as PID 1 has blocked its signals, long before its loop is there, shuts it down."""
    with Init(tmp_path, {"a": 'command = ["sleep", "1000"]\n'}) as init:

        def blocked() -> bool:
            text = Path(f"/proc/{init.pid}/status").read_text()
            mask = next(line for line in text.splitlines() if line.startswith("SigBlk")).split()[1]
            # unshare(1) blocks SIGTERM for a moment too, and lets it go again; SIGUSR2 is blocked by us alone.
            return bool(int(mask, 16) & 1 << signal.SIGUSR2 - 1)

        wait_until(blocked)
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_two_thousand_pending_signals_do_not_swallow_a_termination(tmp_path: Path, kind: str) -> None:
    """2,000 SIGUSR1 (and as many real-time signals) before a SIGTERM: it still shuts down."""
    with Init(tmp_path, {"a": 'command = ["sleep", "1000"]\n'}, loop=kind) as init:
        init.wait_state("a", "ready")
        pid = init.pid
        for _ in range(2000):
            os.kill(pid, signal.SIGUSR1)
            os.kill(pid, signal.SIGRTMIN + 10)
        os.kill(pid, signal.SIGTERM)
        assert init.wait() == 0


@pytest.mark.parametrize("closed", ["0<&- 1>&- 2>&-", "0<&-", "2>&-"])
def test_closed_standard_descriptors_are_survived(tmp_path: Path, closed: str) -> None:
    """Without descriptors 0 to 2 services still start, and have theirs."""
    mark = tmp_path / "mark"
    script = f"ls -l /proc/self/fd > {mark}.new; mv {mark}.new {mark}; sleep 1000"
    services = {"a": f'command = ["sh", "-c", "{script}"]\n'}
    prefix = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    with Init(tmp_path, services, prefix=prefix) as init:
        wait_until(mark.exists)
        numbers = [line.split()[8] for line in mark.read_text().splitlines() if "->" in line]
        assert {"0", "1", "2"} <= set(numbers)
        init.kill()
        assert init.wait() == 0


def test_an_ignored_sigchld_is_survived(tmp_path: Path) -> None:
    """Started with SIGCHLD ignored, asyncinit still learns every status."""
    program = "import os, signal, sys; signal.signal(17, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    prefix = [PYTHON, "-c", program]
    services = {"main": 'command = ["sh", "-c", "exit 7"]\nessential = true\n'}
    with Init(tmp_path, services, prefix=prefix) as init:
        assert init.wait() == 7


def test_services_start_with_clean_signals_and_no_foreign_descriptor(tmp_path: Path) -> None:
    """A service's mask is empty, its dispositions are the defaults, and it has descriptors 0 to 2 only."""
    services = {
        # No shell: dash blocks all signals for moments.
        "signals": 'type = "oneshot"\ncommand = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]\n',
        "files": 'type = "oneshot"\ncommand = ["ls", "/proc/self/fd"]\n',
    }
    read, write = os.pipe()
    os.set_inheritable(write, True)
    with Init(tmp_path, services, pass_fds=(write,)) as init:
        os.close(read)
        os.close(write)
        assert init.wait() == 0
        blocked, ignored = (int(line.split()[1], 16) for line in init.lines("signals"))
        assert blocked == 0
        # 32 and 33 are the C library's own; it lets nobody reset them, and they may be inherited as ignored.
        assert ignored & ~(0b11 << 31) == 0
        assert init.lines("files") == ["0", "1", "2", "3"], "3 is the folder that ls reads"


@pytest.mark.slow
@on_both_loops
def test_idle_means_no_wake_ups(tmp_path: Path, kind: str) -> None:
    """With a hundred services that run and nothing to do, PID 1 is not scheduled once in ten seconds."""
    texts = ['command = ["sleep", "1000"]\n', 'command = "sleep 1000; true"\nshell = true\nrestart = "on-failure"\n']
    services = {f"service-{number}": texts[number % 2] for number in range(98)}
    services["late"] = 'command = ["sleep", "1000"]\nrequires = ["service-1"]\numask = "0027"\n'
    services["tells"] = 'command = ["sh", "-c", "echo >&3; exec sleep 1000"]\n[ready]\nnotify_fd = 3\n'
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: "all services are ready" in init.output, 60)

        def switches() -> int:
            text = Path(f"/proc/{init.pid}/status").read_text()
            return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)

        def quiet() -> bool:
            before = switches()
            subprocess.run(["sleep", "10"], check=True)
            return switches() == before

        wait_until(quiet, timeout=60)
