"""Becomes ready in the way that is named once the file `go` is there, then stays.

becomes.py KIND [ARGUMENT]
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

kind, argument = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
print("up", flush=True)
while not Path("go").exists():
    time.sleep(0.01)
held: list[socket.socket] = []
if kind == "notify":
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + os.environ["NOTIFY_SOCKET"][1:])
        sender.send(b"STATUS=here I am\nREADY=1")
elif kind == "notify_fd":
    os.write(3, b"\n")
elif kind in {"tcp", "http"}:
    held.append(socket.create_server(("127.0.0.1", int(argument))))
elif kind == "unix":
    held.append(socket.socket(socket.AF_UNIX))
    held[0].bind(argument)
    held[0].listen()
elif kind == "file":
    Path(argument).touch()
elif kind == "pid_file":
    Path(argument).write_text(f"{os.getpid()}\n")
elif kind == "log":
    print("listening now", flush=True)
while kind == "http":
    client, _ = held[0].accept()
    client.recv(1000)
    client.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    client.close()
while True:
    signal.pause()
