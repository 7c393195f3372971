"""Preparing a run: who, where, with which environment; what may block is done in a child."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from asyncinit.config.spec import Command, Directories, EnvironmentFile, Hook, Hooks, ServiceSpec
from asyncinit.errors import SpawnError
from asyncinit.runtime.process import identity
from asyncinit.runtime.process.prepare import Preparation
from asyncinit.runtime.process.prepared import Prepared, Unmet
from tests.linux.running import FORKING, Running, descriptors

pytestmark = pytest.mark.filterwarnings(FORKING)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OWN = {"ASYNCINIT_TOKEN": "token"}


class World(Running):
    """Prepares services with a given environment, by default of a user whose directories are below `folder`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        super().__init__(loop)
        self.folder = folder
        self.inherited = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run"), "PATH": "/bin:/usr/bin"}

    def begin(self, spec: ServiceSpec, timeout: float = 600.0, slow: bool = False) -> Prepared | Unmet | SpawnError:
        """Prepare, and wait for what comes of it."""
        preparation = Preparation(self.loop, self.offloader, self.inherited, slow=lambda: slow)
        answers: list[Prepared | Unmet | SpawnError] = []
        preparation.begin(spec, OWN, answers.append, timeout)
        assert answers == []
        self.until(lambda: answers)
        self.until(lambda: not self.reaper.pids())
        return answers[0]

    def prepare(self, spec: ServiceSpec, **options: Any) -> Prepared:
        """Prepare what must go well."""
        answer = self.begin(spec, **options)
        assert isinstance(answer, Prepared), answer
        return answer

    def fail(self, spec: ServiceSpec, **options: Any) -> str:
        """Prepare what must fail, and return why."""
        answer = self.begin(spec, **options)
        assert isinstance(answer, SpawnError), answer
        return str(answer)

    @property
    def forks(self) -> int:
        return self.reaper.spawned


@pytest.fixture
def world(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[World]:
    before = descriptors()
    world = World(loop, tmp_path)
    yield world
    assert descriptors() == before


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have directories made in the places of a user who is not root."""
    monkeypatch.setattr(os, "geteuid", lambda: 54321)


def test_nothing_to_do_takes_no_process(world: World) -> None:
    """A plain service is prepared at once, with asyncinit's own variables."""
    prepared = world.prepare(ServiceSpec("web", environment={"A": "${HOME}"}))
    assert prepared.environment == world.inherited | {"A": str(world.folder)} | OWN
    assert prepared.credentials is None
    assert world.forks == 0


def test_a_user_of_the_files_takes_no_process(world: World) -> None:
    """A user in /etc/passwd sets the four variables and the groups without a fork."""
    prepared = world.prepare(ServiceSpec("web", user="daemon"))
    assert prepared.credentials is not None
    assert (prepared.credentials.uid, str(prepared.credentials)) == (1, "daemon")
    assert prepared.credentials.groups is not None
    names = ("HOME", "USER", "LOGNAME")
    assert [prepared.environment[name] for name in names] == ["/usr/sbin", "daemon", "daemon"]
    assert world.forks == 0


def test_slow_file_systems_take_a_process(world: World) -> None:
    """Where a file system may hang, not even /etc/passwd is read by us."""
    world.prepare(ServiceSpec("web", user="daemon"), slow=True)
    assert world.forks == 1
    world.prepare(ServiceSpec("web"), slow=True)
    assert world.forks == 1


def test_numeric_user_needs_no_entry(world: World) -> None:
    """A number that nobody has is its own group, and HOME is /."""
    prepared = world.prepare(ServiceSpec("web", user="54321", supplementary_groups=("7",)))
    assert prepared.credentials is not None
    assert (prepared.credentials.uid, prepared.credentials.gid) == (54321, 54321)
    assert prepared.credentials.groups == (54321, 7)
    assert (prepared.environment["HOME"], prepared.environment["USER"]) == ("/", "54321")


def test_our_own_user_changes_nothing(world: World) -> None:
    """Our own number keeps our groups, so that no right is needed."""
    prepared = world.prepare(ServiceSpec("web", user=str(os.getuid()), group=str(os.getgid())))
    assert prepared.credentials is not None
    assert prepared.credentials.groups is None


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"user": "xyzzy"}, "cannot set user xyzzy: no such user"),
        ({"group": "xyzzy"}, "cannot set group xyzzy: no such group"),
        ({"supplementary_groups": ("xyzzy",)}, "cannot set group xyzzy: no such group"),
        ({"user": "nobdy"}, "cannot set user nobdy: no such user; did you mean nobody?"),
    ],
)
def test_unknown_names(world: World, keys: dict[str, Any], text: str) -> None:
    """Who is in no file is looked up in a child, and then named."""
    assert world.fail(ServiceSpec("web", **keys)) == text
    assert world.forks == 1


def test_directory_servers_are_asked_in_a_child(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that only the C library knows is found, with its groups."""
    import pwd

    entry = pwd.struct_passwd(("far", "x", 777, 888, "", "/home/far", "/bin/far"))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry if name == "far" else None)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid, 999])
    prepared = world.prepare(ServiceSpec("web", user="far", group="1000"))
    assert prepared.credentials is not None
    assert (prepared.credentials.uid, prepared.credentials.gid) == (777, 1000)
    assert prepared.credentials.groups == (1000, 999)
    assert (prepared.environment["HOME"], prepared.environment["SHELL"]) == ("/home/far", "/bin/far")
    assert world.forks == 1


def test_a_directory_server_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up at the deadline, and named."""
    import time

    monkeypatch.setattr(identity.accounts, "look_up_user", lambda _text: time.sleep(600))
    text = world.fail(ServiceSpec("web", user="far"), timeout=0.2)
    assert text == "cannot look up users and groups: not done within 0.2 s"


def test_environment_files(world: World) -> None:
    """Files are read in order, a path may use what is known by then, an optional one may be absent."""
    (world.folder / "first").write_text("A=1\nB=1\nNAME=second\n")
    (world.folder / "second").write_text("B='2 ${A}'\nC=2\n")
    spec = ServiceSpec(
        "web",
        environment={"C": "${B}-3", "DIR": str(world.folder)},
        environment_file=(
            EnvironmentFile("${HOME}/first"),
            EnvironmentFile("${DIR}/absent", optional=True),
            EnvironmentFile("${DIR}/${NAME}"),
        ),
    )
    prepared = world.prepare(spec)
    assert [prepared.environment[name] for name in "ABC"] == ["1", "2 ${A}", "2 ${A}-3"]
    assert world.forks == 1


def test_bad_environment_files(world: World) -> None:
    """The file, the line, the variable: what is wrong is named."""
    (world.folder / "bad").write_text("A=1\nB='\n")
    (world.folder / "folder").mkdir()

    def fail(path: str) -> str:
        return world.fail(ServiceSpec("web", environment_file=(EnvironmentFile(path, optional=True),)))

    assert f"{world.folder}/bad:2: " in fail("${HOME}/bad")
    assert fail("${HOME}/folder") == f"cannot read environment file {world.folder}/folder: is a directory"
    assert "${NONE} is not set" in fail("${NONE}/x")
    assert "larger than 1 MiB" in fail("/dev/zero")
    absent = world.fail(ServiceSpec("web", environment_file=(EnvironmentFile("/no/such"),)))
    assert absent == "cannot read environment file /no/such: no such file or directory"


def test_an_environment_file_that_hangs(world: World) -> None:
    """A FIFO that nobody writes to is given up at the deadline, and named."""
    path = world.folder / "fifo"
    os.mkfifo(path)
    text = world.fail(ServiceSpec("web", environment_file=(EnvironmentFile(str(path)),)), timeout=0.2)
    assert text == f"cannot read environment file {path}: not done within 0.2 s"


def test_unset_variables(world: World) -> None:
    """An unset variable is named with its key."""
    assert "environment.A: ${NONE}" in world.fail(ServiceSpec("web", environment={"A": "${NONE}"}))
    assert "working_directory: ${NONE}" in world.fail(ServiceSpec("web", working_directory="${NONE}"))


def test_directories(world: World, as_user: None) -> None:
    """They are made, told in variables that other values can use, and the runtime ones removed."""
    names = Directories(runtime=("web", "web2/a"), state=("web",), logs=("web",))
    spec = ServiceSpec("web", directories=names, environment={"DB": "${STATE_DIRECTORY}/db"})
    prepared = world.prepare(spec)
    run = world.folder / "run"
    assert prepared.environment["RUNTIME_DIRECTORY"] == f"{run}/web:{run}/web2/a"
    assert prepared.environment["DB"] == f"{world.folder}/.local/state/web/db"
    assert (world.folder / ".local/state/log/web").is_dir()
    assert "CACHE_DIRECTORY" not in prepared.environment

    answers: list[SpawnError | None] = []
    Preparation(world.loop, world.offloader, world.inherited, slow=lambda: False).remove_directories(
        spec, answers.append
    )
    world.until(lambda: answers)
    world.until(lambda: not world.reaper.pids())
    assert answers == [None]
    assert sorted(path.name for path in run.iterdir()) == ["web2"]
    assert (world.folder / ".local/state/web").is_dir()


@as_root
def test_directories_belong_to_the_user(world: World, as_user: None) -> None:
    """Their owner is the service's user."""
    world.prepare(ServiceSpec("web", user="54321", directories=Directories(state=("web",))))
    info = (world.folder / ".local/state/web").stat()
    assert (info.st_uid, info.st_gid) == (54321, 54321)


def test_a_directory_that_cannot_be_made(world: World, as_user: None) -> None:
    """It fails the service by name, unless `prefer` has it: then the service does without, and it is told."""
    (world.folder / ".local").write_text("a file")
    names = Directories(runtime=("web",), state=("web",))
    expected = f"cannot make directory {world.folder}/.local/state/web: not a directory"
    assert world.fail(ServiceSpec("web", directories=names)) == expected
    for key in ("directories", "directories.state"):
        prepared = world.prepare(ServiceSpec("web", directories=names, prefer=frozenset({key})))
        assert [(one.key, one.text) for one in prepared.not_applied] == [("directories.state", expected)]
        assert "STATE_DIRECTORY" not in prepared.environment
        assert "RUNTIME_DIRECTORY" in prepared.environment
    assert world.fail(ServiceSpec("web", directories=names, prefer=frozenset({"directories.runtime"}))) == expected


def test_preferred_user_that_does_not_exist(world: World) -> None:
    """The service runs as we do, with our variables, and that is told."""
    prepared = world.prepare(ServiceSpec("web", user="xyzzy", prefer=frozenset({"user"})))
    assert prepared.credentials is None
    assert prepared.environment["HOME"] == str(world.folder)
    assert [one.key for one in prepared.not_applied] == ["user"]


def refuse(*_args: object) -> None:
    raise PermissionError(errno.EPERM, "x")


@pytest.mark.parametrize(
    ("call", "keys", "left", "ids"),
    [
        ("setresuid", {"user": "54321"}, ["user"], None),
        ("setgroups", {"user": "54321", "supplementary_groups": ("7",)}, ["supplementary_groups", "user"], None),
        ("setresgid", {"group": "54321"}, ["group"], None),
        ("setresuid", {"user": "54321", "group": "54322"}, ["group", "user"], None),
    ],
)
def test_preferred_identity_that_is_refused(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    keys: dict[str, Any],
    left: list[str],
    ids: tuple[int, int] | None,
) -> None:
    """What the kernel refuses is found out by trying, and left out in the order of its weight."""
    for name in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, name, refuse if name == call else lambda *_args: None)
    prepared = world.prepare(ServiceSpec("web", **keys, prefer=frozenset(keys)))
    assert [one.key for one in prepared.not_applied] == left
    assert all("operation not permitted" in one.text for one in prepared.not_applied)
    assert prepared.credentials is ids
    assert prepared.environment["HOME"] == str(world.folder)


def test_preferred_directory_and_terminal(world: World) -> None:
    """A working directory or terminal that is not there is done without, if preferred."""
    spec = ServiceSpec(
        "web", working_directory="/no/such", tty="/dev/no-such", prefer=frozenset({"working_directory", "tty"})
    )
    prepared = world.prepare(spec)
    assert (prepared.working_directory, prepared.terminal) == (None, None)
    assert sorted(one.key for one in prepared.not_applied) == ["tty", "working_directory"]
    kept = world.prepare(ServiceSpec("web", working_directory="${HOME}", prefer=frozenset({"working_directory"})))
    assert (kept.working_directory, kept.not_applied) == (str(world.folder), ())


def test_bytes_that_are_not_utf8_pass_through(world: World) -> None:
    """Inherited values are bytes to us."""
    world.inherited["ODD"] = "\udcff"
    (world.folder / "file").write_text("A=1")
    spec = ServiceSpec("web", environment_file=(EnvironmentFile("${HOME}/file"),), environment={"B": "${ODD}"})
    assert world.prepare(spec).environment["B"] == "\udcff"


def test_cancel(world: World) -> None:
    """Nobody is called after a cancel, with a child or without."""
    answers: list[object] = []
    preparation = Preparation(world.loop, world.offloader, world.inherited, slow=lambda: False)
    os.mkfifo(world.folder / "fifo")
    for spec in (ServiceSpec("web"), ServiceSpec("web", environment_file=(EnvironmentFile("${HOME}/fifo"),))):
        preparation.begin(spec, OWN, answers.append).cancel()
    world.until(lambda: not world.reaper.pids())
    assert answers == []


def test_plan(world: World) -> None:
    """Plans have the words expanded, the hook's user, and what is added."""
    hooks = Hooks(pre_start=(Hook(Command(("x",)), user="54321"), Hook(Command(("x",)), user="xyzzy")))
    prepared = world.prepare(ServiceSpec("web", user="daemon", hooks=hooks, umask=0o27, working_directory="${HOME}"))
    plan = prepared.plan(Command(("run", "${USER}", "${ADDED}")), "command", additional={"ADDED": "x y"})
    assert plan.argv == ("run", "daemon", "x y")
    assert (plan.umask, plan.working_directory) == (0o27, "/usr/sbin")
    other = prepared.plan(Command(("run", "${USER}")), "hooks.pre_start", user="54321")
    assert other.credentials is not None
    assert (other.argv, other.credentials.uid) == (("run", "54321"), 54321)
    with pytest.raises(SpawnError, match="no such user"):
        prepared.plan(Command(("run",)), "hooks.pre_start", user="xyzzy")
    with pytest.raises(SpawnError, match=r"stop\.command: \$\{NONE\}"):
        prepared.plan(Command(("kill", "${NONE}")), "stop.command")


def test_what_is_prepared_can_be_run(world: World) -> None:
    """From declaration to process, with a directory of its own."""
    environment: Mapping[str, str] = {"A": "a"}
    spec = ServiceSpec("web", environment=environment, working_directory=str(world.folder), umask=0o077)
    plan = world.prepare(spec).plan(Command(("sh", "-c", 'echo "$A" "$ASYNCINIT_TOKEN"; pwd; umask')), "command")
    assert world.output(plan).split() == ["a", "token", str(world.folder), "0077"]
