"""The options of `-- CMD`: what is understood, what is refused and with which words, what is left to others."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.cli.unshare import without_unshare
from asyncinit.linux.program import started_as
from asyncinit.wrapper.options import (
    UsageError,
    WrapOptions,
    parse,
    parse_exit_code,
    parse_grace,
    parse_rewrite,
    parse_signal,
)


def test_all_options_are_read() -> None:
    """Options come in both spellings, repeated ones add up, and all after -- is CMD, options of its own included."""
    words = "--scope tree --rewrite TERM:QUIT --rewrite=15:INT --exit-code=143:0 --exit-code 1:2 -- cmd --scope -- x"
    options = parse(words.split())
    assert options is not None
    assert options.command == ("cmd", "--scope", "--", "x")
    assert (options.scope, options.rewrite, options.exit_codes) == ("tree", {15: 2}, {143: 0, 1: 2})
    assert options.grace is None


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--"],
        ["--scope", "tree"],
        ["--scope"],
        ["cmd"],
        ["--config", "x", "--", "cmd"],
        ["-x", "--", "c"],
        ["--rewrite"],
    ],
)
def test_what_is_not_only_the_wrapper_is_left_to_the_command_line(words: list[str]) -> None:
    """Without CMD, or with any other word before --, there is no answer here."""
    assert parse(words) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scope", "all", "--", "c"], "--scope: 'all' is none of process, group, tree"),
        (["--rewrite", "TERM", "--", "c"], "--rewrite: 'TERM' is not FROM:TO"),
        (["--rewrite", "TERM:", "--", "c"], "'' is not a signal"),
        (["--rewrite", "FOO:1", "--", "c"], "'FOO' is not a signal"),
        (["--rewrite", "99:1", "--", "c"], "'99' is not a signal"),
        (["--rewrite", "0:1", "--", "c"], "'0' is not a signal"),
        (["--rewrite", "CHLD:1", "--", "c"], "CHLD is never forwarded"),
        (["--rewrite", "SEGV:1", "--", "c"], "SEGV is never forwarded"),
        (["--exit-code", "1", "--", "c"], "--exit-code: '1' is not FROM:TO"),
        (["--exit-code", "256:1", "--", "c"], "0 to 255"),
        (["--exit-code", "-1:1", "--", "c"], "0 to 255"),
        (["--exit-code=1:x", "--", "c"], "0 to 255"),
    ],
)
def test_bad_values_are_named(words: list[str], said: str) -> None:
    """A bad value is an error that shows it and what was expected."""
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("sigterm", 15),
        ("SIGTERM", 15),
        ("15", 15),
        ("RTMIN", int(signal.SIGRTMIN)),
        ("SIGRTMIN+3", int(signal.SIGRTMIN) + 3),
        ("rtmax-1", int(signal.SIGRTMAX) - 1),
        ("64", 64),
    ],
)
def test_signals_have_names_and_numbers(text: str, number: int) -> None:
    """A signal is understood with and without SIG, in any case, as a number, and counted from RTMIN or RTMAX."""
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    "text", ["", "SIG", "TERM+1", "RTMIN+99", "RTMIN-1", "RTMAX+1", "_DFL", "_BLOCK", "1.5", "+1", "-1"]
)
def test_other_words_are_no_signals(text: str) -> None:
    """What is not a signal's name is refused, other constants of Python's module included."""
    with pytest.raises(UsageError):
        parse_signal(text)


def test_pairs() -> None:
    """A rewrite to 0 drops; SIGKILL may be sent instead; an exit code is mapped."""
    assert parse_rewrite("HUP:0") == (1, 0)
    assert parse_rewrite("TERM:KILL") == (15, 9)
    assert parse_exit_code("143:0") == (143, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("none", None), ("0", 0.0), ("8", 8.0), ("2.5", 2.5), ("500ms", 0.5), ("1m30s", 90.0), ("1h", 3600.0)],
)
def test_graces(text: str, seconds: float | None) -> None:
    """A grace is a number of seconds or has units; without one there is no limit."""
    assert parse_grace(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "1x", "1s2", "s", ".", "1..2", "nan", "inf", "1e3", " 1"])
def test_other_graces_are_refused(text: str) -> None:
    """What is no duration is an error with the value in it."""
    with pytest.raises(UsageError, match="ASYNCINIT_GRACE"):
        parse_grace(text)


@given(st.text(max_size=12))
def test_no_text_breaks_the_parsers(text: str) -> None:
    """Whatever is given, the answer is a value or a UsageError."""
    for parser in (parse_signal, parse_rewrite, parse_exit_code, parse_grace):
        try:
            parser(text)
        except UsageError:
            pass


def test_a_scope_is_checked_wherever_it_comes_from() -> None:
    """Options made by a program are held to the same values."""
    with pytest.raises(UsageError):
        WrapOptions(["x"], scope="all")


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("run --unshare", "run"),
        ("run --unshare=auto --config x", "run --config x"),
        ("run --unshare auto --config x", "run --config x"),
        ("run --unshare -q", "run -q"),
        ("run -- cmd --unshare", "run -- cmd --unshare"),
        ("run --unshare -- cmd --unshare auto", "run -- cmd --unshare auto"),
        ("run --unshared", "run --unshared"),
    ],
)
def test_the_inner_command_line_is_ours_without_unshare(words: str, left: str) -> None:
    """`--unshare` in each of its forms is taken out of our own words, and CMD's words are not touched."""
    assert without_unshare(words.split()) == left.split()


def test_how_we_were_started_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreter options and the way the program was named are kept."""
    python = "/usr/bin/python3"
    monkeypatch.setattr("sys.executable", python)
    for original, seen, wanted in (
        (["python3", "-m", "asyncinit", "run"], ["/x/__main__.py", "run"], [python, "-m", "asyncinit"]),
        (
            ["python3", "-I", "/bin/asyncinit", "run", "-q"],
            ["/bin/asyncinit", "run", "-q"],
            [python, "-I", "/bin/asyncinit"],
        ),
        (["python3", "-c", "code"], ["-c"], [python, "-c", "code"]),
    ):
        monkeypatch.setattr("sys.orig_argv", original)
        monkeypatch.setattr("sys.argv", seen)
        assert started_as() == wanted
