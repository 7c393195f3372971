"""A small project as a person has it in a folder: what runs in the terminals' tests and on the pictures."""

from __future__ import annotations

import textwrap
from pathlib import Path

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


def write(folder: Path) -> None:
    """Write the project into a folder."""
    services = folder / "services.d"
    services.mkdir(parents=True)
    for name, text in SERVICES.items():
        (services / f"{name}.toml").write_text(textwrap.dedent(text).lstrip())
    (folder / "asyncinit.toml").write_text('[init]\ncontrol_socket = ".asyncinit.sock"\nservices = ["services.d"]\n')
    (folder / "web.py").write_text(WEB.lstrip())
