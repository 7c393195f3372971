"""What /proc tells of processes, real ones."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncinit.linux import proc
from tests.support import wait_until


@contextlib.contextmanager
def child(*arguments: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A child that sleeps, ended afterwards."""
    command = list(arguments) or ["sleep", "60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_our_own_stat() -> None:
    """Our own entry names our parent, group and session, and we are alive."""
    stat = proc.stat(os.getpid())
    assert stat is not None and stat.alive
    assert (stat.ppid, stat.pgrp, stat.session) == (os.getppid(), os.getpgrp(), os.getsid(0))
    assert 0 < stat.start_time <= proc.instant().ticks


@pytest.mark.parametrize("name", ["a) S 1 1 1 (b", ") (", "two words", "x\ny", "\x1b[31mred", "ünï", ")))))))))))))))"])
def test_any_name_is_understood(name: str, tmp_path: Path) -> None:
    """A name with blanks, parentheses, control characters or broken UTF-8 shifts no field, and is printable."""
    program = "import sys,time\nopen('/proc/self/comm','w').write(sys.argv[1])\nprint(1, flush=True)\ntime.sleep(60)"
    with child(sys.executable, "-I", "-S", "-c", program, name) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stat = proc.stat(process.pid)
        assert stat is not None and stat.ppid == os.getpid() and stat.session == os.getsid(0) and stat.state in "SR"
        assert stat.name.isprintable()
        if name.isprintable() and name.isascii():
            assert stat.name == name[:15]


def test_a_zombie_is_not_alive_and_a_gone_process_is_none() -> None:
    """A process that has ended is a zombie until it is reaped, and then nothing."""
    process = subprocess.Popen(["true"])
    wait_until(lambda: (stat := proc.stat(process.pid)) is not None and stat.state == "Z")
    stat = proc.stat(process.pid)
    assert stat is not None and not stat.alive
    assert proc.environment(process.pid) == b""
    process.wait()
    assert proc.stat(process.pid) is None
    assert proc.children(process.pid) == []
    assert proc.environ_has(process.pid, b"A=b") is None
    assert proc.waiting_channel(process.pid) == "" and proc.status_field(process.pid, "Uid") == ""


def test_a_process_without_its_first_thread_is_alive() -> None:
    """The kernel shows it as a zombie, but it runs."""
    family = Path(__file__).parent.parent / "programs" / "family.py"
    with child(sys.executable, "-I", "-S", str(family), "first-thread") as process:
        stat = wait_until(lambda: (stat := proc.stat(process.pid)) and stat.state == "Z" and stat)
        assert stat.alive and stat.threads == 2
        assert proc.environment(process.pid), "of its other thread"


def test_children_of_every_thread_are_found() -> None:
    """A child that a thread has made is a child of the process."""
    program = (
        "import subprocess,threading,time\n"
        "def make():\n"
        "  print(subprocess.Popen(['sleep','60']).pid, flush=True); time.sleep(60)\n"
        "threading.Thread(target=make, daemon=True).start(); make()"
    )
    with child(sys.executable, "-I", "-S", "-c", program) as process:
        assert process.stdout is not None
        made = {int(process.stdout.readline()), int(process.stdout.readline())}
        try:
            assert set(proc.children(process.pid)) == made
            census = proc.Census()
            assert set(census.children(process.pid)) == made
            assert process.pid in census.children(os.getpid())
        finally:
            for pid in made:
                os.kill(pid, 9)


def test_our_own_children_without_a_free_descriptor() -> None:
    """The list of our children, a stat and an environment can be read when the descriptor table is full."""
    proc.keep_spare()
    ours = proc.OwnChildren()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with child() as process:
        wait_until(lambda: proc.environment(process.pid))
        taken: list[int] = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.open("/dev/null", os.O_RDONLY))
            assert process.pid in ours.read()
            stat = proc.stat(process.pid)
            assert stat is not None and stat.ppid == os.getpid()
            assert proc.environment(process.pid)
            assert proc.usable() and proc.pids() and proc.children(os.getpid()).count(process.pid) == 1
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            ours.close()
            proc.drop_spare()


def test_many_children_are_all_listed() -> None:
    """A list of more than a page of the kernel's is read whole and exact."""
    ours = proc.OwnChildren()
    made = {os.posix_spawn("/bin/sleep", ["sleep", "60"], {}) for _ in range(700)}
    try:
        listed = ours.read()
        assert made <= set(listed) and len(listed) == len(set(listed))
    finally:
        for pid in made:
            os.kill(pid, 9)
        for pid in made:
            os.waitpid(pid, 0)
        ours.close()
    assert not made & set(proc.children(os.getpid()))


def test_an_environment_is_searched_for_whole_variables() -> None:
    """A variable is found as NAME=value as a whole, first, last or between, and nothing that only resembles it."""
    with child(env={"FIRST": "1", "TOKEN": "abc", "LAST": "x"}) as process:
        wait_until(lambda: proc.environ_has(process.pid, b"TOKEN=abc"))
        assert proc.environ_has(process.pid, b"FIRST=1") and proc.environ_has(process.pid, b"LAST=x")
        for wrong in (b"TOKEN=ab", b"OKEN=abc", b"TOKEN=abcd", b"TOKEN"):
            assert proc.environ_has(process.pid, wrong) is False


def test_an_environment_of_any_size_is_read() -> None:
    """The end of a large environment is found, too."""
    variables = {f"V{number}": "x" * 100_000 for number in range(10)} | {"TOKEN": "abc"}
    with child(env=variables) as process:
        wait_until(lambda: proc.environ_has(process.pid, b"TOKEN=abc"))


def test_without_proc_a_child_is_known_by_system_calls() -> None:
    """Session and group of a child of ours need no /proc."""
    with child(start_new_session=True) as process:
        stat = proc.hidden_stat(process.pid)
        assert stat.alive and stat.session == stat.pgrp == process.pid and stat.start_time == 0


def test_namespaces_have_numbers() -> None:
    """Our PID namespace is our children's."""
    with child() as process:
        assert proc.namespace_inode("pid") == proc.namespace_inode("pid", process.pid)
    assert proc.namespace_inode("nothing") is None


def test_the_last_pid_moves_with_every_process() -> None:
    """The instant tells that a pid was handed out."""
    before = proc.instant()
    if before.last_pid is None:
        pytest.skip("the kernel does not tell the last pid (CONFIG_CHECKPOINT_RESTORE)")
    with child():
        after = proc.instant()
    assert after.last_pid != before.last_pid and after.seconds > before.seconds
    assert proc.pid_max() > 300
