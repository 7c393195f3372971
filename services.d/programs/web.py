"""A small HTTP server on loopback: GET / records a visit and tells their number; GET /healthz is for the probe."""

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import database


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a client may be silent: a server that stops waits for its open requests

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, "ok\n")
        elif self.path == "/":
            self.answer(200, f"visit {self.visit()}\n")
        else:
            self.answer(404, "not found\n")

    def visit(self) -> int:
        connection = database.connect()  # SQLite's connections belong to one thread
        try:
            connection.execute("INSERT INTO visit (path, time) VALUES (?, ?)", (self.path, time.time()))
            return connection.execute("SELECT count(*) FROM visit").fetchone()[0]
        finally:
            connection.close()

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path != "/healthz":  # the probe would fill the log
            print(f"{self.command} {self.path} {code}", flush=True)

    def log_message(self, text: str, *args: object) -> None:
        print(text % args, flush=True)


def main() -> None:
    # Blocked before any thread exists, the signals wait until sigwait below takes them: no handler runs in the middle
    # of something else, and none is missed.
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)

    port = int(os.environ["PORT"])
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise SystemExit(f"cannot listen on port {port}: {error.strerror} (WEB_PORT names another one)") from None
    server.daemon_threads = False  # server_close() waits for the requests that are being answered
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}).start()
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)

    number = signal.sigwait(stop)
    print(f"{signal.Signals(number).name}: finishing open requests", flush=True)
    server.shutdown()
    server.server_close()
    print("stopped", flush=True)


main()
