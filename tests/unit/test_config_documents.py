"""Files as they may be: unreadable, of other kinds, in other encodings, broken, huge."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from asyncinit.config.documents import LARGEST, Document, parse, read
from asyncinit.config.problems import Problem
from tests.unit.config_world import problems_of


def told(path: Path) -> str:
    """Return the problem of a file."""
    found = read(str(path))
    assert isinstance(found, Problem)
    return found.text


def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO without a writer, a socket, a device, a folder: each is named."""
    os.mkfifo(tmp_path / "fifo.toml")
    assert told(tmp_path / "fifo.toml") == "is a FIFO, not a file"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.toml"))
        assert told(tmp_path / "s.toml") == "is a socket, not a file"
    (tmp_path / "d.toml").mkdir()
    assert told(tmp_path / "d.toml") == "is a folder, not a file"
    (tmp_path / "n.toml").symlink_to("/dev/zero")
    assert told(tmp_path / "n.toml") == "is a device, not a file"


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """A dangling link is told apart from an absent file, and a loop from both."""
    (tmp_path / "a.toml").symlink_to("none")
    (tmp_path / "b.toml").symlink_to("b.toml")
    assert told(tmp_path / "a.toml") == "cannot be read: it is a link to a file that does not exist"
    assert told(tmp_path / "b.toml") == "cannot be read: too many levels of symbolic links"
    assert told(tmp_path / "c.toml") == "cannot be read: no such file or directory"
    (tmp_path / "c.toml").touch()
    assert told(tmp_path / "c.toml" / "d.toml") == "cannot be read: not a directory"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """Neither its size on disk nor what it has in it is believed to be a configuration."""
    with open(tmp_path / "a.toml", "wb") as file:
        file.truncate(LARGEST + 1)
    assert told(tmp_path / "a.toml") == "is larger than 4 MiB: not a configuration file"


@pytest.mark.parametrize(
    ("content", "line", "text"),
    [
        (b'a = 1\nb = "\xff"\n', 2, "is not UTF-8 text (byte 0xff)"),
        ("a = 1".encode("utf-16"), None, "is UTF-16 text; expected UTF-8"),
        (b"a = 1\n\0", 2, 'is not valid TOML: invalid statement; a line is: key = "value"'),
        (b"a = " + b"[" * 100_000, None, "is nested too deeply"),
        (b"a = 1\nb" + b".b" * 100_000 + b" = 1", 2, "has a key of more than 200 parts"),
        (b"x = { 'a'" + b'."b c"' * 100_000 + b" = 1 }", 1, "has a key of more than 200 parts"),
        (b"\n[a" + b".b" * 1000 + b"]", 2, "has a key of more than 200 parts"),
        (b"a = " + b"9" * 5000, None, "has an integer of too many digits"),
        (
            b"umask = 0027",
            1,
            "is not valid TOML: expected newline or end of document after a statement; a number has no "
            'leading 0: write "0027"',
        ),
        (b"a = yes", 1, "is not valid TOML: invalid value; write true"),
        (b"a = False\n", 1, "is not valid TOML: invalid value; write false"),
        (b"a = nginx -g\n", 1, "is not valid TOML: invalid value; a text stands in quotes"),
        (b"a = /bin/sh\n", 1, "is not valid TOML: invalid value; a text stands in quotes"),
        (b"a =\nb = 1", 1, "is not valid TOML: invalid value; the value is missing"),
        (
            b"a: b\n",
            1,
            "is not valid TOML: expected '=' after a key in a key/value pair; a line is: key = \"value\"",
        ),
        (b"a = [\n1,\n", 2, "is not valid TOML: invalid value, and the file ends"),
        (b"a = 1\r\n\r\na = 2\r\nb = 1", 3, "is not valid TOML: cannot overwrite a value; this key or table was there before"),
        (b"[a]\n[b]\n[a]\n", 3, "is not valid TOML: cannot declare ('a',) twice; this key or table was there before"),
        (b'a = "C:\\x"', 1, "is not valid TOML: unescaped '\\' in a string; a backslash is written \\\\, or the text in single quotes"),
    ],
)  # fmt: skip
def test_what_is_no_toml_is_told_with_its_line(content: bytes, line: int | None, text: str) -> None:
    """The parser's words, the line, and where it can be guessed what to write."""
    found = parse("x", content)
    assert isinstance(found, Problem)
    assert (found.line, re.sub(r" \(column [0-9]+\)", "", found.text)) == (line, text)


def test_marks_and_line_ends_of_other_systems_are_fine(tmp_path: Path) -> None:
    """A byte order mark and CRLF change neither values nor lines."""
    found = parse("x", b'\xef\xbb\xbfa = 1\r\nb = """x\r\ny"""\r\nc = 1\r\n')
    assert isinstance(found, Document)
    assert found.data == {"a": 1, "b": "x\ny", "c": 1}
    assert found.line(("c",)) == 4
    assert problems_of(tmp_path, b'\xef\xbb\xbfcommand = "x"\r\nusr = 1\r\n') == [
        "2: usr: is not a known key; did you mean user?"
    ]


def test_a_long_text_with_many_dots_is_no_long_key() -> None:
    """Only what could be a key is counted."""
    text = 'a = "' + "10.0.0.1," * 1000 + '"\n# ' + "." * 5000 + "\nb = '" + "x" * 100_000 + "'\n"
    assert isinstance(parse("x", text.encode()), Document)
