"""What a service can be called: NAME, NAME@ (a template) or NAME@INSTANCE (an instance of it); imports nothing."""

from __future__ import annotations

LONGEST = 200
"""Characters that a name has at most."""


def is_service_name(text: str) -> bool:
    """Tell whether `text` can be the name of a service, or of an instance of a template."""
    name, at, instance = text.partition("@")
    return len(text) <= LONGEST and is_plain_name(name) and (not at or is_plain_name(instance))


def is_plain_name(text: str) -> bool:
    """Tell whether `text` is [A-Za-z0-9][A-Za-z0-9_.-]*, at most 200 characters."""
    inner = text.replace("_", "").replace(".", "").replace("-", "")
    return 0 < len(text) <= LONGEST and text[0].isalnum() and text.isascii() and inner.isalnum()


def is_template(text: str) -> bool:
    """Tell whether `text` is the name of a template."""
    return text.endswith("@") and is_plain_name(text[:-1])


def template_of(name: str) -> str:
    """Return the template that an instance is of; an empty string for any other name."""
    base, at, instance = name.partition("@")
    return base + at if instance else ""


def instance_of(name: str) -> str:
    """Return what stands after the @ of an instance's name; an empty string for any other name."""
    return name.partition("@")[2]
