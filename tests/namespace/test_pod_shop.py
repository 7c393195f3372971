"""examples/pods/shop as it stands there: redis, an application and nginx in one pod, each in a root of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.namespace.init import Init
from tests.namespace.sandboxed import look, namespace
from tests.support import PYTHON, ROOT, descendants, wait_until

FOLDER = ROOT / "examples" / "pods" / "shop"
NAMES = ("redis", "application", "nginx")
KINDS = ("pid", "net", "ipc", "uts")
FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"
CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"

# A loopback, /srv/shop and /var/lib of the test's own: so the files of the example need no change.
STAGE = """
mount -t tmpfs shop /srv && mkdir /srv/shop && mount --bind "$1" /srv/shop && mount -t tmpfs state /var/lib &&
ip link set lo up && shift && exec "$@"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap takes root"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="there is no debootstrap"),
    pytest.mark.skipif(shutil.which("make") is None, reason="there is no make"),
]


def mirror() -> str:
    """Return where this machine's apt takes bookworm from; empty: debootstrap knows."""
    if shutil.which("apt-get") is None:
        return ""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [line.split() for line in lines]
    return next((words[0] for words in found if words[1:] == ["bookworm", "main"]), "")


@pytest.fixture(scope="module")
def roots() -> Path:
    """The roots that `make roots` gives, made once in a test run."""
    folder = Path(os.environ["ASYNCINIT_TEST_RUN"]) / "shop"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            # What debootstrap mounts goes with the namespace, whatever becomes of it.
            words = ["unshare", "--mount", "make", "-j3", "-C", str(FOLDER), "roots"]
            words += [f"ROOTS={folder}/roots", f"MIRROR={mirror()}"]
            done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            (folder / "made").touch()
    return folder / "roots"


@pytest.fixture
def shop(tmp_path: Path, roots: Path) -> Iterator[Init]:
    """The example, with all in it ready."""

    def texts(kind: str) -> dict[str, str]:
        return {path.stem: path.read_text() for path in (FOLDER / kind).glob("*.toml")}

    prefix = ["unshare", "--net", "sh", "-c", STAGE, "sh", str(roots)]
    with Init(tmp_path, texts("services.d"), pods=texts("pods.d"), prefix=prefix) as init:
        for name in NAMES:
            init.wait_state(name, "ready")
        yield init


def there(init: Init, code: str, argument: str) -> subprocess.CompletedProcess[str]:
    """Run Python where asyncinit is: in its network, with this machine's files."""
    words = ["nsenter", "--net", "--target", str(init.pid), PYTHON, "-c", code, argument]
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


def visits(init: Init) -> int:
    """GET / from outside of the pod: what redis has counted."""
    done = there(init, FETCH, "http://127.0.0.1:8080/")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["visits"])


def test_a_request_reaches_redis_through_nginx_and_the_application(shop: Init) -> None:
    """From outside nginx is reached, and neither of the two behind it."""
    assert [visits(shop) for _ in range(3)] == [1, 2, 3]
    for port in ("6379", "8000"):
        assert "ConnectionRefusedError" in there(shop, CONNECT, port).stderr
    assert {name: shop.status()[name]["not_applied"] for name in ("redis", "nginx")} == {"redis": [], "nginx": []}


def test_the_application_is_probed_in_the_pod(shop: Init) -> None:
    """Its health command is run in its root and network, where port 8000 is."""
    wait_until(lambda: shop.status()["application"]["health"]["probed"], timeout=40)
    assert shop.status()["application"]["health"]["healthy"] is True


def test_each_sees_its_own_root_and_all_see_each_other(shop: Init) -> None:
    """One of each namespace that is shared, three roots, and no right in any of them."""
    programs = {"redis": "redis-server", "application": "uvicorn", "nginx": "nginx"}
    for name, program in programs.items():
        for other in programs.values():
            done = shop.call("exec", name, "--", "sh", "-c", f"command -v {other}")
            assert (done.returncode == 0) == (other == program), (name, other, done)
        assert shop.call("exec", name, "--", "ls", "/srv").stdout.split() == [
            {"redis": "redis.conf", "application": "application.py", "nginx": "nginx.conf"}[name]
        ]
        assert shop.call("exec", name, "--", "test", "-e", str(ROOT)).returncode == 1
    pids = {name: shop.status()[name]["pid"] for name in NAMES}
    for kind in KINDS:
        assert len({namespace(pid, kind) for pid in pids.values()} - {namespace(shop.pid, kind)}) == 1, kind
    assert len({namespace(pid, "mnt") for pid in pids.values()} - {namespace(shop.pid, "mnt")}) == 3
    for pid in pids.values():
        process = look(pid)
        assert process is not None
        rights = {key: int(process.status[key], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}
        assert set(rights.values()) == {0}, rights
        assert (process.status["NoNewPrivs"], process.status["Seccomp"]) == ("1", "2")
        assert process.status["Uid"].split()[0] != "0"
    inside = {pid: process.pids[-1] for pid in pids.values() if (process := look(pid))}
    seen = shop.call("pod", "enter", "shop", "--", "ps", "-e", "-o", "pid=").stdout.split()
    assert set(map(str, inside.values())) < set(seen)


def test_a_killed_application_comes_back_alone(shop: Init) -> None:
    """Redis and nginx stay as they are, what was counted stays counted, and the reason is exact."""
    assert visits(shop) == 1
    before = {name: shop.status()[name]["pid"] for name in (*NAMES, "pod:shop")}
    os.kill(before["application"], signal.SIGKILL)

    def back() -> bool:
        application = shop.status()["application"]
        return bool(application["state"] == "ready" and application["pid"] != before["application"])

    wait_until(back)
    after = shop.status()
    assert after["application"]["last_exit"]["signal"] == signal.SIGKILL
    assert after["application"]["restarts"] == 1
    assert {name for name in before if after[name]["pid"] != before[name]} == {"application"}
    assert visits(shop) == 2


def test_a_stopped_member_tells_its_status(shop: Init) -> None:
    """Nginx ends with 0 at SIGQUIT; the others stay, and it serves again when it is started."""
    assert shop.call("stop", "nginx").returncode == 0
    stopped = shop.status()
    assert (stopped["nginx"]["state"], stopped["nginx"]["last_exit"]["code"]) == ("inactive", 0)
    assert [stopped[name]["state"] for name in ("redis", "application")] == ["ready"] * 2
    assert shop.call("start", "nginx").returncode == 0
    assert visits(shop) == 1


def test_what_was_counted_outlives_the_pod(shop: Init) -> None:
    """A restart of the pod is one of all its members; redis keeps its folder, outside of its root."""
    assert visits(shop) == 1
    assert shop.call("restart", "pod:shop", timeout=120).returncode == 0
    for name in NAMES:
        wait_until(lambda name=name: shop.status()[name]["state"] == "ready")
    assert visits(shop) == 2


def test_a_stop_ends_all_in_order(shop: Init) -> None:
    """Each says goodbye before the one that it requires does; nothing is left, and the status is 0."""
    assert visits(shop) == 1
    everything = descendants(shop.pid)
    shop.kill(signal.SIGTERM)
    assert shop.wait() == 0, shop.output
    said = shop.output
    goodbyes = ["(SIGQUIT) received", "application: last count is 1", "Redis is now ready to exit, bye bye"]
    places = [said.find(text) for text in goodbyes]
    assert -1 not in places, said
    assert places == sorted(places), said
    assert [pid for pid in everything if (process := look(pid)) and process.state != "Z"] == []
