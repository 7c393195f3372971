"""A simulation tells what really happens: the same stack, with real processes that fail, and simulated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init

ONCE = """\
shell = true
command = '''
echo up
[ -e crashed ] && exec sleep 1000
while [ ! -e go ]; do sleep 0.05; done
: > crashed
exit 3
'''
ready = { log = "up" }
restart = { delay = "100ms" }
"""
SERVICES = {
    "db": ONCE,
    "migrate": 'command = "sleep 0.1"\ntype = "oneshot"\nrequires = ["db"]\n',
    "web": 'command = "sleep 1000"\nrequires = ["db", "migrate"]\n',
    "bound": 'command = "sleep 1000"\nbinds_to = ["db"]\nafter = ["web"]\n',
    "broken": 'shell = true\ncommand = "exit 4"\ntype = "oneshot"\nafter = ["bound"]\n'
    'restart = { policy = "on-failure", limit = 2, delay = "100ms" }\n',
    "above": 'command = "sleep 1000"\nrequires = ["broken"]\n',
    "mute": 'command = "sleep 1000"\nready = { notify = true, timeout = "500ms" }\nrestart = "never"\n',
    "stubborn": 'shell = true\ncommand = "trap \'\' TERM; while :; do sleep 0.1; done"\nstop = { timeout = "500ms" }\n',
}
SCENARIO = (
    *("--slow", "mute=never", "--slow-stop", "stubborn=never"),
    *("--fail", "broken@start:4", "--fail", "db@20s:3", "--shutdown", "@40s"),
)
CAUSED = ("db", "migrate", "web", "bound", "broken", "above")
"""Each change of these is caused by another one, or by us: their order is no matter of time."""


@pytest.mark.parametrize("kind", LOOPS)
def test_what_is_simulated_is_what_happens(tmp_path: Path, kind: str) -> None:
    """Every change of state, in the same order; of what depends on nothing else, in its own order."""
    with Init(tmp_path, SERVICES, loop=kind) as init:
        init.wait_state("above", "failed")
        init.wait_state("mute", "failed")
        (tmp_path / "go").touch()
        init.wait_state("bound", "ready", times=2)
        simulated = init.call("simulate", "--config", str(tmp_path / "asyncinit.toml"), "--json", *SCENARIO)
        assert simulated.returncode == 0, simulated.stderr
        assert init.call("shutdown").returncode == 0
        status = init.wait()
    outcome = json.loads(simulated.stdout)
    made_up = [
        (one["service"], one["to"]) for one in outcome["timeline"] if one["service"] and one["from"] != one["to"]
    ]
    assert init.states(*CAUSED) == [change for change in made_up if change[0] in CAUSED]
    for name in ("mute", "stubborn"):
        assert init.states(name) == [change for change in made_up if change[0] == name]
    assert outcome["exit_status"] == status == 124


ASKED = {
    "db": 'command = "sleep 1000"\n',
    "cache": 'command = "sleep 1000"\n',
    "api": 'command = "sleep 1000"\nrequires = ["db"]\nwants = ["cache"]\n',
    "web": 'command = "sleep 1000"\nrequires = ["api"]\nbinds_to = ["cache"]\n',
    "other": 'command = "sleep 1000"\nconflicts = ["web"]\nenabled = false\n',
}
WISHES = (
    *("stop", "db"),
    *("start", "web"),
    *("restart", "cache"),
    *("start", "other"),
    *("stop", "other"),
    *("restart", "api"),
)


@pytest.mark.parametrize("kind", LOOPS)
def test_what_people_ask_for_has_the_simulated_consequences(tmp_path: Path, kind: str) -> None:
    """Stops take along what requires it, starts bring it, restarts do both: service by service in the same order."""
    pairs = list(zip(WISHES[::2], WISHES[1::2], strict=True))
    with Init(tmp_path, ASKED, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        for verb, name in pairs:
            done = init.call(verb, name)
            assert done.returncode == 0, done.stderr
        options = [word for at, (verb, name) in enumerate(pairs) for word in (f"--{verb}", f"{name}@{at + 1}0s")]
        config = str(tmp_path / "asyncinit.toml")
        simulated = init.call("simulate", "--config", config, "--json", *options, "--shutdown", "@90s")
        assert simulated.returncode == 0, simulated.stderr
        assert init.call("shutdown").returncode == 0
        status = init.wait()
    outcome = json.loads(simulated.stdout)
    made_up = [
        (one["service"], one["to"]) for one in outcome["timeline"] if one["service"] and one["from"] != one["to"]
    ]
    for name in ASKED:
        assert init.states(name) == [change for change in made_up if change[0] == name]
    assert outcome["exit_status"] == status == 0
