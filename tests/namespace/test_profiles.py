"""Profiles as real PID 1: what `--profile` and the environment say holds, over other files and other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import wait_until

WEB = """\
shell = true
command = "echo port $PORT; exec sleep 1000"
environment = { PORT = "80" }

[profile.dev]
environment = { PORT = "8080" }
"""
TOOL = 'command = ["sleep", "1000"]\nenabled = false\n[profile.dev]\nenabled = true\n'


def status(init: Init) -> dict[str, Any]:
    """Return what the whole answer of `status --json` is, once asyncinit answers."""
    return wait_until(lambda: json.loads(init.call("status", "--json").stdout or "null"))


@pytest.mark.parametrize("kind", LOOPS)
def test_it_holds_as_long_as_asyncinit_does(tmp_path: Path, kind: str) -> None:
    """Read again, with a program of its own after a re-exec, and in what it says of itself."""
    services = {"web": WEB, "tool": TOOL}
    with Init(tmp_path, services, loop=kind, arguments=["--profile", "dev"]) as init:
        init.wait_state("tool", "ready")
        init.wait_state("web", "ready")
        wait_until(lambda: init.lines("web") == ["port 8080"])
        assert status(init)["asyncinit"]["profiles"] == ["dev"]
        assert "# profile dev of " in init.call("show", "web").stdout
        done = init.call("reload-config", "--json")
        assert (done.returncode, json.loads(done.stdout)["changed"]) == (0, False), done.stderr
        assert init.call("reexec").returncode == 0
        wait_until(lambda: status(init)["asyncinit"]["profiles"] == ["dev"])
        (tmp_path / "services.d" / "web.toml").write_text(WEB.replace("8080", "9090"))
        done = init.call("reload-config", "--json")
        assert (done.returncode, json.loads(done.stdout)["changed"]) == (0, True), done.stderr
        wait_until(lambda: init.lines("web") == ["port 8080", "port 9090"])
        (tmp_path / "services.d" / "web.toml").write_text(WEB.replace("[profile.dev]", "[profile.dve]"))
        (tmp_path / "services.d" / "tool.toml").write_text(TOOL.replace("[profile.dev]", "[profile.dve]"))
        done = init.call("reload-config")
        assert done.returncode == 1
        assert 'profile dev: is in none of the files (expected one of dve); did you mean "dve"?' in done.stderr


def test_the_environment_says_it_where_the_command_line_does_not(tmp_path: Path) -> None:
    """ASYNCINIT_PROFILE counts alone, and not beside --profile."""
    services = {"web": WEB + '[profile.production]\nenvironment = { PORT = "1" }\n', "tool": TOOL}
    for arguments, port in (((), "8080"), (("--profile", "production"), "1"), (("--profile=",), "80")):
        folder = tmp_path / port
        with Init(folder, services, environment={"ASYNCINIT_PROFILE": "dev"}, arguments=arguments) as init:
            wait_until(lambda init=init, port=port: init.lines("web") == [f"port {port}"])


def test_a_profile_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    """It ends as for any error of the files."""
    with Init(tmp_path, {"web": WEB}, arguments=["--profile", "production"]) as init:
        assert init.wait() == 78
        assert "profile production: is in none of the files (expected one of dev)" in init.output
        assert init.lines("web") == []
