"""A Procfile and a `.env`: what stands in them, what services they make, and that all that is wrong is told at once."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config import dotenv, procfile
from asyncinit.config.check import check
from asyncinit.config.load import Loaded, Mode, read
from asyncinit.config.project import Project
from asyncinit.config.show import show
from asyncinit.config.spec import Command, RestartPolicy
from tests.unit.config_world import NOWHERE, write


def entries(content: bytes) -> list[tuple[str, str, int]]:
    found = procfile.parse("Procfile", content)
    assert found.problems == ()
    return [(entry.name, entry.command, entry.line) for entry in found.entries]


def variables(content: bytes) -> dict[str, str]:
    found = dotenv.parse(".env", content)
    assert found.problems == ()
    return {one.name: one.value for one in found.variables}


def project(folder: Path, files: dict[str, str], **options: object) -> Loaded:
    """Return what `dev` reads of a Procfile, and of a `.env` if there is one."""
    write(folder, files)
    given = {"procfile": str(folder / "Procfile"), "environment_files": (str(folder / ".env"),) * (".env" in files)}
    return read(mode=Mode.DEV, root=NOWHERE, project=Project(**{**given, **options}))  # type: ignore[arg-type]


def sound(folder: Path, files: dict[str, str], **options: object) -> Loaded:
    loaded = project(folder, files, **options)
    assert [str(problem) for problem in loaded.problems] == []
    return loaded


def ports(loaded: Loaded) -> dict[str, str]:
    return {name: spec.environment["PORT"] for name, spec in loaded.configuration.services.items()}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"web: run $PORT", [("web", "run $PORT", 1)]),
        (
            b"\xef\xbb\xbf# first\r\n\r\nweb:  run\t x \r\n  a-b_1:\tc: d # e\n",
            [("web", "run\t x", 3), ("a-b_1", "c: d # e", 4)],
        ),
        (b"9:http://x", [("9", "http://x", 1)]),
        (b"web: a && b | c; 'd'\n\n\n", [("web", "a && b | c; 'd'", 1)]),
    ],
)
def test_what_stands_in_a_procfile(content: bytes, expected: list[tuple[str, str, int]]) -> None:
    """Comments, blank lines, blanks, the line ends of Windows and a byte order mark are no part of an entry."""
    assert entries(content) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("run $PORT", "exec run $PORT"),
        ("A=1 B=$X ./bin/run -a 'x; y' \"a && b\" > log", "A=1 B=$X exec ./bin/run -a 'x; y' \"a && b\" > log"),
        ("run \\; x 2>&1", "exec run \\; x 2>&1"),
        *(
            (text, text)
            for text in ("a && b", "a | b", "a; b", "(a)", "a &", "cd x", ". ./x", "exec a", "a $(b)", 'a "`b`"')
        ),
        *((text, text) for text in ("A=1", 'A="x y" run', "'my prog' x", "$RUN x", "{ a", "if")),
    ],
)
def test_a_simple_command_replaces_the_shell(command: str, expected: str) -> None:
    """One program, perhaps with assignments before it, is executed; what needs the shell keeps it."""
    assert procfile.executed(command) == expected


def test_all_that_is_wrong_in_a_procfile_is_told() -> None:
    """Each line that is no entry has its problem, with what was found and what was expected; the others count."""
    content = b"good: x\nweb server\nmy web: x\n-a: b\ngood: 2\nx = y\nq:\nw.1: z\n\xc3\xa4: z\nn: a\0b\n"
    found = procfile.parse("P", content)
    assert [entry.name for entry in found.entries] == ["good"]
    assert [str(problem) for problem in found.problems] == [
        'P:2: is no entry (found "web server", expected NAME: COMMAND)',
        'P:3: has a name that cannot be (found "my web", expected letters, digits, _ and -); did you mean "my-web"?',
        'P:4: has a name that no service can have (found "-a", expected a letter or a digit first, 200 characters at most); did you mean "a"?',
        "P:5: good: was there before, on line 1 (expected another name)",
        'P:6: is no entry (found "x = y", expected NAME: COMMAND); did you mean "x: y"?',
        'P:7: has no command (found "q:", expected NAME: COMMAND)',
        'P:8: has a name that cannot be (found "w.1", expected letters, digits, _ and -); did you mean "w-1"?',
        'P:9: has a name that cannot be (found "\u00e4", expected letters, digits, _ and -)',
        'P:10: has a NUL character (found "a\\u0000b", expected text)',
    ]


@pytest.mark.parametrize(
    ("content", "problem"), [(b"# x\n", "has no entry"), (b"web: \xff\n", "is not UTF-8"), (b"\xff\xfew\0", "UTF-16")]
)
def test_a_procfile_that_is_none(content: bytes, problem: str) -> None:
    """One without an entry, or that is no text, is told as such."""
    assert problem in str(procfile.parse("P", content).problems[0])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"A=1\nexport B=2\n\texport\tC = 3 \n", {"A": "1", "B": "2", "C": "3"}),
        (b"\xef\xbb\xbf# a\r\nA=1\r\n\r\n #b\nB=\n", {"A": "1", "B": ""}),
        (
            b'A=\'x # y\' # z\nB="x \\"y\\" \\\\ \\n$C"\nC=x # y\nD=x#y\nE=# z\n',
            {"A": "x # y", "B": 'x "y" \\ \n$C', "C": "x", "D": "x#y", "E": ""},
        ),
        (b"A='1\n2'\nB=\"3\n4\" # c\nC=\\d\\n\n", {"A": "1\n2", "B": "3\n4", "C": "\\d\\n"}),
        (b"A=1\nB=2\nA=3", {"A": "3", "B": "2"}),
        (b"U=postgres://u:p@h/d?a=b\nP=C:\\x\n", {"U": "postgres://u:p@h/d?a=b", "P": "C:\\x"}),
    ],
)
def test_what_stands_in_an_environment_file(content: bytes, expected: dict[str, str]) -> None:
    """Quotes, escapes, comments and `export` are read as foreman and the dotenv libraries read them."""
    assert variables(content) == expected


def test_all_that_is_wrong_in_an_environment_file_is_told_without_its_values() -> None:
    """Each wrong line has its problem, and what may be a secret is not repeated."""
    found = dotenv.parse("E", b'hunter2 hunter2\nA\nB C=hunter2\nE="a" hunter2\n1=x\nG=\0\nH=ok\nD=\'hunter2\n')
    assert [one.name for one in found.variables] == ["H"]
    assert [str(problem) for problem in found.problems] == [
        "E:1: is no variable (expected NAME=VALUE)",
        'E:2: is no variable (found "A", expected NAME=VALUE)',
        'E:3: has a name that cannot be (found "B C", expected letters, digits and _, no digit first)',
        'E:4: goes on after the closing " (found "E", expected the end of the line)',
        'E:5: has a name that cannot be (found "1", expected letters, digits and _, no digit first)',
        'E:6: has a NUL character (found "G", expected text)',
        "E:8: has a ' that is never closed (found \"D\", expected ' after the value)",
    ]


def test_a_procfile_makes_services(tmp_path: Path) -> None:
    """An entry is a service that a shell runs and that is not restarted, with the port that foreman gives it."""
    services = sound(tmp_path, {"Procfile": "web: run $PORT\nworker: work\n"}).configuration.services
    web = services["web"]
    assert web.command == Command(("/bin/sh", "-c", "exec run $PORT"), expand=False)
    assert web.restart.policy is RestartPolicy.NEVER
    assert (web.environment["PORT"], services["worker"].environment["PORT"]) == ("5000", "5100")
    assert web.environment["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"web": "7000", "worker": "7100"}),
        ({"port": "3000"}, {"web": "3000", "worker": "3100"}),
        ({"inherited": {"PORT": "4000"}}, {"web": "7000", "worker": "7100"}),
        ({"formation": {"web": 2}}, {"web.1": "7000", "web.2": "7001", "worker": "7100"}),
        ({"formation": {"all": 0, "worker": 1}}, {"web": "7000", "worker": "7100"}),
    ],
)
def test_ports(tmp_path: Path, options: dict[str, object], expected: dict[str, str]) -> None:
    """5000, or the base that is given, and 100 a type and 1 an instance."""
    loaded = sound(tmp_path, {"Procfile": "web: run\nworker: work\n", ".env": "PORT=7000\n"}, **options)
    assert ports(loaded) == expected


def test_an_inherited_port_is_the_base(tmp_path: Path) -> None:
    """Where neither the command line nor `.env` has one."""
    assert ports(sound(tmp_path, {"Procfile": "web: run\n"}, inherited={"PORT": "4000"})) == {"web": "4000"}


def test_none_of_a_formation_is_not_started(tmp_path: Path) -> None:
    """It is there, and whoever wants it starts it."""
    services = sound(tmp_path, {"Procfile": "web: a\njob: b\n"}, formation={"job": 0}).configuration.services
    assert {name: spec.enabled for name, spec in services.items()} == {"web": True, "job": False}


def test_what_cannot_be_run_so_is_told(tmp_path: Path) -> None:
    """A formation of unknown names, a port that is none or beyond the last, in one go."""
    files = {"Procfile": "web: a\nx: b\n", ".env": "A=1\nPORT=web\n"}
    told = [str(problem) for problem in project(tmp_path, files, formation={"wbe": 2}).problems]
    assert f'{tmp_path}/.env:2: PORT: found "web", expected a number from 1 to 65535' in told
    assert any(line.startswith("--formation: ") and line.endswith("did you mean web?") for line in told)
    told = [str(problem) for problem in project(tmp_path, files, port="65500").problems]
    assert told == [f"{tmp_path}/Procfile:2: x: would have the port 65600, and 65535 is the last one"]


def test_origins_are_lines_of_the_users_own_files(tmp_path: Path) -> None:
    """`show` names the line of the Procfile and of `.env`, of several instances too; secrets are hidden."""
    files = {"Procfile": "# c\n\nweb: run\n", ".env": "\nA=b\nSECRET_TOKEN='x\ny'\nC='$5'\n"}
    loaded = sound(tmp_path, files, formation={"web": 2})
    text = show(loaded.configuration, "web.2")
    lines = dict(line.split("  # ") for line in text.splitlines() if "  # " in line)
    places = {key.split(" = ")[0]: place for key, place in lines.items()}
    assert (places["command"], places["PORT"]) == (f"{tmp_path}/Procfile:3",) * 2
    assert (places["A"], places["SECRET_TOKEN"], places["C"]) == tuple(f"{tmp_path}/.env:{n}" for n in (2, 3, 5))
    assert "x\\ny" not in text and '"$$5"' in text


def test_what_service_files_say_is_over_the_environment_file(tmp_path: Path) -> None:
    """`.env` is below [defaults] and service files, and origins tell which of them won."""
    toml = '[defaults.environment]\nB = "defaults"\n[services.web]\ncommand = ["x"]\nenvironment = { C = "own" }\n[services.t]\ntype = "target"\n'
    write(tmp_path, {"asyncinit.toml": toml, ".env": "A=env\nB=env\nC=env\n"})
    given = Project(None, (str(tmp_path / ".env"),))
    loaded = read(str(tmp_path / "asyncinit.toml"), mode=Mode.DEV, root=NOWHERE, project=given)
    assert [str(problem) for problem in loaded.problems] == []
    assert dict(loaded.configuration.services["web"].environment) == {"A": "env", "B": "defaults", "C": "own"}
    assert 'A = "env"' in (text := show(loaded.configuration, "web")) and f"# {tmp_path}/.env:1" in text
    assert dict(loaded.configuration.services["t"].environment) == {}


def test_check_reads_procfiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path, or where nothing else is declared; with the `.env` beside it."""
    write(tmp_path, {"Procfile.dev": "web: x\nno entry\n", ".env": "A B=1\n", "Procfile": "a: b\n"})
    checked = check([str(tmp_path / "Procfile.dev")])
    assert [(Path(one.file).name, one.line) for one in checked.problems] == [(".env", 1), ("Procfile.dev", 2)]
    monkeypatch.chdir(tmp_path)
    assert (checked := check(root="/")).counts.services == 1 and [one.file for one in checked.problems] == [".env"]
