"""What a service can be called: NAME, NAME@ (a template) or NAME@INSTANCE (an instance of it); imports nothing.

But for `meant`, which is only asked when something is wrong.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Collection

_ENDINGS = (".toml", ".service", ".timer", ".socket", ".target")
# To be compared with more takes too long.
_MOST = 2000

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


def meant(text: str, known: Collection[str]) -> str:
    """Return the one of the `known` services that `text` probably means, or an empty string.

    Names have no type here ("web.service"), and no folder; the name of a template means its first instance.
    """
    from asyncinit.config.values import close_to  # only when something is wrong

    base = text.rpartition("/")[2]
    for ending in _ENDINGS:
        base = base.removesuffix(ending)
    by_fold = {name.casefold(): name for name in known}
    if base.casefold() in by_fold:
        return by_fold[base.casefold()]
    instances = (name for name in known if name.startswith(f"{base.removesuffix('@')}@"))
    return min(instances, default="") or (close_to(base, known) if len(known) <= _MOST else "")


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
