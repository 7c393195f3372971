"""A child's own namespaces, mounts and root: what it sees, what it cannot reach, and what fails by name."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from asyncinit.config.spec import IdRange, Mount, MountKind, NamespaceKind, Namespaces, Security
from asyncinit.errors import SpawnError
from asyncinit.linux.libc import call
from asyncinit.runtime.process import isolating, separation
from asyncinit.runtime.process.plan import Credentials, Isolation
from asyncinit.runtime.process.prepared import Prepared
from asyncinit.runtime.process.securing import Securing
from tests.linux.isolated import (
    ORDINARY,
    PRIVATE,
    USR,
    RefusedError,
    answers_on_loopback,
    inside,
    make_root,
    mount_places,
    namespace,
    skip_where_refused,
)
from tests.linux.running import FORKING

pytestmark = pytest.mark.filterwarnings(FORKING)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
_PR_GET_DUMPABLE = 3  # <linux/prctl.h>
KINDS = {"mount": "mnt", "net": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup"}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that others can get to: pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="asyncinit-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["root", "ordinary"])
def maker(request: pytest.FixtureRequest) -> Callable[..., Namespaces]:
    """Who makes the namespaces: root, or an ordinary user in a user namespace; makes what is asked for declarable."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    ordinary = request.param == "ordinary"

    def declared(**keys: object) -> Namespaces:
        return Namespaces(**{**keys, **({"user": PRIVATE} if ordinary else {})})  # type: ignore[arg-type]

    declared.uid = (ORDINARY if os.geteuid() == 0 else None) if ordinary else None  # type: ignore[attr-defined]
    skip_where_refused(declared(mount=PRIVATE), declared.uid)  # type: ignore[attr-defined]
    return declared


def look(maker: Callable[..., Namespaces], what: Callable[[], object], **keys: object) -> object:
    """Return what is found by `what` with these keys of [namespaces]."""
    return inside(maker(**keys), what, maker.uid)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_another_and_the_others_stay(maker: Callable[..., Namespaces], kind: str) -> None:
    """The kernel's number of the one namespace differs from ours, and no other's does."""
    ours = {name: namespace(name) for name in KINDS.values()}
    theirs = look(maker, lambda: {name: namespace(name) for name in KINDS.values()}, **{kind: PRIVATE})
    assert isinstance(theirs, dict)
    assert {name for name in ours if ours[name] != theirs[name]} == {KINDS[kind]}


def test_a_private_network_has_loopback(maker: Callable[..., Namespaces]) -> None:
    """It answers, and nothing else is there."""
    assert look(maker, lambda: answers_on_loopback(socket.AF_INET), net=PRIVATE)
    assert look(maker, lambda: [name for _, name in socket.if_nameindex() if name == "lo"], net=PRIVATE) == ["lo"]


def test_the_host_name_is_its_own(maker: Callable[..., Namespaces]) -> None:
    """It is set inside and nowhere else."""
    before = socket.gethostname()
    assert look(maker, socket.gethostname, uts=PRIVATE, hostname="inner") == "inner"
    assert socket.gethostname() == before


def test_what_is_mounted_inside_stays_inside(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """Our own table of mounts is the same afterwards."""
    root = make_root(tmp_path)
    before = mount_places()
    found = look(maker, mount_places, root=root, mounts=(USR, Mount(MountKind.TMPFS, "/tmp")))
    assert isinstance(found, list)
    assert "/tmp" in found
    assert mount_places() == before


def test_the_root_is_all_that_there_is(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """Nothing of the old root is mounted any more, `..` leads nowhere, and the working directory is the root."""

    def facts() -> list[object]:
        above = os.stat("/..").st_ino, os.stat("../../../..").st_ino
        return [os.getcwd(), os.path.exists(str(tmp_path)), above, os.stat("/").st_ino, mount_places()]

    found = look(maker, facts, root=make_root(tmp_path), mounts=(USR,))
    assert isinstance(found, list)
    folder, outside, above, top, places = found
    assert (folder, outside, above) == ("/", False, [top, top])
    assert top == (tmp_path / "root").stat().st_ino
    assert [place for place in places if place.split("/")[1] not in ("", "usr", "proc", "sys", "dev")] == []


def test_a_root_has_the_devices_that_programs_expect(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """null, zero, random and the like, pseudo-terminals of its own, shared memory; and nobody can add to them."""

    def facts() -> dict[str, object]:
        with open("/dev/null", "wb") as null, open("/dev/zero", "rb") as zero, open("/dev/urandom", "rb") as random:
            said = [null.write(b"x"), zero.read(2) == b"\0\0", len(random.read(3))]
        master, slave = os.openpty()
        terminal = os.ttyname(slave)
        os.close(master)
        with open("/dev/shm/x", "w") as file:
            file.write("x")
        try:
            os.mkdir("/dev/new")
        except OSError as error:
            refused = error.errno
        return {"said": said, "terminal": terminal, "names": sorted(os.listdir("/dev")), "refused": refused}

    found = look(maker, facts, root=make_root(tmp_path))
    assert isinstance(found, dict)
    assert found["said"] == [1, True, 3]
    assert found["terminal"] == "/dev/pts/0"
    assert found["refused"] == errno.EROFS
    assert set(found["names"]) == {
        *("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr")
    }


def test_the_kernels_settings_cannot_be_written(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """/sys is read-only in a root of its own, whether it is its own (with a network) or ours."""

    def attempt() -> int | None:
        try:
            os.mkdir("/sys/kernel/new")
        except OSError as error:
            return error.errno
        return None

    root = make_root(tmp_path)
    assert look(maker, attempt, root=root) == errno.EROFS
    assert look(maker, attempt, root=root, net=PRIVATE) == errno.EROFS


def test_a_link_in_the_root_does_not_lead_out_of_it(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """A target that is a symbolic link is what it will be inside, and nothing outside is made or covered."""
    root = make_root(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    Path(root, "escape").symlink_to(outside)
    Path(root, "up").symlink_to("../../..")
    mounts = (Mount(MountKind.TMPFS, "/up/made"), USR)
    assert look(maker, lambda: "/made" in mount_places(), root=root, mounts=mounts) is True
    with pytest.raises(RefusedError, match=r"cannot mount tmpfs on /escape/x"):
        look(maker, lambda: True, root=root, mounts=(Mount(MountKind.TMPFS, "/escape/x"), USR))
    assert os.listdir(outside) == []


def test_a_read_only_mount_is_read_only_with_all_below(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """Not even who may do everything inside can write, neither there nor in what is mounted below."""
    outer = tmp_path / "outer"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    for path in (tmp_path, outer, inner):
        path.chmod(0o777)
    below = Mount(MountKind.TMPFS, str(inner))
    again = Mount(MountKind.READ_ONLY, str(outer))

    def attempts() -> list[int | None]:
        found: list[int | None] = []
        for path in (outer / "x", inner / "x"):
            try:
                path.write_text("x")
            except OSError as error:
                found.append(error.errno)
            else:
                found.append(None)
        return found

    assert look(maker, attempts, mounts=(below,)) == [None, None]
    assert look(maker, attempts, mounts=(below, again)) == [errno.EROFS, errno.EROFS]
    source = Mount(MountKind.BIND, str(outer), source=str(outer), read_only=True)
    assert look(maker, attempts, mounts=(source,)) == [errno.EROFS, errno.EROFS]


def test_what_is_kept_writable_stays_so(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """All becomes read-only but one folder in it."""
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in (tmp_path, kept):
        path.chmod(0o777)

    def attempts() -> list[int | None]:
        found: list[int | None] = []
        for path in (tmp_path / "x", kept / "x"):
            try:
                path.write_text("x")
            except OSError as error:
                found.append(error.errno)
            else:
                found.append(None)
        return found

    mounts = (Mount(MountKind.READ_ONLY, "/"), Mount(MountKind.WRITABLE, str(kept)))
    assert look(maker, attempts, mounts=mounts) == [errno.EROFS, None]


def test_what_is_hidden_cannot_be_read(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """A file cannot be opened, a folder is empty; who may do everything inside sees no more."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/secret").write_text("x")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "folder"):
        path.chmod(0o755)

    def facts() -> list[object]:
        try:
            (tmp_path / "file").read_text()
        except OSError as error:
            refused = error.errno
        mode = stat.S_IMODE((tmp_path / "folder").stat().st_mode)
        return [refused, mode, (tmp_path / "folder/secret").exists() if os.geteuid() == 0 else False]

    hidden = [Mount(MountKind.HIDDEN, str(tmp_path / name)) for name in ("file", "folder")]
    absent = Mount(MountKind.HIDDEN, str(tmp_path / "absent"), optional=True)
    assert look(maker, facts, mounts=(*hidden, absent)) == [errno.EACCES, 0, False]


def test_a_tmpfs_holds_what_it_may(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """Its size and its mode are as declared."""
    place = tmp_path / "place"
    place.mkdir()
    tmp_path.chmod(0o755)

    def facts() -> list[object]:
        try:
            (place / "x").write_bytes(bytes(1 << 17))
        except OSError as error:
            return [error.errno, stat.S_IMODE(place.stat().st_mode)]
        return []

    mount = Mount(MountKind.TMPFS, str(place), size=1 << 16, mode=0o1777)
    assert look(maker, facts, mounts=(mount,)) == [errno.ENOSPC, 0o1777]


@as_root
def test_an_overlay_lays_folders_over_one_another(tmp_path: Path) -> None:
    """The upper lower folder wins, and what is written goes to the upper one; without one nothing can be written."""
    for name in ("base:1", "more", "upper", "work", "place"):
        (tmp_path / name).mkdir()
    (tmp_path / "base:1/a").write_text("base")
    (tmp_path / "base:1/b").write_text("base")
    (tmp_path / "more/a").write_text("more")
    place = tmp_path / "place"
    lower = (str(tmp_path / "more"), str(tmp_path / "base:1"))
    written = Mount(
        MountKind.OVERLAY, str(place), lower=lower, upper=str(tmp_path / "upper"), work=str(tmp_path / "work")
    )

    def facts() -> list[object]:
        texts = [(place / name).read_text() for name in "ab"]
        try:
            (place / "c").write_text("new")
        except OSError as error:
            return [*texts, error.errno]
        return texts

    assert inside(Namespaces(mounts=(written,)), facts) == ["more", "base"]
    assert (tmp_path / "upper/c").read_text() == "new"
    sealed = Mount(MountKind.OVERLAY, str(place), lower=lower, read_only=True)
    assert inside(Namespaces(mounts=(sealed,)), facts) == ["more", "base", errno.EROFS]


def test_what_a_run_has_is_carried_over_a_reexec() -> None:
    """What is prepared says the same after it was written and read again."""
    ids = (IdRange(0, 100000, 10),)
    declared = Namespaces(
        user=PRIVATE, net=PRIVATE, pid=PRIVATE, root="/srv", uid_map=ids, gid_map=ids, mounts=(USR,), hostname="x"
    )
    prepared = Prepared({}, isolation=separation.isolation(declared), pid1=separation.pid1(declared))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(prepared), type=Prepared) == prepared


def test_nothing_is_done_where_nothing_is_declared() -> None:
    """A user alone makes no difference: such a service shares all with us."""
    assert not separation.isolation(Namespaces(), Credentials(33, 34))
    assert separation.isolation(Namespaces(user=PRIVATE), Credentials(33, 34)).uid == 33


def test_ids_are_translated_to_the_outside() -> None:
    """The owner of pipes and folders is who the service is outside."""
    ids = (IdRange(0, 100000, 10), IdRange(1000, 5000, 2))
    isolation = Isolation(own=frozenset({NamespaceKind.USER}), uid_map=ids, gid_map=ids)
    assert separation.outside(isolation, None) == (100000, 100000)
    assert separation.outside(isolation, Credentials(1001, 3)) == (5001, 100003)
    assert separation.outside(Isolation(), None) is None
    assert separation.outside(Isolation(), Credentials(33, 34)) == (33, 34)


def test_a_mount_that_fails_is_named(maker: Callable[..., Namespaces], tmp_path: Path) -> None:
    """What on what, and why; a source that may be absent is left out."""
    tmp_path.chmod(0o777)
    missing = Mount(MountKind.BIND, str(tmp_path / "x"), source=str(tmp_path / "missing"))
    with pytest.raises(
        RefusedError, match=f"^cannot mount {missing.source} on {missing.target}: no such file or directory$"
    ):
        look(maker, lambda: True, mounts=(missing,))
    optional = Mount(MountKind.BIND, str(tmp_path / "x"), source=str(tmp_path / "missing"), optional=True)
    assert look(maker, (tmp_path / "x").exists, mounts=(optional,)) is False
    with pytest.raises(RefusedError, match=r"cannot open the root .*/nowhere: no such file or directory"):
        look(maker, lambda: True, root=str(tmp_path / "nowhere"))


@as_root
def test_ids_are_mapped_as_declared() -> None:
    """The table is in force, and the process is root inside though it is nobody of importance outside."""
    ids = (IdRange(0, 100000, 1000), IdRange(1000, 200000, 10))
    declared = Namespaces(user=PRIVATE, uid_map=ids, gid_map=ids)
    skip_where_refused(declared, None)

    def facts() -> list[object]:
        with open("/proc/self/uid_map") as users, open("/proc/self/gid_map") as groups:
            tables = [[list(map(int, line.split())) for line in file] for file in (users, groups)]
        return [tables, os.getresuid(), os.getresgid(), os.getgroups()]

    table = [[0, 100000, 1000], [1000, 200000, 10]]
    assert inside(declared, facts) == [[table, table], [0, 0, 0], [0, 0, 0], []]
    user = Credentials(1003, 1004, (1005,))
    assert inside(declared, os.getresuid, credentials=user) == [1003, 1003, 1003]
    with pytest.raises(RefusedError, match="this user namespace has no such id"):
        inside(declared, os.getresuid, credentials=Credentials(5000, 1004, (1005,)))


@as_root
def test_what_root_alone_may_is_done_as_root_outside(tmp_path: Path) -> None:
    """A root that is nobody outside gets places made, closed folders shown and secrets read as root would."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "secret").write_text("told")
    ids = (IdRange(0, 100000, 1000),)
    root = make_root(tmp_path)
    os.chmod(root, 0o755)
    shown = Mount(MountKind.BIND, "/made/shown", source=str(closed / "secret"))
    secret = Mount(MountKind.CREDENTIALS, "/run/secrets/web", files=(("key", str(closed / "secret")),), owner=(33, 33))
    declared = Namespaces(user=PRIVATE, uid_map=ids, gid_map=ids, root=root, mounts=(USR, shown, secret))
    skip_where_refused(declared, None)

    def facts() -> list[object]:
        return [Path("/run/secrets/web/key").read_text(), os.stat("/made").st_uid, os.path.exists("/made/shown")]

    assert inside(declared, facts, credentials=Credentials(33, 33, ())) == ["told", 65534, True]


@as_root
def test_root_maps_all_that_it_has_to_itself() -> None:
    """Without a map ids mean the same inside; rights over the outside are gone all the same."""
    declared = Namespaces(user=PRIVATE)
    skip_where_refused(declared, None)
    assert inside(declared, os.getresuid, credentials=Credentials(33, 34, (35, 36))) == [33, 33, 33]
    assert inside(declared, os.getgroups, credentials=Credentials(33, 34, (35, 36))) == [35, 36]

    def attempt() -> int | None:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -5)
        except OSError as error:
            return error.errno
        return None

    assert inside(declared, attempt) == errno.EACCES


def test_an_ordinary_user_is_root_inside_or_whom_it_names() -> None:
    """Its own id is 0, or the service's user's; groups are forbidden, and so the service has none."""
    uid = ORDINARY if os.geteuid() == 0 else None
    declared = Namespaces(user=PRIVATE)
    skip_where_refused(declared, uid)
    assert inside(declared, os.getresuid, uid) == [0, 0, 0]
    assert inside(declared, os.getresuid, uid, Credentials(33, 34, (34,))) == [33, 33, 33]
    with open("/proc/self/setgroups") as file:
        denied = file.read() == "deny\n"
    assert denied or inside(declared, lambda: Path("/proc/self/setgroups").read_text(), uid) == "deny\n"


@as_root
def test_an_ordinary_user_may_not_map_others() -> None:
    """It is told what it takes."""
    ids = (IdRange(0, 100000, 10),)
    declared = Namespaces(user=PRIVATE, uid_map=ids, gid_map=ids)
    skip_where_refused(declared, ORDINARY)
    with pytest.raises(
        RefusedError, match=r"cannot map its users and groups: uid_map: (without root only|newuidmap refused)"
    ):
        inside(declared, os.getresuid, ORDINARY)


def test_who_joins_is_in_the_same_namespaces_and_cannot_be_read(maker: Callable[..., Namespaces]) -> None:
    """What a process has, another one joins; until its program runs nobody in there looks into it."""

    def both() -> list[object]:
        waiting, told = os.pipe()
        other = os.fork()
        if other == 0:
            try:
                for step in isolating.steps(Isolation(own=frozenset({NamespaceKind.UTS}))):
                    step.call(*step.arguments)
                os.write(told, b"1")
                signal.pause()
            finally:
                os._exit(1)
        os.read(waiting, 1)
        kinds = frozenset({NamespaceKind.UTS})
        for step in isolating.steps(Isolation(own=kinds, joins=other), joined=os.pidfd_open(other)):
            step.call(*step.arguments)
        same = namespace("uts") == os.stat(f"/proc/{other}/ns/uts").st_ino
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
        return [same, call("prctl", _PR_GET_DUMPABLE)]

    assert look(maker, both, mount=PRIVATE) == [True, 0]


def test_a_limit_of_namespaces_is_named() -> None:
    """Where the kernel allows no more of a kind, it is told which file says so."""
    uid = ORDINARY if os.geteuid() == 0 else None
    declared = Namespaces(user=PRIVATE)
    skip_where_refused(declared, uid)

    def attempt() -> str:
        Path("/proc/sys/user/max_net_namespaces").write_text("0")  # of this user namespace alone
        (step,) = isolating.steps(Isolation(own=frozenset({NamespaceKind.NET})))[:1]
        try:
            step.call(*step.arguments)
        except SpawnError as error:
            return str(SpawnError(step.name, error.errno, error.detail))
        return ""

    limit = "/proc/sys/user/max_net_namespaces"
    expected = f"the kernel allows no more of them ({limit}), or they are nested too deep"
    assert inside(declared, attempt, uid) == f"cannot make a namespace (net): {expected}"


@as_root
def test_root_without_the_right_is_told_its_name() -> None:
    """As in a container of Docker without more: no capability, no namespace, and what to ask for."""

    def attempt() -> str:
        for step in Securing(Security(capabilities=frozenset()), None).become():
            step.call(*step.arguments)
        (step,) = isolating.steps(Isolation(own=frozenset({NamespaceKind.NET})))[:1]
        try:
            step.call(*step.arguments)
        except SpawnError as error:
            return error.detail
        return ""

    text = inside(Namespaces(), attempt)
    assert text.startswith("operation not permitted; asyncinit has not CAP_SYS_ADMIN (docker: --privileged")


@as_root
def test_without_rights_it_is_said_what_is_missing() -> None:
    """Nothing is made in part: the first namespace that is refused is named, with what gives the right."""
    with pytest.raises(
        RefusedError, match=r"cannot make a namespace \(net\): .*uid 12345, .*namespaces.user = \"private\""
    ):
        inside(Namespaces(net=PRIVATE), lambda: True, ORDINARY)
