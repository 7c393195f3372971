"""Pods under asyncinit as real PID 1: what happens to the whole, to its members, and what can be asked of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asyncinit.linux import capabilities
from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.namespace.ordinary import as_ordinary_user
from tests.support import PYTHON, descendants, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)

EMPTY = ["pods.d", "services.d"]
SLEEP = 'command = ["sleep", "1000"]\npod = "shop"\n'


def pod(init: Init, name: str = "shop") -> dict[str, Any]:
    done = init.call("pod", "show", name, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rights(status: str) -> dict[str, str]:
    """What a /proc/PID/status says of its rights."""
    lines = (line.split(":\t") for line in status.splitlines())
    return {key: value for key, value in lines if key.startswith(("Cap", "NoNewPrivs", "Uid"))}


def pid1(init: Init) -> int:
    return int(wait_until(lambda: pod(init)["pid"]))


class TestTheWhole:
    """One pod is one unit of failure."""

    @on_both_loops
    def test_when_its_init_dies_it_is_restarted_with_its_members(self, tmp_path: Path, kind: str) -> None:
        """Their reason is the pod, and its restart is none of theirs."""
        with Init(tmp_path, {"web": SLEEP, "db": SLEEP}, pods={"shop": ""}, loop=kind) as init:
            init.wait_state("web", "ready")
            init.wait_state("db", "ready")
            os.kill(pid1(init), signal.SIGKILL)
            init.wait_state("web", "ready", 2)
            init.wait_state("db", "ready", 2)
            status = init.status()
            assert [status[name]["restarts"] for name in ("pod:shop", "web", "db")] == [1, 0, 0]
            assert status["web"]["last_exit"]["signal"] in {signal.SIGKILL, None}
            told = [r for r in init.records if r.get("service") == "web" and r.get("state") == "stopping"]
            assert [one["reason"] for one in told] == ["pod"]
            assert "in pod shop, which was killed by SIGKILL" in told[0]["message"]

    def test_a_pod_that_has_failed_takes_its_members_along_and_explains_them(self, tmp_path: Path) -> None:
        """They fail for it, and come back when it is started."""
        with Init(tmp_path, {"web": SLEEP}, pods={"shop": 'restart = "never"'}, settings="keep_running = true") as init:
            init.wait_state("web", "ready")
            os.kill(pid1(init), signal.SIGKILL)
            init.wait_state("web", "failed")
            told = init.call("explain", "web").stdout
            assert told.startswith("web has failed: in pod shop, which has failed: killed by SIGKILL\n")
            assert "once pod:shop is ready, web starts by itself" in told
            assert init.call("start", "pod:shop").returncode == 0
            init.wait_state("web", "ready", 2)

    def test_a_stop_ends_the_members_in_order_and_then_all(self, tmp_path: Path) -> None:
        """Each member by its own stop signal."""
        services = {"db": SLEEP, "web": SLEEP + 'requires = ["db"]'}
        with Init(tmp_path, services, pods={"shop": ""}, settings="keep_running = true") as init:
            init.wait_state("web", "ready")
            assert init.call("stop", "pod:shop").returncode == 0
            order = [name for name, state in init.states() if state == "inactive"]
            assert order == ["web", "db", "pod:shop"]
            ends = [init.status()[name]["last_exit"]["signal"] for name in ("web", "db", "pod:shop")]
            assert ends == [signal.SIGTERM, signal.SIGTERM, signal.SIGKILL]

    def test_a_failure_of_a_member_is_its_own(self, tmp_path: Path) -> None:
        """The pod and the others do not notice."""
        services = {"db": SLEEP, "web": 'command = ["sh", "-c", "exit 3"]\npod = "shop"\nrestart = "never"'}
        with Init(tmp_path, services, pods={"shop": ""}) as init:
            init.wait_state("web", "failed")
            init.wait_state("db", "ready")
            status = init.status()
            assert status["web"]["last_exit"]["code"] == 3
            assert [status[name]["state"] for name in ("pod:shop", "db")] == ["ready", "ready"]

    def test_when_its_members_are_done_nothing_is_left_to_run(self, tmp_path: Path) -> None:
        """A pod alone is nothing to stay for."""
        services = {"job": 'type = "oneshot"\ncommand = ["true"]\npod = "shop"'}
        with Init(tmp_path, services, pods={"shop": ""}) as init:
            assert init.wait() == 0

    def test_another_declaration_restarts_it_with_its_members(self, tmp_path: Path) -> None:
        """What is shared is not changed under those who share it."""
        with Init(tmp_path, {"web": SLEEP, "alone": 'command = ["sleep", "1000"]'}, pods={"shop": ""}) as init:
            init.wait_state("web", "ready")
            before = pod(init)
            (tmp_path / "pods.d" / "shop.toml").write_text('share = ["pid", "uts"]')
            done = init.call("reload-config")
            assert done.returncode == 0, done.stdout + done.stderr
            init.wait_state("web", "ready", 2)
            after = pod(init)
            assert before["pid"] != after["pid"]
            assert [one["kind"] for one in after["namespaces"]] == ["pid", "uts"]
            assert init.states("alone").count(("alone", "ready")) == 1


class TestAsking:
    """`asyncinit pod`."""

    def test_list_and_show(self, tmp_path: Path) -> None:
        """Each member with its pid outside and inside, each namespace with its number."""
        with Init(tmp_path, {"web": SLEEP, "db": SLEEP + "enabled = false"}, pods={"shop": "", "other": ""}) as init:
            init.wait_state("web", "ready")
            init.wait_state("pod:other", "ready")
            found = pod(init)
            assert [(one["name"], one["state"]) for one in found["members"]] == [("db", "inactive"), ("web", "ready")]
            member = found["members"][1]
            numbers = Path(f"/proc/{member['pid']}/status").read_text().split("NSpid:")[1].split("\n")[0].split()
            assert str(member["inner"]) == numbers[-1]
            for one in found["namespaces"]:
                assert os.readlink(f"/proc/{member['pid']}/ns/{one['kind']}") == f"{one['kind']}:[{one['number']}]"
            listed = init.call("pod", "list").stdout.splitlines()
            assert [line.split()[0] for line in listed] == ["NAME", "other", "shop"]
            assert listed[2].split() == ["shop", "ready", str(found["pid"]), "simple", "1", "of", "2", "pid,ipc,uts"]
            shown = init.call("pod", "show", "shop").stdout
            assert f"pid 1:       {found['pid']}\n" in shown
            assert f"web     ready     {member['pid']}" in shown

    def test_a_pod_that_there_is_not(self, tmp_path: Path) -> None:
        """With a guess at what was meant."""
        with Init(tmp_path, {"web": SLEEP}, pods={"shop": ""}) as init:
            init.wait_state("web", "ready")
            done = init.call("pod", "show", "shpo")
            assert (done.returncode, done.stderr) == (1, "asyncinit: no such pod: shpo; did you mean shop?\n")


class TestEntering:
    """`asyncinit pod enter`."""

    def enter(self, init: Init, *words: str, command: Sequence[str] = ("pod", "enter")) -> tuple[int, str, str]:
        """Run a command in a pod, from the PID namespace of asyncinit."""
        line = ["nsenter", "-t", str(init.pid), "-p", "-m", PYTHON, "-m", "asyncinit", "--socket", str(init.socket)]
        done = subprocess.run(
            [*line, *command, *words],
            env=init.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    @pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nsenter") is None, reason="needs root and nsenter")
    def test_a_command_in_a_pod_and_as_a_member(self, tmp_path: Path) -> None:
        """It has the pod's processes around it, its host name, and its own exit status."""
        services = {"web": SLEEP + 'environment = { WHO = "web" }', "db": 'command = ["sleep", "1000"]'}
        with Init(tmp_path, services, pods={"shop": 'hostname = "till"'}) as init:
            init.wait_state("web", "ready")
            init.wait_state("db", "ready")
            names = "cat /proc/1/comm /proc/sys/kernel/hostname; echo $WHO; exit 7"
            assert self.enter(init, "shop", "--", "sh", "-c", names) == (7, "simple-init\ntill\n\n", "")
            assert self.enter(init, "shop", "web", "--", "sh", "-c", names) == (7, "simple-init\ntill\nweb\n", "")
            assert self.enter(init, "shop", "db", "--", "true") == (1, "", "asyncinit: db is not in pod shop\n")
            assert self.enter(init, "shop")[0] == 2

    @pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nsenter") is None, reason="needs root and nsenter")
    @pytest.mark.parametrize("words", [("shop",), ()], ids=["enter", "exec"])
    @pytest.mark.parametrize("users", ["", ', "user"'], ids=["users outside", "own users"])
    def test_a_command_as_a_member_has_no_more_rights_than_it(
        self, tmp_path: Path, words: tuple[str, ...], users: str
    ) -> None:
        """Its bound, what it holds within that, and that nothing gives it more."""
        services = {
            "web": SLEEP,
            "db": SLEEP + 'user = "12345"\nsecurity = { capabilities = ["CAP_KILL"], no_new_privileges = true }',
            "job": SLEEP + 'user = "12345"\n[security]\nambient_capabilities = ["CAP_KILL"]',
        }
        with Init(tmp_path, services, pods={"shop": f'share = ["pid", "ipc", "uts"{users}]'}) as init:
            for name in services:
                init.wait_state(name, "ready")
                pid = init.status()[name]["pid"]
                held = rights(Path(f"/proc/{pid}/status").read_text())
                line = (*words, name, "--", "cat", "/proc/self/status")
                code, text, errors = self.enter(init, *line, command=["pod", "enter"] if words else ["exec"])
                assert (code, errors) == (0, "")
                assert rights(text) == held
                assert int(held["CapBnd"], 16) != capabilities.bounding()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nsenter") is None, reason="needs root and nsenter")
class TestAddingAtRunTime:
    """`asyncinit pod add` and `remove`, with a /run of their own."""

    LAYER = "mkdir -p /run/asyncinit/services.d /run/asyncinit/pods.d"
    READS = (
        'services = ["services.d", "/run/asyncinit/services.d"]\npods = ["pods.d", "/run/asyncinit/pods.d"]\n'
        "keep_running = true"
    )

    def init(self, folder: Path, reads: bool = True, kind: str = "asyncio", pods: bool = True) -> Init:
        (folder / "given").mkdir()
        script = f'mount -t tmpfs tmpfs /run && {self.LAYER if reads else "true"} && exec "$@"'
        return Init(
            folder,
            {"alone": 'command = ["sleep", "1000"]'},
            pods={"other": ""} if pods else None,
            loop=kind,
            settings=self.READS if reads else "keep_running = true",
            prefix=["sh", "-c", script, "sh"],
        )

    def pod(self, init: Init, *words: str, **files: str) -> tuple[int, str]:
        """Write files that are given, and run `asyncinit pod` in the namespaces of asyncinit."""
        for name, text in files.items():
            (init.folder / "given" / f"{name}.toml").write_text(text)
        paths = [str(init.folder / "given" / f"{name}.toml") for name in files]
        line = ["nsenter", "-t", str(init.pid), "-p", "-m", PYTHON, "-m", "asyncinit", "--socket", str(init.socket)]
        done = subprocess.run(
            [*line, "pod", *words, *paths],
            env=init.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr

    def layer(self, init: Init) -> list[str]:
        """What is in the run-time layer, hidden files too."""
        top = Path(f"/proc/{init.pid}/root/run/asyncinit")
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.suffix != ".sock")

    @on_both_loops
    def test_a_pod_comes_and_goes_with_its_members(self, tmp_path: Path, kind: str) -> None:
        """It is up when `add` is done, and nothing of it is left when `remove` is; the others do not notice."""
        with self.init(tmp_path, kind=kind) as init:
            init.wait_state("alone", "ready")
            before = init.status()["alone"]["pid"]
            for _ in range(2):
                assert self.pod(init, "add", shop="", web=SLEEP, db=SLEEP) == (0, "")
                assert [one["state"] for one in pod(init)["members"]] == ["ready", "ready"]
                assert self.pod(init, "remove", "shop") == (0, "")
                assert self.layer(init) == EMPTY
                assert sorted(init.status()) == ["alone", "pod:other"]
            assert init.status()["alone"]["pid"] == before

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ({"shop": "", "web": SLEEP + "colour = 1"}, "web.toml:3: colour: "),
            ({"shop": "", "web": SLEEP + 'requires = ["nobody"]'}, "nobody"),
            ({"shop": "", "web": 'command = ["sleep", "1"]'}, 'web.toml is no member: it has to say pod = "shop"'),
            ({"web": SLEEP}, "one of the files has to be the pod's"),
            ({"other": "", "web": 'command = ["sleep", "1"]\npod = "other"'}, "pod other: is there already"),
            ({"shop": "", "alone": SLEEP}, "there is a service alone already"),
            ({"shop": "", "web": 'command = ["/nowhere"]\npod = "shop"\nrestart = "never"'}, "/nowhere"),
        ],
        ids=["key", "relation", "stranger", "no pod", "pod", "service", "start"],
    )
    def test_an_error_leaves_nothing_behind(self, tmp_path: Path, files: dict[str, str], said: str) -> None:
        """Neither a file nor a service, and it says what is wrong."""
        with self.init(tmp_path) as init:
            init.wait_state("alone", "ready")
            init.wait_state("pod:other", "ready")
            code, errors = self.pod(init, "add", **files)
            assert (code, said in errors) == (1, True), errors
            assert self.layer(init) == EMPTY
            wait_until(lambda: sorted(init.status()) == ["alone", "pod:other"])

    def test_what_was_not_added_is_not_removed(self, tmp_path: Path) -> None:
        """It says where it is declared; nor is what others still need."""
        with self.init(tmp_path) as init:
            init.wait_state("pod:other", "ready")
            code, errors = self.pod(init, "remove", "other")
            assert (code, "pods.d/other.toml; remove it there" in errors) == (1, True), errors
            assert self.pod(init, "remove", "nobody")[0] == 1
            assert self.pod(init, "add", shop="", web=SLEEP) == (0, "")
            (tmp_path / "services.d" / "late.toml").write_text(SLEEP)
            assert init.call("reload-config").returncode == 0
            code, errors = self.pod(init, "remove", "shop")
            assert (code, "late.toml" in errors) == (1, True), errors
            assert pod(init)["state"] == "ready"
            (tmp_path / "services.d" / "late.toml").unlink()
            assert init.call("reload-config").returncode == 0
            code, errors = self.pod(init, "remove", "shop")
            assert (code, errors) == (0, "")

    def test_other_changes_are_not_taken_along(self, tmp_path: Path) -> None:
        """What others have written is for them to take over."""
        with self.init(tmp_path) as init:
            init.wait_state("alone", "ready")
            (tmp_path / "services.d" / "alone.toml").write_text('command = ["sleep", "2000"]')
            code, errors = self.pod(init, "add", shop="", web=SLEEP)
            assert (code, "alone would change too, by other files" in errors) == (1, True), errors
            assert self.layer(init) == EMPTY

    def test_where_the_layer_is_not_read(self, tmp_path: Path) -> None:
        """A project's own folders are all that counts: it says so, and what to do."""
        with self.init(tmp_path, reads=False) as init:
            init.wait_state("alone", "ready")
            code, errors = self.pod(init, "add", shop="", web=SLEEP)
            assert (code, "asyncinit does not read /run/asyncinit/pods.d" in errors) == (1, True), errors
            assert self.layer(init) == []


@on_both_loops
def test_a_re_exec_keeps_pods_and_tells_exact_ends_afterwards(tmp_path: Path, kind: str) -> None:
    """Members run on in the same namespaces; what the init reports is heard by the new program."""
    services = {
        "web": SLEEP + 'restart = "never"',
        "db": SLEEP + 'restart = "never"',
        "late": SLEEP + "enabled = false",
    }
    with Init(tmp_path, services, pods={"shop": ""}, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        init.wait_state("db", "ready")
        before = pod(init)
        assert init.call("reexec").returncode == 0
        assert pod(init) == before
        pids = {one["name"]: one["pid"] for one in before["members"]}
        os.kill(pids["web"], signal.SIGKILL)
        init.wait_state("web", "failed")
        assert init.status()["web"]["last_exit"]["signal"] == signal.SIGKILL
        assert init.call("start", "late").returncode == 0
        assert [one["inner"] is not None for one in pod(init)["members"] if one["name"] == "late"] == [True]
        os.kill(before["pid"], signal.SIGKILL)
        init.wait_state("pod:shop", "ready", 2)
        init.wait_state("late", "ready", 2)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_an_ordinary_user_makes_pods_with_users_of_their_own() -> None:
    """Where user namespaces are allowed; else the pod fails, and says by which step."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Init(
            Path(folder),
            {"web": SLEEP},
            pods={"shop": 'share = ["pid", "ipc", "uts", "net", "user"]'},
            **as_ordinary_user(Path(folder)),
        ) as init,
    ):
        wait_until(lambda: init.states("pod:shop")[-1:] in [[("pod:shop", "ready")], [("pod:shop", "backoff")]])
        if ("pod:shop", "backoff") in init.states():
            assert "cannot make a user namespace" in init.output
            pytest.skip("user namespaces are not allowed here")
        init.wait_state("web", "ready")
        children = {pid: Path(f"/proc/{pid}/status").read_text() for pid in descendants(init.pid)}
        inner = [text.split("NSpid:")[1].split("\n")[0].split() for text in children.values()]
        assert sorted(numbers[-1] == "1" for numbers in inner if len(numbers) > 1) == [False, True]
