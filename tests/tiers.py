"""The tiers of tests, what each needs, and what happens where that is missing.

A test belongs to the tier of its folder (`tests/namespace/...`) or of its mark. Where the machine has not what a tier
needs, its tests are skipped, with the reason. `ASYNCINIT_REQUIRE=namespace,container` names tiers in which no test may
be skipped, for whatever reason: there a skip is a failure, so that a continuous integration never passes by omission.
`tests/conftest.py` makes these hooks pytest's.

`ASYNCINIT_TEST_RUN` names a folder that the processes of one test run share (pytest-xdist has several). What
the run made in a Docker engine carries the folder's name as a label, and is removed with it.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
REQUIRED = frozenset(filter(None, os.environ.get("ASYNCINIT_REQUIRE", "").replace(" ", "").split(",")))


@functools.cache
def namespace_refusal() -> str:
    """Return why no PID namespace can be made here, or nothing where it can."""
    program = shutil.which("unshare")
    if program is None:
        return "there is no unshare command (util-linux)"
    command = [program, "--fork", "--pid", "--mount-proc"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    done = subprocess.run(
        [*command, "true"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False
    )
    return "" if done.returncode == 0 else f"no PID namespace: {done.stderr.strip()}"


@functools.cache
def container_refusal() -> str:
    """Return why no container can be run here, or nothing where one can."""
    program = shutil.which("docker")
    if program is None:
        return "there is no docker command"
    command = [program, "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer"
    reason = (done.stderr.strip() or "?").splitlines()[-1]
    return "" if done.returncode == 0 else f"no Docker engine: {reason}"


@functools.cache
def terminal_refusal() -> str:
    """Return why there is no terminal to be driven here, or nothing where there is."""
    if shutil.which("tmux") is None:
        return "there is no tmux command"
    if importlib.util.find_spec("textual") is None:
        return "textual is not installed (the extra tui)"
    return ""


def boot_refusal() -> str:
    """Return why no machine can be booted here, or nothing where one can."""
    from tests.boot.hardware import refusal

    return refusal()


def editor_refusal() -> str:
    """Return why it can't be seen here what an editor makes of files, or nothing where it can."""
    from tests.editor.taplo import refusal

    return refusal()


REFUSALS: dict[str, Callable[[], str]] = {
    "namespace": namespace_refusal,
    "container": container_refusal,
    "boot": boot_refusal,
    "terminal": terminal_refusal,
    "editor": editor_refusal,
}


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this run; the workers inherit its name."""
    if not hasattr(config, "workerinput"):
        os.environ["ASYNCINIT_TEST_RUN"] = tempfile.mkdtemp(prefix="asyncinit-test-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the run has left: images, containers, its folder."""
    folder = os.environ.get("ASYNCINIT_TEST_RUN")
    if hasattr(config, "workerinput") or folder is None:
        return
    if (Path(folder) / "images").is_dir():
        from tests.container.engine import remove_all, run_label

        remove_all(run_label())
    shutil.rmtree(folder, ignore_errors=True)


def tier_of(item: pytest.Item) -> str:
    """Return the tier of a test: a mark's name, else its folder under tests/."""
    for tier in REFUSALS:
        if item.get_closest_marker(tier):
            return tier
    parts = item.path.relative_to(TESTS).parts if item.path.is_relative_to(TESTS) else ()
    return parts[0] if len(parts) > 1 else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of tiers that this machine can't run."""
    for item in items:
        refusal = REFUSALS.get(tier_of(item))
        if refusal is not None and (reason := refusal()):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Turn a skip into a failure in the tiers that ASYNCINIT_REQUIRE names."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and tier_of(item) in REQUIRED:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (ASYNCINIT_REQUIRE does not allow that in the tier {tier_of(item)})"
    return report
