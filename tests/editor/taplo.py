"""taplo, which Even Better TOML and other editors have inside: its command, and its language server.

Both come from npm: `@taplo/cli`, `@taplo/lsp`. `ASYNCINIT_TAPLO` names the folder that they were installed in
(`npm install --prefix`); without it they are looked for as node and a shell look for them.
"""

from __future__ import annotations

import functools
import json
import os
import re
import select
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST = 60
"""Seconds that an answer may take: it comes within one, but the machine may be busy."""

_SERVER = Path(__file__).with_name("language_server.js")


def _folder() -> str:
    return os.environ.get("ASYNCINIT_TAPLO", "")


def _environment() -> dict[str, str]:
    modules = [os.path.join(_folder(), "node_modules")] if _folder() else []
    modules += filter(None, [os.environ.get("NODE_PATH")])
    return {**os.environ, "NODE_PATH": os.pathsep.join(modules)}


def program() -> str | None:
    """Return the path of taplo's command, if it is here."""
    return shutil.which("taplo", path=os.path.join(_folder(), "node_modules", ".bin") if _folder() else None)


@functools.cache
def refusal() -> str:
    """Return why the tests of this tier can't run here, or nothing where they can."""
    if program() is None:
        return "there is no taplo (npm: @taplo/cli; ASYNCINIT_TAPLO names the folder)"
    asked = ["node", "-e", 'require.resolve("@taplo/lsp")']
    try:
        done = subprocess.run(asked, env=_environment(), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        return "there is no node"
    return "" if done.returncode == 0 else "there is no language server of taplo's (npm: @taplo/lsp)"


def lint(files: Sequence[Path], *options: str) -> dict[Path, dict[int, list[str]]]:
    """Return what taplo finds wrong in each of `files` that has something: the messages by line."""
    found: dict[Path, dict[int, list[str]]] = {}
    command = [str(program()), "lint", "--colors", "never", "--no-auto-config", *options, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
    message = ""
    for line in done.stderr.splitlines():
        if line.startswith("error: "):
            message = line.removeprefix("error: ")
        elif place := re.match(r"\s*┌─ (.*):(\d+):\d+$", line):
            found.setdefault(Path(place[1]), {}).setdefault(int(place[2]), []).append(message)
    assert bool(found) == (done.returncode != 0), done.stderr[-2000:]
    return found


class LanguageServer:
    """A language server, with one file open in it at a time."""

    def __init__(self, process: subprocess.Popen[str], root: Path) -> None:
        self._process = process
        self._uri = (root / "typed.toml").as_uri()
        self._asked = 0
        self._request("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": {}})
        self._send({"method": "initialized", "params": {}})
        self._until(lambda message: message.get("method") == "workspace/configuration")

    def open(self, text: str) -> None:
        """Have a file with this text open; return when it has been looked at."""
        document = {"uri": self._uri, "languageId": "toml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        self._until(lambda message: message.get("method") == "textDocument/publishDiagnostics")

    def completions(self, line: int, column: int) -> dict[str, str]:
        """Return what is offered at a place (both from 0): the labels, each with its description."""
        found = self._at("textDocument/completion", line, column)
        return {each["label"]: each.get("documentation", {}).get("value", "") for each in found or ()}

    def hover(self, line: int, column: int) -> str:
        """Return what is shown of what stands at a place."""
        return str(self._at("textDocument/hover", line, column)["contents"]["value"])

    def _at(self, method: str, line: int, column: int) -> Any:
        place = {"textDocument": {"uri": self._uri}, "position": {"line": line, "character": column}}
        return self._request(method, place)

    def _request(self, method: str, params: dict[str, Any]) -> Any:
        self._asked += 1
        number = f"{self._asked}"  # a text: the server's own requests have numbers
        self._send({"id": number, "method": method, "params": params})
        return self._until(lambda message: message.get("id") == number)["result"]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()

    def _until(self, wanted: Any) -> dict[str, Any]:
        """Return the next message that is wanted, after an answer to what the server asks: its settings."""
        assert self._process.stdout is not None
        while True:
            assert select.select([self._process.stdout], [], [], LONGEST)[0], "the language server says nothing"
            message: dict[str, Any] = json.loads(self._process.stdout.readline())
            if message.get("method") == "workspace/configuration":
                settings = [{"schema": {"enabled": True, "catalogs": []}} for _ in message["params"]["items"]]
                self._send({"id": message["id"], "result": settings})
            if wanted(message):
                return message


@contextmanager
def language_server(root: Path) -> Iterator[LanguageServer]:
    """Run a language server for the files below `root`."""
    with subprocess.Popen(
        ["node", str(_SERVER)],
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    ) as process:
        try:
            yield LanguageServer(process, root)
        finally:
            process.kill()
