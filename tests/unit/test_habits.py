"""What people type who come from elsewhere: they are told what to type here, and that is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asyncinit.cli import click_app, habits
from asyncinit.cli.app import main
from asyncinit.cli.arguments import parse
from asyncinit.cli.habit import Habit
from asyncinit.cli.habit_table import HABITS
from asyncinit.config import foreign
from asyncinit.config.hints import _tables
from asyncinit.config.keys import ServiceFileKeys
from asyncinit.config.names import meant
from tests.unit.config_world import read_service

SAMPLES = {"NAME": "web", "SIG": "HUP", "FILE": "x.toml", "PORT": "5000", "FORMATION": "web=2", "VERB": "restart"}
SAMPLES |= {"CODE": "143", "FROM:TO": "15:3", "CMD": "bash", "...": "-l"}
SAMPLES |= {"YAML": "x.yml", "CONF": "x.conf", "TOML": "x.toml", "PROCFILE": "Procfile", "NUMBER": "3", "TIME": "1h"}
SAMPLES |= {"UNIT": "x.service", "-SIG": "-HUP", "NAME=NUMBER": "web=3", "CODE:0": "143:0"}


def sample(habit: Habit) -> list[str]:
    """Return a command line as somebody with this habit would type it."""
    return [SAMPLES.get(word, word) for word in habit.words.split()]


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    """Return the one line that a command line which cannot be carried out is answered with."""
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("asyncinit: ").rstrip("\n")


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.words)
def test_each_habit_is_told_what_is_typed_here(habit: Habit) -> None:
    """It is no command line of ours, so that it is told at all; and what is told is one, or asks for help."""
    given = sample(habit)
    assert parse(given) is None
    told = habits.told(given)
    here = told.partition(" (")[0] if habit.why else told
    assert here.startswith("asyncinit ")
    words = [SAMPLES.get(word, word) for word in here.split()[1:]]
    assert words[-1] in ("--help", "--version") or parse(words) is not None, here


def test_no_habit_is_told_twice() -> None:
    """Each row of words stands for one thing to type."""
    words = [habit.words for habit in HABITS]
    assert sorted(set(words)) == sorted(words)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("ps", "no such command: ps; type: asyncinit status"),
        ("export", "no such command: export; type: asyncinit import procfile Procfile (it writes services.d)"),
        ("kill -s HUP web db", "no such command: kill; type: asyncinit signal HUP web db"),
        ("cat web.service", "no such command: cat; type: asyncinit show web"),
        ("docker compose down", "no such command: docker; type: asyncinit shutdown"),
        ("systemctl restart web", "no such command: systemctl; type: asyncinit restart web"),
        ("sv up web", "no such command: sv; type: asyncinit start web"),
        ("web start", "no such command: web; type: asyncinit start web"),
        ("exec web bash", "got unexpected extra argument (bash); type: asyncinit exec web -- bash"),
        ("exec web bash -l", "no such option '-l'; type: asyncinit exec web -- bash -l"),
        ("-u web", "no such option '-u'; type: asyncinit logs web"),
        ("--socket /x ps", "no such command: ps; type: asyncinit status"),
        ("stat", "no such command: stat; did you mean status?"),
        ("restrat web", "no such command: restrat; did you mean restart?"),
        ("dameon-reload", "no such command: dameon-reload; type: asyncinit reload-config"),
        ("sh -c true", "no such command: sh; to run sh -c true under asyncinit: asyncinit -- sh -c true"),
        ("xyzzy", "no such command: xyzzy; asyncinit --help lists them"),
        ("shutdown now", "got unexpected extra argument (now); type: asyncinit shutdown (it begins at once anyhow)"),
        ("down web", "no such command: down; type: asyncinit stop web"),
        ("down -v", "no such command: down; type: asyncinit shutdown"),
        ("kill -9 web", "no such command: kill; type: asyncinit signal 9 web"),
        ("kill -HUP web", "no such command: kill; type: asyncinit signal HUP web"),
        ("kill", "no such command: kill; type: asyncinit signal KILL NAME"),
        ("sv shutdown web", "no such command: sv; type: asyncinit stop web"),
        ("sv nonsense web", "no such command: sv; asyncinit --help lists them"),
        ("quit", "no such command: quit; type: asyncinit --help (there is no prompt to leave)"),
        ("init 3", "no such command: init; asyncinit --help lists them"),
        ("systemctl suspend", "no such command: systemctl; asyncinit --help lists them"),
        ("systemctl status", "no such command: systemctl; type: asyncinit status"),
        ("systemctl kill web", "no such command: systemctl; type: asyncinit signal TERM web"),
        ("systemctl restart web.service db", "no such command: systemctl; type: asyncinit restart web db"),
        ("foreman start", "no such command: foreman; type: asyncinit dev"),
        ("foreman start -t 5", "no such command: foreman; type: asyncinit start --help"),
        ("kubectl top -A nodes", "no such command: kubectl; type: asyncinit top --help"),
        ("s6-svc -u /run/service/web/", "no such command: s6-svc; type: asyncinit start web"),
        ("tail -f web -n 5", "no such command: tail; type: asyncinit logs NAME"),
        ("process scale web 3", "no such command: process; type: asyncinit scale web=3"),
        ("tini -- sh -c true", "no such command: tini; type: asyncinit -- sh -c true"),
        ("-f x.toml", "no such option '-f'; type: asyncinit run --config x.toml"),
        ("-f Procfile.dev start", "no such option '-f'; type: asyncinit dev --procfile Procfile.dev"),
        (
            "crash shw",
            "crash: invalid value for 'list|show': 'shw' is not one of 'list', 'show'; did you mean show?",
        ),
        ("signal TRM web", "'TRM' is not a signal; did you mean TERM?"),
        ("signal web HUP", "the signal comes first; type: asyncinit signal HUP web"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_carried_out(capsys: pytest.CaptureFixture[str], line: str, answer: str) -> None:
    """It is answered with what is wrong and what to type, in one line."""
    assert refused(capsys, line) == answer


def test_only_who_asks_for_all_to_go_down_is_told_how() -> None:
    """No word beside a habit is dropped so that all would be stopped instead of one."""
    all_down = [habit for habit in HABITS if habit.here.split()[1] in ("shutdown", "poweroff", "reboot", "halt")]
    assert len(all_down) > 5
    for habit in all_down:
        if habit.words != "s6-svscanctl -t":  # its further word is the folder of all
            assert "shutdown" not in habits.told([*sample(habit), "web"]), habit.words


def test_what_is_nobodys_habit_is_told_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt option of a command has its own help."""
    assert click_app.main(["status", "--jsn"]) == 2
    assert "Did you mean '--json'?" in capsys.readouterr().err


def test_a_hostile_line_is_printed_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """No escape sequence of an argument reaches the terminal."""
    assert main(["\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# Names, keys and values


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("web.service", "web"),
        ("services.d/db.toml", "db"),
        ("WEB", "web"),
        ("wbe", "web"),
        ("worker", "worker@1"),
        ("worker@", "worker@1"),
        ("backup.timer", ""),
        ("xyzzy", ""),
    ],
)
def test_names_that_are_meant(given: str, name: str) -> None:
    """Types and folders are no part of a name; a template means its first instance."""
    assert meant(given, ["web", "db", "worker@2", "worker@1"]) == name


@pytest.mark.parametrize(("key", "here"), foreign.KEYS.items())
def test_what_another_programs_key_is_here_is_a_key(key: str, here: str) -> None:
    """Each key, or table, that is told exists."""
    tables = _tables(ServiceFileKeys)
    table, _, inner = here.rpartition("] ") if here.startswith("[") and "] " in here else ("", "", here)
    table = table.strip("[]")
    if table == "profile.NAME":
        table = ""
    if not table and inner.startswith("["):
        table, inner = inner.strip("[]"), ""
    for word in inner.split(" or ") if inner else ():
        assert word in tables[table], here
    assert table in tables
    assert key == foreign.folded(key)


def test_no_key_of_ours_is_told_to_be_another() -> None:
    """What is a key here at the top level is never taken for somebody else's."""
    assert not _tables(ServiceFileKeys)[""] & (foreign.KEYS.keys() | foreign.NOT_NEEDED.keys())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('ExecStart = "x"', "did you mean command?"),
        ('exec-start = "x"', "did you mean command?"),
        ("depends_on = []", "did you mean requires?"),
        ("TimeoutStopSec = 5", "did you mean [stop] timeout?"),
        ('WantedBy = "multi-user.target"', "is not needed: what is enabled starts"),
        ('image = "nginx"', "has no equivalent: `command` runs a program of this system"),
        ('restart = "unless-stopped"', 'did you mean "always"?'),
        ('restart = "on-failure:5"', 'did you mean "on-failure"?'),
        ("restart = false", 'did you mean "never"?'),
        ('type = "forking"', 'did you mean "service" with [ready] pid_file?'),
        ('[stop]\nscope = "control-group"', 'did you mean "tree"?'),
        ('[stop]\nExecStop = "x"', "did you mean [stop] command?"),
        ('[ready]\nnotifyaccess = "all"', "did you mean [ready] notify?"),
        ('requires = ["db.service"]', 'did you mean "db"?'),
        ('limits = { nofile = "unlimited" }', 'did you mean "none"?'),
        ('[timer]\ncron = "daily"', 'did you mean "@daily"?'),
        ('[timer]\ncron = "every 5 minutes"', 'did you mean every = "5m"?'),
        ('log = { to = ["stdot"] }', 'did you mean "console"?'),
        ('log = { to = ["journal"] }', 'did you mean "syslog"?'),
    ],
)
def test_habits_in_files(tmp_path: Path, text: str, line: str) -> None:
    """The key or value that was meant is told."""
    problems = read_service(tmp_path, f'command = "x"\n{text}\n', db='command = "x"').problems
    assert len(problems) == 1
    assert line in str(problems[0])


def test_every_command_of_the_page_is_one_of_the_table() -> None:
    """The guide's own examples are what is really said."""
    from tests.support import ROOT

    page = (ROOT / "docs/guides/habits.md").read_text()
    examples = re.findall(r"^\$ asyncinit (.*)\nasyncinit: (.*)$", page, re.M)
    assert len(examples) == 4
    for line, answer in examples:
        said = answer.partition("; type: ")[2]
        assert not said or habits.told(line.split()) == said
