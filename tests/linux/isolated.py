"""What tests of isolation share: a child that takes the steps, as root or as somebody else, and tells what it finds."""

from __future__ import annotations

import ctypes  # noqa: F401 - loaded now: the child may not read where Python is installed
import fcntl  # noqa: F401
import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asyncinit.config.spec import Belonging, Mount, MountKind, NamespaceKind, Namespaces
from asyncinit.errors import SpawnError, why
from asyncinit.linux.process import set_dumpable
from asyncinit.runtime.process import isolating, separation
from asyncinit.runtime.process.plan import NO_SECURITY, Credentials
from asyncinit.runtime.process.securing import Securing

ORDINARY = 12345
PRIVATE = Belonging.PRIVATE
USR = Mount(MountKind.BIND, "/usr", source="/usr", read_only=True)


def namespace(kind: str) -> int:
    """Return the number of our namespace of a kind, by its name in /proc."""
    return os.stat(f"/proc/self/ns/{kind}").st_ino


def make_root(folder: Path) -> str:
    """Make a folder that is a root once /usr is mounted in it, for whoever; return its path."""
    root = folder / "root"
    root.mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (root / name).symlink_to(os.readlink(f"/{name}"))
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nweb:x:33:33::/home/web:/bin/sh\n")
    (root / "etc/group").write_text("web:x:33:\nmore:x:44:web\n")
    root.chmod(0o777)
    return str(root)


class RefusedError(Exception):
    """A step failed in the child."""


def inside(
    declared: Namespaces,
    look: Callable[[], Any],
    uid: int | None = None,
    credentials: Credentials | None = None,
) -> Any:
    """Return what `look` finds in a child with these namespaces, made by `uid` (None: us). Raises RefusedError."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        name, answer = "", {}
        try:
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                set_dumpable(True)  # as a program of that user is
            who = separation.granted(credentials, declared)
            isolation = separation.isolation(declared, who)
            steps = isolating.steps(isolation)
            steps += Securing(NO_SECURITY, who).become()
            for name, call, arguments in steps:  # noqa: B007 (it is for the handlers below)
                call(*arguments)
            answer = {"found": look()}
        except SpawnError as error:
            answer = {"failure": str(SpawnError(error.step or name, error.errno, error.detail))}
        except OSError as error:
            answer = {"failure": f"cannot {name}: {error.strerror and why(error.errno or 0)}"}
        except BaseException as error:
            answer = {"failure": f"{name}: {error!r}"}
        finally:
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = json.loads(file.read() or b"{}")
    os.waitpid(pid, 0)
    if "found" not in answer:
        raise RefusedError(answer.get("failure", "it died"))
    return answer["found"]


def skip_where_refused(declared: Namespaces, uid: int | None) -> None:
    """Skip the test where this machine does not let `uid` make such namespaces at all."""
    kinds = {str(kind): PRIVATE for kind in declared.private() & {NamespaceKind.USER, NamespaceKind.MOUNT}}
    try:
        inside(Namespaces(**kinds), lambda: True, uid)
    except RefusedError as refused:
        if not re.search("operation not permitted|allows no more", str(refused)):
            raise
        pytest.skip(str(refused))


def mount_places() -> list[str]:
    """Return where something is mounted, as we see it."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [re.split(" ", line)[4] for line in file]


def answers_on_loopback(family: socket.AddressFamily) -> bool:
    """Tell whether what listens on this machine's own address can be reached."""
    address = "127.0.0.1" if family is socket.AF_INET else "::1"
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind((address, 0))
        server.listen()
        client.connect(server.getsockname())
        return True
