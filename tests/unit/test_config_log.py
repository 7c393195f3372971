"""[log]: what is read, what is refused, and what it adds to the order of services."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config.load import load, read
from asyncinit.config.spec import Log, LogFormat, WhenFull
from asyncinit.core.graph import Graph
from tests.unit.config_world import NOWHERE, write

COMMAND = 'command = "x"\n'


def log_of(tmp_path: Path, text: str, defaults: str = "") -> Log:
    """Return the [log] of a service that is declared beside a logger."""
    write(tmp_path, {"s/web.toml": COMMAND + text, "s/logger.toml": COMMAND, "asyncinit.toml": defaults})
    return load(str(tmp_path / "asyncinit.toml"), [str(tmp_path / "s")], root=NOWHERE).services["web"].log


@pytest.mark.parametrize(
    ("text", "log"),
    [
        ("", Log()),
        ('log.to = "null"', Log(to=("null",))),
        ('log.to = ["console", "syslog", "console"]', Log(to=("console", "syslog"))),
        ('log.file = "/l"', Log(to=("file",), file="/l")),
        ('log.stderr_file = "/e"', Log(to=("file",), stderr_file="/e")),
        ('log = { to = "service:logger", format = "json", when_full = "drop" }',
         Log(to=("service:logger",), format=LogFormat.JSON, when_full=WhenFull.DROP)),
        ('log = { to = ["file"], max_size = "none", keep = 0, compress = true, mode = "0600" }',
         Log(to=("file",), max_size=float("inf"), keep=0, compress=True, mode=0o600)),
        ('log = { rate_limit = 100, rate_interval = "2s", facility = "local3", tag = "w" }',
         Log(rate_limit=100, rate_interval=2.0, facility="local3", tag="w")),
    ],
)  # fmt: skip
def test_what_is_declared(tmp_path: Path, text: str, log: Log) -> None:
    """Each key has its place; a file that is named is written."""
    assert log_of(tmp_path, text) == log


@pytest.mark.parametrize(
    ("defaults", "text", "to"),
    [
        ('to = ["console", "file"]', "", ("console", "file")),
        ('to = "console"', 'log.file = "/x"', ("file",)),
        ('to = ["file", "syslog"]', 'log.file = "/x"', ("file", "syslog")),
        ('to = "syslog"', 'log.to = "console"', ("console",)),
    ],
)
def test_over_the_defaults(tmp_path: Path, defaults: str, text: str, to: tuple[str, ...]) -> None:
    """What a service says stands over the defaults; a file that it names is written in any case."""
    assert log_of(tmp_path, text, f"[defaults.log]\n{defaults}\n").to == to


def test_a_logger_of_all_does_not_read_itself(tmp_path: Path) -> None:
    """With [defaults] to = "service:logger" the logger itself writes to the console."""
    write(tmp_path, {"s/web.toml": COMMAND, "s/logger.toml": COMMAND})
    write(tmp_path, {"asyncinit.toml": '[defaults.log]\nto = "service:logger"\n'})
    services = load(str(tmp_path / "asyncinit.toml"), [str(tmp_path / "s")], root=NOWHERE).services
    assert {name: spec.log.to for name, spec in services.items()} == {
        "web": ("service:logger",),
        "logger": ("console",),
    }
    graph = Graph(services)
    assert list(graph.after["web"]) == ["logger"]
    assert graph.wants["web"] == ("logger",)
    assert graph.written_to == {"logger"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('log.to = ["null", "file"]', '2: log.to: has "null" beside others: it can only stand alone'),
        ('log.to = "consol"', '2: log.to: found "consol", expected "console", "file", "syslog", "inherit", "null" or '
         '"service:NAME"; did you mean "console"?'),
        ('log.to = "/var/log/x"', '2: log.to: found "/var/log/x", expected "console", "file", "syslog", "inherit", '
         '"null" or "service:NAME"; did you mean file = "/var/log/x"?'),
        ('log = { to = "console", file = "/x" }', '2: log.file: is set, and log.to does not have "file"'),
        ('log.to = "service:web"', '2: log.to: names web itself'),
        ('log.to = "service:loger"', '2: log.to: names "loger", and there is no such service; did you mean '
         '"service:logger"?'),
        ('log.to = "service:once"', '2: log.to: names "once", which is a oneshot and does not stay to read it'),
        ('log.to = "service:screen"', '2: log.to: names "screen", whose standard input is its terminal (tty)'),
        ('log.file = "/dev/stdout"',
         '2: log.file: is a device or a descriptor, not a file (found "/dev/stdout"); did you mean to = "console"?'),
        ('log.max_size = 100', '2: log.max_size: is too small (found 100, expected at least "4K")'),
        ('log.to = "inherit"\ntty = true',
         '2: log.to: is "inherit", but tty = true is a terminal that asyncinit reads'),
        ('log.to = "inherit"\nready.log = "up"', '3: ready.log: cannot be seen: log.to is "inherit"'),
        ('log.to = "service:logger"\nbefore = ["logger"]', None),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, problem: str | None) -> None:
    """What cannot be meant is told with its line and what to write."""
    others = {"logger": COMMAND, "once": COMMAND + 'type = "oneshot"', "screen": COMMAND + "tty = true"}
    write(tmp_path, {f"s/{name}.toml": one for name, one in {**others, "web": COMMAND + text}.items()})
    problems = [str(found) for found in read(None, [str(tmp_path / "s")], root=NOWHERE).problems]
    if problem is None:
        assert "waits for itself" in problems[0]
        assert "web log.to logger" in problems[0]
    else:
        assert problems == [f"{tmp_path}/s/web.toml:{problem}"]
