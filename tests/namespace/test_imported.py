"""What was translated runs under asyncinit as it ran elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PYTHON, ROOT, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)

SUPERVISORD = """\
[supervisord]
nodaemon=true
environment=FROM_ABOVE="yes"

[program:db]
command=sh -c "echo up; exec sleep 1000"
priority=1

[program:web]
command=sh -c 'echo "$GREETING $FROM_ABOVE $$ %(ENV_OUTSIDE)s 100%%"; pwd; exec sleep 1000'
environment=GREETING="a, b"
directory=%(here)s/app
priority=20
stopsignal=QUIT

[program:worker]
command=sh -c 'echo number %(process_num)02d; exec sleep 1000'
process_name=%(program_name)s_%(process_num)02d
numprocs=2
numprocs_start=7

[program:crasher]
command=sh -c 'echo attempt; exit 3'
startretries=2
startsecs=0

[program:done]
command=sh -c 'exit 2'
exitcodes=0,2
autorestart=unexpected
startsecs=0

[program:manual]
command=sleep 1000
autostart=false

[program:stubborn]
command=sh -c 'trap "" INT; echo here; while :; do sleep 1000; done'
stopsignal=INT
stopwaitsecs=1

[program:written]
command=sh -c 'echo out; echo err >&2; exec sleep 1000'
stdout_logfile=%(here)s/written.log
redirect_stderr=true

[group:pair]
programs=worker,manual

[fcgi-program:fast]
command=PYTHON -c 'import socket, time; print(socket.socket(fileno=0).getsockname(), flush=True); time.sleep(1000)'
socket=unix://%(here)s/fast.sock
"""


def imported(folder: Path, kind: str, *files: str) -> None:
    """Translate files that are in `folder` into its services.d, by the command."""
    words = [PYTHON, "-m", "asyncinit", "import", kind, *files, "--output", str(folder / "services.d")]
    done = subprocess.run(
        words,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@on_both_loops
def test_a_supervisord_configuration_runs(tmp_path: Path, kind: str) -> None:
    """In the order of priorities, with what each program had, and each ends as supervisord would end it."""
    (tmp_path / "app").mkdir()
    (tmp_path / "supervisord.conf").write_text(SUPERVISORD.replace("PYTHON", PYTHON))
    imported(tmp_path, "supervisord", "supervisord.conf")
    with Init(tmp_path, {}, loop=kind, environment={"OUTSIDE": "two words"}) as init:
        init.wait_state("web", "ready")
        init.wait_state("crasher", "failed")
        init.wait_state("done", "completed")
        wait_until(lambda: init.lines("fast") and init.lines("stubborn") and len(init.lines("web")) == 2)
        states = init.states()
        assert states.index(("db", "ready")) < states.index(("web", "starting"))
        greeting, folder = init.lines("web")
        assert greeting.startswith("a, b yes ") and greeting.endswith(" two words 100%")
        assert folder == f"{tmp_path}/app"
        assert sorted(init.lines("worker@07") + init.lines("worker@08")) == ["number 07", "number 08"]
        assert init.lines("crasher") == ["attempt"] * 3
        assert init.lines("fast") == [f"{tmp_path}/fast.sock"]
        assert init.status()["manual"]["state"] == "inactive"
        assert init.call("start", "manual").returncode == 0
        assert init.call("stop", "worker@*").returncode == 0
        wait_until(lambda: (tmp_path / "written.log").read_text().count("\n") == 2)
        assert init.lines("written") == []
        init.kill()
        assert init.wait() == 124  # stubborn had to be killed
    assert any("KILL" in str(record) and record.get("service") == "stubborn" for record in init.records)


COMPOSE = """\
services:
  web:
    image: shop/web
    command: ["sh", "-c", "echo $$DATABASE_URL $$SECRET; exec sleep 1000"]
    environment:
      DATABASE_URL: postgres://db:5432/${NAME:-shop}
      SECRET: ${SECRET:?must be set}
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
    restart: on-failure
  migrate:
    image: shop/web
    command: sh -c "test -e data && echo migrated"
    depends_on:
      db: {condition: service_healthy}
  db:
    image: shop/db
    command: sh -c "sleep 0.2; echo > data; exec sleep 1000"
    healthcheck:
      test: test -e data
      interval: 1s
  debugger:
    image: shop/tools
    command: sleep 1000
    profiles: [debug]
  mail:
    image: shop/mail
"""


@on_both_loops
def test_a_compose_project_runs(tmp_path: Path, kind: str) -> None:
    """What is waited for is so when the next starts; a profile's service waits for it."""
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / ".env").write_text("SECRET=geheim\n")
    imported(tmp_path, "compose", "compose.yaml")
    with Init(tmp_path, {}, loop=kind) as init:
        init.wait_state("web", "ready")
        wait_until(lambda: init.lines("web"))
        states = init.states()
        assert states.index(("db", "ready")) < states.index(("migrate", "starting"))
        assert states.index(("migrate", "completed")) < states.index(("web", "starting"))
        assert init.lines("migrate") == ["migrated"]
        assert init.lines("web") == ["postgres://127.0.0.1:5432/shop geheim"]
        status = init.status()
        assert status["debugger"]["state"] == status["mail"]["state"] == "inactive"
        started = init.call("start", "mail")
        assert started.returncode == 1
        assert "fill-in-what-shop-mail-runs" in started.stderr + started.stdout
        init.kill()
        init.wait()
    with Init(tmp_path, {}, loop=kind, arguments=["--profile", "debug"]) as init:
        init.wait_state("debugger", "ready")


@on_both_loops
def test_a_procfile_runs(tmp_path: Path, kind: str) -> None:
    """Each in a shell, with its port and the variables of .env."""
    (tmp_path / "Procfile").write_text(
        'web: echo "$PORT $WORD" && exec sleep 1000\nother: echo $PORT; exec sleep 1000\n'
    )
    (tmp_path / ".env").write_text("WORD=two\n")
    imported(tmp_path, "procfile", "Procfile", ".env")
    with Init(tmp_path, {}, loop=kind) as init:
        wait_until(lambda: init.lines("web") and init.lines("other"))
        assert (init.lines("web"), init.lines("other")) == (["5000 two"], ["5100"])


@on_both_loops
def test_what_new_writes_starts(tmp_path: Path, kind: str) -> None:
    """In a project with an application of its own, and in one without a hint."""
    project, empty = tmp_path / "project", tmp_path / "empty"
    for folder in (project, empty):
        folder.mkdir()
    (project / "Makefile").write_text("dev:\n\t@echo made; exec sleep 1000\n")
    (project / "package.json").write_text("{}")
    for folder, name in ((project, "app"), (empty, "example")):
        words = [PYTHON, "-m", "asyncinit", "new", str(folder)]
        done = subprocess.run(
            words, cwd="/", env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        with Init(folder, {}, loop=kind) as init:
            wait_until(lambda init=init, name=name: init.lines(name))
            assert len(init.lines(name)[0]) > 3
