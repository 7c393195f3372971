"""A configuration as plain data: it goes through a pipe or over a re-exec, and comes out as the same."""

from __future__ import annotations

import math
from pathlib import Path

from msgspec.structs import replace

from asyncinit.config.load import load
from asyncinit.config.origins import origins_of
from asyncinit.config.show import show
from asyncinit.config.spec import Command, Configuration, ServiceSpec
from asyncinit.runtime.reexec.coding import decode, encode
from tests.unit.config_world import NOWHERE, write

EVERYTHING = """
description = "all of it"
command = ["web", "${PORT}"]
prefer = ["user", "tty"]
user = "www"
supplementary_groups = []
umask = "0027"
environment = { PORT = "80" }
environment_file = ["-/etc/web.env"]
tty = "/dev/tty9"
success_exit = [0, "SIGTERM"]
requires = ["db"]

[directories]
runtime = ["web"]

[ready]
http = "http://127.0.0.1:80/"
timeout = "none"

[restart]
policy = "on-failure"
limit = 3
on = ["oom", 7, "SIGHUP"]

[stop]
timeout = "none"
escalate = [{ signal = "SIGINT", timeout = "2s" }]

[hooks]
pre_start = [["a", "b"], { command = ["c"], timeout = "none" }]
"""


def carried(configuration: Configuration) -> Configuration:
    return decode(encode(configuration), Configuration)


def test_it_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """Every key, time limits that never end, sets, and where each value stands."""
    files = {
        "s/web.toml": EVERYTHING,
        "s/db.toml": 'type = "target"',
        "s/web.d/port.toml": 'environment.PORT = "81"',
        "c.toml": "[init]\nexit_codes = { 143 = 0 }\n[defaults]\numask = '0077'\n",
    }
    write(tmp_path, files)
    configuration = load(f"{tmp_path}/c.toml", [f"{tmp_path}/s"], root=NOWHERE)
    again = carried(configuration)
    assert again == configuration
    assert again.services["web"].stop.timeout == math.inf
    assert origins_of(again.sources, "web") == origins_of(configuration.sources, "web")
    assert show(again, "web") == show(configuration, "web")


def test_the_texts_are_there_once(tmp_path: Path) -> None:
    """A file that declares many services, and the defaults of all, does not make its size times their number."""
    services = "\n".join(f'[services.s{number}]\ncommand = ["x"]' for number in range(200))
    write(tmp_path, {"c.toml": f"# {'-' * 100_000}\n[defaults]\numask = '0077'\n{services}\n"})
    configuration = load(f"{tmp_path}/c.toml", root=NOWHERE)
    assert len(configuration.services) == 200
    assert len(encode(configuration)) < 500_000


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A command line and a path may hold them."""
    write(tmp_path, {"s/web.toml": 'command = ["web"]'})
    configuration = load(None, [f"{tmp_path}/s"], root=NOWHERE)
    odd = ServiceSpec("cmd", command=Command(("\udcff", "x")))
    configuration = replace(
        configuration, services={**configuration.services, "cmd": odd}, files=(*configuration.files, "/\udcfe.toml")
    )
    assert carried(configuration) == configuration
