"""The configuration is read again while services run, as real PID 1: what is touched, and what is not."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from asyncinit.client.connection import Connection
from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)

SLEEP = 'command = ["sleep", "1000"]\n'
OTHER_SLEEP = 'command = ["sleep", "2000"]\n'


def ends_after(timeout: str) -> str:
    """A service that has to be killed, after so long."""
    return f"""
        shell = true
        command = "trap '' TERM; while :; do sleep 0.05; done"
        stop = {{ timeout = "{timeout}" }}
    """


def declare(init: Init, **services: str | None) -> None:
    """Write services' files; None: remove."""
    for name, text in services.items():
        path = init.folder / "services.d" / f"{name}.toml"
        if text is None:
            path.unlink()
        else:
            path.write_text(text)


def pids(init: Init) -> dict[str, int | None]:
    return {name: service["pid"] for name, service in init.status().items()}


def told(init: Init, text: str) -> int:
    """How often asyncinit has said something with this in it."""
    return sum(text in record.get("message", "") for record in init.records if record.get("service") is None)


@on_both_loops
def test_only_what_has_changed_is_touched(tmp_path: Path, kind: str) -> None:
    """New ones start, gone ones stop, what is another process restarts with what requires it; the rest runs on."""
    web = SLEEP + 'requires = ["db"]\n'
    services = {"db": SLEEP, "web": web, "same": SLEEP, "policy": SLEEP, "gone": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        for name in services:
            init.wait_state(name, "ready")
        before = pids(init)
        declare(init, db=OTHER_SLEEP, gone=None, new=SLEEP, policy=SLEEP + 'description = "x"\nrestart = "never"\n')
        done = init.call("reload-config", "--json")
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["changed"] is True and answer["affected"] == ["web"]
        assert [(one["name"], one["change"], one["keys"], one["effect"]) for one in answer["services"]] == [
            ("db", "changed", ["command"], "restart"),
            ("gone", "removed", [], "stop"),
            ("new", "added", [], "start"),
            ("policy", "changed", ["description", "restart.policy"], "none"),
        ]
        assert [(one["name"], one["ok"], one["state"]) for one in answer["results"]] == [
            ("db", True, "ready"),
            ("gone", True, "inactive"),
            ("new", True, "ready"),
        ]
        after = pids(init)
        assert set(after) == {"db", "web", "same", "policy", "new"}
        assert {name for name in after if after[name] == before.get(name)} == {"same", "policy"}
        assert init.states("same").count(("same", "ready")) == 1 and ("same", "stopping") not in init.states()
        order = init.states("db", "web")
        assert order.index(("db", "ready"), order.index(("db", "stopping"))) < len(order) - 1
        assert order[-1] == ("web", "ready"), "it comes up after what it requires"
        assert after["policy"] is not None
        os.kill(after["policy"], signal.SIGKILL)
        init.wait_state("policy", "failed")  # the new policy holds


@on_both_loops
def test_one_bad_file_changes_nothing_at_all(tmp_path: Path, kind: str) -> None:
    """All that is wrong is printed as `check` prints it, by the command and (after HUP) in the log."""
    with Init(tmp_path, {"web": SLEEP, "gone": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        init.wait_state("gone", "ready")
        before = init.status()
        declare(init, web=OTHER_SLEEP, gone=None, bad="command = 7\n", worse='command = ["x"]\nrequires = ["nobody"]\n')
        done = init.call("reload-config")
        assert done.returncode == 1
        problems = [line for line in done.stderr.splitlines() if "services.d" in line]
        assert problems == init.call("check", "--config", str(tmp_path / "asyncinit.toml")).stdout.splitlines()
        assert len(problems) == 2
        assert json.loads(init.call("reload-config", "--json").stdout) == {"problems": problems}
        init.kill(signal.SIGHUP)
        wait_until(lambda: all(told(init, problem) >= 3 for problem in problems))
        assert init.status() == before
        declare(init, bad=None, worse=None)
        assert init.call("reload-config").returncode == 0
        wait_until(lambda: set(init.status()) == {"web"})


@on_both_loops
def test_dry_run_and_exit_code(tmp_path: Path, kind: str) -> None:
    """It says what would be and changes nothing; the exit status says whether anything has changed, or would."""
    with Init(tmp_path, {"web": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        assert init.call("reload-config", "--exit-code").returncode == 0
        assert init.call("reload-config").stdout == "nothing has changed\n"
        declare(init, web=OTHER_SLEEP)
        before = pids(init)
        done = init.call("reload-config", "--dry-run", "--exit-code")
        assert (done.returncode, done.stdout) == (5, "changed  web  command, would restart\n")
        assert pids(init) == before
        assert init.call("reload-config", "--dry-run").returncode == 0
        done = init.call("reload-config", "--exit-code")
        assert (done.returncode, done.stdout) == (5, "changed  web  command, restarts\nweb  ready\n")
        assert pids(init) != before


@on_both_loops
def test_what_does_not_come_up_is_told(tmp_path: Path, kind: str) -> None:
    """The configuration is taken over all the same, and the command fails."""
    with Init(tmp_path, {"web": SLEEP}, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        declare(init, web='command = ["/nonexistent"]\nrestart = "never"\n')
        done = init.call("reload-config")
        assert done.returncode == 1 and "web: failed" in done.stderr
        declare(init, web=SLEEP + 'restart = "never"\n')  # another declaration is another chance
        assert init.call("reload-config").returncode == 0
        assert init.status()["web"]["state"] == "ready"


@on_both_loops
def test_gone_in_whatever_phase(tmp_path: Path, kind: str) -> None:
    """In backoff, waiting, starting, reloading, in a stop that takes its time: it ends, and nothing of it is left."""
    services = {
        "keeper": SLEEP,
        "never_ready": SLEEP + 'ready = { file = "/nonexistent/file" }\n',
        "waits": SLEEP + 'requires = ["never_ready"]\n',
        "crashes": 'command = ["false"]\nrestart = { delay = "1h", max_delay = "1h" }\n',
        "prepares": SLEEP + '[hooks]\npre_start = [["sleep", "1000"]]\n',
        "reloads": SLEEP + '[reload]\ncommand = ["sleep", "1000"]\n',
        "stubborn": ends_after("200ms"),
        "stops": ends_after("500ms"),
        "down": SLEEP + "enabled = false\n",
        "once": 'type = "oneshot"\ncommand = ["true"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        for name, state in (("keeper", "ready"), ("crashes", "backoff"), ("once", "completed")):
            init.wait_state(name, state)
        for name in ("reloads", "stubborn", "stops"):
            init.wait_state(name, "ready")
        init.wait_state("never_ready", "starting")
        assert init.call("reload", "--no-wait", "reloads").returncode == 0
        assert init.call("stop", "--no-wait", "stops").returncode == 0
        init.wait_state("reloads", "reloading")
        init.wait_state("stops", "stopping")
        states = {name: service["state"] for name, service in init.status().items()}
        assert states["waits"] == "waiting" and states["prepares"] == "starting" and states["crashes"] == "backoff"
        keeper = pids(init)["keeper"]
        declare(init, **dict.fromkeys(set(services) - {"keeper"}))
        done = init.call("reload-config")
        assert done.returncode == 0, done.stdout + done.stderr
        assert pids(init) == {"keeper": keeper}
        wait_until(lambda: set(init.processes()) == {keeper})
        assert init.call("start", "stubborn").returncode == 3
        assert init.call("logs", "stubborn").returncode == 3
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_gone_and_back(tmp_path: Path, kind: str) -> None:
    """A service that comes back while its stop is under way starts anew under its new declaration."""
    slow = ends_after("1s")
    with Init(tmp_path, {"web": slow, "other": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        declare(init, web=None)
        assert init.call("reload-config", "--no-wait").returncode == 0
        refused = init.call("start", "web")
        assert refused.returncode == 1 and "not declared any more" in refused.stderr
        declare(init, web=OTHER_SLEEP)
        assert init.call("reload-config").returncode == 0
        pid = pids(init)["web"]
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x002000\x00"
        assert len(init.processes()) == 2


@on_both_loops
def test_a_command_beside_services_goes_on(tmp_path: Path, kind: str) -> None:
    """CMD keeps its process and its name; a service that wants that name is refused, and says so."""
    with Init(tmp_path, {"web": SLEEP}, loop=kind, arguments=["--", "sleep", "3000"]) as init:
        init.wait_state("sleep", "ready")
        before = pids(init)
        declare(init, web=OTHER_SLEEP, new=SLEEP)
        assert init.call("reload-config").returncode == 0
        after = pids(init)
        assert set(after) == {"web", "sleep", "new"}
        assert not told(init, "changed in place sleep")
        assert after["sleep"] == before["sleep"] and after["web"] != before["web"]
        declare(init, sleep=SLEEP)
        done = init.call("reload-config")
        assert done.returncode == 1 and "name of the command that runs" in done.stderr
        assert pids(init) == after


@on_both_loops
def test_a_storm_of_hang_ups(tmp_path: Path, kind: str) -> None:
    """Many at once cost few readings; in the end what the files say holds, and nobody else was touched."""
    with Init(tmp_path, {"web": SLEEP, "same": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        init.wait_state("same", "ready")
        before = pids(init)
        for number in range(300):
            if number % 50 == 0:
                declare(init, web=SLEEP + f'description = "{number}"\n')
            init.kill(signal.SIGHUP)
        declare(init, web=SLEEP + 'description = "last"\n')
        init.kill(signal.SIGHUP)
        wait_until(lambda: 'description = "last"' in init.call("show", "web").stdout)
        received = told(init, "reading the configuration again")
        assert told(init, "configuration: ") <= received
        assert pids(init) == before and len(init.processes()) == 2
        assert init.states("same").count(("same", "ready")) == 1


@contextmanager
def receiver(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(folder / "notify"))
        server.settimeout(20)
        yield server


@on_both_loops
def test_who_started_us_is_told(tmp_path: Path, kind: str) -> None:
    """RELOADING=1 with the moment, then READY=1 again, whether the files could be used or not."""
    with (
        receiver(tmp_path) as server,
        Init(tmp_path, {"web": SLEEP}, loop=kind, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as init,
    ):
        assert server.recv(4096) == b"READY=1"
        for text in (OTHER_SLEEP, "command = 7\n"):
            declare(init, web=text)
            init.kill(signal.SIGHUP)
            reloading = server.recv(4096).decode().split("\n")
            assert reloading[0] == "RELOADING=1" and reloading[1].startswith("MONOTONIC_USEC=")
            assert server.recv(4096) == b"READY=1"
        assert init.call("reload-config", "--dry-run").returncode == 1  # which is no reload
        init.kill()
        assert server.recv(4096).startswith(b"STOPPING=1")


@on_both_loops
def test_what_concerns_asyncinit_itself(tmp_path: Path, kind: str) -> None:
    """Most of [init] holds at once; what needs another asyncinit is named, and stays as it is."""
    with Init(tmp_path, {"web": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        config = tmp_path / "asyncinit.toml"
        place = f'control_socket = "{init.socket}"'
        config.write_text(
            f'[init]\ncontrol_socket = "{tmp_path}/elsewhere"\ncontrol_read = "all"\nexit_codes = {{ 0 = 7 }}\n'
        )
        done = init.call("reload-config")
        assert done.returncode == 0
        assert "control_read exit_codes" in done.stdout and "control_socket, which only another start" in done.stdout
        assert init.socket.stat().st_mode & 0o777 == 0o666 and not (tmp_path / "elsewhere").exists()
        config.write_text(f"[init]\n{place}\nexit_codes = {{ 0 = 7 }}\nkeep_running = true\n")
        assert init.call("reload-config").returncode == 0
        assert init.socket.stat().st_mode & 0o777 == 0o600
        declare(init, web=SLEEP + "enabled = false\n")
        assert init.call("reload-config").returncode == 0
        assert init.call("stop", "web").returncode == 0
        assert init.status()["web"]["state"] == "inactive"  # and asyncinit is there: keep_running
        init.kill()
        assert init.wait() == 7


@on_both_loops
def test_not_on_the_way_down(tmp_path: Path, kind: str) -> None:
    """A shutdown that is under way is not disturbed."""
    slow = ends_after("60s")
    with Init(tmp_path, {"web": slow}, loop=kind, settings='shutdown_timeout = "none"') as init:
        init.wait_state("web", "ready")
        init.kill()
        init.wait_state("web", "stopping")
        declare(init, new=SLEEP)
        done = init.call("reload-config")
        assert done.returncode == 1 and "shutting down" in done.stderr
        init.kill(signal.SIGHUP)
        wait_until(lambda: told(init, "cannot reload the configuration"))

        def asked_again() -> int:
            with suppress(ProcessLookupError):
                init.kill()
            return told(init, "no more waiting")

        wait_until(asked_again)
        assert init.wait() == 124
        assert init.states("new") == []


@on_both_loops
def test_enable_and_disable(tmp_path: Path, kind: str) -> None:
    """A drop-in says it, the running asyncinit knows it; --now starts and stops."""
    services = {"web": SLEEP, "spare": SLEEP + "enabled = false\n"}
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        config = ("--config", str(tmp_path / "asyncinit.toml"))
        assert init.call("enable", *config, "spare").returncode == 0
        assert init.status()["spare"]["state"] == "inactive"
        assert "enabled = true  " in init.call("show", "spare").stdout
        assert init.call("enable", *config, "--now", "spare").returncode == 0
        assert init.status()["spare"]["state"] == "ready"
        assert init.call("disable", *config, "--now", "spare", "web").returncode == 0
        assert {name: service["state"] for name, service in init.status().items()} == {
            "spare": "inactive",
            "web": "inactive",
        }
        assert not (tmp_path / "services.d" / "spare.d").exists()
        assert init.call("enable", *config, "nobody").returncode == 3
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "web.toml").write_text(SLEEP)
        done = init.call("disable", "--services", str(tmp_path / "elsewhere"), "web")
        assert done.returncode == 0  # it says the same, by chance
        done = init.call("enable", "--services", str(tmp_path / "elsewhere"), "web")
        assert done.returncode == 1 and "reads other files" in done.stderr


@on_both_loops
def test_after_a_re_exec(tmp_path: Path, kind: str) -> None:
    """The next program reads the same files; what was on its way out when it took over is forgotten by it."""
    services = {"web": SLEEP, "slow": ends_after("1s"), "policy": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        for name in services:
            init.wait_state(name, "ready")
        before = pids(init)
        declare(init, slow=None, policy=SLEEP + "[hooks]\npost_stop = [['true']]\n")
        assert init.call("reload-config", "--no-wait").returncode == 0
        assert init.call("reexec").returncode == 0
        wait_until(lambda: set(init.status()) == {"web", "policy"})
        assert pids(init) == {name: before[name] for name in ("web", "policy")}
        assert init.call("reload-config").stdout == "nothing has changed\n"
        declare(init, new=SLEEP, web=OTHER_SLEEP)
        assert init.call("reload-config").returncode == 0
        after = pids(init)
        assert set(after) == {"web", "policy", "new"}
        assert after["policy"] == before["policy"] and after["web"] != before["web"]
        assert len(init.processes()) == 3


# ---------------------------------------------------------------------------------------------------------------------
# Random edits under load

_STEADY = [f"s{number}" for number in range(12)]
_FLAPPING = [f"f{number}" for number in range(4)]


class Edits:
    """Files that change at random, and what asyncinit makes of them."""

    def __init__(self, init: Init, chance: random.Random) -> None:
        self.init, self.chance = init, chance
        self.marks: dict[str, int] = {}
        self.edges: dict[str, list[str]] = {}
        self.notes: dict[str, int] = {}
        self.server = Connection(str(init.socket))

    def text(self, name: str) -> str:
        needs = [other for other in self.edges.get(name, []) if other in self.marks]
        flapping = name in _FLAPPING
        command = '["sleep", "0.03"]' if flapping else '["sleep", "1000"]'
        restart = 'restart = { delay = "0s", max_delay = "50ms" }\n' if flapping else ""
        return (
            f'command = {command}\nrequires = {needs}\ndescription = "{self.notes.get(name, 0)}"\n{restart}'
            f'environment = {{ SERVICE = "{name}", MARK = "{self.marks[name]}" }}\n'
        )

    def write(self) -> None:
        folder = self.init.folder / "services.d"
        for path in folder.glob("*.toml"):
            if path.stem not in self.marks:
                path.unlink()
        for name in self.marks:
            (folder / f"{name}.toml").write_text(self.text(name))

    def edit(self) -> None:
        """Change one to three things: add, remove, another process, another policy, other edges."""
        for _ in range(self.chance.randint(1, 3)):
            name = self.chance.choice(_STEADY + _FLAPPING)
            if name not in self.marks:
                self.marks[name] = 0
            elif (what := self.chance.randrange(4)) == 0:
                del self.marks[name]
            elif what == 1:
                self.marks[name] += 1
            elif what == 2:
                self.notes[name] = self.notes.get(name, 0) + 1
            else:
                earlier = _STEADY[: _STEADY.index(name)] if name in _STEADY else _STEADY
                self.edges[name] = self.chance.sample(earlier, min(len(earlier), self.chance.randrange(3)))
        self.write()

    def status(self) -> dict[str, Any]:
        return {one["name"]: one for one in self.server.call("Status")["services"]}

    def running(self) -> dict[str, list[tuple[int, str]]]:
        """The processes of each service: the pid that asyncinit knows, and the mark."""
        found: dict[str, list[tuple[int, str]]] = {}
        for pid, state in self.init.processes().items():
            try:
                words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                inner = Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split()[-1]
            except (OSError, IndexError):
                continue
            own = dict(word.decode().split("=", 1) for word in words if b"=" in word)
            if own.get("SERVICE") in _STEADY and state != "Z":
                found.setdefault(own["SERVICE"], []).append((int(inner), own["MARK"]))
        return found


@pytest.mark.slow
@on_both_loops
def test_random_edits_under_load(tmp_path: Path, kind: str) -> None:
    """After each edit who is unchanged has its process, and each has one, as declared now; nothing is left over."""
    chance = random.Random(kind)
    with Init(tmp_path, {"s0": SLEEP}, loop=kind, arguments=["-q", "-q"]) as init:
        wait_until(init.status)
        edits = Edits(init, chance)
        edits.marks = dict.fromkeys(_STEADY[::2] + _FLAPPING, 0)
        edits.write()
        edits.server.call("ReloadConfig")
        for number in range(200):
            before = edits.status()
            if number % 20 == 7:
                (tmp_path / "services.d" / "bad.toml").write_text("command = 7\n")
                with pytest.raises(Exception, match="InvalidConfiguration"):
                    edits.server.call("ReloadConfig")
                (tmp_path / "services.d" / "bad.toml").unlink()
            edits.edit()
            answer = edits.server.call("ReloadConfig")
            touched = {one["name"] for one in answer["services"] if one["effect"] in {"start", "restart", "stop"}}
            touched |= set(answer["affected"])
            after = edits.status()
            assert set(after) == set(edits.marks)
            steady = set(after) & set(_STEADY)
            for name in steady - touched:
                assert after[name]["pid"] == before[name]["pid"], f"{name} was touched in edit {number}"
            expected = {name: [(after[name]["pid"], str(edits.marks[name]))] for name in steady}
            # A process that has just been executed has no environment for a moment.
            wait_until(lambda expected=expected: edits.running() == expected)
        edits.server.close()
        init.kill()
        assert init.wait() == 0
