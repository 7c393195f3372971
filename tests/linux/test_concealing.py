"""What [security] takes away of the file system, and the secrets that it gives: seen by programs that try."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from asyncinit.config.spec import NamespaceKind, ProtectHome, ProtectSystem, Security
from asyncinit.linux.process import set_dumpable
from asyncinit.runtime.process import concealing, isolating, preferences, secrets, securing
from asyncinit.runtime.process.plan import Credentials, ExecPlan, Isolation
from tests.linux.running import FORKING, Running

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
PLACE = f"/run/credentials/asyncinit-test-{os.getpid()}"  # a folder that goes takes mounts elsewhere along


def may_mount() -> bool:
    """Whether this process may have mounts of its own."""
    return subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.filterwarnings(FORKING),
    pytest.mark.skipif(not may_mount(), reason="needs CAP_SYS_ADMIN"),
    pytest.mark.skipif(sys.platform != "linux", reason="Linux"),
]


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop that makes processes; nothing may be left of it."""
    running = Running(loop)
    yield running
    assert running.reaper.pids() == frozenset()


def plan(text: str, security: Security, credentials: Credentials | None = None, kept: tuple[str, ...] = ()) -> ExecPlan:
    isolation = concealing.added(Isolation(), security, PLACE, credentials, kept)
    return ExecPlan(
        ("/bin/sh", "-c", text),
        ENVIRONMENT,
        credentials=credentials,
        working_directory="/",
        security=security,
        isolation=isolation,
    )


def write(path: str) -> str:
    file = f"{path}/asyncinit-$$"
    return f"if (: > {file}) 2>/dev/null; then rm {file}; echo yes; else echo no; fi; "


def test_a_tmp_of_its_own(running: Running, tmp_path: Path) -> None:
    """It is empty and writable for everybody, and nothing of it is seen outside."""
    (tmp_path / "file").write_text("outside")
    nobody = Credentials(65534, 65534, (65534,))
    text = "ls /tmp /var/tmp; stat -c %a /tmp; echo inside > /tmp/asyncinit-own && cat /tmp/asyncinit-own"
    found = running.said(plan(text, Security(private_tmp=True), nobody)).split()
    assert found == ["/tmp:", "/var/tmp:", "1777", "inside"]
    assert not os.path.exists("/tmp/asyncinit-own")


def test_a_dev_of_its_own(running: Running) -> None:
    """The harmless devices work; disks, memory and consoles are not there, and no others can be made."""
    text = "echo x > /dev/null && head -c 2 /dev/zero | wc -c; ls /dev; mknod /dev/mem c 1 1 || echo refused"
    found = running.said(plan(text, Security(private_dev=True))).split()
    assert found[0] == "2"
    assert found[-1] == "refused"
    assert {"null", "urandom", "shm", "pts"} <= set(found)
    assert not {"mem", "kmsg", "console", "vda", "sda"} & set(found)


@pytest.mark.parametrize(
    ("wanted", "writable"),
    [
        (ProtectSystem.NO, {"/usr": "yes", "/etc": "yes", "/var": "yes", "/dev/shm": "yes"}),
        (ProtectSystem.YES, {"/usr": "no", "/etc": "yes", "/var": "yes", "/dev/shm": "yes"}),
        (ProtectSystem.FULL, {"/usr": "no", "/etc": "no", "/var": "yes", "/dev/shm": "yes"}),
        (ProtectSystem.STRICT, {"/usr": "no", "/etc": "no", "/var": "no", "/dev/shm": "yes"}),
    ],
)
def test_a_protected_system(running: Running, wanted: ProtectSystem, writable: dict[str, str]) -> None:
    """Root itself is refused where the system is protected, and nowhere else."""
    text = "".join(map(write, writable))
    assert running.said(plan(text, Security(protect_system=wanted))).split() == list(writable.values())


def test_what_stays_writable_in_a_strict_system(running: Running, tmp_path: Path) -> None:
    """Directories of the service, `write_paths`, a /tmp of its own; what is read-only within them is that."""
    for name in ("kept", "listed", "listed/not", "other"):
        (tmp_path / name).mkdir()
    security = Security(
        protect_system=ProtectSystem.STRICT,
        write_paths=(f"{tmp_path}/listed", "-/nowhere"),
        read_only_paths=(f"{tmp_path}/listed/not",),
    )
    text = "".join(write(f"{tmp_path}/{name}") for name in ("kept", "listed", "listed/not", "other"))
    assert running.said(plan(text, security, kept=(f"{tmp_path}/kept",))).split() == ["yes", "yes", "no", "no"]
    private = Security(protect_system=ProtectSystem.STRICT, private_tmp=True)
    assert running.said(plan(write("/tmp") + write("/var/tmp"), private)).split() == ["yes", "yes"]


def test_what_is_read_only_cannot_be_made_writable_again(running: Running) -> None:
    """Without CAP_SYS_ADMIN: with it a root can mount as it likes, which the guide says."""
    security = Security(protect_system=ProtectSystem.STRICT, capabilities=("~CAP_SYS_ADMIN",))
    text = "mount -o remount,rw / 2>/dev/null && echo mounted; umount /proc 2>/dev/null && echo unmounted; "
    assert running.said(plan(text + write("/etc"), security)) == "no"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(ProtectHome.YES, "hidden no"), (ProtectHome.READ_ONLY, "seen no"), (ProtectHome.NO, "seen yes")],
)
def test_protected_homes(running: Running, wanted: ProtectHome, found: str) -> None:
    """Nothing is seen in /root, or nothing can be written there."""
    text = 'if [ -n "$(ls -A /root 2>/dev/null)" ]; then echo seen; else echo hidden; fi; ' + write("/root")
    assert running.said(plan(text, Security(protect_home=wanted))).split() == found.split()


@pytest.mark.parametrize("system", [ProtectSystem.NO, ProtectSystem.STRICT])
@pytest.mark.parametrize("wanted", [ProtectHome.YES, ProtectHome.READ_ONLY])
def test_a_services_own_folder_in_a_home(
    running: Running, tmp_path: Path, wanted: ProtectHome, system: ProtectSystem
) -> None:
    """It stays, as asyncinit of an ordinary user has all of them there; secrets are given in a home, too."""
    (tmp_path / "source").write_text("geheim")
    folder = f"/root/asyncinit-test-{os.getpid()}"
    own = f"{folder}/state"
    os.makedirs(own)
    security = Security(protect_home=wanted, protect_system=system, credentials={"key": f"{tmp_path}/source"})
    isolation = concealing.added(Isolation(), security, f"{folder}/secrets", None, (own,))
    text = write(own) + write("/root") + f"cat {folder}/secrets/key; ls -A /root | wc -l"
    try:
        found = running.said(replace(plan(text, Security()), isolation=isolation)).split()
    finally:
        shutil.rmtree(folder)
    assert found[0] == "yes"
    assert found[1] == ("yes" if (wanted, system) == (ProtectHome.YES, ProtectSystem.NO) else "no")
    assert found[2].startswith("geheim")
    if wanted is ProtectHome.YES:
        assert found[2] == "geheim1"


def test_hidden_paths(running: Running, tmp_path: Path) -> None:
    """A folder is empty, a file has nothing in it; where they may be absent nothing is done."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "secret").write_text("secret")
    (tmp_path / "file").write_text("secret")
    security = Security(
        hidden_paths=(f"{tmp_path}/folder", f"{tmp_path}/file", "-/nowhere"), capabilities=("~CAP_SYS_ADMIN",)
    )
    text = f"ls -A {tmp_path}/folder; cat {tmp_path}/folder/secret {tmp_path}/file; umount {tmp_path}/folder"
    assert "secret\n" not in running.said(plan(text + "; exit 0", security)) + "\n"
    assert (tmp_path / "file").read_text() == "secret"
    missing = Security(hidden_paths=("/nowhere",))
    assert str(running.run(plan(":", missing)).failure) == "cannot hide /nowhere: no such file or directory"


def test_a_protected_kernel(running: Running) -> None:
    """Its settings cannot be changed, its memory is not seen; what can be read stays so."""
    text = "cat /proc/sys/kernel/ostype; (echo x > /proc/sys/kernel/domainname) 2>/dev/null || echo refused; "
    text += "head -c 1 /proc/kcore 2>/dev/null | wc -c; cat /proc/keys 2>/dev/null | wc -c"
    for more in (ProtectSystem.NO, ProtectSystem.STRICT):
        found = running.said(plan(text, Security(protect_kernel=True, protect_system=more))).split()
        assert found == ["Linux", "refused", "0", "0"]


# ---------------------------------------------------------------------------------------------------------------------
# Credentials


def test_credentials_are_the_services_alone(running: Running, tmp_path: Path) -> None:
    """Its user reads them and cannot change them, nobody else sees them, and they end with the process."""
    source = tmp_path / "source"
    source.write_text("geheim")
    source.chmod(0o600)
    nobody = Credentials(65534, 65534, (65534,))
    security = Security(credentials={"db": str(source), "absent": "-/nowhere"})
    text = f"cd {PLACE}; ls -A; cat db; stat -c ' %a %u %g' db .; (: > db) 2>/dev/null || echo refused"
    found = running.said(plan(text, security, nobody)).split()
    assert found == ["db", "geheim", "400", "65534", "65534", "500", "65534", "65534", "refused"]
    assert os.listdir(PLACE) == []
    os.rmdir(PLACE)


def test_credentials_are_in_memory(running: Running, tmp_path: Path) -> None:
    """In a file system that is never swapped out, where that can be had, and that no program runs from."""
    (tmp_path / "source").write_text("x")
    security = Security(credentials={"db": f"{tmp_path}/source"})
    found = running.said(plan(f"grep ' {PLACE} ' /proc/self/mountinfo", security))
    assert " ramfs " in found or " tmpfs " in found
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(found.split()[5].split(","))
    os.rmdir(PLACE)


def test_credentials_that_cannot_be_had(running: Running, tmp_path: Path) -> None:
    """Each is named, with its source and the reason."""
    (tmp_path / "large").write_bytes(bytes(secrets.MOST))
    (tmp_path / "small").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    reasons = {
        "/nowhere": "/nowhere: no such file or directory",
        str(tmp_path): f"{tmp_path} is not a regular file",
        f"{tmp_path}/pipe": f"{tmp_path}/pipe is not a regular file",
    }
    for source, reason in reasons.items():
        failure = running.run(plan(":", Security(credentials={"db": source}))).failure
        assert str(failure) == f"cannot provide security.credentials.db: {reason}"
    together = Security(credentials={"a": f"{tmp_path}/large", "b": f"{tmp_path}/small"})
    assert str(running.run(plan(":", together)).failure).endswith("all of them together may have 1 MiB")


# ---------------------------------------------------------------------------------------------------------------------
# Without the right


def _without_the_right() -> None:
    set_dumpable(True)  # so that ctypes is there, which an ordinary user may not be able to read
    os.setgroups([])
    os.setresgid(1000, 1000, 1000)
    os.setresuid(1000, 1000, 1000)
    set_dumpable(True)  # or /proc/self is root's


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_ordinary_user_has_it_in_a_user_namespace(tmp_path: Path) -> None:
    """All of it, and secrets too; so there is a way without root."""
    (tmp_path / "source").write_text("geheim")
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(0o755)
    security = Security(
        private_tmp=True,
        protect_system=ProtectSystem.STRICT,
        protect_home=ProtectHome.YES,
        protect_kernel=True,
        capabilities=(),
        credentials={"key": f"{tmp_path}/source"},
    )
    place = "/dev/shm/asyncinit-test/credentials/web"
    own = Isolation(own=frozenset({NamespaceKind.USER}), uid=0, gid=0)
    isolation = concealing.added(own, security, place, Credentials(0, 0))
    way = securing.Securing(security, Credentials(0, 0))

    def look() -> None:
        assert (os.listdir("/tmp"), Path(place, "key").read_text()) == ([], "geheim")
        Path("/etc/asyncinit-x").write_text("")

    steps = [securing.Step("become ordinary", _without_the_right), *isolating.steps(isolation)]
    text = preferences._try([*steps, *way.become(), *way.close_off(), securing.Step("write", look)])
    shutil.rmtree("/dev/shm/asyncinit-test", ignore_errors=True)
    assert text in ("cannot write: read-only file system", "cannot make a user namespace: operation not permitted")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_may_not_mount_is_told() -> None:
    """The namespace is refused with what would help, and nothing of the rest is done."""
    isolation = concealing.added(Isolation(), Security(private_tmp=True), PLACE, None)
    steps = [securing.Step("become ordinary", _without_the_right), *isolating.steps(isolation)]
    text = preferences._try(steps)
    assert text.startswith("cannot make a namespace (mount): operation not permitted; asyncinit runs as uid 1000")
    assert 'namespaces.user = "private"' in text
