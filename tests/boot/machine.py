"""A virtual machine that nobody talks to: what it wrote to its serial line until it switched itself off; knows no test.

One to talk to is `guest.Guest`.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.boot import disk, image
from tests.boot.hardware import CONSOLE, Hardware, kernel

PATIENCE = 240.0
"""Seconds for a whole boot: an emulated processor is slow, and other tests run beside it."""

_INIT = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
modprobe -a virtio_pci virtio_blk
export PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1 PATH=/bin:/usr/bin ASYNCINIT_LOOP=$asyncinit_loop HOME=/root
exec {image.PYTHON} -m asyncinit run --config /asyncinit.toml --log-format json -v
"""


class Machine:
    """A machine that was booted with `files` in its initramfs, and has switched itself off.

    Of one `name` there is one in a test run: pytest's processes share what it wrote. It has one disk, /dev/vda.
    """

    def __init__(self, name: str, files: Mapping[str, str], loop: str, memory: int = 512) -> None:
        folder = Path(os.environ["ASYNCINIT_TEST_RUN"]) / f"boot-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        self._out = folder / "serial"
        with (folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._out.exists():
                self._boot(folder, files, loop, memory)

    def _boot(self, folder: Path, files: Mapping[str, str], loop: str, memory: int) -> None:
        initramfs = folder / "initramfs.cpio"
        image.make(initramfs, {"/init": _INIT, **files}, modules=("virtio_pci", "virtio_blk"))
        hardware = Hardware(memory, f"{CONSOLE} asyncinit_loop={loop}", [disk.make(folder / "disk.ext4")])
        unfinished = folder / "unfinished"
        with unfinished.open("wb") as output:
            process = subprocess.Popen(
                hardware.command(str(kernel()), initramfs),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
            finally:
                process.kill()
                process.wait()
        unfinished.rename(self._out)
        initramfs.unlink()

    @property
    def transcript(self) -> str:
        """All that came over the serial line."""
        return self._out.read_text(errors="replace").replace("\r", "")

    @property
    def records(self) -> list[dict[str, Any]]:
        """What asyncinit wrote, each line as an object."""
        records = []
        for line in self.transcript.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            records += [record] if isinstance(record, dict) else []
        return records

    def said(self, name: str) -> dict[str, Any]:
        """Return the objects that a service wrote as NAME=JSON, by name."""
        found = {}
        for record in self.records:
            if record.get("service") == name and record.get("stream") == "stdout":
                key, equals, value = record["message"].partition("=")
                if equals and key.isidentifier():
                    found[key] = json.loads(value)
        return found
