"""Services shown as TOML, and values written as TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asyncinit.config import write as writing
from asyncinit.config.load import load
from asyncinit.config.masking import is_secret, masked
from asyncinit.config.origins import origins_of
from asyncinit.config.show import show
from asyncinit.errors import UnknownServiceError
from tests.unit.config_world import NOWHERE, write
from tests.unit.test_config_load import EVERYTHING, OTHERS

COMMAND = 'command = "x"\n'

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_LEAVES = st.one_of(
    _TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.dates(),
    *(moments.map(lambda moment: moment.replace(fold=0)) for moments in (st.times(), st.datetimes())),
)
_DOCUMENTS = st.dictionaries(
    _TEXTS,
    st.recursive(
        _LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3))
    ),
    max_size=4,
)


@given(_DOCUMENTS)
def test_what_is_written_is_read_back(data: dict[str, object]) -> None:
    """Any document comes back as it was, whatever its keys and texts are."""
    assert in_order(tomllib.loads(writing.dumps(data))) == in_order(data)


def in_order(value: object) -> str:
    """Return a text that is equal for equal values: nan is not equal to itself, and tables have no order."""
    if isinstance(value, dict):
        return repr(sorted((key, in_order(item)) for key, item in value.items()))
    return repr([in_order(item) for item in value]) if isinstance(value, list) else repr(value)


@given(_TEXTS)
def test_texts_are_written_in_visible_characters(text: str) -> None:
    """No control character is in what is written, and it means the same."""
    written = writing.value(text)
    assert written.isprintable()
    assert tomllib.loads(f"x = {written}") == {"x": text}


def test_what_the_toml_package_corrupts() -> None:
    """Backslash-x and ESC are written right."""
    for text in ("\\x41", "\x1b[0m", "a\\\\x", "\x7f", '"', "\\u0041"):
        assert tomllib.loads(writing.dumps({text: {"k": [text, {text: text}]}})) == {text: {"k": [text, {text: text}]}}


@pytest.mark.parametrize("data", [{"x": None}, {"x": "\ud800"}, {"x": object()}, {"x": b"x"}])
def test_what_toml_cannot_say_is_not_written(data: dict[str, object]) -> None:
    """Rather nothing than something else."""
    with pytest.raises(ValueError, match="cannot be written as TOML"):
        writing.dumps(data)


SERVICES = {
    "everything": EVERYTHING,
    "plain": COMMAND,
    "oneshot": COMMAND + 'type = "oneshot"\nready.timeout = "1s"',
    "target": 'type = "target"\nrequires = ["db"]',
    "shell": 'command = "a && b"\nshell = true\ndescription = "\\\\x \\"q\\""',
    "lists": COMMAND + "success_exit = []\nsupplementary_groups = []",
    "notify": COMMAND + "[ready]\nnotify = true",
    "notify_fd": COMMAND + "[ready]\nnotify_fd = 7",
    "command": COMMAND + '[ready]\ncommand = ["a b", "c"]\n[stop]\ncommand = "halt"',
    "log": COMMAND + '[ready]\nlog = "a * b"\n[restart]\nlimit = 0',
}


@pytest.mark.parametrize("text", SERVICES.values(), ids=SERVICES.keys())
def test_what_is_shown_declares_the_same_service(tmp_path: Path, text: str) -> None:
    """The text of `show` is a service file that means what the original means."""
    write(tmp_path, {f"a/{name}.toml": content for name, content in (OTHERS | {"web": text}).items()})
    first = load(None, [str(tmp_path / "a")], root=NOWHERE)
    write(tmp_path, {f"b/{name}.toml": content for name, content in (OTHERS | {"web": show(first, "web")}).items()})
    second = load(None, [str(tmp_path / "b")], root=NOWHERE)
    assert replace(second.services["web"], origin="") == replace(first.services["web"], origin="")


def test_each_value_has_its_origin(tmp_path: Path) -> None:
    """The line of the service's own file, of the defaults in theirs, or nothing but "default"."""
    write(
        tmp_path,
        {
            "asyncinit.toml": '[defaults]\nuser = "u"\nrestart = "never"\n[defaults.environment]\nTZ = "U"\nA = "1"\n',
            "services.d/web.toml": 'command = [\n  "x",\n]\n\n[environment]\nA = "2"\n"odd key" = "3"\n',
        },
    )
    configuration = load(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
    shown = {line.partition(" = ")[0]: line.rpartition("  # ")[2] for line in show(configuration, "web").splitlines()}
    own, defaults = str(tmp_path / "services.d/web.toml"), str(tmp_path / "asyncinit.toml")
    assert shown["command"] == f"{own}:1"
    assert shown["user"] == f"{defaults}:2"
    assert shown["policy"] == f"{defaults}:3"
    assert shown["TZ"] == f"{defaults}:5"
    assert shown["A"] == f"{own}:6"
    assert shown['"odd key"'] == f"{own}:7"
    assert shown["delay"] == "default"


def test_origins_are_of_the_text_that_was_read(tmp_path: Path) -> None:
    """A file that has changed or gone since does not matter."""
    write(tmp_path, {"s/web.toml": "\n\n" + COMMAND})
    configuration = load(None, [str(tmp_path / "s")], root=NOWHERE)
    (tmp_path / "s/web.toml").unlink()
    assert origins_of(configuration.sources, "web") == {"command": f"{tmp_path}/s/web.toml:3"}


def test_secrets_are_masked(tmp_path: Path) -> None:
    """By the name of the variable, and in addresses with a password."""
    text = 'environment = { DB_PASSWORD = "s3cret", PORT = "80", URL = "postgres://u:s3cret@h/db" }'
    write(tmp_path, {"s/web.toml": COMMAND + text})
    shown = show(load(None, [str(tmp_path / "s")], root=NOWHERE), "web")
    assert "s3cret" not in shown
    assert tomllib.loads(shown)["environment"] == {
        "DB_PASSWORD": "********",
        "PORT": "80",
        "URL": "postgres://u:********@h/db",
    }


def test_names_of_secrets() -> None:
    """Rather one too many than one too few, but not everything."""
    for name in (
        "PASSWORD",
        "db_passwd",
        "API_KEY",
        "GH_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "MY_CREDENTIALS",
        "PGPASS_WORDPASSWORD",
    ):
        assert is_secret(name), name
    for name in ("PORT", "KEYBOARD", "PWD", "PATH", "AUTHOR", "MONKEY", "COMPASS"):
        assert not is_secret(name), name
    assert masked("http://host/a:b@c") == "http://host/a:b@c"
    assert masked("user:pass@host") == "user:pass@host"


def test_who_is_not_there_is_not_shown(tmp_path: Path) -> None:
    """A name that no service has is an error that knows a close one."""
    write(tmp_path, {"s/web.toml": COMMAND})
    with pytest.raises(UnknownServiceError, match=r"no such service: wbe; did you mean web\?"):
        show(load(None, [str(tmp_path / "s")], root=NOWHERE), "wbe")


@pytest.mark.parametrize("text", ['security = "strict"\n', '[security]\nprofile = "strict"\n'])
def test_what_a_profile_says_comes_from_where_it_is_named(tmp_path: Path, text: str) -> None:
    """And a key beside it, or in a drop-in, from its own line."""
    drop_in = "[security]\nprivate_tmp = false\nhidden_paths = ['/srv']\n"
    write(tmp_path, {"s/web.toml": COMMAND + text, "s/web.d/more.toml": drop_in})
    shown = show(load(None, [f"{tmp_path}/s"], root=NOWHERE), "web")
    lines = {line.split(" = ")[0]: line.rpartition("# ")[2] for line in shown.splitlines() if " = " in line}
    assert lines["protect_system"].startswith(f"{tmp_path}/s/web.toml:")
    assert lines["hidden_paths"] == f"{tmp_path}/s/web.d/more.toml:3"
    assert "private_tmp" not in lines
