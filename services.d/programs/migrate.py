"""Create the demonstration's database, or bring an older one up to date; then exit. Running it again does no harm."""

import database

STEPS = [
    "CREATE TABLE visit (id INTEGER PRIMARY KEY, path TEXT NOT NULL, time REAL NOT NULL)",
    "ALTER TABLE visit ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",
]
"""Each step is carried out once, in order; the database itself remembers how many it has had. Only append."""


def main() -> None:
    connection = database.connect(create=True)
    connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer
    connection.execute("BEGIN IMMEDIATE")
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in STEPS[done:]:
        connection.execute(step)
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")
    connection.execute("COMMIT")
    connection.close()
    print(f"database in {database.folder()}: {len(STEPS) - done} of {len(STEPS)} steps were to do", flush=True)


main()
