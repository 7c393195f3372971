"""The notes as JSON: GET /notes, GET /uncounted, POST /notes, POST /words; GET /healthz is for the probe."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from api.store import choose

store = choose()


class Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, {"store": type(store).__name__})
        elif self.path == "/notes":
            self.answer(200, store.all())
        elif self.path == "/uncounted":
            self.answer(200, store.uncounted())
        else:
            self.answer(404, {"error": "not found"})

    def do_POST(self) -> None:
        try:
            given = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            if self.path == "/notes":
                self.answer(201, {"number": store.add(str(given["text"]))})
            elif self.path == "/words":
                store.count(int(given["number"]), int(given["words"]))
                self.answer(200, {})
            else:
                self.answer(404, {"error": "not found"})
        except (KeyError, TypeError, ValueError) as error:
            self.answer(400, {"error": repr(error)})

    def answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.command == "POST":
            print(f"{self.command} {self.path} {code}")


stop = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, stop)
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}).start()
print(f"listening on http://127.0.0.1:{server.server_port}/, notes are {type(store).__name__}")
signal.sigwait(stop)
server.shutdown()
server.server_close()
