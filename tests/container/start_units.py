"""Start each service, stop it, and print what came of each, as JSON: up|down PATIENCE NAME...

`up`: as soon as it is ready. `down`: when it has failed, or after PATIENCE seconds. Runs inside the container, against
the asyncinit that is its PID 1: one service after the other, as they share ports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

EXPECTED, PATIENCE = sys.argv[1], float(sys.argv[2])
LONGEST = 120.0
OVER = ("failed", "completed", "inactive", "backoff")


def asyncinit(*words: str, patience: float = LONGEST) -> subprocess.CompletedProcess[str]:
    """Run a command of asyncinit."""
    return subprocess.run(
        ["asyncinit", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=patience,
        check=False,
    )


def status(name: str) -> dict[str, Any]:
    """Return what `status` tells of a service."""
    found: dict[str, Any] = json.loads(asyncinit("status", "--json", name).stdout)["services"][0]
    return found


def tried(name: str) -> dict[str, Any]:
    """Start a service, see what it is, and stop it."""
    until = time.monotonic() + PATIENCE
    try:
        started = asyncinit("start", name, patience=PATIENCE)
        said = started.stdout + started.stderr
    except subprocess.TimeoutExpired:
        said = "not ready in time\n"
    while EXPECTED == "down" and status(name)["state"] not in OVER and time.monotonic() < until:
        pass  # it is asked anew, which takes a while
    state = status(name)["state"]
    said += asyncinit("explain", name).stdout + asyncinit("logs", "--lines", "30", name).stdout
    asyncinit("stop", name)
    return {"state": state, "said": said}


print(json.dumps({name: tried(name) for name in sys.argv[3:]}))
