"""A server on the socket that it is given: answers so many connections with its pid, then exits with 0.

Each answer is written down, in the file that is named, before it is given.
"""

from __future__ import annotations

import os
import socket
import sys

listener = socket.socket(fileno=3)
ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for _ in range(int(sys.argv[1])):
    client, _ = listener.accept()
    asked = client.recv(100)
    os.write(ledger, b"%s %d\n" % (asked, os.getpid()))
    client.sendall(asked)
    client.close()
