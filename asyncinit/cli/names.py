"""Which services names and quoted patterns ('web*') mean; knows no command."""

from __future__ import annotations

from asyncinit.cli.outcome import UsageError
from asyncinit.client.errors import EXIT_NOT_THERE, ClientError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from asyncinit.client.connection import Connection


class NothingMatchesError(ClientError):
    """A pattern that no service's name matches, or a name that no service has."""

    exit_code = EXIT_NOT_THERE


def has_pattern(name: str) -> bool:
    """Tell whether this is a pattern: service names have none of these characters."""
    return any(character in name for character in "*?[")


def choose(names: Sequence[str], known: Collection[str]) -> list[str]:
    """Return the known names that names and patterns choose, each once; raises NothingMatchesError."""
    from fnmatch import fnmatchcase

    chosen: dict[str, None] = {}
    for name in names:
        found = [one for one in sorted(known) if fnmatchcase(one, name)] if has_pattern(name) else [name]
        if not found or (found == [name] and name not in known):
            raise NothingMatchesError(f"no service matches {name}" if has_pattern(name) else _unknown(name, known))
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _unknown(name: str, known: Collection[str]) -> str:
    from asyncinit.config.names import meant
    from asyncinit.errors import UnknownServiceError

    return str(UnknownServiceError(name, meant(name, known)))


def resolve(server: Connection, names: Sequence[str], everything: bool = False) -> list[str]:
    """Return the services that a command's NAME... and --all mean; asks the server only if it must."""
    if everything:
        if names:
            raise UsageError("give names or --all, not both")
        return [service["name"] for service in server.call("Status")["services"]]
    if not names:
        raise UsageError("no service was named; give names, patterns, or --all")
    if not any(map(has_pattern, names)):
        return list(dict.fromkeys(names))
    return choose(names, [service["name"] for service in server.call("Status")["services"]])
