"""A service as TOML, for people: every value with the place it came from, secrets hidden."""

from __future__ import annotations

from typing import Any

from asyncinit.config.declare import declare
from asyncinit.config.masking import MASK, is_secret, masked
from asyncinit.config.names import meant
from asyncinit.config.origins import origins_of
from asyncinit.config.problems import bare_or_quoted, dotted, printable
from asyncinit.config.spec import Configuration
from asyncinit.errors import UnknownServiceError

DEFAULT = "default"
_WIDEST = 56  # the column beyond which comments are no longer aligned


def show(configuration: Configuration, name: str) -> str:
    """Return the merged service as TOML, each value's origin ("FILE:LINE", or "default") as a comment.

    The text is valid TOML and declares the same service, but for secrets, which are masked. Raises
    `UnknownServiceError` if there is no service `name`.
    """
    service = configuration.services.get(name)
    if service is None:
        raise UnknownServiceError(name, meant(name, configuration.services))
    origins = origins_of(configuration.sources, name)
    keys = declare(service)
    lines = [(f"# {printable(name)}" + (f", from {printable(service.origin)}" if service.origin else ""), "")]
    lines += [("# It is started by who names it, and not by itself.", "")] if service.summoned else []
    lines += [_line((key,), item, origins) for key, item in keys.items() if not isinstance(item, dict)]
    for table, inner in keys.items():
        if isinstance(inner, dict) and inner:
            lines += [("", ""), (f"[{table}]", "")]
            lines += [_line((table, key), _hidden(table, key, item), origins) for key, item in inner.items()]
    width = min(_WIDEST, max(len(text) for text, comment in lines if comment))
    return "".join(f"{text.ljust(width)}  # {comment}\n" if comment else f"{text}\n" for text, comment in lines)


def _line(path: tuple[str, ...], item: Any, origins: Any) -> tuple[str, str]:
    from asyncinit.config.write import value  # PID 1 imports this module, and seldom shows a service

    # What a profile says has no line of its own.
    origin = origins.get(dotted(path)) or origins.get(dotted((*path[:-1], "profile")), DEFAULT)
    return f"{bare_or_quoted(path[-1])} = {value(item)}", printable(origin)


def _hidden(table: str, key: str, item: Any) -> Any:
    if table != "environment":
        return item
    return MASK if is_secret(key) else masked(item)
