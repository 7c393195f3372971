"""Where the demonstration's database is, and how to open it: shared by the programs beside this file."""

import os
import sqlite3
import tempfile
from pathlib import Path

NAME = "visits.sqlite3"


def folder() -> Path:
    """Return the folder of the database.

    asyncinit makes the service's state directory and names it in STATE_DIRECTORY. Where it can make none (a read-only
    file system, a user without a home), the demonstration lives in a folder of the user's own under /tmp.
    """
    given = os.environ.get("STATE_DIRECTORY", "")
    if given and os.access(given, os.W_OK | os.X_OK):
        return Path(given)
    for place in (tempfile.gettempdir(), "/dev/shm"):
        own = Path(place) / f"asyncinit-demo-{os.getuid()}"
        try:
            own.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            continue
        if own.stat().st_uid == os.getuid():  # not a folder that somebody else put there for us
            return own
    raise SystemExit("cannot find a folder for the database: none of STATE_DIRECTORY, /tmp and /dev/shm is writable")


def connect(create: bool = False) -> sqlite3.Connection:
    """Open the database; without `create` it must be there."""
    path = folder() / NAME
    mode = "rwc" if create else "rw"
    # isolation_level None: no hidden transactions; each statement below stands for itself.
    # timeout: SQLite lets one process write at a time; the others wait for it this long.
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=10, isolation_level=None)
