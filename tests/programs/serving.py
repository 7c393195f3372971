"""A server on the first socket that it was passed: answers each connection with a line, and ends at SIGTERM.

It takes one connection at a time, and finishes that when it is asked to end. `--ready-fd N`: tell there when it is
ready, once `--gate FILE` exists, or fail if that says "fail". `--once`: end well after the first connection.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--ready-fd", type=int)
arguments.add_argument("--gate")
arguments.add_argument("--once", action="store_true")
arguments.add_argument("--say", default="")
options = arguments.parse_args()

assert os.environ["LISTEN_PID"] == str(os.getpid())
names = os.environ["LISTEN_FDNAMES"].split(":")
assert int(os.environ["LISTEN_FDS"]) == len(names)
print("begun", os.environ["LISTEN_FDNAMES"], flush=True)

wakeup, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
signal.signal(signal.SIGTERM, lambda *_: None)

if options.gate:
    while not os.path.exists(options.gate):
        time.sleep(0.01)
    with open(options.gate, encoding="utf-8") as gate:
        if gate.read() == "fail":
            sys.exit("I cannot start")
if options.ready_fd:
    os.write(options.ready_fd, b"\n")
    os.close(options.ready_fd)

listeners = [socket.socket(fileno=3 + index) for index in range(len(names))]
for listener in listeners:
    listener.setblocking(False)
while True:
    ready, _, _ = select.select([wakeup, *listeners], [], [])
    if wakeup in ready:
        sys.exit(0)
    for listener in ready:
        try:
            connection = listener.accept()[0]
        except BlockingIOError:  # another instance was quicker
            continue
        with connection:
            connection.settimeout(10)
            connection.recv(1000)
            connection.sendall(f"{os.getpid()} {options.say}\n".encode())
        if options.once:
            sys.exit(0)
