"""`asyncinit new`: what is guessed of a project, why, and that nothing is touched that is there."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from asyncinit.cli.arguments import parse
from asyncinit.cli.importing import NotImportedError
from asyncinit.config.check import check

FASTAPI = {
    "pyproject.toml": '[project]\nname = "shop"\ndependencies = [\n  "fastapi>=0.1",\n  "celery[redis]",\n]\n',
    "src/shop/main.py": "from fastapi import FastAPI\n\napp: FastAPI = FastAPI(title='shop')\n",
    "src/shop/tasks.py": "import celery\n\nqueue = celery.Celery('shop')\n",
}


def new(folder: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is written for a project with these files, each service's keys; all of it passes check."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(folder)
    invocation = parse(["new"])
    assert invocation is not None and invocation.execute() == 0
    assert [str(problem) for problem in check(["services.d"]).problems] == []
    return {path.stem: tomllib.loads(path.read_text()) for path in (folder / "services.d").glob("*.toml")}


def test_a_web_application_with_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application that a source file makes, as its server finds it; and what works beside it."""
    found = new(tmp_path, FASTAPI, monkeypatch)
    assert found == {
        "web": {
            "command": ["uvicorn", "shop.main:app", "--app-dir", "src", "--reload", "--port", "${PORT}"],
            "environment": {"PORT": "8000"},
            "ready": {"tcp": "127.0.0.1:${PORT}"},
        },
        "worker": {"command": ["celery", "--app", "shop.tasks", "worker", "--loglevel", "info"]},
    }
    text = (tmp_path / "services.d" / "web.toml").read_text()
    assert text.startswith("# web: guessed from src/shop/main.py by `asyncinit new`.\n")
    assert "main.py:3" in text


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"uv.lock": ""}, ["uv", "run", "flask"]),
        ({"poetry.lock": ""}, ["poetry", "run", "flask"]),
        ({".venv/bin/python": ""}, [".venv/bin/flask"]),
        ({}, ["flask"]),
    ],
)
def test_programs_of_the_projects_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], words: list[str]
) -> None:
    """As the lock file or the virtual environment says."""
    project = {"requirements.txt": "# web\nFlask==3\n", "app.py": "from flask import Flask\nx = Flask(__name__)\n"}
    found = new(tmp_path, project | files, monkeypatch)
    assert found["web"]["command"][: len(words)] == words
    assert "app:x" in found["web"]["command"]


def test_a_django_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its migrations first, then its server."""
    found = new(tmp_path, {"manage.py": "import django\n"}, monkeypatch)
    assert found["web"]["command"] == ["python3", "manage.py", "runserver", "127.0.0.1:${PORT}"]
    assert found["web"]["requires"] == ["migrate"]
    assert found["migrate"]["type"] == "oneshot"


def test_scripts_of_a_python_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether one serves: it is there, and not started."""
    found = new(tmp_path, {"pyproject.toml": '[project.scripts]\nserve = "x:main"\n'}, monkeypatch)
    assert found == {"serve": {"command": ["serve"], "enabled": False}}


def test_a_front_end_with_workspaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each workspace that has something to run; not the script at the top that starts them all at once."""
    files = {
        "package.json": '{"workspaces": ["packages/*"],\n "scripts": {"dev": "turbo dev"}}',
        "pnpm-lock.yaml": "",
        "packages/site/package.json": '{"scripts": {\n"dev": "vite"}}',
        "packages/api/package.json": '{"scripts": {"start": "node ."}}',
        "packages/library/package.json": '{"scripts": {"build": "tsc"}}',
        "packages/broken/package.json": "{",
    }
    found = new(tmp_path, files, monkeypatch)
    assert found == {
        "api": {"command": ["pnpm", "run", "start"], "working_directory": "packages/api"},
        "site": {"command": ["pnpm", "run", "dev"], "working_directory": "packages/site"},
    }
    assert "package.json:2" in (tmp_path / "services.d" / "site.toml").read_text()


def test_databases_of_a_compose_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the project needs beside itself, where its program is known; and the application waits for it."""
    compose = "services:\n  db:\n    image: postgres:15\n  mail:\n    image: example/mail\n  web:\n    build: .\n"
    found = new(tmp_path, {**FASTAPI, "compose.yaml": compose}, monkeypatch)
    assert set(found) == {"db", "web", "worker"}
    assert found["db"]["ready"] == {"tcp": "127.0.0.1:5432"}
    assert found["web"]["wants"] == found["worker"]["wants"] == ["db"]


def test_a_compose_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else says what is run, all of it is translated."""
    text = "services:\n  web: {image: x, command: [serve, '8080'], depends_on: [cache]}\n  cache: {image: redis}\n"
    found = new(tmp_path, {"docker-compose.yml": text}, monkeypatch)
    assert found["web"]["command"] == ["serve", "8080"]
    assert found["web"]["requires"] == ["cache"]
    assert "working_directory" not in found["web"]


def test_a_procfile_says_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entries, and nothing else that the folder has; the .env with them."""
    found = new(tmp_path, {**FASTAPI, "Procfile": "web: serve $PORT\n", ".env": "A=1\n"}, monkeypatch)
    assert set(found) == {"web"}
    assert (found["web"]["command"], found["web"]["shell"]) == ("serve $PORT", True)
    assert found["web"]["environment_file"] == [f"{tmp_path}/.env"]


def test_a_makefile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that says it runs something, where there is nothing better."""
    found = new(tmp_path, {"Makefile": "run := no\nbuild:\n\ttrue\nrun: build\n\ttrue\n"}, monkeypatch)
    assert found == {"app": {"command": ["make", "run"]}}


def test_without_a_hint_there_is_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and what to do next."""
    assert set(new(tmp_path, {"README": "x"}, monkeypatch)) == {"example"}
    out = capsys.readouterr().out
    assert "an example: nothing here says what the project runs" in out
    assert "asyncinit dev" in out


def test_what_is_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a service that is there already nothing is written; the others are added."""
    files = {**FASTAPI, "services.d/web.toml": 'command = "mine"\n'}
    found = new(tmp_path, files, monkeypatch)
    assert found["web"] == {"command": "mine"}
    assert "worker" in found
    assert "kept     services.d/web.toml" in capsys.readouterr().out
    new(tmp_path, files, monkeypatch)
    assert "wrote" not in capsys.readouterr().out


def test_a_configuration_that_is_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has an asyncinit.toml may not read services.d at all."""
    new(tmp_path, {"asyncinit.toml": "[services.x]\ncommand = 'x'\n", "Makefile": "run:\n"}, monkeypatch)
    assert "asyncinit.toml is there already" in capsys.readouterr().out


def test_two_guesses_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has a number."""
    found = new(tmp_path, {"manage.py": "django", "package.json": '{"scripts": {"start": "node ."}}'}, monkeypatch)
    assert {"web", "web-2"} < set(found)


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "not toml ["},
        {"pyproject.toml": "project = 1\ntool = []\n"},
        {"package.json": "[1]"},
        {"package.json": "[" * 100_000},
        {"pyproject.toml": "a = " + "[" * 100_000},
        {"package.json": '{"scripts": [], "workspaces": 3}'},
        {"package.json": '{"scripts": {"dev": 3}}'},
        {"compose.yaml": "a: [", "Makefile": "run:\n"},
        {"requirements.txt": "\x00"},
        {"requirements.txt": "flask", "my app.py": "app = Flask(__name__)\n"},
        {"Procfile/x": ""},
    ],
)
def test_files_that_nobody_can_read_give_no_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    """What is wrong in a project's own files is not our business."""
    assert set(new(tmp_path, files, monkeypatch)) <= {"example", "app"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is told, and nothing is made."""
    invocation = parse(["new", f"{tmp_path}/gone"])
    assert invocation is not None
    with pytest.raises(NotImportedError, match="gone: no such file"):
        invocation.execute()


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (
            {
                "requirements.txt": "flask\n",
                "shop/__init__.py": "def create_app(mode='x'):\n    return Flask(__name__)\n",
            },
            ["flask", "--app", "shop:create_app", "run", "--debug", "--port", "${PORT}"],
        ),
        (
            {"requirements.txt": "fastapi\n", "shop.py": "def make_app() -> FastAPI:\n    return FastAPI()\n"},
            ["uvicorn", "shop:make_app", "--factory", "--reload", "--port", "${PORT}"],
        ),
    ],
)
def test_a_function_that_makes_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], command: list[str]
) -> None:
    """Where it needs nothing, its server calls it."""
    assert new(tmp_path, files, monkeypatch)["web"]["command"] == command


def test_a_function_that_needs_something_is_no_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server could not call it."""
    files = {"requirements.txt": "flask\n", "shop.py": "def create_app(config):\n    return Flask(__name__)\n"}
    assert [*new(tmp_path, files, monkeypatch)] == ["example"]


def test_workspaces_that_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern may exclude, may end with a slash, and names nothing outside of the project."""
    script = '{"scripts": {"dev": "vite"}}'
    files = {
        "package.json": '{"workspaces": ["apps/*/", "!apps/old", "../*", "/*", "x\\u0000*", 5]}',
        "apps/shop/package.json": script,
        "apps/old/package.json": script,
    }
    assert {name: each["working_directory"] for name, each in new(tmp_path, files, monkeypatch).items()} == {
        "shop": "apps/shop"
    }


def test_workspaces_of_pnpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in a file of their own; a script that starts all of them is not one more."""
    files = {
        "package.json": '{"scripts": {"dev": "pnpm -r dev"}}',
        "pnpm-workspace.yaml": "packages:\n  - apps/*\n",
        "pnpm-lock.yaml": "",
        "apps/shop/package.json": '{"scripts": {"dev": "vite"}}',
    }
    found = new(tmp_path, files, monkeypatch)
    assert {name: each["command"] for name, each in found.items()} == {"shop": ["pnpm", "run", "dev"]}


def test_a_project_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing at its top says what runs, each folder is a part, with the names of its own services."""
    files = {
        "api/manage.py": "import django\n",
        "admin/manage.py": "import django\n",
        "front/package.json": '{"scripts": {"start": "vite"}}',
        "node_modules/package.json": '{"scripts": {"start": "vite"}}',
    }
    found = new(tmp_path, files, monkeypatch)
    assert sorted(found) == ["admin", "admin-migrate", "api", "api-migrate", "front"]
    assert found["api"]["requires"] == ["api-migrate"]
    assert found["api"]["working_directory"] == found["api-migrate"]["working_directory"] == "api"
    assert Path.cwd() == tmp_path


def test_what_a_compose_file_has_beside_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database keeps its options; what runs only in an image is told."""
    compose = "services:\n  r: {image: redis, command: --save ''}\n  mail: {image: x/mail}\n  app: {build: .}\n"
    found = new(tmp_path, {**FASTAPI, "compose.yaml": compose}, monkeypatch)
    assert found["r"]["command"] == ["redis-server", "--save", ""]
    assert "compose.yaml has mail, too" in capsys.readouterr().out
