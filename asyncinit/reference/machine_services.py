"""The services that come with asyncinit for a machine, as blocks, from their files; writes nothing."""

from __future__ import annotations

import os
import tomllib
from typing import Any

from asyncinit.config.places import SHIPPED
from asyncinit.reference.blocks import Block, Table

_SUFFIX = ".toml"


def describe() -> list[Block]:
    """Return a table of them: what each is, what comes before it, and whether it is enabled."""
    names = sorted(name.removesuffix(_SUFFIX) for name in os.listdir(SHIPPED) if name.endswith(_SUFFIX))
    return [Table(("name", "what it is", "needs", "starts after", "enabled"), tuple(map(_row, names)))]


def _row(name: str) -> tuple[str, ...]:
    with open(os.path.join(SHIPPED, name + _SUFFIX), "rb") as file:
        data = tomllib.load(file)
    enabled = "by itself" if data.get("enabled", True) else ""
    text = data["description"].replace("${INSTANCE}", "INSTANCE")
    return (f"`{name}`", text, _names(data, "requires", "wants"), _names(data, "after"), enabled)


def _names(data: dict[str, Any], *keys: str) -> str:
    return ", ".join(f"`{name}`" for key in keys for name in data.get(key, ()))
