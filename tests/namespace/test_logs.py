"""Where output goes, as real PID 1: files, the system log, loggers, trouble of each, and reading it again."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PYTHON, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)


def python(text: str) -> str:
    """The command of a service that runs a Python program."""
    return f"command = ['{PYTHON}', '-S', '-c', '''\n{textwrap.dedent(text)}''']\n"


COUNTER = """
import sys, time
for number in range({count}):
    sys.stdout.write(f"{name} {{number}}\\n")
sys.stdout.flush()
{then}
"""


def counter(name: str, count: int, log: str, then: str = "time.sleep(1000)") -> str:
    """A service that writes numbered lines and stays."""
    return python(COUNTER.format(name=name, count=count, then=then)) + f"[log]\n{log}\n"


def numbers(lines: list[str], name: str) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in lines if f"{name} " in line]


def text_of(path: Path) -> str:
    """What is in a file, nothing while it is being rotated."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def every_file(path: Path) -> list[str]:
    """The lines of a log file and of its old ones, the oldest first."""
    found: list[str] = []
    for number in range(100, 0, -1):
        old = path.with_name(f"{path.name}.{number}")
        packed = path.with_name(f"{old.name}.gz")
        if packed.exists():
            found += gzip.decompress(packed.read_bytes()).decode().splitlines()
        elif old.exists():
            found += old.read_text().splitlines()
    return found + path.read_text().splitlines()


@on_both_loops
@pytest.mark.parametrize("form", ["text", "json", "raw"])
def test_rotation_under_load_has_every_line_in_one_file(tmp_path: Path, kind: str, form: str) -> None:
    """Of 100,000 lines each is in one file of a chain that was compressed meanwhile, in order; no file is too large."""
    log = f'file = "{tmp_path}/a/b/web.log"\nformat = "{form}"\nmax_size = "200K"\nkeep = 100\ncompress = true\n'
    log += 'when_full = "block"'
    path = tmp_path / "a/b/web.log"
    with Init(tmp_path, {"web": counter("line", 100_000, log)}, loop=kind) as init:
        last = '"message":"line 99999"' if form == "json" else "line 99999"
        wait_until(lambda: last in text_of(path), 60)
        wait_until(lambda: not any(p.suffix != ".gz" for p in path.parent.iterdir() if p != path), 60)
        assert max(p.stat().st_size for p in path.parent.iterdir()) <= 200 * 1024
        lines = [line.rstrip('"}') for line in every_file(path)]
        assert numbers(lines, "line") == list(range(100_000))
        assert {oct(p.stat().st_mode & 0o777) for p in path.parent.iterdir()} == {"0o640"}
        assert init.lines("web") == [], "a file alone: nothing on the console"
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_a_file_that_was_moved_is_opened_anew(tmp_path: Path, kind: str) -> None:
    """After SIGUSR1 nothing more goes into the file that was moved away, and nothing is lost between the two."""
    path, moved = tmp_path / "web.log", tmp_path / "web.log.old"
    text = """
        import os, time
        number = 0
        while True:
            os.write(1, b"line %d\\n" % number)
            number += 1
            time.sleep(0.001)
    """
    with Init(tmp_path, {"web": python(text) + f'log = {{ file = "{path}", format = "raw" }}\n'}, loop=kind) as init:
        wait_until(lambda: path.exists() and path.stat().st_size > 100)
        path.rename(moved)
        init.kill(signal.SIGUSR1)
        wait_until(lambda: path.exists() and path.stat().st_size > 100)
        init.kill()
        assert init.wait() == 0
        found = numbers(moved.read_text().splitlines() + path.read_text().splitlines(), "line")
        assert found == list(range(len(found)))


@on_both_loops
def test_a_service_that_cannot_have_its_file_says_so(tmp_path: Path, kind: str) -> None:
    """It fails by the name of the file; with prefer = ["log"] it runs, and the console has its lines."""
    (tmp_path / "taken").write_text("no folder")
    log = f'log.file = "{tmp_path}/taken/web.log"\nrestart = "never"\n'
    services = {
        "web": 'command = "echo x"\n' + log,
        "fond": 'command = ["sh", "-c", "echo here; sleep 1000"]\nprefer = ["log"]\n' + log,
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "failed")
        status = init.status()
        assert f"open log file {tmp_path}/taken/web.log: not a directory" in status["web"]["reason"]["text"]
        wait_until(lambda: init.lines("fond") == ["here"])
        assert init.status()["fond"]["not_applied"] == ["log"]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@on_both_loops
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("when_full", ["block", "drop"])
def test_a_full_disk_is_survived(tmp_path: Path, kind: str, when_full: str) -> None:
    """While it is full, others run and status answers; freed, all that was not counted as dropped is there, once."""
    with small_disk(tmp_path / "disk") as disk:
        path = disk / "web.log"
        filler = disk / "filler"
        filler.write_bytes(b"x" * 700 * 1024)
        log = f'file = "{path}"\nformat = "json"\nmax_size = "none"\nwhen_full = "{when_full}"'
        services = {"web": counter("line", 40_000, log), "other": counter("other", 10, 'to = "console"')}
        with Init(tmp_path / "etc", services, loop=kind) as init:
            wait_until(lambda: init.status().get("web", {}).get("log", {}).get("trouble"))
            assert f"{path}: no space left on device" in init.status()["web"]["log"]["trouble"][0]
            assert "no space left on device" in init.call("status", "web").stdout
            assert numbers(init.lines("other"), "other") == list(range(10))
            if when_full == "drop":
                wait_until(lambda: init.status()["web"]["log"]["dropped"])
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            filler.unlink()
            wait_until(lambda: "line 39999" in path.read_text(), 30)
            lines = [line for line in path.read_text().splitlines() if '"stream"' in line]
            found = numbers([line.rstrip('"}') for line in lines], "line")
            dropped = init.status()["web"]["log"]["dropped"]
            assert init.status()["web"]["log"]["trouble"] == []
            assert found == sorted(set(found))
            assert len(found) + dropped == 40_000
            assert (dropped == 0) is (when_full == "block")
            init.kill()
            assert init.wait() == 0


class SystemLog:
    """A /dev/log for a mount namespace of our own: bind-mounted into the init that is given `prefix`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = self.listen()
        self.messages: list[bytes] = []

    def listen(self) -> socket.socket:
        self.path.unlink(missing_ok=True)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(str(self.path))
        return made

    def read(self) -> list[bytes]:
        """All that came so far."""
        while True:
            try:
                self.messages.append(self.socket.recv(65536, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return self.messages


@pytest.fixture
def system_log(tmp_path: Path) -> Iterator[SystemLog]:
    """A system log that nobody else has: /dev of the init is its own."""
    log = SystemLog(tmp_path / "log.sock")
    yield log
    log.socket.close()


def own_dev(log: SystemLog) -> list[str]:
    """What makes a /dev in which /dev/log is that of the test, before the init."""
    script = (
        "mount -t tmpfs tmpfs /mnt && for f in null zero full random urandom tty ptmx; do [ -e /dev/$f ] && "
        "cp -a /dev/$f /mnt/$f; done; mkdir -p /mnt/pts /mnt/shm; mount --bind /dev/pts /mnt/pts; "
        'ln -s /proc/self/fd /mnt/fd; mount --move /mnt /dev; ln -s "$0" /dev/log; exec "$@"'
    )
    return ["unshare", "--mount", "sh", "-c", script, str(log.path)]


@pytest.mark.slow
@on_both_loops
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_system_log_that_stalls_and_is_replaced(tmp_path: Path, kind: str, system_log: SystemLog) -> None:
    """Nothing is lost while it stands still, with block, and while it is another one; messages are as syslog(3)'s."""
    services = {"web": counter("line", 20_000, 'to = "syslog"\nwhen_full = "block"\nfacility = "local3"\ntag = "w"')}
    with Init(tmp_path / "etc", services, loop=kind, prefix=own_dev(system_log)) as init:
        wait_until(lambda: init.status().get("web", {}).get("state") == "ready")
        assert init.status()["web"]["log"]["dropped"] == 0

        def all_there() -> bool:
            system_log.read()
            return bool(system_log.messages) and system_log.messages[-1].endswith(b" 19999")

        wait_until(all_there, 60)
        found = numbers([message.decode() for message in system_log.messages], "line")
        assert found == list(range(20_000))
        first = system_log.messages[0].decode()
        assert first.startswith(f"<{19 * 8 + 6}>")
        assert first.endswith(" w: line 0")
        system_log.socket.close()
        assert init.call("restart", "web").returncode == 0
        wait_until(lambda: init.status()["web"]["log"]["trouble"])
        system_log.messages.clear()
        system_log.socket = system_log.listen()
        wait_until(all_there, 60)
        found = numbers([message.decode() for message in system_log.messages], "line")
        assert found == list(range(20_000))
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_a_stalled_system_log_holds_nobody_up(tmp_path: Path, kind: str, system_log: SystemLog) -> None:
    """With drop the service goes on although nobody reads, and what is missing was counted."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts")
    services = {"web": counter("line", 100_000, 'to = "syslog"', 'print("over", file=open("/proc/1/fd/1", "w"))')}
    with Init(tmp_path / "etc", services, loop=kind, prefix=own_dev(system_log)) as init:
        wait_until(lambda: init.status().get("web", {}).get("log", {}).get("dropped", 0) > 10_000, 60)
        wait_until(lambda: init.status()["web"]["restarts"] > 1, 60)
        init.kill()
        assert init.wait() == 0


LOGGER = """
import os, signal, sys
out = os.open("{path}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
while True:
    data = os.read(0, 65536)
    if not data:
        os.write(out, b"the end\\n")
        break
    os.write(out, data)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
"""


@pytest.mark.slow
@on_both_loops
@pytest.mark.parametrize("how", ["straight", "copied"])
def test_a_logger_that_is_restarted_loses_nothing(tmp_path: Path, kind: str, how: str) -> None:
    """Every line of three producers is there once, whoever is restarted; at last the logger gets the end."""
    path = tmp_path / "logged"
    to = '"service:logger"' if how == "straight" else '["service:logger", "console"]'
    log = f'to = {to}\nwhen_full = "block"'
    services = {f"p{n}": counter(f"p{n}", 30_000, log) for n in range(3)} | {
        "logger": python(LOGGER.format(path=path)),
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("p2", "ready")
        assert init.states().index(("logger", "ready")) < init.states().index(("p0", "starting"))
        for _ in range(3):
            assert init.call("restart", "logger").returncode == 0
        wait_until(lambda: all(f"p{n} 29999\n" in path.read_text() for n in range(3)), 60)
        assert init.call("restart", "p1").returncode == 0
        wait_until(lambda: path.read_text().count("p1 29999\n") == 2, 60)
        assert init.call("signal", "KILL", "logger").returncode == 0
        init.wait_state("logger", "ready", 5)
        assert [state for name, state in init.states("p0") if state == "stopping"] == []
        init.kill()
        assert init.wait() == 0
        lines = path.read_text().splitlines()
        for n in range(3):
            assert sorted(numbers(lines, f"p{n}")) == sorted([*range(30_000)] * (2 if n == 1 else 1))
        assert lines[-1] == "the end"
        assert init.states().index(("p0", "inactive")) < init.states().index(("logger", "inactive"))


@on_both_loops
def test_nothing_is_seen_of_what_is_passed_through(tmp_path: Path, kind: str) -> None:
    """inherit gives our own descriptors, null nowhere; neither is remembered, and status says where they go."""
    services = {
        "through": 'command = ["sh", "-c", "echo as it is; echo err >&2; sleep 1000"]\nlog.to = "inherit"\n',
        "away": python(
            """
            import os, time
            print("never", flush=True)
            open("away", "w").write(os.readlink("/proc/self/fd/1"))
            time.sleep(1000)
            """
        )
        + 'log.to = "null"\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: {"raw": "as it is"} in init.records and {"raw": "err"} in init.records)
        wait_until(lambda: (tmp_path / "away").exists() and (tmp_path / "away").read_text())
        assert (tmp_path / "away").read_text() == "/dev/null"
        assert "never" not in init.output
        assert init.status()["through"]["log"]["remembered"] is False
        assert init.call("logs", "through", "-n", "5").stdout.count("as it is") == 0


@on_both_loops
def test_a_rate_limit_counts_what_it_drops(tmp_path: Path, kind: str) -> None:
    """Of a burst so many lines pass, one line tells of the others, and status has their number."""
    log = 'to = "console"\nrate_limit = 100\nrate_interval = "1h"'
    short = 'to = "console"\nrate_limit = 10\nrate_interval = "100ms"'
    services = {"web": counter("line", 5000, log), "brief": counter("brief", 50, short)}
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: init.status().get("web", {}).get("log", {}).get("dropped") == 4900)
        assert numbers(init.lines("web"), "line") == list(range(100))
        told = wait_until(lambda: [r for r in init.records if r.get("dropped")])
        assert [(r["service"], r["dropped"]) for r in told] == [("brief", init.status()["brief"]["log"]["dropped"])]


@on_both_loops
def test_our_own_events_in_a_file(tmp_path: Path, kind: str) -> None:
    """[init] log_to sends asyncinit's own lines to a file beside the console, or in its place."""
    settings = f'log_to = ["file"]\nlog_file = "{tmp_path}/own.log"'
    with Init(tmp_path, {"web": counter("line", 3, 'to = "console"')}, loop=kind, settings=settings) as init:
        wait_until(lambda: (tmp_path / "own.log").exists() and "web * ready" in (tmp_path / "own.log").read_text())
        wait_until(lambda: len(init.lines("web")) == 3)
        assert init.states() == []
        init.kill()
        assert init.wait() == 0
        assert "exit status 0" in (tmp_path / "own.log").read_text()


@on_both_loops
@pytest.mark.parametrize("form", ["text", "json", "raw"])
def test_logs_reads_files_and_memory_as_one(tmp_path: Path, kind: str, form: str) -> None:
    """Every line of a rotated and compressed log is told once, in order; -n, --since, --json and -f agree with that."""
    log = f'file = "{tmp_path}/web.log"\nformat = "{form}"\nmax_size = "100K"\nkeep = 50\ncompress = true'
    go_on = "sys.stdin = open('go'); sys.stdin.readline(); print('line 20000', flush=True); time.sleep(1000)"
    os.mkfifo(tmp_path / "go")
    with Init(tmp_path, {"web": counter("line", 20_000, log, go_on)}, loop=kind) as init:
        wait_until(lambda: "line 19999" in init.call("logs", "-n", "1", "web").stdout)
        shown = init.call("logs", "web")
        assert numbers(shown.stdout.splitlines(), "line") == list(range(20_000))
        assert ("is raw" in shown.stderr) is (form == "raw")
        assert numbers(init.call("logs", "-n", "5000", "web").stdout.splitlines(), "line") == list(
            range(15_000, 20_000)
        )
        items = [json.loads(line) for line in init.call("logs", "--json", "--since", "1h", "web").stdout.splitlines()]
        lines = [item for item in items if item["stream"] == "stdout"]
        assert [item["message"] for item in lines] == [f"line {number}" for number in range(20_000)]
        assert lines[0]["cursor"] is None
        assert lines[-1]["cursor"] > 0
        assert init.call("logs", "--since", "0s", "web").stdout == ""
        command = [PYTHON, "-m", "asyncinit", "--socket", str(init.socket), "logs", "-f", "-n", "7000", "web"]
        follower = subprocess.Popen(command, env=init.environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        assert follower.stdout is not None
        found = [follower.stdout.readline() for _ in range(7000)]
        with (tmp_path / "go").open("w") as go:
            go.write("\n")
        found.append(follower.stdout.readline())
        init.kill()
        assert init.wait() == 0
        assert follower.wait() == 0, "it was told of the shutdown"
        follower.stdout.close()
        assert numbers(found, "line") == list(range(13_000, 20_001))


@on_both_loops
def test_a_changed_log_holds_at_once(tmp_path: Path, kind: str) -> None:
    """After a reload output goes elsewhere, from the same process, and no line is lost or in both places."""
    text = """
        import os, time
        number = 0
        while True:
            os.write(1, b"line %d\\n" % number)
            number += 1
            time.sleep(0.001)
    """
    declared = python(text.replace("\\\\", "\\"))
    paths = [tmp_path / "a.log", tmp_path / "b.log"]
    with Init(tmp_path, {"web": declared + f'log = {{ file = "{paths[0]}", format = "raw" }}\n'}, loop=kind) as init:
        wait_until(lambda: paths[0].exists() and paths[0].stat().st_size > 100)
        pid = init.status()["web"]["pid"]
        new = declared + f'log = {{ file = "{paths[1]}", format = "raw" }}\n'
        (tmp_path / "services.d" / "web.toml").write_text(new)
        init.call("reload-config")
        wait_until(lambda: paths[1].exists() and paths[1].stat().st_size > 100)
        assert init.status()["web"]["pid"] == pid
        assert [file["path"] for file in init.status()["web"]["log"]["files"]] == [str(paths[1])]
        init.kill()
        assert init.wait() == 0
        found = numbers("".join(path.read_text() for path in paths).splitlines(), "line")
        assert found == list(range(len(found)))


@on_both_loops
def test_logs_over_a_reexec(tmp_path: Path, kind: str) -> None:
    """Over and over again files, a logger's pipe and copies into it go on; every line is there, once."""
    text = """
        import os, time
        for number in range(3000):
            os.write(1, b"NAME %d\\n" % number)
            time.sleep(0.001)
        time.sleep(1000)
    """.replace("\\\\", "\\")
    path = tmp_path / "logged"
    services = {
        "f": python(text.replace("NAME", "f")) + f'log = {{ file = "{tmp_path}/f.log", max_size = "8K", keep = 50 }}\n',
        "p": python(text.replace("NAME", "p")) + 'log.to = "service:logger"\n',
        "c": python(text.replace("NAME", "c")) + 'log = { to = "service:logger", when_full = "drop" }\n',
        "logger": python(LOGGER.format(path=path)),
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("f", "ready")
        pids = {name: one["pid"] for name, one in init.status().items()}
        for _ in range(4):
            assert init.call("reexec").returncode == 0
        wait_until(lambda: path.exists() and path.read_text().count(" 2999\n") == 2, 60)
        wait_until(lambda: "f 2999" in text_of(tmp_path / "f.log"), 60)
        assert {name: one["pid"] for name, one in init.status().items()} == pids
        init.kill()
        assert init.wait() == 0
        lines = path.read_text().splitlines()
        assert numbers(lines, "p") == numbers(lines, "c") == list(range(3000))
        assert numbers(every_file(tmp_path / "f.log"), "f") == list(range(3000))
        assert lines[-1] == "the end"
