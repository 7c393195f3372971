"""What a service can declare, as real PID 1: readiness, hooks, users, directories, notification, dependencies."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PYTHON, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a service as another user")

_NOTIFY = textwrap.dedent("""
    import os, signal, socket, sys, time

    def tell(text):
        address = os.environ["NOTIFY_SOCKET"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(text.encode(), address.replace("@", "\\0", 1))
""")


def program(folder: Path, text: str) -> str:
    """Write a Python program that can tell its supervisor; return the command."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "program.py"
    path.write_text(_NOTIFY + textwrap.dedent(text))
    return f'command = ["{PYTHON}", "-S", "{path}"]\n'


@on_both_loops
def test_notification_tells_ready_status_reload_and_stop(tmp_path: Path, kind: str) -> None:
    """READY, STATUS, RELOADING and STOPPING of a service are its states and its words."""
    text = """
        def reload(*_):
            tell("RELOADING=1")
            tell("READY=1\\nSTATUS=reloaded")
        def stop(*_):
            tell("STOPPING=1\\nSTATUS=going")
            sys.exit(0)
        signal.signal(signal.SIGHUP, reload)
        signal.signal(signal.SIGUSR1, stop)
        tell("STATUS=warming up")
        time.sleep(0.1)
        tell("READY=1\\nSTATUS=at work")
        while True:
            signal.pause()
    """
    services = {"web": program(tmp_path, text) + 'ready = { notify = true }\nrestart = "never"\n', "b": AFTER_WEB}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        wait_until(lambda: init.status()["web"]["status_text"] == "at work")
        assert init.call("reload", "web").returncode == 0
        init.wait_state("web", "reloading")
        init.wait_state("web", "ready", 2)
        wait_until(lambda: init.status()["web"]["status_text"] == "reloaded")
        assert init.call("signal", "USR1", "web").returncode == 0
        init.wait_state("web", "completed")
        assert ("b", "ready") in init.states(), "it started after web was ready"
        assert init.states().index(("web", "ready")) < init.states().index(("b", "starting"))


AFTER_WEB = 'command = ["sleep", "1000"]\nrequires = ["web"]\n'


@on_both_loops
def test_the_main_process_can_be_another_one(tmp_path: Path, kind: str) -> None:
    """With MAINPID the process that was spawned may end; the other one's end is the service's, with its status."""
    text = """
        child = os.fork()
        if child == 0:
            time.sleep(0.5)
            os._exit(9)
        tell(f"MAINPID={child}\\nREADY=1")
    """
    services = {"web": program(tmp_path, text) + 'ready = { notify = true }\nrestart = "never"\n'}
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "failed")
        assert init.status()["web"]["last_exit"]["code"] == 9
        assert init.states("web")[1:3] == [("web", "starting"), ("web", "ready")]


@on_both_loops
def test_a_daemon_that_forks_is_followed_by_its_pid_file(tmp_path: Path, kind: str) -> None:
    """A daemon is ready when its pid file names a live process of it, which then is the main one; a crash restarts."""
    file = tmp_path / "daemon.pid"
    text = f"""
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(0.1)
        with open("{file}", "w") as f:
            f.write(str(os.getpid()))
        time.sleep(1000)
    """
    services = {"daemon": program(tmp_path, text) + f'ready = {{ pid_file = "{file}" }}\n'}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("daemon", "ready")
        first = init.status()["daemon"]["pid"]
        inner = Path(f"/proc/{first}/status").read_text().partition("NSpid:")[2].split("\n")[0].split()[-1]
        assert inner == file.read_text(), "shown as we see it, written as it sees itself"
        assert init.call("signal", "KILL", "daemon").returncode == 0
        init.wait_state("daemon", "ready", 2)
        status = init.status()["daemon"]
        assert status["restarts"] == 1
        assert status["pid"] != first
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_a_daemon_that_nothing_tells_is_its_launchers(tmp_path: Path, kind: str) -> None:
    """It has left its session and cleared its environment, as one of another user in a container: it is followed."""
    file = tmp_path / "daemon.pid"
    text = f"""
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        os.setsid()
        script = "sleep 0.3; echo $$ >{file}; exec sleep 1000"
        os.execve("/bin/sh", ["sh", "-c", script], {{}})
    """
    services = {"daemon": program(tmp_path, text) + f'ready = {{ pid_file = "{file}" }}\n'}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("daemon", "ready")
        assert init.status()["daemon"]["restarts"] == 0
        init.kill()
        assert init.wait() == 0


_KINDS = {
    "tcp": ('tcp = "127.0.0.1:{port}"', "listen(('127.0.0.1', {port}))"),
    "unix": ('unix = "{folder}/web.sock"', "unix('{folder}/web.sock')"),
    "http": ('http = "http://127.0.0.1:{port}/healthz"', "http({port})"),
    "file": ('file = "{folder}/there"', "open('{folder}/there', 'w')"),
    "command": ('command = ["test", "-e", "{folder}/there"]', "open('{folder}/there', 'w')"),
    "log": ('log = "listening on *"', "print('listening on 80', flush=True)"),
    "notify_fd": ("notify_fd = 5", "os.write(5, b'ready\\n')"),
}
_SERVER = """
    import http.server
    def listen(address):
        global s; s = socket.create_server(address)
    def unix(path):
        global s; s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404); self.end_headers()
        def log_message(self, *_): pass
    def http_server(port):
        http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
    print("begun", flush=True)
    while not os.path.exists("GO"): time.sleep(0.02)
"""


@on_both_loops
@pytest.mark.parametrize("ready", _KINDS)
def test_each_kind_of_readiness_opens_the_gate(tmp_path: Path, kind: str, ready: str, free_port: int) -> None:
    """A service is starting until its readiness is seen, and only then what requires it starts."""
    declared, action = (text.format(port=free_port, folder=tmp_path) for text in _KINDS[ready])
    body = textwrap.dedent(_SERVER).replace('"GO"', f'"{tmp_path / "go"}"')
    text = body + action.replace("http(", "http_server(") + "\ntime.sleep(1000)\n"
    services = {"web": program(tmp_path, text) + f"ready = {{ {declared} }}\n", "after": AFTER_WEB}
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: "begun" in init.lines("web"))
        status = init.status()
        assert (status["web"]["state"], status["after"]["state"]) == ("starting", "waiting")
        assert status["after"]["waiting_on"] == ["web"]
        (tmp_path / "go").touch()
        init.wait_state("after", "ready")
        assert init.states().index(("web", "ready")) < init.states().index(("after", "starting"))
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_a_start_that_takes_too_long_is_a_failure(tmp_path: Path, kind: str) -> None:
    """With ready.timeout a service that does not get ready is stopped, and failed for the reason timeout."""
    services = {
        "web": 'command = ["sleep", "1000"]\nready = { notify = true, timeout = "200ms" }\nrestart = "never"\n',
        "after": AFTER_WEB,
    }
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("after", "failed")
        status = init.status()
        assert status["web"]["reason"]["code"] == "timeout"
        assert status["after"]["reason"]["code"] == "dependency"
        assert status["after"]["reason"]["service"] == "web"


@on_both_loops
def test_hooks_run_around_a_life_with_their_variables(tmp_path: Path, kind: str) -> None:
    """pre_start, post_start, pre_stop and post_stop run in order; the last is told of the result."""
    note = tmp_path / "notes"
    write = f"echo $$0 $$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS >> {note}"
    hooks = "\n".join(f'{stage} = [["sh", "-c", "{write}", "{stage}"]]' for stage in STAGES)
    services = {
        "web": f'command = ["sh", "-c", "echo main >> {note}; exec sleep 1000"]\n[hooks]\n{hooks}\n',
        "other": 'command = ["sleep", "1000"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        wait_until(lambda: "main" in note.read_text())
        assert init.call("stop", "web").returncode == 0
        words = [line.split() for line in note.read_text().splitlines()]
        assert sorted(words[1:3]) == [["main"], ["post_start"]]
        assert [words[0], *words[3:]] == [["pre_start"], ["pre_stop"], ["post_stop", "success", "killed", "TERM"]]


STAGES = ("pre_start", "post_start", "pre_stop", "post_stop")


@on_both_loops
def test_a_failing_pre_start_hook_is_a_failure_of_the_service(tmp_path: Path, kind: str) -> None:
    """The command never runs, the reason is the hook, and its output is in the log."""
    services = {
        "web": 'command = ["sleep", "1000"]\nrestart = "never"\n'
        '[hooks]\npre_start = [["sh", "-c", "echo no way; exit 3"]]\n'
    }
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "failed")
        assert init.status()["web"]["reason"]["code"] == "hook"
        assert init.lines("web") == ["no way"]


@as_root
@on_both_loops
def test_a_service_of_another_user_can_open_its_standard_output(tmp_path: Path, kind: str) -> None:
    """/dev/stdout and /dev/stderr open for a uid without a passwd entry; HOME and groups are that user's."""
    tmp_path.chmod(0o755)
    services = {
        "web": 'type = "oneshot"\nuser = "12345"\ngroup = "12346"\n'
        'command = ["sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr; id -u; id -g; id -G; echo $HOME"]\n'
    }
    with Init(tmp_path, services, loop=kind) as init:
        assert init.wait() == 0
        assert sorted(init.lines("web")) == sorted(["out", "err", "12345", "12346", "12346", "/"])


@as_root
@on_both_loops
def test_directories_are_made_for_the_user_and_removed_after(tmp_path: Path, kind: str) -> None:
    """A runtime directory belongs to the service's user, is exported, and is gone after the stop."""
    name = f"asyncinit-test-{os.getpid()}-{kind}"
    services = {
        "web": f'user = "12345"\ndirectories = {{ runtime = ["{name}"], mode = "0700" }}\n'
        'command = ["sh", "-c", "touch $RUNTIME_DIRECTORY/mine && echo $RUNTIME_DIRECTORY; exec sleep 1000"]\n',
        "other": 'command = ["sleep", "1000"]\n',
    }
    folder = Path("/run") / name
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: str(folder) in init.lines("web"))
        assert folder.stat().st_uid == 12345
        assert folder.stat().st_mode & 0o777 == 0o700
        assert init.call("restart", "web").returncode == 0
        wait_until(lambda: init.lines("web").count(str(folder)) == 2)
        assert init.call("stop", "web").returncode == 0
        wait_until(lambda: not folder.exists())


@on_both_loops
@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ('command = "no-such-program-here"', "cannot execute no-such-program-here"),
        ('command = "/etc/passwd"', "permission denied"),
        ('command = "true"\nuser = "nobody-of-this-name"', "no such user"),
        ('command = "true"\nworking_directory = "/no/such/folder"', "/no/such/folder"),
        ('command = "true"\nenvironment_file = ["/no/such/file"]', "/no/such/file"),
        ('command = ["echo", "${NO_SUCH_VARIABLE}"]', "NO_SUCH_VARIABLE"),
    ],
)
def test_a_failing_start_names_its_step(tmp_path: Path, kind: str, declared: str, told: str) -> None:
    """What could not be done stands in the reason, in words."""
    with Init(tmp_path, {"web": f'{declared}\nrestart = "never"\n'}, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "failed")
        reason = init.status()["web"]["reason"]
        assert reason["code"] == "spawn"
        assert told in reason["text"].lower() or told in reason["text"]


@on_both_loops
def test_what_failed_for_its_dependency_starts_once_that_is_there(tmp_path: Path, kind: str) -> None:
    """web fails for db; when db is started and ready, web starts by itself."""
    flag = tmp_path / "fixed"
    services = {
        "db": f'command = ["sh", "-c", "test -e {flag} && exec sleep 1000"]\nready = {{ file = "{flag}" }}\n'
        'restart = "never"\n',
        "web": 'command = ["sleep", "1000"]\nrequires = ["db"]\n',
    }
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "failed")
        flag.touch()
        assert init.call("start", "db").returncode == 0
        init.wait_state("web", "ready")


@on_both_loops
def test_a_crash_takes_down_what_is_bound_to_it_only(tmp_path: Path, kind: str) -> None:
    """binds_to goes down and comes back with a crash; requires stays up."""
    sleep = 'command = ["sleep", "1000"]\n'
    services = {"db": sleep, "bound": f'{sleep}binds_to = ["db"]\n', "loose": f'{sleep}requires = ["db"]\n'}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("bound", "ready")
        init.wait_state("loose", "ready")
        assert init.call("signal", "KILL", "db").returncode == 0
        init.wait_state("bound", "ready", 2)
        assert init.states("loose").count(("loose", "ready")) == 1
        status = init.status()
        assert status["db"]["restarts"] == 1
        assert status["bound"]["restarts"] == 0


@on_both_loops
def test_stopping_takes_down_first_what_requires_it_and_names_it(tmp_path: Path, kind: str) -> None:
    """stop db stops web first and says so; start db starts db alone; restart db takes web along."""
    sleep = 'command = ["sleep", "1000"]\n'
    services = {"db": sleep, "web": f'{sleep}requires = ["db"]\n', "other": sleep}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        done = init.call("stop", "db")
        assert done.returncode == 0
        assert "web" in done.stdout + done.stderr
        down = [change for change in init.states("db", "web") if change[1] == "inactive"]
        assert down == [("web", "inactive"), ("db", "inactive")]
        assert init.call("start", "db").returncode == 0
        assert init.status()["web"]["state"] == "inactive"
        assert init.call("start", "web").returncode == 0
        assert init.call("restart", "db").returncode == 0
        init.wait_state("web", "ready", 3)
        assert init.call("restart", "--only", "db").returncode == 0
        assert init.states("web").count(("web", "ready")) == 3


@on_both_loops
def test_the_limit_of_restarts_is_the_end_of_them(tmp_path: Path, kind: str) -> None:
    """After so many automatic restarts within the window the service has failed for good; start begins anew."""
    services = {
        "web": 'command = "false"\n[restart]\ndelay = "10ms"\nlimit = 2\nwindow = "60s"\n',
        "other": 'command = ["sleep", "1000"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "failed")
        status = init.status()["web"]
        assert status["reason"]["code"] == "start-limit-hit"
        assert status["restarts"] == 2
        done = init.call("start", "web")
        assert done.returncode == 1 or ("web", "ready") in init.states()


@on_both_loops
def test_it_works_without_being_pid_1(tmp_path: Path, kind: str) -> None:
    """As a plain process asyncinit is a subreaper: an escapee ends with its service all the same."""
    script = "(setsid sh -c 'sleep 1000 & echo away' &) ; exec sleep 1000"
    services = {"web": f'command = ["sh", "-c", "{script}"]\n', "other": 'command = ["sleep", "1000"]\n'}
    with Init(tmp_path, services, loop=kind, pid1=False) as init:
        wait_until(lambda: "away" in init.lines("web"))
        assert init.call("stop", "web").returncode == 0
        children = Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()
        assert len(children) == 1
        init.kill()
        assert init.wait() == 0


def test_a_bad_configuration_starts_nothing(tmp_path: Path) -> None:
    """All errors of all files are told, nothing is started, and the exit status is 78."""
    mark = tmp_path / "started"
    services = {
        "good": f'command = ["touch", "{mark}"]\n',
        "bad": 'command = "true"\nrestrat = "never"\n',
        "worse": 'command = "true"\nrequires = ["nobody"]\n',
    }
    with Init(tmp_path, services) as init:
        assert init.wait() == 78
        assert "bad.toml:2" in init.output
        assert "worse.toml:2" in init.output
        assert not mark.exists()


@on_both_loops
def test_many_services_need_no_higher_limit_of_open_files(tmp_path: Path, kind: str) -> None:
    """With a soft limit of 64 open files thirty services run all the same, and have that limit themselves."""
    services = {f"s{n}": 'command = ["sh", "-c", "ulimit -n; exec sleep 1000"]\n' for n in range(30)}
    prefix = ["sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh"]
    with Init(tmp_path, services, loop=kind, prefix=prefix) as init:
        for name in services:
            wait_until(lambda name=name: init.lines(name) == ["64"])
        init.kill()
        assert init.wait() == 0
