"""What is measured: asyncinit, and beside it what is installed here; each as a command line that runs N services."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

STARTED = ["/bin/sh", "-c", 'echo >"$0"; exec sleep 1000000']
"""A service: it tells that it runs by a line in the FIFO that is its argument, then stays until it is told to stop."""

SPAWN_LOOP = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
command = sys.argv[2:]
pids = [os.posix_spawn(command[0], command, os.environ, setsigmask=[]) for _ in range(int(sys.argv[1]))]
signal.sigwait({signal.SIGTERM})
for pid in pids:
    os.kill(pid, signal.SIGTERM)
for pid in pids:
    os.waitpid(pid, 0)
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """One init: `prepare` writes its files for N services into a folder and returns the command to run there."""

    name: str
    prepare: Callable[[Path, int, Sequence[str]], list[str]]
    most: int = 1_000_000
    query: Callable[[Path], list[str]] | None = None


def quoted(words: Sequence[str]) -> str:
    """Return a command as a list that TOML understands."""
    return "[" + ", ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "]"


def _asyncinit(folder: Path, count: int, service: Sequence[str]) -> list[str]:
    (folder / "services.d").mkdir()
    for number in range(count):
        (folder / "services.d" / f"s{number}.toml").write_text(f"command = {quoted(service)}\n")
    (folder / "asyncinit.toml").write_text(f'[init]\ncontrol_socket = "{folder}/control.sock"\nlog_level = "error"\n')
    return [sys.executable, "-m", "asyncinit", "run", "--config", "asyncinit.toml"]


def _asyncinit_status(folder: Path) -> list[str]:
    return [sys.executable, "-m", "asyncinit", "--socket", f"{folder}/control.sock", "status", "--json"]


def _spawn_loop(_folder: Path, count: int, service: Sequence[str]) -> list[str]:
    return [sys.executable, "-S", "-c", SPAWN_LOOP, str(count), *service]


def _asyncinit_wrapper(_folder: Path, _count: int, service: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "asyncinit", "--", *service]


def _tini(_folder: Path, _count: int, service: Sequence[str]) -> list[str]:
    return ["tini", "--", *service]


def _dumb_init(_folder: Path, _count: int, service: Sequence[str]) -> list[str]:
    return ["dumb-init", "--", *service]


def _supervisor(folder: Path, count: int, service: Sequence[str]) -> list[str]:
    shell = " ".join("'" + word.replace("%", "%%") + "'" for word in service)
    parts = [
        f"[unix_http_server]\nfile={folder}/supervisor.sock\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[supervisorctl]\nserverurl=unix://{folder}/supervisor.sock\n"
        f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={folder}/pid\nminfds=8192\nuser=root\n"
    ]
    parts += [
        f"[program:s{number}]\ncommand={shell}\nstdout_logfile=NONE\nstderr_logfile=NONE\n" for number in range(count)
    ]
    (folder / "supervisord.conf").write_text("\n".join(parts))
    return ["supervisord", "-n", "-c", f"{folder}/supervisord.conf"]


def _supervisor_status(folder: Path) -> list[str]:
    return ["supervisorctl", "-c", f"{folder}/supervisord.conf", "status"]


def _s6(folder: Path, count: int, service: Sequence[str]) -> list[str]:
    shell = " ".join("'" + word + "'" for word in service)
    for number in range(count):
        scan = folder / "scan" / f"s{number}"
        scan.mkdir(parents=True)
        (scan / "run").write_text(f"#!/bin/sh\nexec {shell}\n")
        (scan / "run").chmod(0o755)
    return ["s6-svscan", f"-c{count + 10}", f"{folder}/scan"]


def available() -> list[Subject]:
    """List what can be measured here, asyncinit first."""
    subjects = [Subject("asyncinit", _asyncinit, query=_asyncinit_status), Subject("(posix_spawn loop)", _spawn_loop)]
    if shutil.which("supervisord"):
        subjects.append(Subject("supervisor", _supervisor, query=_supervisor_status))
    if shutil.which("s6-svscan"):
        subjects.append(Subject("s6", _s6))
    subjects.append(Subject("asyncinit -- CMD", _asyncinit_wrapper, most=1))
    if shutil.which("tini"):
        subjects.append(Subject("tini", _tini, most=1))
    if shutil.which("dumb-init"):
        subjects.append(Subject("dumb-init", _dumb_init, most=1))
    return subjects
