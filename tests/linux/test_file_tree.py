"""What counts as a change of watched files: with the kernel's own events."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from asyncinit.runtime.file_watching.messages import Changed, Watched
from asyncinit.runtime.file_watching.rules import RuleError
from asyncinit.runtime.file_watching.tree import Tree


class Watching:
    """A tree that is watched in `folder`; `change` makes files, and returns what was seen of that."""

    def __init__(self, folder: Path, *paths: str, ignore: tuple[str, ...] = (), gitignore: bool = True) -> None:
        self.folder = folder
        self.tree = Tree(Watched(str(folder), paths, ignore, gitignore))

    def seen(self) -> set[str]:
        """Return the paths that have changed since it was asked last."""
        self.tree.read()
        changed = self.tree.take()
        return set() if changed is None else set(changed.paths)

    def write(self, name: str, text: str = "x") -> set[str]:
        """Write a file in place, its folders made first, and return what was seen."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self.seen()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with sources, and rules about what is none."""
    for name in (".git/HEAD", "src/app.py", "src/deep/er/x.py", "web.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / ".gitignore").write_text("*.log\nbuild/\n!kept.log\n")
    return tmp_path


def test_a_folder_is_watched_with_all_below_it(project: Path) -> None:
    """A file that is written is seen, however deep; one elsewhere is not."""
    watching = Watching(project, "src")
    assert watching.seen() == set()
    assert watching.write("src/app.py") == {"src/app.py"}
    assert watching.write("src/deep/er/x.py") == {"src/deep/er/x.py"}
    assert watching.write("other.py") == set()
    assert watching.write("src/new/one.py") == {"src/new/one.py"}
    assert watching.write("src/new/one.py") == {"src/new/one.py"}


def test_what_is_only_read_is_no_change(project: Path) -> None:
    """Opening, listing and looking at files changes nothing; nor does an empty folder."""
    watching = Watching(project, "src")
    (project / "src/app.py").read_text()
    list((project / "src").iterdir())
    (project / "src/empty").mkdir()
    assert watching.seen() == set()


def test_a_file_counts_when_it_is_closed(project: Path) -> None:
    """What is written for a while is not seen half done."""
    watching = Watching(project, "src")
    with (project / "src/big.bin").open("wb") as file:
        file.write(b"x" * 100_000)
        file.flush()
        assert watching.seen() == set()
    assert watching.seen() == {"src/big.bin"}


def test_links_and_hard_links_count_as_they_are_made(project: Path) -> None:
    """Nobody closes these."""
    watching = Watching(project, "src")
    os.symlink("app.py", project / "src/link.py")
    assert watching.seen() == {"src/link.py"}
    os.link(project / "web.toml", project / "src/hard.toml")
    assert watching.seen() == {"src/hard.toml"}


def test_saving_as_vim_does(project: Path) -> None:
    """A probe file, the old one renamed, a new one written, the old one deleted: one file has changed."""
    watching = Watching(project, "src", "web.toml")
    for name in ("src/app.py", "web.toml"):
        path = project / name
        probe = path.with_name("4913")
        probe.write_text("")
        probe.unlink()
        os.rename(path, f"{path}~")
        path.write_text("2")
        os.unlink(f"{path}~")
        path.with_name(f".{path.name}.swp").write_text("swap")
        assert watching.seen() == {name}


def test_saving_by_a_rename(project: Path) -> None:
    """A temporary file that takes the place of the old one is not told of, only the file is."""
    watching = Watching(project, "src", "web.toml")
    for name in ("src/app.py", "web.toml"):
        for _ in range(3):
            temporary = project / f"{name}.tmp.4711"
            temporary.write_text("2")
            os.replace(temporary, project / name)
            assert watching.seen() == {name}


def test_what_came_and_went_is_no_change(project: Path) -> None:
    """Files that are made and deleted between two tellings leave all as it was."""
    watching = Watching(project, "src")
    (project / "src/journal").write_text("x")
    (project / "src/journal").unlink()
    assert watching.seen() == set()
    (project / "src/app.py").unlink()
    assert watching.seen() == {"src/app.py"}


def test_gitignore_is_respected(project: Path) -> None:
    """What it leaves out does not matter, nested ones and negations count, and the rules hold from above the paths."""
    (project / "src/vendor").mkdir()
    (project / "src/vendor/.gitignore").write_text("*\n!mine.py\n")
    watching = Watching(project, "src")
    assert watching.write("src/x.log") == set()
    assert watching.write("src/kept.log") == {"src/kept.log"}
    assert watching.write("src/build/x.py") == set()
    assert watching.write("src/vendor/other.py") == set()
    assert watching.write("src/vendor/mine.py") == {"src/vendor/mine.py"}
    watching = Watching(project, "src", gitignore=False)
    assert watching.write("src/x.log") == {"src/x.log"}
    assert watching.write("src/build/x.py") == {"src/build/x.py"}


def test_other_rules_hold_from_when_they_are_written(project: Path) -> None:
    """A .gitignore that changes is read again; what it gives up is watched, what it leaves out is not any more."""
    watching = Watching(project, ".")
    (project / ".gitignore").write_text("deep/\n")
    watching.seen()
    assert watching.write("src/x.log") == {"src/x.log"}
    assert watching.write("src/deep/er/x.py") == set()
    (project / ".gitignore").unlink()
    watching.seen()
    assert watching.write("src/deep/er/x.py") == {"src/deep/er/x.py"}


def test_own_rules_win(project: Path) -> None:
    """`ignore` leaves out more, and takes back what the others leave out."""
    watching = Watching(project, ".", ignore=("/src/deep/", "*.tmp", "!build/", "!*.swp"))
    assert watching.write("src/deep/er/x.py") == set()
    assert watching.write("src/x.tmp") == set()
    assert watching.write("src/build/x.py") == {"src/build/x.py"}
    assert watching.write("src/x.swp") == {"src/x.swp"}


def test_what_is_no_content_is_left_out_anywhere(project: Path) -> None:
    """Version control, caches, packages and what editors leave."""
    (project / "src/.git").mkdir()
    watching = Watching(project, ".", gitignore=False, ignore=("!.git/",))
    for name in (
        *(".git/index.lock", "src/.git/x", "src/__pycache__/app.pyc", "node_modules/a/b.js", "src/.app.py.swp"),
        *("src/app.py~", "src/#app.py#", "src/.#app.py"),
    ):
        assert watching.write(name) == set(), name


def test_what_was_named_itself_matters(project: Path) -> None:
    """A .env that is ignored for git, and a folder of built files, are what is meant where somebody names them."""
    (project / ".gitignore").write_text(".env\nbuild/\n")
    (project / "build").mkdir()
    watching = Watching(project, ".env", "build")
    assert watching.write(".env") == {".env"}
    assert watching.write("build/main.css") == {"build/main.css"}


def test_patterns(project: Path) -> None:
    """What a pattern does not match does not matter; a folder that it matches is one that was named."""
    watching = Watching(project, "src/**/*.py", "*.toml", "con[fx]/?.d")
    assert watching.write("src/deep/er/new.py") == {"src/deep/er/new.py"}
    assert watching.write("src/y.py") == {"src/y.py"}
    assert watching.write("src/y.html") == set()
    assert watching.write("other.toml") == {"other.toml"}
    assert watching.write("src/deep/other.toml") == set()
    assert watching.write("conf/a.d/x") == {"conf/a.d/x"}
    assert watching.write("conf/ab.d/x") == set()


def test_what_is_not_there_yet(project: Path) -> None:
    """Files and folders that come later are seen from then on, with all folders on the way."""
    watching = Watching(project, "etc/app/main.toml", "lib/python")
    assert watching.write("etc/other") == set()
    assert watching.write("etc/app/main.toml") == {"etc/app/main.toml"}
    assert watching.write("etc/app/main.toml", "2") == {"etc/app/main.toml"}
    assert watching.write("lib/python/x.py") == {"lib/python/x.py"}
    assert watching.write("lib/python/deep/y.py") == {"lib/python/deep/y.py"}


def test_a_folder_that_is_deleted_and_made_again(project: Path) -> None:
    """Its end is a change, and what lies in the new one is seen."""
    watching = Watching(project, "src")
    shutil.rmtree(project / "src")
    assert "src/app.py" in watching.seen()
    assert watching.write("src/app.py") == {"src/app.py"}
    assert watching.write("src/deep/x.py") == {"src/deep/x.py"}


def test_a_folder_that_is_renamed(project: Path) -> None:
    """Within what is watched it is one by its new name; out of it, it is watched no more, and back again it is."""
    watching = Watching(project, "src")
    os.rename(project / "src/deep", project / "src/deeper")
    assert watching.seen() == {"src/deep", "src/deeper/er/x.py"}
    assert watching.write("src/deeper/er/x.py") == {"src/deeper/er/x.py"}
    os.rename(project / "src", project / "away")
    assert watching.seen() == {"src"}
    assert watching.write("away/app.py") == set()
    os.rename(project / "away", project / "src")
    assert "src/app.py" in watching.seen()
    assert watching.write("src/deeper/er/x.py") == {"src/deeper/er/x.py"}


def test_links_that_were_named_are_followed(project: Path) -> None:
    """To a file, to a folder, and to another one from now on, as a deployment does it; links inside are not."""
    for name in ("releases/1/a", "releases/2/a", "releases/2/b", "shared/conf"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("1")
    os.symlink("releases/1", project / "current")
    os.symlink("../shared/conf", project / "src/conf")
    os.symlink("../shared", project / "src/shared")
    watching = Watching(project, "current", "src/conf")
    assert watching.write("releases/1/a") == {"current/a"}
    assert watching.write("shared/conf") == {"src/conf"}
    os.symlink("releases/2", project / "next")
    os.rename(project / "next", project / "current")
    assert watching.seen() == {"current/a", "current/b"}
    os.symlink("releases/2", project / "next")
    os.rename(project / "next", project / "current")
    assert watching.seen() == set()
    assert watching.write("releases/1/a") == set()
    assert watching.write("releases/2/a") == {"current/a"}
    watching = Watching(project, "src")
    assert watching.write("shared/conf") == set()


def test_a_circle_of_links_ends_nothing(project: Path) -> None:
    """It is a path where nothing is."""
    os.symlink("b", project / "a")
    os.symlink("a", project / "b")
    watching = Watching(project, "a", "src")
    assert watching.write("src/app.py") == {"src/app.py"}


def test_an_overflow_counts_as_a_change(project: Path) -> None:
    """More events than the kernel holds: everything is looked at anew, and watched as before."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    watching = Watching(project, "src")
    (project / "src/other.py").write_text("1")
    for _ in range(limit // 2 + 100):
        for name in ("src/app.py", "src/other.py"):  # two in turn: the same twice would be one event
            os.close(os.open(project / name, os.O_WRONLY))
    assert "src" in watching.seen()
    os.makedirs(project / "src/after")
    watching.seen()
    assert watching.write("src/after/x.py") == {"src/after/x.py"}


def test_what_changed_before_it_was_watched(project: Path) -> None:
    """Seen by the times of files and folders: what was written, and that something was deleted."""
    watched = Watched(str(project), ("src",))

    def since(moment: float) -> Changed | None:
        return Tree(watched, moment).take()

    now = time.time() + 0.1
    assert since(now) is None
    while time.time() < now + 0.05:
        time.sleep(0.01)
    (project / "src/app.py").write_text("2")
    assert since(now) == Changed(("src/app.py",), 1)
    (project / "src/deep/er/x.py").unlink()
    assert since(now) == Changed(("src/app.py", "src/deep/er"), 2)


def test_many_changes_are_counted_and_a_few_named(project: Path) -> None:
    """A checkout of a thousand files is one change with a thousand files."""
    watching = Watching(project, "src")
    for number in range(1000):
        (project / f"src/{number}.py").write_text("x")
    watching.tree.read()
    changed = watching.tree.take()
    assert changed is not None
    assert (len(changed.paths), changed.count) == (5, 1000)
    assert str(changed) == "src/0.py changed (and 999 more)"


def test_names_that_are_no_text(project: Path) -> None:
    """A name of any bytes is seen, and told in characters that can be sent."""
    watching = Watching(project, "src")
    with open(os.fsencode(project) + b"/src/\xff\n.py", "w"):
        pass
    assert watching.seen() == {"src/\ufffd\n.py"}


def test_a_rule_without_meaning_is_told(project: Path) -> None:
    """Of `ignore`, that is; git passes over such lines of a .gitignore."""
    with pytest.raises(RuleError, match=r"\[watch\] ignore"):
        Watching(project, "src", ignore=("!",))
    (project / ".gitignore").write_text("!\n*.log\n")
    watching = Watching(project, "src")
    assert watching.write("src/x.log") == set()


def test_a_gitignore_that_is_no_file(project: Path) -> None:
    """A pipe or a folder of that name says nothing, and is not waited for."""
    os.mkfifo(project / "src/.gitignore")
    (project / "src/deep/.gitignore").mkdir()
    watching = Watching(project, "src")
    assert watching.write("src/deep/x.py") == {"src/deep/x.py"}


def test_what_cannot_be_read_is_told(project: Path) -> None:
    """The rest is watched; for root there is no such folder."""
    (project / "src/secret").mkdir(mode=0)
    watching = Watching(project, "src")
    secret = os.geteuid() != 0
    assert watching.tree.trouble == ("src/secret cannot be read, and changes there are not seen" if secret else "")
    assert watching.write("src/app.py") == {"src/app.py"}
