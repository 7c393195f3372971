"""Drop-ins: what is laid over a service, in which order, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config.check import check
from asyncinit.config.load import Loaded, load, read
from asyncinit.config.origins import origins_of
from asyncinit.config.show import show
from asyncinit.config.spec import ReadyKind, RestartPolicy
from tests.unit.config_world import NOWHERE, read_service, told, write

COMMAND = 'command = "x"\n'


def read_files(folder: Path, files: dict[str, str]) -> Loaded:
    """Read a services.d with these files."""
    write(folder, {f"services.d/{name}": text for name, text in files.items()})
    return read(None, [str(folder / "services.d")], root=NOWHERE)


def test_drop_ins_are_laid_over_the_service_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Tables are merged key by key; lists and all else are replaced."""
    loaded = read_files(
        tmp_path,
        {
            "web.toml": COMMAND
            + 'user = "a"\nunset_environment = ["A", "B"]\n[environment]\nONE = "1"\nTWO = "2"\n[stop]\ntimeout = "1s"',
            "web.d/20-b.toml": 'user = "c"\n[environment]\nTWO = "20"',
            "web.d/10-a.toml": 'user = "b"\nunset_environment = ["C"]\n[environment]\nTWO = "10"\nTHREE = "3"',
        },
    )
    assert loaded.problems == ()
    web = loaded.configuration.services["web"]
    assert web.user == "c"
    assert web.unset_environment == ("C",)
    assert web.environment == {"ONE": "1", "TWO": "20", "THREE": "3"}
    assert web.stop.timeout == 1.0
    folder = tmp_path / "services.d"
    assert loaded.configuration.files == tuple(
        str(folder / name) for name in ("web.toml", "web.d/10-a.toml", "web.d/20-b.toml")
    )


def test_keys_that_exclude_each_other_replace_each_other(tmp_path: Path) -> None:
    """A kind of readiness, a stop command and a short form take the place of what is below."""
    loaded = read_files(
        tmp_path,
        {
            "web.toml": COMMAND
            + 'restart = "never"\n[ready]\ntcp = "localhost:1"\ntimeout = "9s"\n[stop]\nsignal = "INT"',
            "web.d/a.toml": '[ready]\nfile = "/x"\n[stop]\ncommand = "halt"\n[restart]\ndelay = "1s"',
        },
    )
    assert loaded.problems == ()
    web = loaded.configuration.services["web"]
    assert (web.ready.kind, web.ready.address, web.ready.timeout) == (ReadyKind.FILE, "/x", 9.0)
    assert web.stop.command is not None
    assert (web.restart.policy, web.restart.delay) == (RestartPolicy.NEVER, 1.0)


def test_drop_ins_count_in_every_folder_of_the_search_path(tmp_path: Path) -> None:
    """One in /etc or /run is for a service of /usr/lib; of two with one name the later folder's counts alone."""
    etc, run = "etc/asyncinit/services.d", "run/asyncinit/services.d"
    write(
        tmp_path,
        {
            "usr/lib/asyncinit/services.d/web.toml": COMMAND + 'user = "a"',
            "usr/lib/asyncinit/services.d/web.d/30-c.toml": 'description = "package"',
            f"{etc}/web.d/10-a.toml": 'user = "b"\ngroup = "b"',
            f"{etc}/web.d/20-b.toml": 'umask = "0027"',
            f"{run}/web.d/10-a.toml": 'user = "c"',
            f"{run}/web.d/30-c.toml": "",
        },
    )
    web = load(root=str(tmp_path)).services["web"]
    assert (web.user, web.group, web.umask, web.description) == ("c", None, 0o027, "")


def test_services_of_the_configuration_file_have_drop_ins_too(tmp_path: Path) -> None:
    """They are in the folder that the file leads to, and lie over its defaults."""
    write(
        tmp_path,
        {
            "asyncinit.toml": f"[defaults]\nuser = 'a'\n[services.web]\n{COMMAND}",
            "services.d/web.d/on.toml": 'enabled = false\nuser = "b"',
        },
    )
    configuration = load(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
    assert not configuration.services["web"].enabled
    assert configuration.services["web"].user == "b"


def test_each_value_has_the_origin_that_it_was_taken_from(tmp_path: Path) -> None:
    """The topmost file that says it, with its line."""
    write(
        tmp_path,
        {
            "asyncinit.toml": '[defaults]\nuser = "u"\nrestart = "never"\n',
            "services.d/web.toml": COMMAND
            + 'group = "g"\n[environment]\nA = "1"\nB = "1"\n[ready]\ntcp = "localhost:1"',
            "services.d/web.d/a.toml": '\ngroup = "h"\n[environment]\nB = "2"\n[ready]\ntimeout = "1s"',
            "services.d/web.d/b.toml": 'restart = "always"\nready.file = "/x"',
        },
    )
    configuration = load(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
    folder = f"{tmp_path}/services.d"
    assert origins_of(configuration.sources, "web") == {
        "user": f"{tmp_path}/asyncinit.toml:2",
        "restart.policy": f"{folder}/web.d/b.toml:1",
        "command": f"{folder}/web.toml:1",
        "group": f"{folder}/web.d/a.toml:2",
        "environment.A": f"{folder}/web.toml:4",
        "environment.B": f"{folder}/web.d/a.toml:4",
        "ready.timeout": f"{folder}/web.d/a.toml:6",
        "ready.file": f"{folder}/web.d/b.toml:2",
    }
    assert 'group = "h"' in show(configuration, "web")


@pytest.mark.parametrize(
    ("drop_in", "line"),
    [
        ("usr = 1", "a.toml:1: usr: is not a known key; did you mean user?"),
        ("user = 1.5", "a.toml:1: user: found 1.5, expected a name from /etc/passwd or /etc/group, or an id"),
        ("x", "a.toml:1: is not valid TOML: expected '=' after a key in a key/value pair, and the file ends"),
        ('requires = ["ddb"]', 'a.toml:1: requires[0]: names "ddb", and there is no such service; did you mean "db"?'),
        ('\nafter = ["web"]', "a.toml:2: after[0]: names web itself"),
        (
            "shell = true",
            "web.toml:1: command: is a list, but shell = true gives a text to the shell, expected a string",
        ),
        (
            'type = "oneshot"',
            "web.toml:3: ready.tcp: cannot be used here: a oneshot is ready when it has exited successfully",
        ),
        ('[ready]\nfile = "/x"\nlog = "x"', "a.toml:3: ready.log: cannot stand beside file: [ready] takes one of them"),
    ],
)
def test_what_is_wrong_is_told_of_the_file_that_says_it(tmp_path: Path, drop_in: str, line: str) -> None:
    """Each problem has the place where it can be mended, and the service is not used."""
    loaded = read_files(
        tmp_path,
        {
            "web.toml": 'command = ["x"]\n[ready]\ntcp = "localhost:1"\n',
            "db.toml": COMMAND,
            "web.d/a.toml": drop_in,
        },
    )
    found = [str(problem).removeprefix(f"{tmp_path}/services.d/").removeprefix("web.d/") for problem in loaded.problems]
    assert [text.replace(" (expected", ", expected").rstrip(")") for text in found] == [line]
    assert list(loaded.configuration.services) == ["db"]


def test_a_drop_in_that_is_no_file_is_an_error_of_its_service(tmp_path: Path) -> None:
    """What cannot be read may be what matters most."""
    (tmp_path / "services.d/web.d/a.toml").mkdir(parents=True)
    loaded = read_service(tmp_path, COMMAND, db=COMMAND)
    assert [told(problem) for problem in loaded.problems] == ["None: : is a folder, not a file"]
    assert list(loaded.configuration.services) == ["db"]


def test_drop_ins_of_nobody_are_a_warning(tmp_path: Path) -> None:
    """Nothing comes of them, and a close name is told; backups and other files don't count."""
    loaded = read_files(
        tmp_path,
        {
            "web.toml": COMMAND,
            "wbe.d/a.toml": "nonsense",
            "xyzzy.d/a.toml": "",
            "conf.d/a.conf": "",
            "old.d/a.toml~": "",
            "web.d/.a.toml": "nonsense",
        },
    )
    folder = f"{tmp_path}/services.d"
    assert [str(problem) for problem in loaded.problems] == [
        f'{folder}/wbe.d: warning: has drop-ins for "wbe", and there is no such service; did you mean {folder}/web.d?',
        f'{folder}/xyzzy.d: warning: has drop-ins for "xyzzy", and there is no such service',
    ]


def test_a_drop_in_is_checked_as_part_of_its_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no command, its neighbours are known, and only its own problems are told."""
    write(
        tmp_path,
        {
            "services.d/web.toml": COMMAND + "xyzzy = 1",
            "services.d/web.d/a.toml": 'wants = ["cache"]',
            "services.d/web.d/b.toml": "plugh = 1",
        },
    )
    wished = 'warning: wants[0]: names "cache", and there is no such service'
    monkeypatch.chdir(tmp_path)
    for path in ("services.d/web.d/a.toml", f"{tmp_path}/services.d/web.d/a.toml"):
        assert [str(problem) for problem in check([path], root=NOWHERE).problems] == [f"{path}:1: {wished}"]
    monkeypatch.chdir(tmp_path / "services.d/web.d")
    assert [str(problem) for problem in check(["a.toml"], root=NOWHERE).problems] == [f"a.toml:1: {wished}"]
