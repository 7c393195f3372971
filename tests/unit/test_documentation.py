"""The documentation's examples are right, its links lead somewhere, and each page can be found."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from asyncinit.cli.arguments import parse
from asyncinit.config.check import check
from asyncinit.config.load import read
from asyncinit.config.merge import RELATIONS
from asyncinit.config.sections.log import loggers
from tests.support import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]


def code(language: str) -> dict[str, str]:
    """Every piece of code of a language in the documentation, by where it stands."""
    return {
        f"{page.relative_to(ROOT)}-{number}": text
        for page in PAGES
        for number, text in enumerate(re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S))
    }


def each_piece(language: str) -> pytest.MarkDecorator:
    """Test every piece of code of a language."""
    pieces = code(language)
    return pytest.mark.parametrize("text", pieces.values(), ids=pieces)


@each_piece("toml")
def test_the_files_of_the_documentation_are_accepted(tmp_path: Path, text: str) -> None:
    """Every piece of a file is accepted by the reader that asyncinit uses."""
    table = tomllib.loads(text)
    if not table.keys().isdisjoint({"init", "defaults", "services", "pods"}):
        (tmp_path / "asyncinit.toml").write_text(text)
        (tmp_path / "services.d").mkdir()
        (tmp_path / "services.d" / "db.toml").write_text('command = "true"\n')
        assert [str(problem) for problem in check(config=f"{tmp_path}/asyncinit.toml").problems] == []
        return
    services, pods = tmp_path / "services.d", tmp_path / "pods.d"
    services.mkdir()
    pods.mkdir()
    if pod := re.search(r"^# (?:\S*/)?pods\.d/(\S+)$", text, re.M):
        (pods / pod[1]).write_text(text)
        assert [str(problem) for problem in read(None, [str(services)], may_be_empty=True).problems] == []
        return
    if "pod" in table:
        (pods / f"{table['pod']}.toml").write_text("")
    if "command" not in table:
        text = 'command = "true"\n' + text
    told = re.search(r"^# (?:\S*/)?services\.d/(\S+)$", text, re.M)
    path = services / (told[1] if told else "web.toml")
    for name in [name for key in RELATIONS for name in table.get(key, [])] + loggers(table.get("log")):
        instances = "instances = 1\n" if name.endswith("@") else ""
        (services / f"{template_or_service(name)}.toml").write_text(f'command = "true"\n{instances}')
    if path.parent != services:  # a drop-in
        path.parent.mkdir()
        (services / f"{template_or_service(path.parent.stem)}.toml").write_text('command = "true"\n')
    path.write_text(text)
    assert [str(problem) for problem in check([str(services)]).problems] == []


def template_or_service(name: str) -> str:
    """Return what has to be declared for this name to mean something."""
    return name.partition("@")[0] + ("@" if "@" in name else "")


@pytest.mark.parametrize(
    "folder",
    [
        "services.d",
        "examples/container/services.d",
        "examples/cron/services.d",
        "examples/dev/services.d",
        "examples/pods/shop/services.d",
        "examples/web/services.d",
    ],
)
def test_the_services_of_the_repository_are_accepted(folder: str) -> None:
    """What the repository brings has neither error nor warning."""
    assert [str(problem) for problem in read(None, [str(ROOT / folder)]).problems] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """A relative link of a page names a file or a folder of the repository."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    """What follows the # of a link is a heading of the page that it names."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        text = ((page.parent / target) if target else page).read_text()
        headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, anchor


def test_every_page_is_in_the_index() -> None:
    """docs/README.md leads to each page below docs/."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)", index.read_text())}
    assert set(ROOT.glob("docs/*/*.md")) <= linked


def commands_of(text: str) -> list[list[str]]:
    """The words of every call of asyncinit in a piece of shell, without what other programs are given."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&()>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|;&()>"):  # what follows a > is a file, and no call
                found += [words[number + 1 :] for number, one in enumerate(words) if called(words, number, one)][:1]
                words = []
            else:
                words.append(word)
    return found


def called(words: list[str], number: int, word: str) -> bool:
    """Whether a word is asyncinit called as a program: first, after variables, or by docker exec."""
    if word.rpartition("/")[2] != "asyncinit":
        return False
    before = [one for one in words[:number] if "=" not in one]
    return not before or (before[:2] == ["docker", "exec"] and len(before) == 3)


@each_piece("sh")
def test_the_commands_of_the_documentation_are_understood(text: str) -> None:
    """Every call of asyncinit that stands there to be pasted has commands and options that exist."""
    for words in commands_of(text):
        assert parse(words) is not None, words


def test_the_commands_are_found() -> None:
    """The test above looks at what is there."""
    text = "PORT=1 asyncinit run -- pytest  # all\ndocker exec shop asyncinit status | cat\ndocker stop shop\n"
    assert commands_of(text) == [["run", "--", "pytest"], ["status"]]
    assert sum(len(commands_of(piece)) for piece in code("sh").values()) > 20


@each_piece("python")
def test_the_python_of_the_documentation_is_python(text: str) -> None:
    """It can be parsed."""
    ast.parse(text)
