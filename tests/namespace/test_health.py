"""Health, watchdogs, more time and combined readiness, as real PID 1."""

from __future__ import annotations

import json
import signal
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.namespace.test_services import program
from tests.support import PYTHON, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)

SLEEP = 'command = ["sleep", "1000"]\n'
QUICK = 'interval = "100ms"\nprobe_timeout = "2s"\nthreshold = 2\n'


def checked(folder: Path, keys: str = "") -> str:
    """Return a [health] that is well as long as the file "well" is there."""
    (folder / "well").touch()
    return f'[health]\nfile = "{folder / "well"}"\n{QUICK}{keys}'


def in_order(init: Init, name: str, *states: str) -> bool:
    """Tell whether a service has come into these states one right after the other."""
    seen = [state for _, state in init.states(name)]
    return any(tuple(seen[at : at + len(states)]) == states for at in range(len(seen)))


@on_both_loops
def test_an_unhealthy_service_is_restarted(tmp_path: Path, kind: str, free_port: int) -> None:
    """A server that answers, but with errors, is stopped and started again; who requires it stays as it is."""
    body = f"""
        import http.server
        broken = os.path.exists("{tmp_path / "broken"}")
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(500 if os.path.exists("{tmp_path / "broken"}") else 200); self.end_headers()
            def log_message(self, *_): pass
        http.server.HTTPServer(("127.0.0.1", {free_port}), Handler).serve_forever()
    """
    probed = f'http = "http://127.0.0.1:{free_port}/healthz"\n'
    services = {
        "web": program(tmp_path, body) + f"[ready]\n{probed}\n[health]\n{probed}{QUICK}",
        "app": SLEEP + 'requires = ["web"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("app", "ready")
        first = init.status()["web"]["pid"]
        wait_until(lambda: (init.status()["web"]["health"] or {}).get("probed"))
        (tmp_path / "broken").touch()
        init.wait_state("web", "backoff")
        (tmp_path / "broken").unlink()
        init.wait_state("web", "ready", 2)
        assert in_order(init, "web", "ready", "unhealthy", "stopping", "backoff", "waiting", "starting", "ready")
        status = init.status()["web"]
        assert status["pid"] != first
        assert status["restarts"] >= 1
        assert init.states("app").count(("app", "starting")) == 1
        events = json.loads(init.call("events", "--json", "web").stdout.splitlines()[0])
        assert events["service"] == "web"
        told = [record for record in init.records if record.get("state") == "unhealthy"]
        assert "2 health probes in a row failed: http://127.0.0.1" in told[0]["message"]
        assert told[0]["reason"] == "health"


@on_both_loops
def test_a_probe_that_hangs_is_a_failure(tmp_path: Path, kind: str) -> None:
    """It is given up at its time limit, and killed; nothing of it is left when the service has been restarted."""
    probe = tmp_path / "probe"
    probe.write_text(f'#!/bin/sh\ntest -e "{tmp_path / "hang"}" || exit 0\nsleep 4321 & wait\n')
    probe.chmod(0o755)
    health = f'[health]\ncommand = ["{probe}"]\ninterval = "100ms"\nprobe_timeout = "300ms"\nthreshold = 2\n'
    with Init(tmp_path, {"web": SLEEP + health}, loop=kind) as init:
        init.wait_state("web", "ready")
        (tmp_path / "hang").touch()
        init.wait_state("web", "unhealthy")
        (tmp_path / "hang").unlink()
        told = [record["message"] for record in init.records if record.get("state") == "unhealthy"]
        assert "no answer within 0.3 s" in told[0]
        init.wait_state("web", "ready", 2)

        def hanging() -> list[int]:
            return [pid for pid in init.processes() if b"4321" in _command_line(pid)]

        wait_until(lambda: not hanging())


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@on_both_loops
def test_an_unhealthy_service_that_does_not_stop_is_killed(tmp_path: Path, kind: str) -> None:
    """It ignores SIGTERM: at its deadline it is killed with all that it has made, and started again."""
    script = "trap '' TERM; sleep 4321 & while :; do wait; done"
    service = f'command = ["sh", "-c", "{script}"]\n[stop]\ntimeout = "300ms"\n'
    with Init(tmp_path, {"web": service + checked(tmp_path)}, loop=kind) as init:
        init.wait_state("web", "ready")
        (tmp_path / "well").unlink()
        init.wait_state("web", "backoff")
        (tmp_path / "well").touch()
        init.wait_state("web", "ready", 2)
        status = init.status()["web"]
        assert status["last_exit"]["signal"] == 9
        sleepers = [pid for pid in init.processes() if _command_line(pid).startswith(b"sleep")]
        assert len(sleepers) <= 1, "only the new one's"


@on_both_loops
def test_marked_only_and_status_ready(tmp_path: Path, kind: str) -> None:
    """`status --ready` says 1 as long as something is unhealthy, names it and why; with names it is about these."""
    services = {"web": SLEEP + checked(tmp_path, 'action = "none"\n'), "other": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: init.call("status", "--ready").returncode == 0)
        (tmp_path / "well").unlink()
        init.wait_state("web", "unhealthy")
        done = init.call("status", "--ready")
        assert done.returncode == 1
        assert "not ready: web is unhealthy:" in done.stderr
        assert "no such file" in done.stderr
        assert init.call("status", "--ready", "web").returncode == 1
        assert init.call("status", "--ready", "other").returncode == 0
        answer = json.loads(init.call("status", "--json").stdout)
        assert (answer["asyncinit"]["state"], answer["asyncinit"]["ready"]) == ("degraded", False)
        (web,) = (one for one in answer["services"] if one["name"] == "web")
        assert (web["state"], web["reason"]["code"], web["health"]["healthy"]) == ("unhealthy", "health", False)
        assert web["health"]["failures"] >= 2
        assert web["ready_since"] is not None
        assert "health:" in init.call("status", "web").stdout
        (tmp_path / "well").touch()
        init.wait_state("web", "ready", 2)
        wait_until(lambda: init.call("status", "--ready").returncode == 0)
        assert init.status()["web"]["pid"] == web["pid"], "it was left alone"
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_the_whole_goes_down_with_what_is_unhealthy(tmp_path: Path, kind: str) -> None:
    """action = shutdown: everything ends, and the exit status says that something has failed for good."""
    services = {"web": SLEEP + checked(tmp_path, 'action = "shutdown"\n'), "other": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        (tmp_path / "well").unlink()
        assert init.wait() == 69
        assert ("web", "failed") in init.states()
        assert ("other", "inactive") in init.states()


@on_both_loops
def test_an_essential_service_that_is_unhealthy_is_no_success(tmp_path: Path, kind: str) -> None:
    """That it exits with 0 when it is stopped for it does not make the end of the whole a good one."""
    stops = """
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        while True: signal.pause()
    """
    service = program(tmp_path, stops) + "essential = true\n" + checked(tmp_path)
    with Init(tmp_path, {"web": service}, loop=kind) as init:
        init.wait_state("web", "ready")
        (tmp_path / "well").unlink()
        assert init.wait() == 69


@contextmanager
def _watched(folder: Path, kind: str, *, more: str = "", keys: str = "") -> Iterator[Init]:
    """An asyncinit with a service that says WATCHDOG=1 as long as the file "alive" is there."""
    (folder / "alive").touch()
    body = f"""
        def aborted(*_):
            print("aborted", flush=True)
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGABRT)
        signal.signal(signal.SIGABRT, aborted)
        print(os.environ["WATCHDOG_USEC"], os.environ["WATCHDOG_PID"] == str(os.getpid()), flush=True)
        {more}
        while True:
            if os.path.exists("{folder / "alive"}"): tell("WATCHDOG=1")
            time.sleep(0.1)
    """
    with Init(folder, {"web": program(folder, body) + f'watchdog = "1500ms"\n{keys}'}, loop=kind) as init:
        yield init


@on_both_loops
def test_a_watchdog_that_is_late(tmp_path: Path, kind: str) -> None:
    """It is told what is expected; when its sign does not come it gets SIGABRT, and is started again."""
    with _watched(tmp_path, kind) as init:
        init.wait_state("web", "ready")
        wait_until(lambda: init.lines("web"))
        assert init.lines("web") == ["1500000 True"]
        (tmp_path / "alive").unlink()
        init.wait_state("web", "backoff")
        (tmp_path / "alive").touch()
        init.wait_state("web", "ready", 2)
        assert "aborted" in init.lines("web")
        status = init.status()["web"]
        assert status["last_exit"]["signal"] == 6
        told = [record for record in init.records if record.get("state") == "backoff"]
        assert told[0]["reason"] == "watchdog"
        assert "no WATCHDOG=1 within 1.5 s" in told[0]["message"]


@on_both_loops
def test_who_speaks_in_time_is_left_alone(tmp_path: Path, kind: str) -> None:
    """Even when asyncinit is stopped for longer than the interval: what waited in the socket counts."""
    with _watched(tmp_path, kind) as init:
        init.wait_state("web", "ready")
        pid = init.status()["web"]["pid"]
        wait_until(lambda: init.lines("web"))
        init.kill(signal.SIGSTOP)
        wait_for(3)
        init.kill(signal.SIGCONT)
        wait_until(lambda: init.status().get("web", {}).get("pid") == pid)
        wait_for(1)
        assert init.status()["web"]["pid"] == pid
        assert init.states("web")[-1] == ("web", "ready")


@on_both_loops
def test_it_changes_its_watchdog(tmp_path: Path, kind: str) -> None:
    """WATCHDOG_USEC=0 ends the watch; WATCHDOG=trigger asks for its end all the same."""
    more = 'tell("WATCHDOG_USEC=0"); signal.signal(signal.SIGUSR1, lambda *_: tell("WATCHDOG=trigger"))'
    with _watched(tmp_path, kind, more=more, keys='restart = "never"\n') as init:
        init.wait_state("web", "ready")
        wait_until(lambda: init.lines("web"))
        (tmp_path / "alive").unlink()
        wait_for(3)
        assert init.states("web")[-1] == ("web", "ready")
        assert init.call("signal", "USR1", "web").returncode == 0
        init.wait_state("web", "failed")
        told = [record for record in init.records if record.get("state") == "failed"]
        assert told[-1]["reason"] == "watchdog"


@on_both_loops
def test_more_time_for_the_start_and_the_stop(tmp_path: Path, kind: str) -> None:
    """A service that asks for more time in time gets it, at its start and at its stop; then it is late all the same."""
    body = """
        def stop(*_):
            for _ in range(4):
                tell("EXTEND_TIMEOUT_USEC=1500000"); time.sleep(0.3)
            print("done", flush=True)
            os._exit(0)
        signal.signal(signal.SIGTERM, stop)
        for _ in range(4):
            tell("EXTEND_TIMEOUT_USEC=1500000"); time.sleep(0.3)
        tell("READY=1")
        while True: signal.pause()
    """
    keys = '[ready]\nnotify = true\ntimeout = "900ms"\n[stop]\ntimeout = "900ms"\n'
    hangs = textwrap.dedent(
        """
        tell("EXTEND_TIMEOUT_USEC=1200000")
        time.sleep(1000)
        """
    )
    services = {
        "slow": program(tmp_path / "slow", body) + keys,
        "hangs": program(tmp_path / "hangs", hangs) + 'restart = "never"\n[ready]\nnotify = true\ntimeout = "900ms"\n',
    }
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("slow", "ready")
        init.wait_state("hangs", "failed")
        reason = init.status()["hangs"]["reason"]
        assert (reason["code"], "the time that it asked for" in reason["text"]) == ("timeout", True)
        assert init.call("stop", "slow").returncode == 0
        assert init.lines("slow") == ["done"]
        assert init.status()["slow"]["last_exit"]["code"] == 0


@on_both_loops
def test_a_shutdown_does_not_wait_for_who_always_asks_for_more(tmp_path: Path, kind: str) -> None:
    """More time never is more than the shutdown has."""
    body = """
        def stop(*_):
            while True:
                tell("EXTEND_TIMEOUT_USEC=60000000"); time.sleep(0.1)
        signal.signal(signal.SIGTERM, stop)
        tell("READY=1")
        while True: signal.pause()
    """
    services = {"web": program(tmp_path, body) + '[ready]\nnotify = true\n[stop]\ntimeout = "200ms"\n'}
    with Init(tmp_path, services, loop=kind, settings='shutdown_timeout = "2s"') as init:
        init.wait_state("web", "ready")
        init.kill()
        assert init.wait(30) == 124


@on_both_loops
def test_a_reload_that_does_not_end(tmp_path: Path, kind: str) -> None:
    """RELOADING=1 without READY=1 has failed after its time limit; the service is up all the while, and says why."""
    body = """
        signal.signal(signal.SIGHUP, lambda *_: tell("RELOADING=1"))
        tell("READY=1")
        while True: signal.pause()
    """
    keys = '[ready]\nnotify = true\n[reload]\ntimeout = "500ms"\n'
    with Init(tmp_path, {"web": program(tmp_path, body) + keys}, loop=kind) as init:
        init.wait_state("web", "ready")
        assert init.call("signal", "HUP", "web").returncode == 0
        init.wait_state("web", "ready", 2)
        assert in_order(init, "web", "ready", "reloading", "ready")
        reason = init.status()["web"]["reason"]
        assert reason == {"code": "timeout", "text": "the reload has not ended within 0.5 s", "service": None}
        assert init.status()["web"]["restarts"] == 0


@on_both_loops
def test_readiness_of_several_signs(tmp_path: Path, kind: str, free_port: int) -> None:
    """`all` is ready with the last of them, and says what is missing; `any` with the first."""
    body = f"""
        tell("READY=1")
        while not os.path.exists("{tmp_path / "go"}"): time.sleep(0.02)
        server = socket.create_server(("127.0.0.1", {free_port}))
        print("listening", flush=True)
        time.sleep(1000)
    """
    signs = f'{{ tcp = "127.0.0.1:{free_port}" }}, {{ notify = true }}, {{ log = "listening" }}'
    services = {
        "every": program(tmp_path / "every", body) + f"[ready]\nall = [{signs}]\n",
        "any": program(tmp_path / "any", body.replace(str(free_port), "0")) + f"[ready]\nany = [{signs}]\n",
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("any", "ready")
        text = f'tcp 127.0.0.1:{free_port}: connection refused; and a line with "listening"'
        wait_until(lambda: init.status()["every"]["waiting_on"] == [text])
        assert init.call("status", "--ready").returncode == 1
        (tmp_path / "go").touch()
        init.wait_state("every", "ready")


@on_both_loops
def test_a_watchdog_beside_another_kind_of_readiness(tmp_path: Path, kind: str) -> None:
    """READY=1 does not make ready what is to be seen in another way; its watch begins with that."""
    body = f"""
        tell("READY=1")
        print(os.environ["WATCHDOG_USEC"], flush=True)
        time.sleep(2)
        open("{tmp_path / "there"}", "w")
        while True: tell("WATCHDOG=1"); time.sleep(0.1)
    """
    keys = f'watchdog = "1s"\nrestart = "never"\n[ready]\nfile = "{tmp_path / "there"}"\n'
    with Init(tmp_path, {"web": program(tmp_path, body) + keys}, loop=kind) as init:
        wait_until(lambda: init.lines("web"))
        assert init.status()["web"]["state"] == "starting"
        init.wait_state("web", "ready")
        wait_until(lambda: init.status()["web"]["state"] == "ready")
        assert [state for _, state in init.states("web")] == ["waiting", "starting", "ready"]


@on_both_loops
def test_what_cannot_be_probed_is_told_before_the_service_runs(tmp_path: Path, kind: str) -> None:
    """A variable that is not set, an address without a port: the start fails, by the key."""
    services = {"web": SLEEP + 'restart = "never"\n[health]\nall = [{ file = "/x" }, { tcp = "${NOWHERE}" }]\n'}
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "failed")
        text = init.status()["web"]["reason"]["text"]
        assert "NOWHERE" in text
        assert "health.all[1].tcp" in text


@on_both_loops
def test_health_over_a_reexec(tmp_path: Path, kind: str) -> None:
    """Unhealthy stays unhealthy, a watchdog is not late, what was seen of `all` stays seen, and nothing restarts."""
    (tmp_path / "seen").touch()
    late = f"""
        while not os.path.exists("{tmp_path / "go"}"): time.sleep(0.02)
        tell("READY=1")
        time.sleep(1000)
    """
    signs = f'all = [{{ file = "{tmp_path / "seen"}" }}, {{ notify = true }}]'
    ping = 'while True: tell("WATCHDOG=1"); time.sleep(0.1)\n'
    services = {
        "sick": SLEEP + checked(tmp_path, 'action = "none"\n'),
        "pings": program(tmp_path / "pings", ping) + 'watchdog = "2s"\n',
        "late": program(tmp_path / "late", late) + f"[ready]\n{signs}\n",
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("sick", "ready")
        init.wait_state("pings", "ready")
        wait_until(lambda: init.status()["late"]["waiting_on"] == ["READY=1 on its notification socket"])
        (tmp_path / "well").unlink()
        init.wait_state("sick", "unhealthy")
        (tmp_path / "seen").unlink()
        before = init.status()
        assert init.call("reexec").returncode == 0
        wait_until(lambda: init.status().get("sick", {}).get("state") == "unhealthy")
        assert init.status()["late"]["waiting_on"] == ["READY=1 on its notification socket"]
        (tmp_path / "well").touch()
        wait_until(lambda: init.status()["sick"]["state"] == "ready")
        (tmp_path / "go").touch()
        init.wait_state("late", "ready")
        wait_until(lambda: init.status()["pings"]["since"] == before["pings"]["since"])
        after = init.status()
        assert {name: one["pid"] for name, one in after.items()} == {name: one["pid"] for name, one in before.items()}
        assert all(one["restarts"] == 0 for one in after.values())


@on_both_loops
def test_other_probes_for_what_runs(tmp_path: Path, kind: str) -> None:
    """`reload-config` takes over another [health], none, and one where there was none, and restarts nothing."""
    file = tmp_path / "services.d" / "web.toml"
    with Init(tmp_path, {"web": SLEEP + checked(tmp_path, 'action = "none"\n')}, loop=kind) as init:
        wait_until(lambda: (init.status().get("web", {}).get("health") or {}).get("probed"))
        pid = init.status()["web"]["pid"]
        other = f'[health]\nfile = "{tmp_path / "other"}"\naction = "none"\n{QUICK}'
        for text, state in ((other, "unhealthy"), ("", "ready"), (other, "unhealthy"), (checked(tmp_path), "ready")):
            file.write_text(SLEEP + text)
            assert init.call("reload-config").returncode == 0
            wait_until(lambda state=state: init.status()["web"]["state"] == state)  # type: ignore[misc]
            assert (init.status()["web"]["health"] is None) == (text == "")
        assert init.status()["web"]["pid"] == pid


def _switches(init: Init) -> int:
    """How often asyncinit went to sleep by itself."""
    text = Path(f"/proc/{init.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("voluntary_ctxt_switches")).split()[1])


@pytest.mark.slow
@on_both_loops
def test_no_wake_up_beyond_the_probes(tmp_path: Path, kind: str) -> None:
    """A hundred services that will be probed in an hour cost nothing; one that is, is one wake-up a probe."""
    (tmp_path / "well").touch()
    health = f'[health]\nfile = "{tmp_path / "well"}"\n'
    services = {f"service-{number}": SLEEP + health + 'interval = "50h"\n' for number in range(100)}
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: "all services are ready" in init.output, 60)

        def quiet() -> bool:
            before = _switches(init)
            wait_for(3)
            return _switches(init) == before

        wait_until(quiet, timeout=30)
    (tmp_path / "one").mkdir()
    with Init(tmp_path / "one", {"web": SLEEP + health + 'interval = "200ms"\n'}, loop=kind) as init:
        init.wait_state("web", "ready")

        def as_probed() -> bool:
            before = _switches(init)
            wait_for(4)
            return 10 <= _switches(init) - before <= 22

        wait_until(as_probed, timeout=30)


def wait_for(seconds: int) -> None:
    """Let time pass in which nothing shall happen."""
    subprocess.run(["sleep", str(seconds)], check=True)


def test_a_hundred_services_are_not_probed_at_once(tmp_path: Path) -> None:
    """Their first probes are spread over the interval, though all have become ready together."""
    probe = f'[health]\ncommand = ["{PYTHON}", "-S", "-c", "import time; print(time.monotonic())"]\ninterval = "6s"\n'
    services = {f"service-{number}": SLEEP + probe for number in range(20)}
    with Init(tmp_path, services) as init:
        wait_until(lambda: all(init.lines(name) for name in services), 60)
        moments = sorted(float(init.lines(name)[0]) for name in services)
        assert moments[-1] - moments[0] > 1.0
        assert sum(later - earlier > 0.02 for earlier, later in pairwise(moments)) > 10
