"""Services that restart, reload or run a command when files change, under a real PID 1."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import wait_until

pytestmark = [pytest.mark.namespace, pytest.mark.parametrize("loop", LOOPS)]

STAYS = 'command = ["sleep", "3600"]\n'
WATCHES = 'watch = { paths = "src", debounce = "50ms" }\n'


@pytest.fixture(autouse=True)
def source(tmp_path: Path) -> Path:
    """A folder that is watched."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("1")
    return tmp_path / "src"


def watched(init: Init, name: str = "web") -> None:
    """Wait until changes are seen."""
    wait_until(lambda: init.status().get(name, {"watch": {}})["watch"].get("watching"), 30)


def restarts(init: Init) -> list[str]:
    """What was told of restarts, starts and reloads for a change."""
    words = ("restarting", "starting again", "to be reloaded", "running")
    told = [record.get("message", "") for record in init.records if "stream" not in record]
    return [text for text in told if text.startswith(words)]


def test_a_change_restarts_and_what_depends_on_it_too(tmp_path: Path, loop: str, source: Path) -> None:
    """A thousand writes are one restart, told with the file; the reason is one of its own."""
    services = {"db": STAYS + WATCHES.replace("50ms", "3s"), "web": STAYS + 'requires = ["db"]\n', "other": STAYS}
    with Init(tmp_path, services, loop=loop) as init:
        watched(init, "db")
        init.wait_state("web", "ready")
        before = init.status()
        for number in range(1000):
            (source / f"{number}").write_text("x")
        init.wait_state("web", "ready", 2)
        after = init.status()
        assert restarts(init) == ["restarting: src/0 changed (and 999 more), once web is down"]
        stopping = next(r for r in init.records if r.get("service") == "db" and r.get("state") == "stopping")
        assert stopping["reason"] == "watch"
        assert after["db"]["pid"] != before["db"]["pid"]
        assert after["other"]["pid"] == before["other"]["pid"]
        assert init.states("db").count(("db", "starting")) == 2
        assert init.call("shutdown").returncode == 0
        assert init.wait() == 0


def test_who_has_failed_or_completed_is_started_again_and_who_was_stopped_is_not(
    tmp_path: Path, loop: str, source: Path
) -> None:
    """The mistake is mended, and it comes back; asyncinit stays for that, though nothing runs."""
    once = 'type = "oneshot"\ncommand = ["sh", "-c", "exit $(cat src/code)"]\nwatch.paths = "src/code"\n'
    services = {"once": once + 'watch.debounce = "50ms"\n', "stopped": STAYS + WATCHES}
    (source / "code").write_text("3")
    with Init(tmp_path, services, loop=loop) as init:
        init.wait_state("once", "failed")
        assert init.call("stop", "stopped").returncode == 0
        watched(init, "once")
        assert init.status()["stopped"]["watch"]["watching"] is False
        (source / "code").write_text("0")
        init.wait_state("once", "completed")
        (source / "code").write_text("0 ")
        init.wait_state("once", "completed", 2)
        assert restarts(init) == ["starting again: src/code changed"] * 2
        assert init.states("stopped").count(("stopped", "starting")) == 1
        assert init.call("start", "stopped").returncode == 0
        watched(init, "stopped")
        assert init.call("stop", "once", "stopped").returncode == 0
        assert init.wait() == 0


def test_a_command_runs_in_place_of_a_restart(tmp_path: Path, loop: str, source: Path) -> None:
    """In the service's environment, never two at a time; what comes meanwhile has it run once more, and who fails is
    told of."""
    text = 'watch.action = "run"\nwatch.command = ["sh", "-c", "echo begin $WATCH_PATH $WATCH_COUNT $A; read x <fifo; '
    text += 'echo end; exit 3"]\nwatch.paths = "src"\nwatch.debounce = "50ms"\nenvironment = { A = "B" }\n'
    os.mkfifo(tmp_path / "fifo")
    with Init(tmp_path, {"web": STAYS + text}, loop=loop) as init:
        watched(init)
        pid = init.status()["web"]["pid"]
        (source / "a").write_text("2")
        wait_until(lambda: len(init.lines("web")) == 1)
        for name in ("b", "c"):
            (source / name).write_text("2")
        (tmp_path / "fifo").write_text("go\n")
        wait_until(lambda: len(init.lines("web")) == 3)
        (tmp_path / "fifo").write_text("go\n")
        wait_until(lambda: init.output.count("watch command sh exited with 3") == 2)
        begin = f"begin {source}"
        assert init.lines("web") == [f"{begin}/a 1 B", "end", f"{begin}/b 2 B", "end"]
        assert init.status()["web"]["pid"] == pid


def test_a_reload_in_place_of_a_restart(tmp_path: Path, loop: str, source: Path) -> None:
    """As `asyncinit reload` does it; a change while it starts has it reloaded once it is up."""
    program = (
        """command = ["sh", "-c", "trap 'echo reloaded' HUP; echo up; touch up; while :; do sleep 0.05; done"]\n"""
    )
    text = 'watch = { paths = "src", action = "reload", debounce = "50ms" }\nready.file = "go"\n'
    with Init(tmp_path, {"web": program + text}, loop=loop) as init:
        wait_until((tmp_path / "up").exists)
        watched(init)
        (source / "a").write_text("2")
        (tmp_path / "go").write_text("")
        wait_until(lambda: "reloaded" in init.lines("web"))
        assert init.lines("web") == ["up", "reloaded"]
        assert init.states("web").count(("web", "starting")) == 1


def test_a_reexec_loses_no_change(tmp_path: Path, loop: str, source: Path) -> None:
    """The one that looks goes on; what changes while asyncinit is replaced is seen."""
    with Init(tmp_path, {"web": STAYS + WATCHES}, loop=loop) as init:
        watched(init)
        init.wait_state("web", "ready")
        for number in range(3):
            asking = threading.Thread(target=init.call, args=("reexec",))
            asking.start()
            wait_until(lambda: init.output.count("replacing asyncinit") > number)  # noqa: B023
            (source / "a").write_text(f"x{number}")
            asking.join()
            init.wait_state("web", "ready", 2 + number)
        assert len(restarts(init)) == 3
        assert init.call("shutdown").returncode == 0
        assert init.wait() == 0


def test_other_paths_are_watched_after_a_reload(tmp_path: Path, loop: str, source: Path) -> None:
    """The process stays; what is no longer named does not matter any more."""
    (tmp_path / "lib").mkdir()
    with Init(tmp_path, {"web": STAYS + WATCHES}, loop=loop) as init:
        watched(init)
        pid = init.status()["web"]["pid"]
        (tmp_path / "services.d/web.toml").write_text(STAYS + WATCHES.replace("src", "lib"))
        assert init.call("reload-config").returncode == 0
        watched(init)
        assert init.status()["web"]["pid"] == pid
        (source / "a").write_text("2")
        (tmp_path / "lib/b").write_text("2")
        init.wait_state("web", "ready", 2)
        assert restarts(init) == ["restarting: lib/b changed"]
        (tmp_path / "services.d/web.toml").write_text(STAYS)
        assert init.call("reload-config").returncode == 0
        assert init.status()["web"]["watch"] is None
        wait_until(lambda: len(init.processes()) == 1)


def test_more_folders_than_the_kernel_watches(tmp_path: Path, loop: str, source: Path) -> None:
    """Watching fails, and what to raise is said; the service runs on, and tries again when it is restarted."""
    for number in range(20):
        (source / f"{number}").mkdir()
    limit = tmp_path / "limit"
    prefix = ("sh", "-c", f'echo 10 > {limit}; "$@"', "sh")
    limit.symlink_to("/proc/sys/user/max_inotify_watches")
    with Init(tmp_path, {"web": STAYS + WATCHES}, loop=loop, prefix=("unshare", "-Ur", *prefix)) as init:
        wait_until(lambda: (init.status().get("web") or {"watch": {"text": None}})["watch"]["text"], 30)
        status = init.status()["web"]
        assert status["state"] == "ready"
        assert status["watch"]["watching"] is False
        assert "max_user_watches" in status["watch"]["text"] and "(now 10)" in status["watch"]["text"]
        assert "not watched" in init.call("status").stdout
        shutil.rmtree(source)
        source.mkdir()
        assert init.call("restart", "web").returncode == 0
        watched(init)


def test_a_service_that_writes_where_it_watches(tmp_path: Path, loop: str, source: Path) -> None:
    """It restarts for ever, and is slowed down and told of."""
    text = 'command = ["sh", "-c", "sleep 0.2; date > src/log; exec sleep 3600"]\nstop.timeout = "1s"\n'
    with Init(tmp_path, {"web": text + WATCHES}, loop=loop) as init:
        wait_until(lambda: "does it write there itself?" in init.output, 60)
        assert len(restarts(init)) == 5
        assert "src/log changed" in init.output
        assert init.call("stop", "web").returncode == 0
        assert init.wait() == 0


def test_whoever_watches_dies_with_asyncinit(tmp_path: Path, loop: str, source: Path) -> None:
    """Nothing is left after kill -9, even where it is no PID 1; and a child that is killed is made again."""
    with Init(tmp_path, {"web": STAYS + WATCHES}, loop=loop, pid1=False) as init:
        watched(init)
        own = Path(f"/proc/{init.pid}/task/{init.pid}/children")
        main = init.status()["web"]["pid"]
        (child,) = [int(pid) for pid in own.read_text().split() if int(pid) != main]
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: "another one follows" in init.output)
        (source / "a").write_text("2")
        init.wait_state("web", "ready", 2)
        main = init.status()["web"]["pid"]
        (child,) = [int(pid) for pid in own.read_text().split() if int(pid) != main]
        init.kill(signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{child}").exists())
        os.kill(main, signal.SIGKILL)
