"""Places when memory runs out: asyncinit has a low one, its services, hooks and probes that which it was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.namespace.init import Init
from tests.support import descendants

# Who begins with a raised score may lower it again, without any right.
RAISED = ["sh", "-c", 'echo 500 > /proc/self/oom_score_adj && exec "$@"', "sh"]


@pytest.mark.parametrize(("kind", "spawn"), [("asyncio", "posix_spawn"), ("uvloop", "fork")])
def test_only_asyncinit_is_protected(tmp_path: Path, kind: str, spawn: str) -> None:
    """Before a re-exec and after it; `limits.oom_score_adj` counts from what asyncinit was given."""
    look = "cat /proc/self/oom_score_adj >"
    text = f'command = ["sh", "-c", "{look} {tmp_path}/NAME.main; exec sleep 1000"]\n'
    text += f'ready.command = ["sh", "-c", "{look} {tmp_path}/NAME.probe"]\n'
    text += f'hooks.pre_start = [["sh", "-c", "{look} {tmp_path}/NAME.hook"]]\n'
    text += f'hooks.post_stop = [["sh", "-c", "{look} {tmp_path}/NAME.after"]]\n'
    limited = text.replace("NAME", "low") + "limits.oom_score_adj = 577\n"
    services = {
        "web": text.replace("NAME", "web") + '[directories]\nruntime = ["asyncinit-test-oom"]\n',
        "low": limited,
    }

    def found(name: str) -> set[int]:
        return {int(path.read_text()) for path in tmp_path.glob(f"{name}.*")}

    with Init(
        tmp_path,
        services,
        loop=kind,
        settings=f'spawn = "{spawn}"\noom_score_adj = 0\nkeep_running = true',
        prefix=RAISED,
    ) as init:
        for times in (1, 2):
            init.wait_state("web", "ready", times)
            init.wait_state("low", "ready", times)
            assert int(Path(f"/proc/{init.pid}/oom_score_adj").read_text()) == 0
            assert init.call("stop", "web", "low").returncode == 0
            assert (found("web"), found("low")) == ({500}, {577})
            assert {path.suffix for path in tmp_path.glob("web.*")} == {".hook", ".main", ".probe", ".after"}
            assert init.call("reexec").returncode == 0
            for path in (*tmp_path.glob("web.*"), *tmp_path.glob("low.*")):
                path.unlink()
            assert init.call("start", "web", "low").returncode == 0


def test_the_init_of_a_pid_namespace_is_protected_too(tmp_path: Path) -> None:
    """All in its namespace would go with it; they themselves have the score that asyncinit was given."""
    private = 'command = ["sleep", "1000"]\nnamespaces.pid = "private"\n'
    member = 'command = ["sleep", "1000"]\npod = "shop"\n'
    services = {"web": private, "one": member}
    with Init(tmp_path, services, pods={"shop": ""}, settings="oom_score_adj = 0", prefix=RAISED) as init:
        init.wait_state("web", "ready")
        init.wait_state("one", "ready")
        scores: dict[str, list[int]] = {}
        for pid in descendants(init.pid):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            scores.setdefault(name, []).append(int(Path(f"/proc/{pid}/oom_score_adj").read_text()))
        assert scores.pop("simple-init") == [0, 0]
        assert scores.pop("sleep") == [500, 500]


def test_it_can_be_left_as_it_is(tmp_path: Path) -> None:
    """By [init], and by a reload of it."""
    with Init(tmp_path, {"web": 'command = ["sleep", "1000"]\n'}, settings="oom_score_adj = 0", prefix=RAISED) as init:
        init.wait_state("web", "ready")
        score = Path(f"/proc/{init.pid}/oom_score_adj")
        assert int(score.read_text()) == 0
        config = tmp_path / "asyncinit.toml"
        config.write_text(config.read_text().replace("adj = 0", 'adj = "none"'))
        assert init.call("reload-config").returncode == 0
        assert int(score.read_text()) == 500
        assert "oom_score_adj is" in init.call("doctor").stdout
