"""What asyncinit as real PID 1 tells of causes, failures, times and processes; and commands run as a service."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from asyncinit.client.connection import Connection
from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.namespace.test_client import KEEP, SLEEP, answer
from tests.support import PYTHON, wait_until

LEAVES = 'command = ["sh", "-c", "echo begins; echo fails >&2; sleep 1000 & sleep 0.1; exit 3"]\n'
LATER = 'restart = { delay = "10m", max_delay = "20m" }\n'
each_loop = pytest.mark.parametrize("kind", LOOPS)


def crashes(init: Init) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer(init.call("crash", "list", "--json"))["crashes"]
    return found


@each_loop
def test_a_crash_leaves_a_report(tmp_path: Path, kind: str) -> None:
    """In memory and as a file: what it wrote, what it used, who outlived it; the names of its environment alone."""
    folder = tmp_path / "crashes"
    settings = f'{KEEP}\ncrash_dir = "{folder}"\n'
    secret = '[environment]\nDB_PASSWORD = "hunter2"\n'
    with Init(tmp_path, {"web": LEAVES + LATER + secret}, loop=kind, settings=settings) as init:
        init.wait_state("web", "backoff")
        (report,) = crashes(init)
        assert (report["service"], report["state"], report["exit"]["code"]) == ("web", "ready", 3)
        assert [line["message"] for line in report["output"]] == ["begins", "fails"]
        assert [left["name"] for left in report["left_over"]] == ["sleep"]
        assert report["uptime"] >= 0.1
        assert report["usage"]["max_rss"] > 0 and report["usage"]["minor_faults"] > 0
        assert "DB_PASSWORD" in report["environment"]
        assert report["outcome"].startswith("restart 1 in 10 min")
        (path,) = wait_until(lambda: [*folder.glob("*.json")])
        written = json.loads(path.read_text())
        assert "hunter2" not in path.read_text() + json.dumps(report)
        assert (written["id"], written["output"]) == (report["id"], report["output"])
        assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)
        assert init.call("crash", "show", "web").stdout.splitlines()[0] == "service:     web (report 1)"
        assert init.call("crash", "show", "1").stdout == init.call("crash", "show", "web").stdout
        doctor = answer(init.call("doctor", "--json"))
        assert doctor["outlived"] == [{"service": "web", "count": 1}]
        assert init.call("crash", "show", "7").returncode == 1
        assert init.call("crash", "show", "nobody").returncode == 3


@each_loop
def test_only_the_newest_files_stay(tmp_path: Path, kind: str) -> None:
    """The folder has so many reports as it shall, and nothing else of it is touched; none is lost at the end."""
    folder = tmp_path / "crashes"
    folder.mkdir()
    (folder / "README").write_text("mine")
    fails = 'command = ["false"]\nrestart = { delay = "20ms", backoff = 1.0, limit = 6 }\n'
    settings = f'crash_dir = "{folder}"\ncrash_keep = 3\n'
    with Init(tmp_path, {"bad": fails}, loop=kind, settings=settings) as init:
        assert init.wait() == 69
        assert init.states("bad")[-1] == ("bad", "failed")
    files = sorted(folder.iterdir())
    assert [path.name for path in files if path.suffix != ".json"] == ["README"]
    reports = [json.loads(path.read_text()) for path in files if path.suffix == ".json"]
    assert [report["id"] for report in reports] == [5, 6, 7]
    assert [report["given_up"] for report in reports] == [False, False, True]


@each_loop
def test_a_folder_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    """It is told once, and the reports stay in memory."""
    (tmp_path / "file").write_text("")
    fails = 'command = ["false"]\nrestart = { delay = "10ms", backoff = 1.0, limit = 4, window = "10m" }\n'
    settings = f'{KEEP}\ncrash_dir = "{tmp_path}/file/crashes"\n'
    with Init(tmp_path, {"bad": fails}, loop=kind, settings=settings) as init:
        init.wait_state("bad", "failed")
        assert len(crashes(init)) == 5
        wait_until(lambda: "reports stay in memory" in init.output)
        assert init.call("shutdown").returncode == 0
    assert init.output.count("reports stay in memory") == 1


@each_loop
def test_the_termination_message(tmp_path: Path, kind: str) -> None:
    """What Kubernetes shows: the status, the service that decided it, why, and its last lines."""
    log = tmp_path / "termination-log"
    log.write_text("x" * 9000)
    before = log.stat().st_ino
    bad = 'command = ["sh", "-c", "echo no license; exit 4"]\nessential = true\n'
    with Init(tmp_path, {"web": bad, "db": SLEEP}, loop=kind, settings=f'termination_log = "{log}"') as init:
        assert init.wait() == 4
    told = json.loads(log.read_text())
    assert (told["exit_status"], told["service"], told["code"]) == (4, "web", "exit-code")
    assert told["text"] == "exited with 4"
    assert told["last_lines"] == ["no license"]
    assert told["reason"] == "web is essential and failed: exited with 4"
    assert log.stat().st_ino == before  # it is a mount there, and cannot be replaced


@each_loop
def test_a_termination_message_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    """The end comes all the same: of a pipe that nobody reads, or of a folder that is not there."""
    os.mkfifo(tmp_path / "pipe")
    for number, place in enumerate(("pipe", "nowhere/log")):
        settings = f'termination_log = "{tmp_path / place}"'
        with Init(tmp_path / str(number), {"web": SLEEP}, loop=kind, settings=settings) as init:
            init.wait_state("web", "ready")
            init.kill()
            assert init.wait() == 0
        assert f"cannot write {tmp_path / place}" in init.output


@each_loop
def test_explain(tmp_path: Path, kind: str) -> None:
    """From what waits to the cause, and what would follow."""
    services = {
        "db": 'command = ["false"]\nready.file = "/nowhere/ready"\n' + LATER,
        "web": SLEEP + 'requires = ["db"]\n',
        "probed": SLEEP + 'ready.file = "/nowhere/ready"\n',
    }
    with Init(tmp_path, services, loop=kind, settings=KEEP) as init:
        init.wait_state("db", "backoff")
        told = answer(init.call("explain", "web", "--json"))
        assert [link["service"] for link in told["chain"]] == ["web", "db"]
        lines = init.call("explain", "web").stdout.splitlines()
        assert lines[0] == "web is waiting: requires db, which is in backoff"
        assert lines[1] == "  db is in backoff: exited with 1"
        assert re.fullmatch(r"  in 1?\d min( \d+ s)? db is started again \(restart 1\)", lines[4])
        assert lines[5] == "  once db is ready, web is started"
        wait_until(lambda: "waits for file /nowhere/ready" in init.call("explain", "probed").stdout)
        assert init.call("explain", "wev").stderr == "asyncinit: no such service: wev; did you mean web?\n"


@each_loop
def test_events_have_all_fields(tmp_path: Path, kind: str) -> None:
    """One JSON object a line: service, states, reason, pid (as the caller sees it), exit status, restarts, kind."""
    with Init(tmp_path, {"web": LEAVES + LATER, "db": SLEEP}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "backoff")
        init.wait_state("db", "ready")
        lines = init.call("events", "--json").stdout.splitlines()
        events = [json.loads(line) for line in lines]
        keys = {"time", "service", "old", "new", "reason", "text", "pid", "exit", "restarts", "kind"}
        assert all(set(event) == keys for event in events)
        last = [event for event in events if event["service"] == "web"][-1]
        assert (last["old"], last["new"], last["reason"]["code"]) == ("stopping", "backoff", "exit-code")
        assert (last["exit"]["code"], last["pid"], last["restarts"]) == (3, None, 1)
        ready = [event for event in events if event["service"] == "db" and event["new"] == "ready"]
        assert ready[0]["pid"] == init.status()["db"]["pid"]
        assert Path(f"/proc/{ready[0]['pid']}/cmdline").read_bytes() == b"sleep\x001000\x00"
        own = next(event for event in events if event["service"] is None)
        assert (own["old"], own["new"], own["pid"], own["restarts"]) == (None, None, None, None)


# ---------------------------------------------------------------------------------------------------------------------
# Times


@each_loop
def test_the_start_is_measured(tmp_path: Path, kind: str) -> None:
    """Who took how long, what waited for whom, as words and as a picture."""
    services = {
        "db": 'command = ["sleep", "0.4"]\ntype = "oneshot"\n',
        "web": SLEEP + 'requires = ["db"]\n',
        "bad": 'command = ["/no/such/program"]\nrestart = "never"\n',
        "off": SLEEP + "enabled = false\n",
    }
    with Init(tmp_path, services, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        init.wait_state("bad", "failed")
        start = answer(init.call("analyze", "--json"))
        by_name = {one["name"]: one for one in start["services"]}
        assert by_name.keys() == {"db", "web", "bad"}
        db, web = by_name["db"], by_name["web"]
        assert db["ready"] - db["preparing"] >= 0.4
        assert db["waiting"] <= db["preparing"] <= db["starting"] <= db["ready"] <= web["preparing"] <= web["ready"]
        assert web["after"] == ["db"]
        assert (by_name["bad"]["ready"], by_name["bad"]["ended"] is not None) == (None, True)
        assert start["finished"] == max(web["ready"], by_name["bad"]["ended"])
        assert init.call("analyze").stdout.startswith("started in ")
        assert [line.split()[0] for line in init.call("analyze", "blame").stdout.splitlines()[:2]] == ["SERVICE", "db"]
        chain = init.call("analyze", "critical-chain").stdout.splitlines()
        assert [line.split()[0] for line in chain] == ["web", "db"]
        assert init.call("analyze", "plot", str(tmp_path / "start.svg")).returncode == 0
        assert ElementTree.parse(tmp_path / "start.svg").getroot().tag.endswith("}svg")
        init.call("start", "off")
        assert {one["name"] for one in answer(init.call("analyze", "--json"))["services"]} == by_name.keys()


@each_loop
def test_the_shutdown_as_plan_and_as_report(tmp_path: Path, kind: str) -> None:
    """What each would get, and in the end what each took; who was killed, and who waited for that."""
    stubborn = 'command = ["sh", "-c", "trap \'\' TERM; sleep 1000 & wait; sleep 1000"]\nstop.timeout = "400ms"\n'
    services = {"db": SLEEP, "web": stubborn + 'requires = ["db"]\n'}
    with Init(tmp_path, services, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        plan = answer(init.call("analyze", "shutdown", "--json"))
        assert (plan["timeout"], plan["budget"]) == (9.0, 8.55)
        assert [(one["name"], one["granted"]) for one in plan["services"]] == [("web", 0.4), ("db", 5.0)]
        assert plan["services"][1]["waits_for"] == ["web"]
        init.kill()
        assert init.wait() == 124
        (table,) = [record["shutdown"] for record in init.records if "shutdown" in record]
        assert [(row["service"], row["granted"], row["killed"]) for row in table] == [
            ("web", 0.4, True),
            ("db", 5.0, False),
        ]
        assert table[0]["used"] >= 0.4
        assert table[1]["waited_for"] == "web" and table[1]["waited"] >= 0.4
        assert "web  killed after" in init.output


# ---------------------------------------------------------------------------------------------------------------------
# Processes


@each_loop
def test_zombies_and_strays_have_names(tmp_path: Path, kind: str) -> None:
    """A zombie below a service is that service's; who belongs to nobody is a stray, and is ended with asyncinit."""
    careless = f'command = ["{PYTHON}", "-S", "-c", "import os, time; os.fork() or os._exit(0); time.sleep(1000)"]\n'
    with Init(tmp_path, {"careless": careless}, loop=kind, settings=KEEP) as init:
        init.wait_state("careless", "ready")
        enter = ["nsenter", "-t", str(init.pid), "-p", "-m", *([] if os.geteuid() == 0 else ["-U", "--preserve"])]
        command = [*enter, "env", "-i", "setsid", "-f", "sleep", "4321"]
        subprocess.run(command, check=True, timeout=30, stdin=subprocess.DEVNULL)

        def found() -> list[dict[str, Any]]:
            processes = answer(init.call("doctor", "--json"))["processes"]
            return processes if {one["standing"] for one in processes} == {"service", "stray"} else []

        processes = wait_until(found)
        zombie = next(one for one in processes if one["zombie"])
        assert (zombie["service"], zombie["parent"]) == ("careless", init.status()["careless"]["pid"])
        stray = next(one for one in processes if one["standing"] == "stray")
        assert (stray["command"], stray["service"], stray["zombie"]) == ("sleep 4321", None, False)
        assert Path(f"/proc/{stray['pid']}/cmdline").read_bytes() == b"sleep\x004321\x00"
        shown = init.call("doctor")
        assert shown.returncode == 0
        assert re.search(r"zombie +careless", shown.stdout) and "sleep 4321" in shown.stdout
        init.kill()
        assert init.wait() == 0
        assert "ending processes that belong to no service: sleep" in init.output


def test_a_doctor_for_the_machine_alone(tmp_path: Path) -> None:
    """Where nothing runs there are the checks of kernel and rights; a socket that is named has to be there."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    environment.pop("ASYNCINIT_SOCKET", None)
    words = [PYTHON, "-m", "asyncinit"]
    run = subprocess.run
    named = run([*words, "--socket", "/nowhere", "doctor"], capture_output=True, text=True, check=False, timeout=60)
    assert named.returncode == 3
    unshared = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    alone = ["sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh", *words, "doctor", "--json"]
    command = ["unshare", "--net", *unshared[1:], *alone]
    done = run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path, env=environment)
    told = json.loads(done.stdout)
    assert told["running"] is False
    assert {"kernel", "pidfd", "capabilities", "cgroup v2"} <= {check["name"] for check in told["checks"]}
    assert "looking at this machine alone" in done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# Commands as a service


@each_loop
def test_a_command_runs_as_the_service(tmp_path: Path, kind: str) -> None:
    """Its environment, directory, umask; not what is for its main process alone; CMD's own status."""
    web = SLEEP + f'umask = "0027"\nworking_directory = "{tmp_path}"\nenvironment = {{ A = "1", B = "${{A}}2" }}\n'
    with Init(tmp_path, {"web": web, "off": web + "enabled = false\n"}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        for name in ("web", "off"):
            shown = init.call("exec", name, "--", "sh", "-c", "echo $A $B $PWD; umask; env")
            assert shown.returncode == 0, shown.stderr
            first, umask, *rest = shown.stdout.splitlines()
            assert (first, umask) == (f"1 12 {tmp_path}", "0027")
            assert f"ASYNCINIT_SOCKET={init.socket}" in rest
            assert not any(line.startswith(("ASYNCINIT_TOKEN=", "NOTIFY_SOCKET=")) for line in rest)
        assert init.call("exec", "web", "--", "sh", "-c", "exit 42").returncode == 42
        killed = init.call("exec", "web", "--", "sh", "-c", "kill -TERM $$")
        assert killed.returncode == -15  # what a shell shows as 143
        missing = init.call("exec", "web", "--", "nosuch")
        assert (missing.returncode, "not found in PATH" in missing.stderr) == (127, True)
        assert init.call("exec", "web", "--", "/etc").returncode == 126
        assert init.call("exec", "web").returncode == 2
        assert init.call("exec", "nobody", "--", "true").returncode == 3


@each_loop
def test_directories_are_not_made_for_a_command(tmp_path: Path, kind: str) -> None:
    """Of a service that does not run the environment is what it would be, and nothing is done for that."""
    web = SLEEP + 'enabled = false\n[directories]\nstate = ["asyncinit-test-exec"]\n'
    environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with Init(tmp_path, {"web": web}, loop=kind, settings=KEEP, environment=environment) as init:
        wait_until(init.status)
        shown = init.call("exec", "web", "--", "sh", "-c", "echo $STATE_DIRECTORY")
        assert "asyncinit-test-exec" in shown.stdout
        assert not Path(shown.stdout.strip()).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")
def test_the_user_of_a_service(tmp_path: Path) -> None:
    """Root becomes the service's user, with its groups."""
    web = SLEEP + 'user = "12345"\n'
    with Init(tmp_path, {"web": web}, settings=KEEP) as init:
        init.wait_state("web", "ready")
        shown = init.call("exec", "web", "--", "sh", "-c", "id -u; id -g; id -G")
        assert shown.stdout.split() == ["12345", "12345", "12345"], shown.stderr


def test_the_terminal_is_the_commands(tmp_path: Path) -> None:
    """CMD has the caller's terminal itself: nothing stands between."""
    import pty

    with Init(tmp_path, {"web": SLEEP}, settings=KEEP) as init:
        init.wait_state("web", "ready")
        ours, theirs = pty.openpty()
        words = [PYTHON, "-m", "asyncinit", "--socket", str(init.socket), "exec", "web", "--"]
        process = subprocess.Popen(
            [*words, "sh", "-c", "tty; read line; echo got $line"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=init.environment,
            start_new_session=True,
        )
        os.write(ours, b"hello\n")
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + 30
        while b"got hello" not in shown and time.monotonic() < deadline:
            shown += os.read(ours, 4096)
        assert process.wait(30) == 0
        assert b"/dev/pts/" in shown
        os.close(ours)


# ---------------------------------------------------------------------------------------------------------------------
# The graph


def test_the_graph_of_what_runs_and_of_files(tmp_path: Path) -> None:
    """The same edges, with states or without; where nothing runs the files of the folder speak."""
    services = {"db": SLEEP, "web": SLEEP + 'requires = ["db"]\n'}
    with Init(tmp_path, services, settings=KEEP) as init:
        init.wait_state("web", "ready")
        assert init.call("graph").stdout == "web     ready\n└── db  ready\n"
        assert init.call("graph", "db").stdout == "db  ready\n"
        assert '"web" -> "db"' in init.call("graph", "--dot").stdout
        assert init.call("graph", "--dot", "--json").returncode == 2
        of_files = init.call("graph", "--services", "services.d").stdout
        assert of_files == "web\n└── db\n"
        (tmp_path / "services.d" / "bad.toml").write_text("command = 1\n")
        broken = init.call("graph", "--services", "services.d")
        assert (broken.returncode, "bad.toml" in broken.stderr) == (1, True)


@each_loop
def test_what_services_use(tmp_path: Path, kind: str) -> None:
    """Usage tells processor time and memory of all processes of a service, children included, and grows."""
    burn = 'command = ["sh", "-c", "while :; do :; done & exec sleep 1000"]\n'
    services = {"burner": burn, "sleeper": SLEEP, "off": f"enabled = false\n{SLEEP}"}
    with Init(tmp_path, services, loop=kind, settings=KEEP) as init:
        init.wait_state("burner", "ready")
        init.wait_state("sleeper", "ready")
        with Connection(str(init.socket)) as server:
            before = server.call("Usage")

            def grown() -> dict[str, Any] | None:
                now = server.call("Usage", {"names": ["burner"]})
                used = now["services"][0]["cpu_seconds"] - before["services"][0]["cpu_seconds"]
                return now if used >= 0.2 else None

            after = wait_until(grown)
        assert [usage["name"] for usage in before["services"]] == ["burner", "sleeper"]
        burner, sleeper = before["services"]
        assert (burner["processes"], sleeper["processes"]) == (2, 1)
        assert burner["memory"] > 100_000 and sleeper["memory"] > 100_000
        assert sleeper["cpu_seconds"] < 5
        assert [usage["name"] for usage in after["services"]] == ["burner"]
        # Two processes, and at most so many processors: time cannot grow faster than the clock does.
        used = after["services"][0]["cpu_seconds"] - burner["cpu_seconds"]
        assert used <= (after["moment"] - before["moment"]) * 1.5 + 0.5
