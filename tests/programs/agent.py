"""A service that does as it is told: each connection to the socket of its first argument sends a Python expression.

It answers with the value's repr, or with the exception's. `got` are the signals that it has got, of those that it has a
handler for (SIGUSR1). A child that it is left with it does not reap: it is an application, not an init.
"""

import ctypes
import os
import signal
import socket
import sys

got: "list[int]" = []


def orphan() -> int:
    """Leave a process without a parent that waits for SIGTERM; return its pid."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.closerange(3, 100)
            signal.pause()
            os._exit(0)
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.waitpid(between, 0)
    pid = int(os.read(reader, 20))
    os.close(reader)
    os.close(writer)
    return pid


def trace(pid: int) -> int:
    """Try to trace a process; return the errno, 0 if we do."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach = 16
    return 0 if libc.ptrace(attach, pid, 0, 0) == 0 else ctypes.get_errno()


def attempt(text: str) -> int:
    """Evaluate an expression; return the errno with which it fails, 0 if it does not."""
    try:
        eval(text)
    except OSError as error:
        return error.errno or -1
    return 0


def main(path: str) -> None:
    """Answer until it ends."""
    signal.signal(signal.SIGUSR1, lambda number, _frame: got.append(number))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen()
        print("listening", flush=True)
        while True:
            client, _ = listener.accept()
            with client, client.makefile("r") as lines:
                try:
                    answer = repr(eval(lines.readline()))
                except Exception as error:
                    answer = repr(repr(error))
                client.sendall(answer.encode())


if __name__ == "__main__":
    main(sys.argv[1])
