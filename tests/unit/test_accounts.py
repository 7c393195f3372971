"""Users and groups from the files of accounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncinit.runtime.process import accounts

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
web:x:33:33::/srv/web:/usr/sbin/nologin
1000:x:7:8:a name of digits:/home/digits:
plain:x:1000:1001:::

# comment
+::::::
broken:x:a:1::/:
short:x:1:1
toolarge:x:4294967295:1::/:/bin/sh
web:x:99:99:second:/:/bin/sh
w\xfcrst:x:55:55::/:/bin/sh
"""
GROUP = """\
root:x:0:
web:x:33:
adm:x:4:web, root
ssl:x:5:other,web
dup:x:33:web
+:::
bad:x::web
"""


@pytest.fixture
def passwd(tmp_path: Path) -> str:
    path = tmp_path / "passwd"
    path.write_bytes(PASSWD.encode("latin-1"))
    return str(path)


@pytest.fixture
def group(tmp_path: Path) -> str:
    path = tmp_path / "group"
    path.write_text(GROUP)
    return str(path)


def test_users_by_name_and_number(passwd: str) -> None:
    """A name goes before a number, the first entry before a second, and empty fields have their defaults."""
    web = accounts.find_user("web", passwd)
    assert web == accounts.Account("web", 33, 33, "/srv/web", "/usr/sbin/nologin")
    assert accounts.find_user("33", passwd) == web
    digits = accounts.find_user("1000", passwd)
    assert digits is not None
    assert (digits.uid, digits.shell) == (7, "/bin/sh")
    plain = accounts.find_user("plain", passwd)
    assert plain is not None
    assert (plain.home, plain.shell) == ("/", "/bin/sh")


@pytest.mark.parametrize("name", ["nobody", "broken", "short", "toolarge", "+", "# comment", "", "4294967295", "-1"])
def test_who_is_no_user(name: str, passwd: str) -> None:
    """Broken lines and names that nobody has give None."""
    assert accounts.find_user(name, passwd) is None


def test_groups(group: str) -> None:
    """A user's groups are its own and those that list it, each once."""
    assert accounts.groups_of("web", 33, group) == (33, 4, 5)
    assert accounts.groups_of("nobody", 7, group) == (7,)
    found = accounts.find_group("adm", group)
    assert found is not None
    assert (found.gid, found.members) == (4, ("web", "root"))
    assert accounts.find_group("5", group) == accounts.find_group("ssl", group)
    assert accounts.find_group("bad", group) is None


def test_changes_are_seen(passwd: str) -> None:
    """A user that is added later is found."""
    assert accounts.find_user("late", passwd) is None
    with open(passwd, "a") as file:
        file.write("late:x:77:77::/:/bin/sh\n")
    assert accounts.find_user("late", passwd) is not None
    os.unlink(passwd)
    assert accounts.find_user("late", passwd) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("12345", 12345), ("4294967294", 4294967294), ("4294967295", None), ("99999999999", None)]
    + [(text, None) for text in ("", "-1", "+1", " 1", "1 ", "0x1", "1_0", "٣", "²")],
)
def test_number(text: str, expected: int | None) -> None:
    """Only decimal digits below the reserved id are an id."""
    assert accounts.number(text) == expected
