"""The documentation's examples are right, and its links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from asyncinit.config.load import read
from tests.support import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
SNIPPETS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    if "reference" not in page.parts
    for number, text in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.M | re.S))
]


@pytest.mark.parametrize("text", SNIPPETS)
def test_the_files_of_the_documentation_are_accepted(tmp_path: Path, text: str) -> None:
    """Every piece of a file is accepted by the reader that asyncinit uses."""
    table = tomllib.loads(text)
    if "init" in table:
        (tmp_path / "asyncinit.toml").write_text(text)
        (tmp_path / "services.d").mkdir()
        assert [str(problem) for problem in read(f"{tmp_path}/asyncinit.toml", may_be_empty=True).problems] == []
        return
    if "command" not in table:
        text = 'command = "true"\n' + text
    (tmp_path / "web.toml").write_text(text)
    for key in ("requires", "wants", "binds_to", "after", "before"):
        for name in table.get(key, []):
            (tmp_path / f"{name}.toml").write_text('command = "true"\n')
    assert [str(problem) for problem in read(None, [str(tmp_path)]).problems] == []


@pytest.mark.parametrize("folder", ["services.d", "examples/container/services.d"])
def test_the_services_of_the_repository_are_accepted(folder: str) -> None:
    """What the repository brings has neither error nor warning."""
    assert [str(problem) for problem in read(None, [str(ROOT / folder)]).problems] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """A relative link of a page names a file or a folder of the repository."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
