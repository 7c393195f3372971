"""The frame of `asyncinit import`: no setting is lost, what is written reads back, and it is all files or none."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.cli import importing
from asyncinit.cli.arguments import parse
from asyncinit.cli.commands import FORMATS as NAMED
from asyncinit.config.load import load
from asyncinit.migration.formats import FORMATS, translator
from asyncinit.migration.layout import text_of
from asyncinit.migration.report import Ledger, MigrationError, Verdict, counted, share
from asyncinit.migration.service import Draft, Translation
from asyncinit.migration.sources import LARGEST, read_source
from asyncinit.migration.writing import Written, write
from tests.unit.config_world import NOWHERE


def draft(name: str, ledger: Ledger | None = None, **data: object) -> Draft:
    made = Draft(name, ledger or Ledger())
    for key, value in ({"command": ["x"]} | data).items():
        made.put(None, key, value)
    return made


def put(output: Path, *drafts: Draft, force: bool = False, dry_run: bool = False) -> Written:
    return write(Translation(drafts, Ledger()), str(output), "test", force=force, dry_run=dry_run)


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


# --- The ledger ------------------------------------------------------------------------------------------------------


def test_the_command_knows_every_format() -> None:
    """The words of the command line are those that have a translator, and each can be loaded."""
    assert set(NAMED) == set(FORMATS)
    assert all(callable(translator(name)) for name in FORMATS)


def test_what_nobody_mentions_has_no_equivalent() -> None:
    """A setting that a translator forgets is in the report all the same, in its place."""
    ledger = Ledger()
    one, _, three = (ledger.add("f", line, name, "v") for line, name in ((1, "One"), (2, "Two"), (3, "Three")))
    ledger.say(three, Verdict.NOT_NEEDED, "why")
    draft("web", ledger).put(one, "restart.policy", "always")
    entries = ledger.entries()
    assert [(entry.setting.text, entry.verdict, entry.keys) for entry in entries] == [
        ("One=v", Verdict.TRANSLATED, ("web: restart.policy",)),
        ("Two=v", Verdict.NO_EQUIVALENT, ()),
        ("Three=v", Verdict.NOT_NEEDED, ()),
    ]
    assert list(counted(entries).values()) == [1, 0, 1, 1]
    assert share(entries) == pytest.approx(2 / 3)
    assert share([]) == 1


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ((Verdict.TRANSLATED, Verdict.TRANSLATED), Verdict.TRANSLATED),
        ((Verdict.TRANSLATED, Verdict.NOT_NEEDED), Verdict.TRANSLATED),
        ((Verdict.TRANSLATED, Verdict.APPROXIMATED), Verdict.APPROXIMATED),
        ((Verdict.TRANSLATED, Verdict.NO_EQUIVALENT), Verdict.APPROXIMATED),
        ((Verdict.NOT_NEEDED, Verdict.NO_EQUIVALENT), Verdict.NO_EQUIVALENT),
    ],
)
def test_what_is_said_twice_stands_twice(said: tuple[Verdict, Verdict], verdict: Verdict) -> None:
    """The doubt outweighs, whichever is said first, and no note is lost."""
    for order in (said, said[::-1]):
        ledger = Ledger()
        setting = ledger.add("f", 1, "One")
        ledger.say(setting, order[0], "first", "web: a")
        ledger.say(setting, order[1], "second", "web: b")
        (entry,) = ledger.entries()
        assert (entry.verdict, entry.keys, entry.note) == (verdict, ("web: a", "web: b"), "first; second")


# --- Drafts and their text -------------------------------------------------------------------------------------------


def test_a_draft_as_text() -> None:
    """Keys in the order of the reference, with where they are from; what was lost at the head."""
    ledger = Ledger()
    made = Draft("web", ledger, origin="/etc/web.conf")
    made.put(ledger.add("/etc/web.conf", 4, "restart", "yes"), "restart.policy", "always", "roughly")
    made.put(ledger.add("/etc/web.conf", 2, "run"), "command", ["web", "it's"])
    made.put(None, "environment", {"A": "b"}, "the default there")
    made.append(None, "sockets", {"tcp": "*:80"}, {"unix": "/run/x"})
    ledger.add("/etc/web.conf", 7, "colour", "red", service="web")
    assert text_of(made, list(ledger.entries())[-1:], "asyncinit import test") == (
        "# web: translated from /etc/web.conf by `asyncinit import test`.\n"
        "#\n"
        "# No equivalent here:\n"
        "#   colour=red  (web.conf:7)\n"
        "\n"
        'command = ["web", "it\'s"]  # run, web.conf:2\n'
        "\n"
        "# the default there\n"
        "[environment]\n"
        'A = "b"\n'
        "\n"
        "[restart]\n"
        "# roughly\n"
        'policy = "always"  # restart, web.conf:4\n'
        "\n"
        "[[sockets]]\n"
        'tcp = "*:80"\n'
        "\n"
        "[[sockets]]\n"
        'unix = "/run/x"\n'
    )


VALUES = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5), st.text())
def test_any_draft_reads_back(data: dict[str, object], text: str) -> None:
    """Whatever stands in it: TOML says the same, and no comment of the source gets out of its line."""
    ledger = Ledger()
    made = Draft("web", ledger, origin=text)
    for key, value in data.items():
        setting = ledger.add(text, 1, text, text, service="web")
        made.put(setting, (key,), value, text)
    ledger.add(text, None, text, text, service="web")
    assert tomllib.loads(text_of(made, list(ledger.entries()), text)) == data


def test_keys_are_put_added_and_dropped() -> None:
    """A list takes each item once; what is dropped gives back what it was from."""
    ledger = Ledger()
    made, setting = Draft("web", ledger), ledger.add("f", 1, "After", "a b a")
    made.append(setting, "after", "a", "b", "a")
    made.append(setting, "after", "b", "c")
    assert made.data == {"after": ["a", "b", "c"]}
    assert made.drop("after") == [setting]
    assert made.data == {}
    assert made.get("restart.policy", "none") == "none"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "é", "x" * 300])
def test_a_name_that_no_service_can_have(name: str) -> None:
    """It is refused where the draft is made, in words."""
    with pytest.raises(MigrationError, match="cannot be the name of a service"):
        Draft(name, Ledger())


# --- Sources ---------------------------------------------------------------------------------------------------------


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    """No file, no text, a FIFO that nobody writes to, too much: a line says so, and nobody waits."""
    (tmp_path / "latin").write_bytes(b"a\nb\xe4\n")
    (tmp_path / "binary").write_bytes(b"a\n\0\n")
    (tmp_path / "large").write_bytes(b"#" * (LARGEST + 1))
    os.mkfifo(tmp_path / "fifo")
    expected = {
        "latin": ":2: is not UTF-8 text",
        "binary": ":2: has a NUL",
        "large": "larger than 4 MiB",
        "fifo": "no ordinary",
        "none": "no such file",
        ".": "is a folder",
    }
    for name, text in expected.items():
        with pytest.raises(MigrationError, match=text):
            read_source(str(tmp_path / name))


# --- Writing ---------------------------------------------------------------------------------------------------------


def test_files_are_written_and_work(tmp_path: Path) -> None:
    """The folder is made with what is above it; the services are those that were meant; nothing else is left."""
    output = tmp_path / "a" / "services.d"
    written = put(output, draft("db"), draft("web", requires=["db"]))
    assert list(written.files) == [str(output / "db.toml"), str(output / "web.toml")]
    assert set(files(tmp_path)) == {"a/services.d/db.toml", "a/services.d/web.toml"}
    assert sorted(os.listdir(output)) == ["db.toml", "web.toml"]
    assert load(None, [str(output)], root=NOWHERE).services["web"].requires == ("db",)


def test_pods_go_beside(tmp_path: Path) -> None:
    """Into pods.d beside services.d; a folder of another name has no pods."""
    ledger = Ledger()
    pod = Draft("shop", ledger, pod=True)
    pod.put(None, "description", "all of it")
    put(tmp_path / "services.d", draft("web", pod="shop"), pod)
    assert set(files(tmp_path)) == {"services.d/web.toml", "pods.d/shop.toml"}
    with pytest.raises(MigrationError, match=r"call the folder of --output services\.d"):
        put(tmp_path / "other", pod)


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    """A file that is there stays, and the other new ones are not written either; with force it is replaced."""
    put(tmp_path, draft("web"))
    before = files(tmp_path)
    with pytest.raises(MigrationError, match=r"web\.toml is there already; --force replaces it"):
        put(tmp_path, draft("new"), draft("web", command=["other"]))
    assert files(tmp_path) == before
    written = put(tmp_path, draft("new"), draft("web", command=["other"]), force=True)
    assert written.replaced == (str(tmp_path / "web.toml"),)
    assert load(None, [str(tmp_path)], root=NOWHERE).services["web"].command.argv == ("other",)


def test_what_does_not_pass_is_not_written(tmp_path: Path) -> None:
    """The whole is checked with what is there: one wrong key anywhere, and nothing has changed, not even a folder."""
    output = tmp_path / "services.d"
    with pytest.raises(MigrationError) as error:
        put(output, draft("good"), draft("bad", user=""))
    assert f"{output}/bad.toml:" in str(error.value)
    assert os.listdir(tmp_path) == []
    put(output, draft("db"))
    (output / "api.toml").write_text('command = "x"\nrequires = ["db"]\n')
    with pytest.raises(MigrationError, match=r"waits for itself.*api") as error:
        put(output, draft("db", command=["x"], log={"to": "service:api"}), force=True)
    assert ".import-" not in str(error.value)
    assert set(files(tmp_path)) == {"services.d/db.toml", "services.d/api.toml"}


def test_a_value_that_cannot_be_is_taken_out(tmp_path: Path) -> None:
    """It is told as lost, with the reason, and the rest is written; a user that cannot be is an error all the same."""
    ledger = Ledger()
    web = draft("web", ledger)
    lines = [ledger.add("f", number, "x", "y", service="web") for number in range(3)]
    web.put(lines[0], "restart.delay", "soon")
    web.append(lines[1], "hooks.pre_start", ["a"], 5)
    web.put(lines[2], "restart.policy", "always")
    written = write(Translation([web], ledger), str(tmp_path), "test")
    assert tomllib.loads(next(iter(written.files.values()))) == {"command": ["x"], "restart": {"policy": "always"}}
    assert [entry.verdict for entry in ledger.entries()] == [
        Verdict.NO_EQUIVALENT,
        Verdict.NO_EQUIVALENT,
        Verdict.TRANSLATED,
    ]
    assert "restart.delay" not in "".join(ledger.entries()[0].keys) and "duration" in ledger.entries()[0].note
    with pytest.raises(MigrationError, match="user"):
        put(tmp_path, draft("other", user="a b"))


def test_what_was_wrong_before_is_no_obstacle(tmp_path: Path) -> None:
    """Errors of files that are there and stay are not held against the new ones."""
    (tmp_path / "broken.toml").write_text("command = 1\n")
    os.symlink("nowhere", tmp_path / "link.toml")
    os.mkfifo(tmp_path / "fifo.toml")
    put(tmp_path, draft("web"))
    assert (tmp_path / "web.toml").exists()


def test_drop_ins_count(tmp_path: Path) -> None:
    """What lies over a new service is checked with it."""
    (tmp_path / "web.d").mkdir()
    (tmp_path / "web.d" / "x.toml").write_text('command = "over"\nshell = true\n[ready]\nfile = "x"\nlog = "x"\n')
    with pytest.raises(MigrationError, match=r"x\.toml"):
        put(tmp_path, draft("web"))


def test_warnings_are_told(tmp_path: Path) -> None:
    """They keep nothing from being written."""
    written = put(tmp_path, draft("web", after=["nobody"]))
    assert [warning.key for warning in written.warnings] == ["after[0]"]
    assert written.warnings[0].file == str(tmp_path / "web.toml")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """And gives the texts."""
    written = put(tmp_path / "services.d", draft("web"), dry_run=True)
    assert 'command = ["x"]' in written.files[str(tmp_path / "services.d" / "web.toml")]
    assert os.listdir(tmp_path) == []


def test_a_rename_that_fails_takes_all_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever rename is the one that fails: the folder is as it was, to the letter."""
    put(tmp_path, draft("a", command=["old"]), draft("b", command=["old"]))
    before = files(tmp_path)
    rename = os.rename
    for failing in range(6):
        calls = []

        def once(source: str, target: str, failing: int = failing, calls: list[str] = calls) -> None:
            calls.append(target)
            if len(calls) == failing + 1:
                raise OSError(28, "No space left on device", target)
            rename(source, target)

        monkeypatch.setattr("asyncinit.migration.writing.os.rename", once)
        if failing < 5:
            with pytest.raises(MigrationError, match="no space left on device"):
                put(tmp_path, draft("a"), draft("b"), draft("c"), force=True)
            assert files(tmp_path) == before
        else:
            put(tmp_path, draft("a"), draft("b"), draft("c"), force=True)
            assert set(files(tmp_path)) == {"a.toml", "b.toml", "c.toml"}
        monkeypatch.undo()


def test_two_of_one_name(tmp_path: Path) -> None:
    """They would be one file: refused."""
    with pytest.raises(MigrationError, match="two services called web"):
        put(tmp_path, draft("web"), draft("web"))


def test_nothing_to_write(tmp_path: Path) -> None:
    """Sources without a service are no success."""
    with pytest.raises(MigrationError, match="no service"):
        put(tmp_path)


def test_the_report_on_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is longer than the terminal is wide, and it is told which service each is about; a pipe gets a table."""
    source = tmp_path / "supervisord.conf"
    source.write_text(f"[program:web]\ncommand=x {'y' * 100}\nstopsignal=QUIT\nstartsecs=5\n[program:db]\ncommand=x\n")
    words = ["import", "supervisord", str(source), "--dry-run", "--output", str(tmp_path / "services.d")]
    invocation = parse(words)
    assert invocation is not None
    monkeypatch.setattr(importing, "_width", lambda: 80)
    assert invocation.execute() == 0
    report = capsys.readouterr().out.partition("==>")[0].splitlines()
    assert max(map(len, report)) <= 80
    assert (
        report.index("web:")
        < report.index("  translated     supervisord.conf:3  stopsignal=QUIT")
        < report.index("db:")
    )
    monkeypatch.setattr(importing, "_width", lambda: None)
    assert invocation.execute() == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["SETTING", "RESULT", "WHERE", "AS"]
    assert rows[2].split()[:3] == ["stopsignal=QUIT", "translated", "supervisord.conf:3"]
