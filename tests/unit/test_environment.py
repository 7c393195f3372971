"""The environment of a service: expansion, precedence, files of variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.spec import Command, ServiceSpec
from asyncinit.runtime.process.accounts import Account
from asyncinit.runtime.process.environment import (
    EnvironmentFileError,
    UnsetVariableError,
    build,
    expand,
    expand_command,
    parse_environment_file,
    path_environment,
)
from asyncinit.runtime.process.executable import DEFAULT_PATH

WEB = Account("web", 33, 33, "/srv/web", "/bin/false")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${A}", "one"),
        ("-${A}-${A}-", "-one-one-"),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${NONE:-x}", "x"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("${NONE:-costs $$5}", "costs $5"),
        ("${A:-x}", "one"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$one"),
        ("$$$$", "$$"),
        ("$A", "$A"),
        ("$", "$"),
        ("a$", "a$"),
        ("${", "${"),
        ("${A", "${A"),
        ("${}", "${}"),
        ("${a.b}", "${a.b}"),
        ("${1}", "${1}"),
        ("${ä}", "${ä}"),
        ("${A-x}", "${A-x}"),
        ("$(id) %h %%", "$(id) %h %%"),
        ("${A}}", "one}"),
        ("${${A}}", "${one}"),
        ("${DOLLAR}", "${A}"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    """Only ${NAME}, ${NAME:-default} and $$ mean something, and what they give is not looked at again."""
    assert expand(text, {"A": "one", "EMPTY": "", "DOLLAR": "${A}"}) == expected


def test_unset_names_variable_and_key() -> None:
    """A variable without value is an error that names it and the key."""
    with pytest.raises(UnsetVariableError) as caught:
        expand("x${GONE}", {}, "environment.X")
    assert (caught.value.name, caught.value.key) == ("GONE", "environment.X")
    assert "environment.X" in str(caught.value)
    assert "${GONE}" in str(caught.value)


def test_words_of_a_command_stay_words() -> None:
    """A value with spaces stays in its word, an empty one keeps it, and a shell's text is left alone."""
    environment = {"A": "two words", "E": ""}
    assert expand_command(Command(("x", "${A}", "${E}")), environment, "command") == ("x", "two words", "")
    assert expand_command(Command(("/bin/sh", "-c", "${A}"), expand=False), environment, "command")[2] == "${A}"


def test_precedence() -> None:
    """Each source wins over the weaker one, and asyncinit's own words over all."""
    names = ("INHERITED", "USER", "FILE", "LATER", "LITERAL", "STATE_DIRECTORY", "OWN")
    spec = ServiceSpec("web", environment={"LITERAL": "literal", "STATE_DIRECTORY": "literal", "OWN": "literal"})
    built = build(
        spec,
        dict.fromkeys(names, "inherited"),
        account=WEB,
        files=[dict.fromkeys(names[2:], "first"), dict.fromkeys(names[3:], "second")],
        directories={"STATE_DIRECTORY": "/var/lib/web"},
        own={"OWN": "own"},
    )
    assert [built[name] for name in names] == [
        "inherited",
        "web",
        "first",
        "second",
        "literal",
        "/var/lib/web",
        "own",
    ]
    assert (built["HOME"], built["LOGNAME"], built["SHELL"]) == ("/srv/web", "web", "/bin/false")


def test_values_see_what_is_weaker_and_what_stands_before() -> None:
    """A value may use inherited variables, files, directories, asyncinit's own, earlier ones, and its former self."""
    spec = ServiceSpec(
        "web",
        environment={"PATH": "/opt/bin:${PATH}", "A": "${FILE}+${HOME}", "B": "${A}+${STATE_DIRECTORY}+${INSTANCE}"},
    )
    built = build(
        spec,
        {"PATH": "/bin", "HOME": "/root"},
        account=WEB,
        files=[{"FILE": "file"}],
        directories={"STATE_DIRECTORY": "/s"},
        own={"INSTANCE": "8080"},
    )
    assert built["PATH"] == "/opt/bin:/bin"
    assert built["B"] == "file+/srv/web+/s+8080"


def test_a_value_does_not_see_later_ones() -> None:
    """Order counts, so that no cycle can be written."""
    with pytest.raises(UnsetVariableError, match=r"environment\.A"):
        build(ServiceSpec("web", environment={"A": "${B}", "B": "b"}), {})


def test_what_is_meant_for_asyncinit_is_not_passed_on() -> None:
    """NOTIFY_SOCKET, LISTEN_* and WATCHDOG_* of asyncinit, and an outer asyncinit's token, stop here."""
    mine = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID")
    built = build(ServiceSpec("web"), dict.fromkeys((*mine, "ASYNCINIT_TOKEN", "EMPTY", "X"), ""))
    assert set(built) == {"PATH", "EMPTY", "X"}


def test_clear_and_unset() -> None:
    """clear_environment drops what was inherited, unset_environment what comes from anywhere but asyncinit."""
    spec = ServiceSpec(
        "web", clear_environment=True, environment={"A": "${SECRET}"}, unset_environment=("SECRET", "OWN", "PATH")
    )
    built = build(spec, {"X": "x", "PATH": "/bin"}, files=[{"SECRET": "s"}], own={"OWN": "own"})
    assert built == {"A": "s", "OWN": "own"}


def test_path_has_a_default() -> None:
    """A service has a PATH although PID 1 of a machine is given none."""
    assert build(ServiceSpec("web"), {})["PATH"] == DEFAULT_PATH


def test_the_path_of_a_file_sees_the_environment_as_far_as_it_is_known() -> None:
    """An environment file's path may use values of `environment` that need no file."""
    spec = ServiceSpec("web", environment={"A": "a", "B": "${FROM_FILE}", "C": "${A}c"})
    assert path_environment(spec, {"X": "x"}) == {"X": "x", "A": "a", "C": "ac"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=", {"A": ""}),
        ("A=\nB=2", {"A": "", "B": "2"}),
        ("A=b=c", {"A": "b=c"}),
        ("  A  =  x y  \n", {"A": "x y"}),
        ("# A=1\n;B=2\n  #C=3\nD=4 # not a comment", {"D": "4 # not a comment"}),
        ("no equals\nA=1\nlast", {"A": "1"}),
        ("# ends with a backslash \\\nA=1", {"A": "1"}),
        ("A='single $X \\ \"'", {"A": 'single $X \\ "'}),
        ("A='two\nlines'\nB=1", {"A": "two\nlines", "B": "1"}),
        ('A="two\nlines"', {"A": "two\nlines"}),
        ('A="a\\"b\\\\c\\`d\\$e\\nf"', {"A": 'a"b\\c`d$e\\nf'}),
        ('A="a\\\nb"', {"A": "ab"}),
        ('A="${B}"', {"A": "${B}"}),
        ("A=a\\\nb", {"A": "ab"}),
        ("A=a\\ \nB=1", {"A": "a ", "B": "1"}),
        ("A=a\\nb\\\\c", {"A": "anb\\c"}),
        ("A=a\\", {"A": "a"}),
        ("A=it's", {"A": "it's"}),
        ('A=a"b"', {"A": 'a"b"'}),
        ("A=\"a\"'b' c", {"A": "abc"}),
        ("A='' \nB=1", {"A": "", "B": "1"}),
        ("A=1\r\nB=x\\\r\ny\r\n", {"A": "1", "B": "xy"}),
        ("A=1\rB=2", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("export A=1\nexport\tB='2'", {"A": "1", "B": "2"}),
        ("exported=1", {"exported": "1"}),
        ("spring.datasource.url=jdbc:x", {"spring.datasource.url": "jdbc:x"}),
        ("A=ü", {"A": "ü"}),
    ],
)
def test_environment_file(text: str, expected: dict[str, str]) -> None:
    """Environment files mean what systemd takes them to mean."""
    assert parse_environment_file(text.encode(), "/x") == expected


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"A=1\nB=\xff", 2),
        (b"A=1\nB='\n\n", 2),
        (b'A=1\n\nB="x\\', 3),
        (b"A=1\nB=\0", 2),
        (b"=1", 1),
        (b"A=1\nB C=2", 2),
    ],
)
def test_bad_environment_file(data: bytes, line: int) -> None:
    """What has no meaning is an error that names the file and the line."""
    with pytest.raises(EnvironmentFileError) as caught:
        parse_environment_file(data, "/etc/x")
    assert (caught.value.path, caught.value.line) == ("/etc/x", line)
    assert str(caught.value).startswith(f"/etc/x:{line}: ")


@given(st.text())
def test_doubled_dollars_protect_any_text(text: str) -> None:
    """With every dollar doubled, any text is itself."""
    assert expand(text.replace("$", "$$"), {}) == text


@given(
    st.dictionaries(
        st.sampled_from(["A", "B_1", "c.d"]), st.text(st.characters(exclude_characters="'\r\0", codec="utf-8"))
    )
)
def test_quoted_values_come_back(variables: dict[str, str]) -> None:
    """Any value between single quotes is read as it was written."""
    text = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    assert parse_environment_file(text.encode(), "/x") == variables


@given(st.binary())
def test_any_file_is_read_or_refused(data: bytes) -> None:
    """Any bytes give variables that an environment can hold, or an error with a line of the file."""
    try:
        variables = parse_environment_file(data, "/x")
    except EnvironmentFileError as error:
        assert 1 <= error.line <= data.count(b"\n") + 1
    else:
        assert all(name and "=" not in name and "\0" not in name + value for name, value in variables.items())
