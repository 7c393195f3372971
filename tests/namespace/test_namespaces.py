"""Services with namespaces of their own under a real PID 1: what they, their hooks and `exec` see, and what is left."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest

from tests.linux.isolated import make_root
from tests.namespace.init import Init
from tests.support import PYTHON, wait_until

each_loop = pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
KEEP = "keep_running = true"
USER = "" if os.geteuid() == 0 else 'user = "private"\n'
SEES = "echo sees $(ls -d /proc/[0-9]* | wc -l) $(hostname)"
COMMAND = f"""command = ["/bin/sh", "-c", "{SEES}; exec sleep 1000"]\n"""
APART = f"""
[namespaces]
{USER}pid = "private"
net = "private"
uts = "private"
ipc = "private"
hostname = "inner"
"""


def rooted(folder: Path, more: str = "") -> str:
    """Return [namespaces] with a root of its own that has /usr."""
    mounts = '[[namespaces.mounts]]\nsource = "/usr"\nread_only = true\n'
    return f'{APART}root = "{make_root(folder)}"\n{mounts}{more}'


@each_loop
@pytest.mark.parametrize("first", ["true", "false"])
def test_a_service_sees_its_own_processes_alone(tmp_path: Path, kind: str, first: str) -> None:
    """With the simple init they are two and a half (itself, the init, what looks), without it one less."""
    with Init(tmp_path, {"web": COMMAND + APART + f"init = {first}\n"}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        (line,) = wait_until(lambda: [line for line in init.lines("web") if line.startswith("sees")])
        word, count, name = line.split()
        least = 2 if first == "true" else 1
        assert (word, name) == ("sees", "inner")
        assert least <= int(count) <= least + 3
        main = init.call("exec", "web", "--", "readlink", "/proc/self/ns/net", "/proc/1/ns/net")
        assert main.returncode == 0, main.stderr


@each_loop
def test_exec_is_in_the_namespaces_of_the_service(tmp_path: Path, kind: str) -> None:
    """Its root, its processes, its network, its name; and the exit status comes out."""
    with Init(tmp_path, {"web": COMMAND + rooted(tmp_path)}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        shown = init.call("exec", "web", "--", "sh", "-c", "hostname; pwd; ls /; cat /proc/2/comm; cat /proc/net/dev")
        name, folder, *rest = shown.stdout.split()
        assert (name, folder) == ("inner", "/"), shown.stderr
        assert str(tmp_path).split("/")[1] not in rest
        assert "sleep" in rest
        assert [word for word in rest if word.endswith(":") and word not in ("lo:", "face")] == []
        assert init.call("exec", "web", "--", "sh", "-c", "exit 42").returncode == 42
        assert init.call("exec", "web", "--", "sh", "-c", "kill -TERM $$").returncode == -15
        assert init.call("exec", "web", "--", "nosuch").returncode == 127
        init.call("stop", "web")
        stopped = init.call("exec", "web", "--", "true")
        assert (stopped.returncode, "it does not run" in stopped.stderr) == (1, True)


def test_signals_to_exec_reach_the_command(tmp_path: Path) -> None:
    """Who stays outside of the PID namespace hands on what it is sent, and leaves with the command's status."""
    with Init(tmp_path, {"web": COMMAND + rooted(tmp_path)}, settings=KEEP) as init:
        init.wait_state("web", "ready")
        words = [PYTHON, "-m", "asyncinit", "--socket", str(init.socket), "exec", "web", "--"]
        loop = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"
        with subprocess.Popen([*words, "sh", "-c", loop], stdout=subprocess.PIPE, env=init.environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 9


@each_loop
def test_hooks_have_the_same_and_share_it_with_the_main_process(tmp_path: Path, kind: str) -> None:
    """Before and after it they have their own; as long as it lives they see its processes and its mounts."""
    tmpfs = '[[namespaces.mounts]]\ntype = "tmpfs"\ntarget = "/tmp"\nmode = "1777"\n'
    web = 'command = ["/bin/sh", "-c", "echo x >/tmp/main; exec sleep 1000"]\n' + rooted(tmp_path, tmpfs)
    web += """
[ready]
command = ["/bin/sh", "-c", "test -e /tmp/main"]
[hooks]
pre_start = [["/bin/sh", "-c", "touch /tmp/before; echo before $(hostname)"]]
post_start = [["/bin/sh", "-c", "echo after $(ls /tmp) $(cat /proc/$MAINPID/comm)"]]
post_stop = [["/bin/sh", "-c", "echo gone $(hostname) $(ls /tmp)"]]
"""
    with Init(tmp_path, {"web": web}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        init.call("stop", "web")
        wait_until(lambda: "gone inner" in init.lines("web"))
        assert init.lines("web") == ["before inner", "after main sleep", "gone inner"]


@each_loop
def test_it_can_tell_that_it_is_ready(tmp_path: Path, kind: str) -> None:
    """sd_notify reaches asyncinit out of another network and another root; afterwards its socket is gone."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    runtime.chmod(0o755)
    send = "import os, socket; socket.socket(1, 2).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])"
    web = f'command = ["/bin/sh", "-c", "/usr/bin/python3 -c \\"{send}\\"; exec sleep 1000"]\n'
    web += rooted(tmp_path) + "[ready]\nnotify = true\n"
    if not Path("/usr/bin/python3").exists():
        pytest.skip("there is no python3 in /usr/bin")
    environment = {"XDG_RUNTIME_DIR": str(runtime)}
    with Init(tmp_path, {"web": web}, loop=kind, settings=KEEP, environment=environment) as init:
        folder = Path("/run") if os.geteuid() == 0 else runtime
        init.wait_state("web", "ready")
        sockets = set(os.listdir(folder / "asyncinit/notify"))
        assert sockets
        init.call("stop", "web")
        assert set(os.listdir(folder / "asyncinit/notify")) < sockets


@each_loop
def test_nothing_is_left_and_nothing_leaks(tmp_path: Path, kind: str) -> None:
    """asyncinit's own mounts are the same while it runs and afterwards, and no process is left."""
    with Init(tmp_path, {"web": COMMAND + rooted(tmp_path)}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        mounts = Path(f"/proc/{init.pid}/mountinfo").read_text()
        assert str(tmp_path) not in mounts
        init.call("stop", "web")
        wait_until(lambda: not init.processes())
        assert Path(f"/proc/{init.pid}/mountinfo").read_text() == mounts
        for kind_of in ("mnt", "net", "uts", "ipc", "user"):
            assert os.readlink(f"/proc/{init.pid}/ns/{kind_of}") != ""


@each_loop
def test_it_goes_on_over_a_reexec(tmp_path: Path, kind: str) -> None:
    """The same process in the same namespaces; its stop, and a restart, work as before."""
    with Init(tmp_path, {"web": COMMAND + rooted(tmp_path)}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        before = init.status()["web"]["pid"]
        assert init.call("reexec").returncode == 0
        assert init.status()["web"]["pid"] == before
        assert init.call("exec", "web", "--", "hostname").stdout == "inner\n"
        restarted = init.call("restart", "web")
        assert restarted.returncode == 0, restarted.stderr
        assert init.call("exec", "web", "--", "hostname").stdout == "inner\n"


@each_loop
def test_what_fails_is_named(tmp_path: Path, kind: str) -> None:
    """The mount and its reason are told, and the service does not run with less."""
    missing = '[[namespaces.mounts]]\nsource = "/nowhere/data"\ntarget = "/data"\n'
    web = COMMAND + 'restart = "never"\n' + rooted(tmp_path, missing)
    with Init(tmp_path, {"web": web}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "failed")
        text = init.status()["web"]["reason"]["text"]
        assert "cannot mount /nowhere/data on /data: no such file or directory" in text
        assert init.lines("web") == []


@each_loop
def test_what_is_preferred_may_be_missing(tmp_path: Path, kind: str) -> None:
    """It runs without, and the status tells what was not applied."""
    missing = '[[namespaces.mounts]]\nsource = "/nowhere/data"\n'
    web = 'prefer = ["namespaces.mounts"]\n' + COMMAND + APART + missing
    with Init(tmp_path, {"web": web}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        assert init.status()["web"]["not_applied"] == ["namespaces.mounts"]
        assert init.call("exec", "web", "--", "hostname").stdout == "inner\n"


def test_users_are_those_of_the_root_that_it_gets(tmp_path: Path) -> None:
    """Where the root is preferred and cannot be had, users are asyncinit's own."""
    web = 'prefer = ["namespaces.root"]\nuser = "0"\ncommand = ["/bin/sh", "-c", "echo $HOME; exec sleep 1000"]\n'
    web += '[namespaces]\nroot = "/nowhere/root"\n' + USER
    with Init(tmp_path, {"web": web}, settings=KEEP) as init:
        init.wait_state("web", "ready")
        assert init.status()["web"]["not_applied"] == ["namespaces.root"]
        wait_until(lambda: init.lines("web"))
        assert init.lines("web") == [pwd.getpwuid(0).pw_dir]


@each_loop
def test_users_are_those_of_the_root(tmp_path: Path, kind: str) -> None:
    """The service's user is looked up in its own root; who is not there does not exist."""
    web = 'user = "web"\ncommand = ["/bin/sh", "-c", "echo $(id -u) $HOME; exec sleep 1000"]\n' + rooted(tmp_path)
    (tmp_path / "b").mkdir()
    other = 'user = "daemon"\nrestart = "never"\n' + COMMAND + rooted(tmp_path / "b")
    with Init(tmp_path, {"web": web, "other": other}, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        init.wait_state("other", "failed")
        wait_until(lambda: init.lines("web") == ["33 /home/web"])
        assert f"no such user in /etc/passwd of {tmp_path}" in init.status()["other"]["reason"]["text"]
