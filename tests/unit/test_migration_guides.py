"""The guides for those who come from elsewhere show what `asyncinit import` writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asyncinit.migration.formats import translator
from asyncinit.migration.writing import write
from tests.support import ROOT

GUIDES = {"supervisord": "supervisord.conf", "compose": "compose.yaml", "procfile": "Procfile"}


@pytest.mark.parametrize("kind", GUIDES)
def test_the_guide_shows_what_is_written(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files after are the translation of its file before, to the letter."""
    text = (ROOT / "docs" / "guides" / f"from-{kind}.md").read_text()
    before = re.search(r"^## Before\n\n```\w+\n[;#] \S+\n(.*?)^```", text, re.M | re.S)
    assert before is not None
    after = text.partition("## After\n")[2].partition("\n## ")[0]
    shown = dict(re.findall(r"^```toml\n# services\.d/(\S+)\n(# \S+: translated .*?)^```", after, re.M | re.S))
    monkeypatch.chdir(tmp_path)
    (tmp_path / GUIDES[kind]).write_text(before[1])
    written = write(translator(kind)([GUIDES[kind]]), "services.d", f"asyncinit import {kind}")
    assert {Path(path).name: made for path, made in written.files.items()} == shown
