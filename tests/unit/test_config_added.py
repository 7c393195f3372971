"""The files of a pod that is brought in at run time: all of them or none, and removed again by what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config import added
from asyncinit.config.added import AddingError, Given
from asyncinit.config.problems import ConfigErrors

MEMBER = 'command = ["true"]\npod = "shop"\n'
GIVEN = Given("shop", b"", {"web": MEMBER.encode(), "db": MEMBER.encode()}, False)


def there(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_what_is_put_is_found_and_taken_out(tmp_path: Path) -> None:
    """With the folders that were made for it."""
    written = added.put(GIVEN, str(tmp_path))
    run = tmp_path / "run/asyncinit"
    assert (run / "services.d/web.toml").read_text() == MEMBER
    assert added.find("shop", str(tmp_path)) == written
    added.take_out(written)
    assert there(run) == []
    assert added.find("shop", str(tmp_path)) is None


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    """They are somebody else's."""
    (tmp_path / "run/asyncinit/pods.d").mkdir(parents=True)
    added.take_out(added.put(GIVEN, str(tmp_path)))
    assert there(tmp_path / "run/asyncinit") == ["pods.d"]


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """And nothing is put beside it."""
    folder = tmp_path / "run/asyncinit/services.d"
    folder.mkdir(parents=True)
    (folder / "db.toml").write_text("mine")
    with pytest.raises(AddingError, match=r"db\.toml is there already"):
        added.put(GIVEN, str(tmp_path))
    assert there(tmp_path / "run/asyncinit") == ["services.d", "services.d/db.toml"]
    assert (folder / "db.toml").read_text() == "mine"


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Here a folder cannot be made."""
    (tmp_path / "run/asyncinit").mkdir(parents=True)
    (tmp_path / "run/asyncinit/pods.d").write_text("")
    with pytest.raises(AddingError, match=r"cannot write .*pods\.d"):
        added.put(GIVEN, str(tmp_path))
    assert there(tmp_path / "run/asyncinit") == ["pods.d"]


def test_what_is_put_away_comes_back(tmp_path: Path) -> None:
    """Nobody reads it meanwhile, and it can be taken out from there too."""
    run = tmp_path / "run/asyncinit"
    written = added.put(GIVEN, str(tmp_path))
    before = there(run)
    added.put_away(written)
    assert list(run.rglob("[!.]*.toml")) == []
    added.put_back(written)
    assert there(run) == before
    added.put_away(written)
    added.take_out(written)
    assert there(run) == []


@pytest.mark.parametrize("record", ["", "[]", '{"members": ["../../../x"], "made": []}', '{"members": 1, "made": []}'])
def test_a_record_names_no_other_files(tmp_path: Path, record: str) -> None:
    """Who may write it is not always who may remove any file."""
    folder = tmp_path / "run/asyncinit/pods.d"
    folder.mkdir(parents=True)
    (folder / ".shop.added").write_text(record)
    with pytest.raises(AddingError, match="is damaged"):
        added.find("shop", str(tmp_path))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"shop": "", "other": ""}, "there are 2"),
        ({"web": MEMBER}, "there is none"),
        ({"shop": "", "web": 'command = ["true"]\npod = "other"'}, "is no member"),
        ({"shop": "", "web@": MEMBER}, "is not called as"),
    ],
)
def test_one_pod_and_its_members(tmp_path: Path, files: dict[str, str], said: str) -> None:
    """Nothing else is taken."""
    with pytest.raises(AddingError, match=said):
        added.examined(write(tmp_path, files))


def test_what_is_wrong_is_told_of_the_file_that_was_given(tmp_path: Path) -> None:
    """Of the pod's as of a member's."""
    paths = write(tmp_path, {"shop": "inti = 1", "web": MEMBER + "colour = 1"})
    with pytest.raises(ConfigErrors) as caught:
        added.examined(paths)
    found = {(problem.file, problem.line) for problem in caught.value.problems}
    assert found == {(paths[0], 1), (paths[1], 3)}


def test_they_may_come_in_any_order(tmp_path: Path) -> None:
    """The pod's is the one that is no service's."""
    given = added.examined(write(tmp_path, {"web": MEMBER, "shop": 'init = "asyncinit"'}))
    assert given == Given("shop", b'init = "asyncinit"', {"web": MEMBER.encode()}, True)


def write(folder: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return [str(folder / f"{name}.toml") for name in files]
