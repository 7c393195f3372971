"""200 MB of output at full speed, in every mode, as real PID 1: each line is there or counted, status is answered."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.namespace.test_logs import LOGGER, SystemLog, own_dev, python
from tests.support import wait_until

pytestmark = pytest.mark.slow

LINE = 250
COUNT = 200 * 1024 * 1024 // LINE
FLOOD = f"""
import os, sys, time
block = 256
filler = "x" * ({LINE} - 12)
for start in range(0, {COUNT}, block):
    lines = "".join(f"{{number:010d}} {{filler}}\\n" for number in range(start, min(start + block, {COUNT})))
    data = lines.encode()
    while data:
        data = data[os.write(1, data):]
open("over", "w").close()
time.sleep(1000)
"""

MODES = {
    "console, text": ('to = "console"', ["--log-format", "text"]),
    "console, json": ('to = "console"', ["--log-format", "json"]),
    "console, raw": ('to = "console"', ["--log-format", "raw"]),
    "file, text": ('file = "FOLDER/f.log"\nmax_size = "50M"\nkeep = 20', []),
    "file, json": ('file = "FOLDER/f.log"\nformat = "json"\nmax_size = "50M"\nkeep = 20', []),
    "file, raw": ('file = "FOLDER/f.log"\nformat = "raw"\nmax_size = "50M"\nkeep = 20', []),
    "file, block": ('file = "FOLDER/f.log"\nwhen_full = "block"\nmax_size = "50M"\nkeep = 20', []),
    "service": ('to = "service:logger"', []),
    "service, copied": ('to = "service:logger"\nwhen_full = "drop"', []),
    "service and file": ('to = ["service:logger", "file"]\nfile = "FOLDER/f.log"\nwhen_full = "block"\nkeep = 50', []),
    "inherit": ('to = "inherit"', []),
    "null": ('to = "null"', []),
}


def count(paths: list[Path]) -> int:
    """How many whole lines of the flood are in files."""
    found = 0
    for path in paths:
        with path.open("rb") as file:
            found += sum(b"x" * (LINE - 12) in line for line in file)
    return found


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("mode", MODES)
def test_a_flood_is_accounted_for(tmp_path: Path, kind: str, mode: str) -> None:
    """Lines that arrived and lines that were counted as dropped are all lines; status is answered before the end."""
    log, arguments = MODES[mode]
    services = {"web": python(FLOOD) + f"[log]\n{log.replace('FOLDER', str(tmp_path))}\n"}
    if "service" in mode:
        services["logger"] = python(LOGGER.format(path=tmp_path / "logged"))
    with Init(tmp_path, services, loop=kind, arguments=arguments) as init:
        init_is_there = wait_until(lambda: init.status().get("web", {}).get("pid"), 30)
        assert init_is_there
        if mode != "null":
            assert not (tmp_path / "over").exists(), "status was answered before the flood was over"
        wait_until((tmp_path / "over").exists, 60)
        dropped = init.status()["web"]["log"]["dropped"]
        init.kill()
        assert init.wait() == 0
    files = sorted(tmp_path.glob("f.log*"))
    if files:
        assert count(files) + dropped == COUNT
    if "service" in mode:
        assert count([tmp_path / "logged"]) + dropped == COUNT
    if mode.startswith("console") or mode == "inherit":
        assert count([tmp_path / "output"]) + dropped == COUNT
    if "block" in log or mode in ("service", "inherit"):
        assert dropped == 0
    for path in [*files, tmp_path / "output", tmp_path / "logged"]:
        path.unlink(missing_ok=True)  # they are large, and pytest would keep them


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_flood_of_messages(tmp_path: Path, kind: str) -> None:
    """Into the system log, too, with a daemon that reads as fast as it can."""
    log = SystemLog(tmp_path / "log.sock")
    number = COUNT // 4
    reader = threading.Thread(target=lambda: log.messages.extend(log.socket.recv(1024) for _ in range(number)))
    reader.start()
    services = {"web": python(FLOOD.replace(str(COUNT), str(number))) + '[log]\nto = "syslog"\nwhen_full = "block"\n'}
    with Init(tmp_path / "etc", services, loop=kind, prefix=own_dev(log)) as init:
        wait_until(lambda: not reader.is_alive(), 60)
        assert [int(message.split()[4]) for message in log.messages] == list(range(number))
        assert init.status()["web"]["log"]["dropped"] == 0
        init.kill()
        assert init.wait() == 0
    log.socket.close()
