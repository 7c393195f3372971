"""`python -m asyncinit.reference [FOLDER]`: write what is made of the documentation of a checkout, FOLDER or here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from asyncinit.config.schema import KINDS, text
from asyncinit.reference.manuals import MANUALS, write
from asyncinit.reference.pages import current


def made(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield every file that is made or has parts that are, with what shall be in it."""
    pages = {str(path.relative_to(root)): current(path.read_text()) for path in sorted(root.glob("docs/**/*.md"))}
    for name, page in pages.items():
        yield root / name, page
    for name, manual in MANUALS.items():
        yield root / name, write(manual, pages.__getitem__)
    for kind in KINDS:
        yield root / "docs" / "schema" / f"{kind}.json", text(kind)


def main(arguments: list[str]) -> None:
    """Write the files that are not current, and name them."""
    for path, content in list(made(Path(*arguments[:1]))):
        if not path.exists() or path.read_text() != content:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
            print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
