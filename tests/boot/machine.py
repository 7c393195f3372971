"""A virtual machine that boots a kernel with an initramfs, and what it writes to its serial line; knows no test."""

from __future__ import annotations

import fcntl
import functools
import glob
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.boot import image

PATIENCE = 240.0
"""Seconds for a whole boot: an emulated processor is slow, and other tests run beside it."""

_QEMU = "qemu-system-x86_64"
_INIT = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
export PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1 PATH=/bin:/usr/bin ASYNCINIT_LOOP=$asyncinit_loop HOME=/root
exec {image.PYTHON} -m asyncinit run --config /asyncinit.toml --log-format json -v
"""


@functools.cache
def kernel() -> str | None:
    """Return the kernel to boot: what ASYNCINIT_BOOT_KERNEL names, or the newest of Debian's in /boot."""
    named = os.environ.get("ASYNCINIT_BOOT_KERNEL")
    if named:
        return named if os.access(named, os.R_OK) else None
    found = [path for path in glob.glob("/boot/vmlinuz-*amd64") if os.access(path, os.R_OK)]
    return max(found, key=os.path.getmtime, default=None)


@functools.cache
def refusal() -> str:
    """Return why no machine can be booted here, or nothing where one can."""
    if os.uname().machine != "x86_64":
        return "the kernel that is booted is an amd64 one, and so has to be the Python in it"
    for program in (_QEMU, "busybox"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    if kernel() is None:
        return "there is no kernel: neither ASYNCINIT_BOOT_KERNEL nor /boot/vmlinuz-*amd64"
    return ""


class Machine:
    """A machine that was booted with `files` in its initramfs, and has switched itself off.

    Of one `name` there is one in a test run: pytest's processes share what it wrote.
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
        image.make(initramfs, {"/init": _INIT, **files})
        unfinished = folder / "unfinished"
        with unfinished.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(_QEMU, "-accel", "tcg,thread=multi", "-smp", "2", "-m", str(memory)),
                    *("-kernel", str(kernel()), "-initrd", str(initramfs), "-nodefaults", "-no-user-config"),
                    *("-display", "none", "-serial", "stdio", "-no-reboot"),
                    *("-append", f"console=ttyS0 quiet loglevel=1 panic=-1 random.trust_cpu=on asyncinit_loop={loop}"),
                ],
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
