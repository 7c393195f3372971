"""A worker that counts the visits which the web service recorded, and tells asyncinit how it is doing."""

import os
import signal
import socket
import sqlite3

import database

INTERVAL = 1.0  # seconds between two looks at the queue


def notify(text: str) -> None:
    """Tell the init system about us: the whole of the sd_notify protocol that a service needs.

    The same lines work under systemd. Without NOTIFY_SOCKET (started by hand) nothing happens.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket: a name that is no file
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.sendto(text.encode(), address)


def count(connection: sqlite3.Connection) -> int:
    """Mark what is new as counted; return how many that were."""
    return connection.execute("UPDATE visit SET counted = 1 WHERE counted = 0").rowcount


def main() -> None:
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)

    connection = database.connect()
    total = 0
    print("waiting for visits", flush=True)
    notify("READY=1\nSTATUS=waiting for visits")
    # sigtimedwait is the pause between two looks and the end of it at once: a stop is never waited for.
    while signal.sigtimedwait(stop, INTERVAL) is None:
        notify("WATCHDOG=1")
        try:
            new = count(connection)
        except sqlite3.OperationalError as error:  # locked for long, disk full: worth another try
            print(f"cannot count: {error}; trying again", flush=True)
            continue
        if new:
            total += new
            print(f"{new} new", flush=True)
            notify(f"STATUS={total} visits counted")
    notify("STOPPING=1")
    connection.close()
    print(f"stopped after {total} visits", flush=True)


main()
