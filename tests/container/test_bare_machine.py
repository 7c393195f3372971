"""The repository's two commands in a bare container, where no namespace can be made."""

from __future__ import annotations

import json

from tests.container.conftest import RunContainer
from tests.support import wait_until

FETCH = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/', timeout=10).read().decode())"


def test_make_run_works_as_a_subreaper_and_says_why(bare: str, run: RunContainer) -> None:
    """Where unshare is refused, `make run` starts the services all the same, with one line that tells the reason."""
    container = run(bare, "make", "run")

    def answer() -> str:
        assert container.state()["Running"], container.logs()
        return container.exec("python3", "-c", FETCH, check=False).stdout

    assert wait_until(answer, timeout=180).startswith("visit 1")
    said = [line for line in container.logs().splitlines() if "namespace" in line]
    assert len(said) == 1, container.logs()
    asyncinit = json.loads(container.exec(".venv/bin/asyncinit", "status", "--json").stdout)["asyncinit"]["pid"]
    assert asyncinit != 1
    container.exec("sh", "-c", f"kill -TERM {asyncinit}")
    assert container.wait() == 0, container.logs()
    assert "finishing open requests" in container.logs()


def test_make_run_again_asks_no_network(bare: str, run: RunContainer) -> None:
    """With a current .venv, neither `make run` nor `make test` reaches for the package index."""
    test = "make test ARGS='tests/unit -q'"
    container = run(bare, "sh", "-c", f"{test} && rm -r /var/cache/wheels && touch pyproject.toml && {test}")
    assert container.wait(timeout=400) == 0, container.logs()
    assert container.logs().count("make: installing") == 1


def test_without_python3_venv_make_says_what_to_install(bare: str, run: RunContainer) -> None:
    """The message names the package, not a traceback."""
    container = run(bare, "sh", "-c", "dpkg --force-all --purge python3.11-venv >/dev/null 2>&1; make run")
    assert container.wait() != 0
    assert "apt-get install python3-venv" in container.logs()
    assert "Traceback" not in container.logs()
