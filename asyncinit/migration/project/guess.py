"""What is guessed that a project runs: one service, and why; knows no kind of project."""

from __future__ import annotations

import re

from msgspec import Struct, field

from asyncinit.migration.project.files import Hint
from asyncinit.migration.report import Ledger
from asyncinit.migration.service import Draft

_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


class Guess(Struct):
    """A service: what it runs, and what was seen that says so. `port`: where it listens, as PORT in its environment."""

    name: str
    command: list[str]
    hint: Hint
    kind: str = "service"
    port: int | None = None
    folder: str = ""
    requires: list[str] = field(default_factory=list)
    note: str = ""
    enabled: bool = True
    is_served_by_databases: bool = False

    def draft(self, ledger: Ledger, name: str, names: dict[str, str]) -> Draft:
        """Return the draft of it, called `name`; `names` are those of the others."""
        hint = self.hint
        draft = Draft(name, ledger, origin=hint.file, how="guessed")
        setting = ledger.add(hint.file, hint.line, hint.text, text=f"{hint.file}: {hint.text}", service=name)
        if self.kind != "service":
            draft.put(None, "type", self.kind, "done when it has ended with success; what requires it waits for that")
        draft.put(setting, "command", self.command, self.note)
        if not self.enabled:
            draft.put(None, "enabled", False, "known, and not started by itself")
        if self.folder:
            draft.put(None, "working_directory", self.folder)
        for other in self.requires:
            draft.append(None, "requires", names.get(other, other))
        if self.port is not None:
            draft.put(None, ("environment", "PORT"), str(self.port))
            draft.put(None, "ready.tcp", "127.0.0.1:${PORT}", "what requires it starts when it can be reached")
        return draft


def fit(name: str) -> str:
    """Return a name as a service can have it."""
    return _UNFIT.sub("-", name).strip("-_.") or "app"
