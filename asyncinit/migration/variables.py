"""Variables on their way from another program's text into ours: marked while it is taken apart; knows no format."""

from __future__ import annotations

OPEN, CLOSE = "\ufdd0", "\ufdd1"
"""What stands around a variable until it is written as `${NAME}`: no characters, so no file has them."""


def written(text: str) -> str:
    """Return a text as asyncinit reads it: variables as `${NAME}`, and a dollar that would be taken for one doubled."""
    if "$$" in text or "${" in text or f"${OPEN}" in text:
        text = text.replace("$", "$$")
    return text.replace(OPEN, "${").replace(CLOSE, "}")
