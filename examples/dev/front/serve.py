"""The pages in front/pages, the API below /api/, and /changes, by which an open page learns that it is old (SIGHUP)."""

import os
import queue
import signal
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

API = f"http://127.0.0.1:{os.environ['API_PORT']}"
viewers: set[queue.SimpleQueue[bytes]] = set()


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args) -> None:
        super().__init__(*args, directory="front/pages")

    def do_GET(self) -> None:
        if self.path == "/changes":
            self.tell_changes()
        elif self.path.startswith("/api/"):
            self.pass_on(None)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def pass_on(self, body: bytes | None) -> None:
        try:
            with urlopen(Request(API + self.path.removeprefix("/api"), body), timeout=10) as answer:
                self.answer(answer.status, answer.read())
        except HTTPError as error:
            self.answer(error.code, error.read())
        except URLError as error:
            self.answer(502, f'{{"error": "the API does not answer: {error.reason}"}}'.encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def tell_changes(self) -> None:
        mine: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        viewers.add(mine)
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            while True:
                self.wfile.write(b": here\n\n" if (event := wait(mine)) is None else event)
        except OSError:
            pass  # the page was closed
        finally:
            viewers.discard(mine)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path != "/changes":
            print(f"{self.command} {self.path} {code}")


def wait(events: queue.SimpleQueue[bytes]) -> bytes | None:
    try:
        return events.get(timeout=15)
    except queue.Empty:
        return None


signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
print(f"listening on http://127.0.0.1:{server.server_port}/")
while signal.sigwait(signals) == signal.SIGHUP:
    print(f"the pages have changed: {len(viewers)} open ones load themselves again")
    for viewer in list(viewers):
        viewer.put(b"data: changed\n\n")
server.shutdown()
