"""Cgroups as real PID 1, on this machine's hierarchy: members, ends, frozen services, what is left, what is missing."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from asyncinit.linux import cgroups
from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import wait_until

PLACE = cgroups.own()
pytestmark = pytest.mark.skipif(
    PLACE is None or not cgroups.is_writable(PLACE.folder) or PLACE.name != "/",
    reason="no cgroup v2 that can be written, or we are not in the root of what we see of it",
)
on_both_loops = pytest.mark.parametrize("kind", LOOPS)
SLEEP = 'command = ["sleep", "1000"]\n'
# Out of its session, group, environment and parent: nothing but its cgroup tells whose it is.
ESCAPES = "import os,time\nfor _ in range(2):\n    if os.fork(): time.sleep(0.2); os._exit(0)\n    os.setsid()\n"


def group_of(init: Init, name: str) -> Path:
    return Path(init.status()[name]["cgroup"]["path"])


@on_both_loops
def test_what_has_escaped_ends_with_its_service(tmp_path: Path, kind: str) -> None:
    """Whatever it has done to its session, environment and parent; and the folders are gone at the end."""
    text = "setsid env -i sh -c 'setsid env -i sleep 1000 & sleep 0.2; setsid env -i sleep 1000 &' & exec sleep 1000"
    services = {"web": f'command = ["sh", "-c", """{text}"""]\n', "other": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        folder = group_of(init, "web")
        wait_until(lambda: len(cgroups.processes(str(folder))) == 3)
        wait_until(lambda: init.status()["web"]["cgroup"]["cpu_seconds"] is not None)
        pids = cgroups.processes(str(folder))
        done = init.call("stop", "web")
        assert done.returncode == 0, done.stderr
        assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
        assert not folder.exists()
        assert init.status()["web"]["cgroup"] is None
        assert group_of(init, "other").exists()
        init.kill()
        init.wait()
    assert not folder.parent.exists()


@on_both_loops
def test_what_outlives_its_main_process_is_counted_and_ended(tmp_path: Path, kind: str) -> None:
    """The daemon that a main process leaves behind, unseen before, is the service's."""
    script = tmp_path / "script.py"
    script.write_text(ESCAPES + "time.sleep(1000)\n")
    service = f'command = ["python3", "{script}"]\nclear_environment = true\nrestart = "never"\n'
    with Init(tmp_path, {"web": service}, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "completed")
        assert [state for _, state in init.states("web")][-2:] == ["stopping", "completed"]
        assert not init.processes(), init.output


@on_both_loops
def test_no_cgroup_where_none_is_wanted(tmp_path: Path, kind: str) -> None:
    """[init] cgroups = "none": nothing is made, and a key that takes one fails by name."""
    services = {"web": SLEEP, "limited": SLEEP + "[limits]\ndelegate = true\n"}
    with Init(tmp_path, services, loop=kind, settings='cgroups = "none"') as init:
        init.wait_state("web", "ready")
        init.wait_state("limited", "backoff")
        found = init.status()
        assert found["web"]["cgroup"] is None
        assert 'cannot set limits.delegate: [init] cgroups is "none"' in found["limited"]["reason"]["text"]


@on_both_loops
def test_a_frozen_service_stands_still(tmp_path: Path, kind: str) -> None:
    """It is shown, its watchdog is not missed, and it goes on where it stood; a stop thaws it first."""
    beats = tmp_path / "beats"
    text = f"trap 'echo ended; exit 0' TERM; while :; do echo x >> {beats}; sleep 0.02; done"
    service = f'command = ["sh", "-c", """{text}"""]\n[health]\nfile = "{tmp_path}/none"\ninterval = "100ms"\n'
    service += 'action = "none"\nthreshold = 1000\n'
    with Init(tmp_path, {"web": service}, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        wait_until(beats.exists)
        assert init.call("freeze", "web").returncode == 0
        folder = group_of(init, "web")
        wait_until(lambda: cgroups.numbers(cgroups.read(str(folder), cgroups.EVENTS))["frozen"])
        status = init.status()["web"]
        assert status["frozen"] and status["state"] == "ready"
        assert "frozen" in init.call("status").stdout
        assert "frozen" in init.call("explain", "web").stdout
        size, probed = beats.stat().st_size, status["health"]["probed"]
        time.sleep(0.3)  # nothing happens: there is no event to wait for
        assert beats.stat().st_size == size
        assert init.status()["web"]["health"]["probed"] == probed
        assert init.call("thaw", "web").returncode == 0
        wait_until(lambda: beats.stat().st_size > size)
        wait_until(lambda: init.status()["web"]["health"]["probed"] != probed)
        again = init.call("thaw", "web")
        assert again.returncode == 1 and "not frozen" in again.stderr
        init.call("freeze", "web")
        assert "comes first" in init.call("reload", "web").stderr
        assert init.call("stop", "web").returncode == 0
        assert "ended" in init.lines("web")
        assert not init.status()["web"]["frozen"]


@on_both_loops
def test_a_frozen_watchdog_is_not_late(tmp_path: Path, kind: str) -> None:
    """While it stands still nothing is expected of it; when it goes on, all is as before."""
    body = "import os,socket,time\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\na=os.environ['NOTIFY_SOCKET']\n"
    body += "a='\\0'+a[1:] if a[0]=='@' else a\ns.sendto(b'READY=1',a)\n"
    body += "while True:\n    s.sendto(b'WATCHDOG=1',a)\n    time.sleep(0.1)\n"
    (tmp_path / "web.py").write_text(body)
    service = f'command = ["python3", "{tmp_path / "web.py"}"]\nwatchdog = "1s"\n[ready]\nnotify = true\n'
    with Init(tmp_path, {"web": service}, loop=kind) as init:
        init.wait_state("web", "ready")
        pid = init.status()["web"]["pid"]
        init.call("freeze", "web")
        time.sleep(1.5)  # longer than its watchdog has patience
        assert init.status()["web"]["state"] == "ready"
        init.call("thaw", "web")
        assert init.status()["web"]["pid"] == pid


@on_both_loops
def test_a_shutdown_does_not_wait_for_the_frozen(tmp_path: Path, kind: str) -> None:
    """They are thawed, and end as others do."""
    with Init(
        tmp_path, {"web": 'command = ["sh", "-c", "trap \\"exit 0\\" TERM; while :; do sleep 0.02; done"]\n'}, loop=kind
    ) as init:
        init.wait_state("web", "ready")
        init.call("freeze", "web")
        init.kill()
        assert init.wait() == 0
    assert '"killed":true' not in init.output


@on_both_loops
def test_a_reexec_keeps_cgroups(tmp_path: Path, kind: str) -> None:
    """Who is where, who is frozen; and the end is seen as before."""
    with Init(tmp_path, {"web": SLEEP}, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        folder = group_of(init, "web")
        init.call("freeze", "web")
        done = init.call("reexec")
        assert done.returncode == 0, done.stderr
        assert group_of(init, "web") == folder
        assert init.status()["web"]["frozen"]
        assert init.call("thaw", "web").returncode == 0
        assert init.call("stop", "web").returncode == 0
        assert not folder.exists()
        init.call("start", "web")
        assert group_of(init, "web") == folder
        init.kill()
        init.wait()
    assert not folder.parent.exists()


@on_both_loops
def test_a_pid_namespace_is_in_its_services_cgroup(tmp_path: Path, kind: str) -> None:
    """Its init too; and a private cgroup namespace begins with that cgroup."""
    text = "cat /proc/self/cgroup; exec sleep 1000"
    keys = '[namespaces]\npid = "private"\ncgroup = "private"\n'
    with Init(tmp_path, {"web": f'command = ["sh", "-c", "{text}"]\n{keys}', "other": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        folder = group_of(init, "web")
        wait_until(lambda: "0::/" in init.lines("web"))
        assert len(cgroups.processes(str(folder))) == 2
        assert init.call("freeze", "web").returncode == 0
        assert init.call("stop", "web").returncode == 0
        assert not folder.exists()


@on_both_loops
def test_the_members_of_a_pod_are_below_it(tmp_path: Path, kind: str) -> None:
    """Each has its own, and what has escaped there is known for a member's, and ends with that alone."""
    text = "setsid env -i sh -c 'setsid env -i sleep 1000 &' & exec sleep 1000"
    member = f'pod = "shop"\ncommand = ["sh", "-c", """{text}"""]\n'
    with Init(tmp_path, {"api": member, "db": member}, pods={"shop": ""}, loop=kind) as init:
        init.wait_state("api", "ready")
        init.wait_state("db", "ready")
        folder = group_of(init, "api")
        assert folder.parent == group_of(init, "db").parent == group_of(init, "pod:shop")
        theirs = str(group_of(init, "db"))
        wait_until(lambda: len(cgroups.processes(str(folder))) == len(cgroups.processes(theirs)) == 2)
        others = cgroups.processes(theirs)
        assert init.call("stop", "api").returncode == 0
        assert not folder.exists()
        assert cgroups.processes(theirs) == others
        refused = init.call("freeze", "pod:shop")
        assert refused.returncode != 0 and "members" in refused.stderr


@on_both_loops
def test_a_limit_that_cannot_be_had(tmp_path: Path, kind: str) -> None:
    """It fails the service by name, with what to do; or is left out, and shown."""
    assert PLACE is not None
    if "memory" in cgroups.words(PLACE.folder, cgroups.CONTROLLERS):
        pytest.skip("the memory controller is in version 2 here")
    keys = '[limits]\nmemory_max = "64M"\n'
    services = {"web": SLEEP + keys, "modest": 'prefer = ["limits.memory_max"]\n' + SLEEP + keys}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "backoff")
        init.wait_state("modest", "ready")
        found = init.status()
        expected = "cannot set limits.memory_max: the memory controller is not available in cgroup v2 here"
        assert expected in found["web"]["reason"]["text"]
        assert found["modest"]["not_applied"] == ["limits.memory_max"]
        checks = json.loads(init.call("doctor", "--json").stdout)["checks"]
        assert any(check["name"] == "prefer" and "modest" in check["found"] for check in checks)


@on_both_loops
def test_an_ordinary_process_makes_none_without_need(tmp_path: Path, kind: str) -> None:
    """Only a service with a key that takes one gets one; the others can't be frozen."""
    services = {"web": SLEEP, "free": SLEEP + "[limits]\ndelegate = true\n"}
    with Init(tmp_path, services, loop=kind, pid1=False) as init:
        init.wait_state("web", "ready")
        init.wait_state("free", "ready")
        found = init.status()
        assert found["web"]["cgroup"] is None
        folder = Path(found["free"]["cgroup"]["path"])
        assert cgroups.processes(str(folder)) == [found["free"]["pid"]]
        refused = init.call("freeze", "web")
        assert refused.returncode == 1 and "it has no cgroup" in refused.stderr
        assert init.call("freeze", "free").returncode == 0
        init.kill()
        init.wait()
    assert not folder.parent.exists()


@on_both_loops
def test_what_a_killed_asyncinit_has_left_is_removed(tmp_path: Path, kind: str) -> None:
    """By the next one, as soon as nobody lives there."""
    with Init(tmp_path / "a", {"web": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        folder = group_of(init, "web")
        init.kill(signal.SIGKILL)
        init.wait()
    wait_until(lambda: not cgroups.is_populated(str(folder)))
    with Init(tmp_path / "b", {"web": SLEEP}, loop=kind) as init:
        init.wait_state("web", "ready")
        assert group_of(init, "web").exists()
        wait_until(lambda: not folder.exists() or folder == group_of(init, "web"))
        init.kill()
        init.wait()
