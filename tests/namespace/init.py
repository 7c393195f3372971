"""Run asyncinit as real PID 1 of a fresh PID namespace, talk to it, and read what it tells; for the tests beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import PYTHON, ROOT, descendants, wait_until

_UNSHARE = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]
if os.geteuid() != 0:
    _UNSHARE += ["--user", "--map-root-user"]


class Init:
    """An asyncinit with its services in `folder`; `services` are names and TOML texts, `settings` the [init] table.

    `pods` are pods, likewise. `python` is the interpreter that it is run by, `client` how one is run for its commands.
    """

    def __init__(
        self,
        folder: Path,
        services: Mapping[str, str],
        *,
        loop: str = "asyncio",
        settings: str = "",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        pods: Mapping[str, str] | None = None,
        python: str = PYTHON,
        client: Sequence[str] = (PYTHON,),
        pid1: bool = True,
        prefix: Sequence[str] = (),
        program: Sequence[str] = ("-m", "asyncinit"),
        **popen: Any,
    ) -> None:
        self.folder = folder
        self._client = client
        self.socket = folder / "control.sock"
        (folder / "services.d").mkdir(parents=True, exist_ok=True)
        for name, text in services.items():
            (folder / "services.d" / f"{name}.toml").write_text(text)
        if pods is not None:
            (folder / "pods.d").mkdir(exist_ok=True)
        for name, text in (pods or {}).items():
            (folder / "pods.d" / f"{name}.toml").write_text(text)
        config = folder / "asyncinit.toml"
        config.write_text(f'[init]\ncontrol_socket = "{self.socket}"\n{settings}\n')
        self._out = folder / "output"
        words = [python, *program, "run", "--config", str(config), "--log-format", "json", "-v", *arguments]
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ASYNCINIT_LOOP": loop,
            **(environment or {}),
        }
        with self._out.open("wb") as output:
            self.process = subprocess.Popen(
                [*(_UNSHARE if pid1 else []), *prefix, *words],
                cwd=folder,
                env=self.environment,
                stdin=popen.pop("stdin", subprocess.DEVNULL),
                stdout=output,
                stderr=subprocess.STDOUT,
                **popen,
            )
        self._pid1 = pid1

    def __enter__(self) -> Init:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            # PID 1 takes along what is below it, a subreaper does not.
            left = [] if self._pid1 else descendants(self.process.pid)
            try:
                left = [self.pid, *left]
            except ProcessLookupError:
                pass  # it was ending, and is gone just now
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            self.process.kill()
        self.process.wait()

    @property
    def pid(self) -> int:
        """asyncinit's pid as we see it. Raises ProcessLookupError when all is over."""
        if not self._pid1:
            return self.process.pid

        def child() -> int | None:
            if self.process.poll() is not None:
                raise ProcessLookupError
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return int(text[0]) if text else None

        return wait_until(child)

    def kill(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to asyncinit."""
        os.kill(self.pid, number)

    def wait(self, timeout: float = 60.0) -> int:
        """Return asyncinit's exit status."""
        return self.process.wait(timeout)

    # What it tells

    @property
    def output(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def records(self) -> list[dict[str, Any]]:
        """Everything that was written so far; lines that are no JSON as {"raw": ...}."""
        records = []
        for line in self.output.splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                records.append({"raw": line})
        return records

    def states(self, *names: str) -> list[tuple[str, str]]:
        """Every change of state of `names` (none: of all), in order."""
        found = [(r["service"], r["state"]) for r in self.records if r.get("state")]
        return [(name, state) for name, state in found if not names or name in names]

    def lines(self, name: str) -> list[str]:
        """What a service wrote."""
        spoken = [r for r in self.records if r.get("service") == name and r.get("stream") in {"stdout", "stderr"}]
        return [record["message"] for record in spoken]

    # Asking it

    def call(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run the asyncinit command against it."""
        return subprocess.run(
            [*self._client, "-m", "asyncinit", "--socket", str(self.socket), *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def status(self) -> dict[str, dict[str, Any]]:
        """Every service's status, by name; nothing while it does not answer."""
        done = self.call("status", "--json")
        if done.returncode != 0:
            return {}
        return {service["name"]: service for service in json.loads(done.stdout)["services"]}

    def wait_state(self, name: str, state: str, times: int = 1) -> None:
        """Wait until `name` has come into `state` so many times."""
        wait_until(lambda: self.states(name).count((name, state)) >= times or self._died(), 30)
        assert self.states(name).count((name, state)) >= times, self.output

    def _died(self) -> bool:
        return self.process.poll() is not None

    def processes(self) -> dict[int, str]:
        """The state letter of every process in its PID namespace but itself, by our pid."""
        namespace = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != self.pid:
                try:
                    if os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                        stat = Path(f"/proc/{entry}/stat").read_text()
                        found[int(entry)] = stat.rpartition(")")[2].split()[0]
                except OSError:
                    continue
        return found
