"""What is claimed of pods, claim by claim and model by model, in the kernel's view; the table is `EXPECTED`.

The models are those of the article that asyncinit starts from, and the sixth, which is the default. A claim is looked
at from outside, in /proc (NSpid, PPid, the Cap lines, the inodes of namespaces) and in wait statuses; what members do
to each other they do themselves, as they are told (`tests/programs/agent.py`).
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.ordinary import as_ordinary_user
from tests.namespace.sandboxed import Model, World, look, namespace, there, world
from tests.support import ROOT, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)


MODELS = {
    "an application": Model('namespaces = { pid = "private", init = false }'),
    "an init for each": Model('namespaces = { pid = "private" }'),
    "the first member": Model('pod = "pod"', 'init = "first"\nfirst = "a"'),
    "asyncinit": Model('pod = "pod"', 'init = "asyncinit"', inner=True),
    "init, outside": Model('pod = "pod"', 'tree = "outside"'),
    "init, inside": Model('pod = "pod"', ""),
}


# ---------------------------------------------------------------------------------------------------------------------
# The claims: each returns whether it holds


def members_signal_each_other(world: World) -> bool:
    """By kill(2), and only inside of what they are in."""
    pid = there(world.pid("a")).pids[-1]
    if world.ask("b", f"attempt('os.kill({pid}, 10)')") != 0:
        return False
    if namespace(world.pid("a")) != namespace(world.pid("b")):
        assert world.ask("a", "got") == [], "it was for somebody else who has the same number"
        return False
    return bool(wait_until(lambda: world.ask("a", "got") == [signal.SIGUSR1]))


def orphans_are_reaped(world: World) -> bool:
    """Of one whose parent has ended nothing is left, once it has ended too."""
    orphan = world.ask("a", "orphan()")
    adopted = world.inside(world.pid("a"))[orphan]
    assert adopted.parent == world.pid1(world.pid("a")).pids[0], "PID 1 has adopted it"
    os.kill(adopted.pids[0], signal.SIGTERM)
    idle = itertools.count()

    def settled() -> bool:
        """It is gone, or PID 1 has left it for so long, and waits for something else."""
        left = look(adopted.pids[0])
        waits = world.pid1(world.pid("a")).state == "S"
        return left is None or (left.state == "Z" and waits and next(idle) > 20)

    wait_until(settled)
    return look(adopted.pids[0]) is None


def outlives_the_first(world: World) -> bool:
    """When the first application ends, the PID namespace is still there, and who else is in it."""
    pid1 = world.pid1(world.pid("a")).pids[0]
    other = world.pid("b")
    same = namespace(world.pid("a")) == namespace(other)
    world.ask("a", "os._exit(0)")
    wait_until(lambda: world.init.status()["a"]["state"] == "completed")
    return same and look(pid1) is not None and look(other) is not None


def init_is_powerless(world: World) -> bool:
    """PID 1 holds no capability at all, and can get none."""
    status = world.pid1(world.pid("a")).status
    sets = [int(status[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")]
    return sets == [0] * 5 and status["NoNewPrivs"] == "1"


def tree_is_whole(world: World) -> bool:
    """Seen from inside everybody but PID 1 has a parent: it is in there too."""
    return all(
        any(other.pids[0] == process.parent for other in inside.values())
        for inside in map(world.inside, (world.pid("a"), world.pid("b")))
        for inner, process in inside.items()
        if inner != 1
    )


def status_is_exact(world: World) -> bool:
    """asyncinit tells an exit code as that, and a death by signal as that."""
    ends = []
    for end in (lambda: world.ask("late", "os._exit(137)"), lambda: os.kill(world.pid("late"), signal.SIGKILL)):
        world.start_late()
        end()
        wait_until(lambda: world.init.status()["late"]["state"] in {"failed", "inactive"})
        told = world.init.status()["late"]["last_exit"]
        ends.append((told["code"], told["signal"]))
    return ends == [(137, None), (None, signal.SIGKILL)]


def members_are_added_later(world: World) -> bool:
    """A service that is started afterwards is in there with the others."""
    world.start_late()
    return namespace(world.pid("late")) == namespace(world.pid("a"))


CHECKS: dict[str, Callable[[World], bool]] = {
    "signal each other": members_signal_each_other,
    "orphans reaped": orphans_are_reaped,
    "init powerless": init_is_powerless,
    "tree whole": tree_is_whole,
    "status exact": status_is_exact,
    "added later": members_are_added_later,
    "survives the first": outlives_the_first,
}

YES, NO = True, False
EXPECTED = {
    # who is PID 1          signals  reaped  powerless  whole  exact  later  survives
    "an application":       (NO,     NO,     NO,        YES,   YES,   NO,    NO),
    "an init for each":     (NO,     YES,    NO,        YES,   YES,   NO,    NO),
    "the first member":     (YES,    NO,     NO,        NO,    YES,   YES,   NO),
    "asyncinit":            (YES,    YES,    NO,        YES,   YES,   YES,   YES),
    "init, outside":        (YES,    YES,    YES,       NO,    YES,   YES,   YES),
    "init, inside":         (YES,    YES,    YES,       YES,   YES,   YES,   YES),
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@on_both_loops
def test_claims(tmp_path: Path, model: str, kind: str) -> None:
    """Each model is and is not what the article says; the sixth is all of it."""
    with world(tmp_path, MODELS[model], kind) as made:
        found = {claim: check(made) for claim, check in CHECKS.items()}
    assert found == dict(zip(CHECKS, EXPECTED[model], strict=True))


WITH_USERS = {
    "an application": Model('namespaces = { pid = "private", user = "private", init = false }'),
    "an init for each": Model('namespaces = { pid = "private", user = "private" }'),
    **{
        name: model._replace(pod=f'share = ["pid", "ipc", "uts", "user"]\n{model.pod}')
        for name, model in MODELS.items()
        if model.pod is not None
    },
}


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
@pytest.mark.parametrize("model", WITH_USERS)
def test_claims_without_root(model: str) -> None:
    """The same holds for an ordinary user, by user namespaces."""
    # Not below pytest's own folder, which is root's alone.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = folder / "source/tests/programs"
        with world(folder, WITH_USERS[model], programs=programs, **as_ordinary_user(folder)) as made:
            found = {claim: check(made) for claim, check in CHECKS.items()}
    assert found == dict(zip(CHECKS, EXPECTED[model], strict=True))


def test_the_readme_of_the_examples_has_this_table() -> None:
    """Row by row, as does the guide."""
    told = {True: "yes", False: "no"}
    rows = [" | ".join(told[claim] for claim in row) for row in EXPECTED.values()]
    for page in ("examples/pods/README.md", "docs/guides/pods.md"):
        lines = [line for line in (ROOT / page).read_text().splitlines() if re.match(r"\| \d\. ", line)]
        assert [line.strip("| ").partition(" | ")[2] for line in lines] == rows, page
