"""`asyncinit dev`: what is started of a project, how it is reached, and that nothing of it is ever left."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from asyncinit.development.claim import claim
from asyncinit.development.folder import Found, NothingThereError, find
from tests.developing import Folder, three
from tests.support import PYTHON, ROOT, wait_until
from tests.wrapping import children, is_gone, is_stopped

# A daemon that has forked twice, and a service that hears no SIGTERM and has a child.
ODD = "(setsid sleep 1001 &); trap '' TERM HUP INT; sleep 1002 & echo is up; while :; do wait; sleep 0.1; done"
FAMILY = {
    "services.d/web.toml": 'command = "sleep 1000"\n',
    "services.d/odd.toml": f'command = "{ODD}"\nshell = true\nstop = {{ timeout = "0.3s" }}\n',
}


def name_of(loop: asyncio.AbstractEventLoop) -> str:
    """Return what ASYNCINIT_LOOP is for a loop of this kind."""
    return "uvloop" if "uvloop" in type(loop).__module__ else "asyncio"


def test_a_procfile_is_run_from_below_its_folder(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Each entry with its port, the variables of .env and the project as its folder; ^C ends all with status 0."""
    show = 'echo "$0 $PORT $WHO $(pwd -P)"; exec sleep 1000\n'
    files = {"Procfile": f"web: {show}worker: {show}", ".env": "WHO='a b'\n", "sub/x": ""}
    project = Folder(tmp_path, files, name_of(loop))
    with project.dev(below="sub") as run:
        seen = {run.out.expect(r"(\w+) \| \S+ (\d+) a b (\S+)$").groups() for _ in range(2)}
        assert seen == {("web", "5000", str(tmp_path.resolve())), ("worker", "5100", str(tmp_path.resolve()))}
        assert project.client("status", below="sub").stdout.count(" ready") == 2
        assert "# Procfile:2" in project.client("show", "worker").stdout
        run.signal(signal.SIGINT)
        assert run.wait() == 0
        project.nothing_left()


def test_the_rest_goes_on_when_one_ends(tmp_path: Path) -> None:
    """An entry is not started again, whatever its end; what has failed is told by the exit status."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\njob: exit 0\nbad: exit 3\n"})
    with project.dev() as run:
        run.out.expect("ports: bad 5200, job 5100, web 5000")
        run.out.expect("bad . failed: exited with 3")
        run.out.expect("bad . in another terminal `asyncinit restart bad` starts it again")
        assert "completed" in project.client("status", "job").stdout
        assert len(project.programs("sleep", "1000")) == 1
        project.client("stop", "web")
        text = run.out.rest()
        assert "another terminal" not in text and "failed: bad (exited with 3); exit status 69" in text
        assert run.wait() == 69
        project.nothing_left()


def test_exit_with_ends_all(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """With the end of that one everything ends, and its status is ours."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\ntest: exit 7\n"}, name_of(loop))
    with project.dev("--exit-with", "test") as run:
        assert run.wait() == 7
        project.nothing_left()


def test_names_are_started_with_what_they_require(tmp_path: Path) -> None:
    """The others are there, and not started."""
    files = {
        "services.d/db.toml": 'command = "sleep 1000"\n',
        "services.d/web.toml": 'command = "sleep 1001"\nrequires = ["db"]\n',
        "services.d/other.toml": 'command = "sleep 1002"\n',
        ".env": "A=1\n",
    }
    project = Folder(tmp_path, files)
    with project.dev("web") as run:
        run.out.expect("all services are ready")
        assert len(project.programs("sleep")) == 2 and not project.programs("sleep", "1002")
        assert len(project.processes("A=1")) == 2
        project.client("start", "other")
        assert len(project.programs("sleep")) == 3
    with project.dev("wbe") as run:
        assert "no such service: wbe; did you mean web?" in run.out.rest()
        assert run.wait() == 2


def test_a_formation_counts_instances(tmp_path: Path) -> None:
    """Of Procfile entries, which are called as foreman calls them, and of templates."""
    project = Folder(tmp_path, {"Procfile": "web: sleep $PORT\njob: sleep 1\n"})
    with project.dev("-m", "all=0,web=2", "-p", "3000") as run:
        run.out.expect("all services are ready")
        wait_until(lambda: len(project.programs("sleep")) == 2)
        assert len(project.programs("sleep", "3000")) == len(project.programs("sleep", "3001")) == 1
    template = Folder(tmp_path / "t", {"services.d/w@.toml": 'command = "sleep 1000"\n'})
    with template.dev("--formation", "w=3") as run:
        run.out.expect("all services are ready")
        assert len(template.programs("sleep")) == 3
    with template.dev("--formation", "x=3") as run:
        assert "there is no x@.toml" in run.out.rest()


def test_a_second_one_is_told_of_the_first(tmp_path: Path) -> None:
    """It starts nothing, and says how the one that runs is reached."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\n"})
    with project.dev() as run:
        run.out.expect("all services are ready")
        second = project.client("dev")
        assert second.returncode == 1
        assert "runs this project already" in second.stderr and "asyncinit status" in second.stderr
        assert len(project.programs("sleep")) == 1
    held = claim(str(tmp_path))
    assert held is not None and claim(str(tmp_path)) is None
    held.close()


def test_a_project_within_another_is_one_of_its_own(tmp_path: Path) -> None:
    """Though the one around it runs, and declares where its control socket is."""
    toml = '[init]\ncontrol_socket = "sock"\n[services.a]\ncommand = "sleep 1000"\n'
    outer = Folder(tmp_path, {"asyncinit.toml": toml})
    inner = Folder(tmp_path / "inner", {"Procfile": "web: sleep 1001\n"})
    with outer.dev() as around:
        around.out.expect("all services are ready")
        assert outer.client("dev").returncode == 1
        with inner.dev() as run:
            run.out.expect("all services are ready")
            run.signal(signal.SIGTERM)
            assert run.wait() == 0
        assert outer.programs("sleep", "1000")


def test_where_it_cannot_be(tmp_path: Path) -> None:
    """A folder that is not there, and options that exclude each other, are told in a line."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1\n"})
    gone = project.client("dev", "-f", "nowhere/Procfile")
    assert gone.returncode == 2 and f"cannot run a project in {tmp_path}/nowhere: no such file" in gone.stderr
    both = project.client("dev", "-f", "Procfile", "--services", "x")
    assert both.returncode == 2 and "do not go together" in both.stderr
    odd = project.client("dev", "-m", "web")
    assert odd.returncode == 2 and "expected NAME=NUMBER" in odd.stderr
    assert project.client("dev", "-e", "missing").returncode == 78


def test_where_there_is_nothing(tmp_path: Path) -> None:
    """What was looked for is told, and the next step."""
    told = Folder(tmp_path, {"x/y": ""}).client("dev", below="x")
    assert told.returncode == 78
    assert all(word in told.stderr for word in ("asyncinit.toml", "services.d", "Procfile", "asyncinit new"))


def test_all_errors_are_told_and_nothing_is_started(tmp_path: Path) -> None:
    """Of the Procfile and of .env, with their lines."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\nno entry\n", ".env": "A B=1\n"})
    with project.dev() as run:
        text = run.out.rest()
        assert "Procfile:2: " in text and ".env:1: " in text
        assert run.wait() == 78


def test_which_project_is_meant(tmp_path: Path) -> None:
    """The nearest folder; in it asyncinit.toml before services.d before a Procfile; never a stranger's around it."""
    a, b = tmp_path / "a", tmp_path / "a" / "b"
    (b / "c").mkdir(parents=True)
    with pytest.raises(NothingThereError):
        find(str(b))
    (a / "Procfile").write_text("")
    assert find(str(b / "c")) == Found(str(a), procfile="Procfile")
    (a / "services.d").mkdir()
    assert find(str(b / "c")) == Found(str(a), services=("services.d",))
    (a / "asyncinit.toml").write_text("")
    assert find(str(b / "c")) == Found(str(a), config="asyncinit.toml")
    (b / "services.d").mkdir()
    assert find(str(b / "c")).folder == str(b)
    if os.geteuid() == 0:
        shutil.rmtree(b / "services.d")
        os.chown(a, 12345, 12345)
        with pytest.raises(NothingThereError):
            find(str(b / "c"))


def test_elsewhere_than_on_linux_it_says_so(tmp_path: Path) -> None:
    """Before anything is imported that is Linux's, with the status for what is not available."""
    code = (
        "import sys; sys.platform = 'darwin'; sys.argv[1:] = ['dev']\n"
        "class No:\n"
        "    def find_spec(self, name, *_):\n"
        "        assert not name.startswith(('asyncinit.linux', 'asyncinit.runtime', 'asyncinit.minimal')), name\n"
        "sys.meta_path.insert(0, No())\n"
        "from asyncinit.__main__ import main; sys.exit(main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [PYTHON, "-c", code]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (69, "asyncinit: Linux only; run it in a container or VM\n")


# ---------------------------------------------------------------------------------------------------------------------
# What is saved holds


def test_what_is_saved_holds(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """A changed, a new and a removed file, a drop-in and .env; what is unchanged keeps running."""
    files = {f"services.d/{name}.toml": 'command = "sleep 1000"\n' for name in "ab"}
    project = Folder(tmp_path, files, name_of(loop))
    with project.dev() as run:
        run.out.expect("all services are ready")
        kept = wait_until(lambda: project.programs("sleep"))
        project.write(
            {"services.d/b.toml": 'command = "sleep 1001"\n', "services.d/c.toml": 'command = "sleep 1002"\n'}
        )
        wait_until(lambda: project.programs("sleep", "1001") and project.programs("sleep", "1002"))
        assert set(project.programs("sleep", "1000")) < set(kept)
        project.write({"services.d/c.d/x.toml": 'environment = { D = "1" }\n'})
        wait_until(lambda: project.processes("D=1"))
        (tmp_path / "services.d" / "b.toml").unlink()
        wait_until(lambda: not project.programs("sleep", "1001"))
        project.write({".env": "E=1\n"})
        wait_until(lambda: len(project.processes("E=1")) == 2)


def test_what_is_broken_changes_nothing(tmp_path: Path) -> None:
    """The error is told with its place, what runs goes on; mended, the file holds. Of a Procfile too."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\n"})
    with project.dev() as run:
        run.out.expect("all services are ready")
        service = wait_until(lambda: project.programs("sleep"))  # the shell becomes it
        project.write({"Procfile": "web: sleep 1000\nno entry\n"})
        run.out.expect("Procfile:2: is no entry")
        assert project.programs("sleep") == service
        project.write({"Procfile": "web: sleep 1000\n"})
        run.out.expect("sound again")
        assert project.programs("sleep") == service
        os.replace(tmp_path / "Procfile", tmp_path / "away")
        run.out.expect("Procfile: cannot be read")
        project.write({"new": "web: sleep 1000\nmore: sleep 1001\n"})
        os.replace(tmp_path / "new", tmp_path / "Procfile")
        wait_until(lambda: project.programs("sleep", "1001"))
        assert project.programs("sleep", "1000") == service


# ---------------------------------------------------------------------------------------------------------------------
# Nothing is left

PAIRS = [*((n,) for n in range(3)), *itertools.combinations(range(3), 2)]


@pytest.mark.parametrize("killed", PAIRS, ids=lambda killed: "".join("OIA"[n] for n in killed))
def test_nothing_is_left_of_what_is_killed(
    tmp_path: Path, killed: tuple[int, ...], loop: asyncio.AbstractEventLoop
) -> None:
    """Whichever of asyncinit and its guardians is killed, or two at once: all processes of the project end."""
    project = Folder(tmp_path, FAMILY, name_of(loop))
    with project.dev() as run:
        run.out.expect("is up")
        wait_until(lambda: project.programs("sleep", "1001") and project.programs("sleep", "1002"))
        pids = three(run)
        for number in killed:
            os.kill(pids[number], signal.SIGKILL)
        project.nothing_left()
        assert run.wait() in (-signal.SIGKILL, 124, 128 + signal.SIGKILL)


def test_services_end_with_all_three(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Where nobody is left to tidy up, the services' own processes end by their parent-death signal."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\nworker: A=1 sleep 1001\n"}, name_of(loop))
    with project.dev() as run:
        run.out.expect("all services are ready")
        pids = three(run)
        run.process.send_signal(signal.SIGSTOP)  # so that it notices nothing until all are dead
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        project.nothing_left()


def test_what_nobody_could_end_is_ended_by_the_next(tmp_path: Path) -> None:
    """All three killed, a forked daemon lives on: the next asyncinit of the project ends it, and says so."""
    project = Folder(tmp_path, FAMILY)
    with project.dev() as run:
        run.out.expect("is up")
        wait_until(lambda: project.programs("sleep", "1001"))
        pids = three(run)
        run.process.send_signal(signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not project.programs("sleep", "1000"))
        left = project.programs("sleep", "1001")
        assert left
        run.wait()
        with project.dev() as second:
            second.out.expect(r"ended what an earlier asyncinit has left of this project: .*sleep \(\d+\)")
            second.out.expect("is up")
            wait_until(lambda: project.programs("sleep", "1001"))
            assert not set(left) & set(project.programs("sleep", "1001"))
            second.signal(signal.SIGTERM)
            second.wait()
            project.nothing_left()


def test_a_reexec_stays_guarded(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """The next program is the same process, with the same guardians and the same claim, and knows its project."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\n"}, name_of(loop))
    with project.dev() as run:
        run.out.expect("all services are ready")
        pids = three(run)
        service = wait_until(lambda: project.programs("sleep"))  # the shell becomes it
        assert project.client("reexec").returncode == 0
        assert project.programs("sleep") == service and three(run) == pids
        project.write({"Procfile": "web: sleep 1000\nmore: sleep 1001\n"})
        assert project.client("reload-config").returncode == 0
        assert len(project.programs("sleep")) == 2
        assert project.client("dev").returncode == 1
        os.kill(pids.asyncinit, signal.SIGKILL)
        project.nothing_left()


def test_what_is_left_without_asking_is_ended(tmp_path: Path) -> None:
    """A service that leaves a daemon behind and ends: when all ends, so does that."""
    project = Folder(tmp_path, {"Procfile": "web: (setsid sleep 1000 &)\n"})
    with project.dev() as run:
        assert run.wait() == 0
        project.nothing_left()


def test_in_a_pid_namespace_nothing_can_outlive_it(tmp_path: Path) -> None:
    """With --unshare it is PID 1 of its own namespace; killed inside or outside, all is gone."""
    project = Folder(tmp_path, {f"sub/{name}": text for name, text in FAMILY.items()})
    for victim in ("outer", "inner"):
        with project.dev("--unshare", "--services", "sub/services.d") as run:
            text = run.out.expect("(?s).*(is up|not PID 1: .*)\n")[0]
            if "not PID 1" in text:
                pytest.skip(text)
            assert project.client("dev", "--services", "sub/services.d").returncode == 1
            pid = run.pid if victim == "outer" else wait_until(lambda: children(run.pid))[0]
            os.kill(pid, signal.SIGKILL)
            project.nothing_left()


# ---------------------------------------------------------------------------------------------------------------------
# At a terminal


def test_keys_end_it(tmp_path: Path) -> None:
    """^C stops in order; the second one, a second later, at once."""
    project = Folder(tmp_path, FAMILY)
    with project.dev(terminal=True) as run:
        run.out.expect("is up")
        run.type("\x03")
        run.out.expect("shutting down: received SIGINT\r?$")  # a guardian's pid would tell nobody anything
        run.out.expect("web .*stopped")
        deadline = []
        while not run.out.ended and run.process.poll() is None:  # repeated as an impatient person does
            run.type("\x03") if len(deadline) % 20 == 0 else None
            deadline.append(run.out.read(0.1))
        assert run.wait() == 124
        project.nothing_left()


@pytest.mark.parametrize("shell", [False, True])
def test_the_end_of_the_terminal_ends_it(tmp_path: Path, shell: bool) -> None:
    """As the leader of the session, and as the job of a shell: when the window is closed, all goes down in order."""
    project = Folder(tmp_path, FAMILY)
    prefix = ["sh", "-c", '"$@"; true', "sh"] if shell else []
    with project.dev(terminal=True, prefix=prefix) as run:
        run.out.expect("is up")
        os.close(run.keyboard)
        project.nothing_left()
        run.wait()
        run.keyboard = run.out.fd = os.open(os.devnull, os.O_RDWR)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash, whose job control is tested")
def test_a_shell_around_keeps_its_terminal(tmp_path: Path) -> None:
    """^Z gives the prompt back while the services stay supervised; fg and ^C end it."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\n"})
    project.environment |= {"PS1": "sh> ", "TERM": "dumb"}
    bash = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    with project.dev(terminal=True, program=bash) as run:
        run.out.expect("sh> ")
        run.type(f"{PYTHON} -m asyncinit dev\n")
        run.out.expect("all services are ready")
        job = project.programs("dev")[0]
        run.type("\x1a")
        run.out.expect("Stopped")
        assert is_stopped(job)
        assert project.client("restart", "web").returncode == 0
        run.type("fg\n")
        wait_until(lambda: not is_stopped(job))
        run.type("\x03")
        run.out.expect("down after")
        run.out.expect("sh> ")
        wait_until(lambda: is_gone(job))
        run.type("exit\n")
        run.wait()


def test_it_survives_what_it_was_told_to_ignore(tmp_path: Path) -> None:
    """With nohup the hang-up, sent to it or its group, is nothing; SIGTERM ends it."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\n"})
    with project.dev(prefix=["nohup"]) as run:
        run.out.expect("all services are ready")
        run.signal(signal.SIGHUP)
        os.killpg(run.pid, signal.SIGHUP)
        assert project.client("status").returncode == 0
        run.signal(signal.SIGTERM)
        text = run.out.rest()
        assert "received SIGTERM" in text and "SIGHUP" not in text
        assert run.wait() == 0


def test_its_output_may_be_read_by_a_pipe(tmp_path: Path) -> None:
    """`asyncinit dev | head -1`: the reader's end changes nothing for the services."""
    project = Folder(tmp_path, {"Procfile": "web: sleep 1000\n"})
    with project.dev(prefix=["sh", "-c", '"$@" | head -n 1', "sh"]):
        wait_until(lambda: project.programs("sleep"))
        assert project.client("restart", "web").returncode == 0
        assert project.client("shutdown").returncode == 0
        project.nothing_left()
