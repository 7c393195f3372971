"""Small projects as a person has them in folders: what runs in the terminals' tests and on the pictures.

Each service waits for the one before it, so that what they say stands in one order.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

SETTINGS = """
[init]
control_socket = ".asyncinit.sock"
services = ["services.d"]
"""

SERVICES = {
    "db": """
        command = ["sh", "-c", "echo database opened; echo listening; exec sleep 100000"]
        ready = { log = "listening" }
        """,
    "web": """
        command = ["python3", "-u", "web.py"]
        requires = ["db"]
        ready = { log = "listening" }
        health = { file = "web.py", interval = "1s" }
        """,
    "app": """
        type = "target"
        requires = ["web"]
        """,
    "queue@": """
        command = ["sleep", "100000"]
        instances = 2
        """,
    "broken": """
        command = ["sh", "-c", "echo reading settings >&2; echo settings.ini: no such file >&2; exit 3"]
        restart = "never"
        """,
}
WEB = """
import time
for number in range(1, 41):
    print(f"GET /item/{number} 200")
print("warning: nobody asks for more")
print("listening on port 8000")
time.sleep(100000)
"""

SHOP = {
    "db": """
        command = ["sh", "-c", "echo opening shop.sqlite; echo 3 migrations applied; exec sleep 100000"]
        ready = { log = "applied" }
        """,
    "web": """
        command = ["python3", "-u", "web.py"]
        requires = ["db"]
        ready = { log = "listening" }
        stop = { timeout = "5s" }
        watch = { paths = ["web"] }
        """,
    "worker": """
        command = ["sh", "-c", "echo waiting for orders; exec sleep 100000"]
        requires = ["web"]
        ready = { log = "waiting" }
        """,
    "mail": """
        command = ["sh", "-c", "echo 'mail.py: SMTP_HOST is not set' >&2; exit 3"]
        after = ["worker"]
        type = "oneshot"
        """,
    "console": """
        command = ["python3", "-q", "-i"]
        environment = { PYTHON_BASIC_REPL = "1" }
        tty = true
        enabled = false
        """,
}
SHOP_WEB = """
import time
page = open("web/shop.html").read().strip()
print(f"page: {page}")
print("listening on http://127.0.0.1:5000/")
time.sleep(100000)
"""


def write(folder: Path) -> None:
    """Write the project that `top` is tried with into a folder."""
    _write(folder, SERVICES)
    (folder / "web.py").write_text(WEB.lstrip())


def write_shop(folder: Path) -> None:
    """Write a shop in development into a folder: a database, a web server that watches its pages, and what fails."""
    _write(folder, SHOP)
    (folder / "web.py").write_text(SHOP_WEB.lstrip())
    (folder / "web").mkdir()
    (folder / "web" / "shop.html").write_text("welcome\n")


def _write(folder: Path, services: dict[str, str]) -> None:
    (folder / "services.d").mkdir(parents=True)
    for name, text in services.items():
        (folder / "services.d" / f"{name}.toml").write_text(textwrap.dedent(text).lstrip())
    (folder / "asyncinit.toml").write_text(SETTINGS.lstrip())
