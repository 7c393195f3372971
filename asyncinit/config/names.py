"""What a service can be called; imports nothing."""

from __future__ import annotations


def is_service_name(text: str) -> bool:
    """Tell whether `text` can be the name of a service: [A-Za-z0-9][A-Za-z0-9_.-]*, at most 200 characters."""
    inner = text.replace("_", "").replace(".", "").replace("-", "")
    return 0 < len(text) <= 200 and text[0].isalnum() and text.isascii() and inner.isalnum()
