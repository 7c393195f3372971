"""Make the folder of data, and SQLite's table in it; again is no harm."""

from api.store import DATA, connect

DATA.mkdir(exist_ok=True)
with connect() as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS note (number INTEGER PRIMARY KEY, text TEXT, words INTEGER)")
print("the data is in", DATA)
