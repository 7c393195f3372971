"""The units of a few dozen Debian packages, as Debian has them, imported and run in a plain container."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.container import images
from tests.container.conftest import once
from tests.container.engine import Container, docker, start
from tests.support import ROOT, wait_until

FOLDER = ROOT / "tests/container"
LISTED: dict[str, Any] = tomllib.loads((FOLDER / "units.toml").read_text())
SHARE = 0.85
"""What part of the settings is taken care of, at least: 88% when this was written."""


@pytest.fixture(scope="module")
def machine(base: str) -> Iterator[Container]:
    """A container of the packages, whose PID 1 is asyncinit with their units imported, none of them started."""

    def make(tag: str) -> None:
        packages = " ".join(LISTED["packages"])
        images.build(FOLDER / "units.Dockerfile", tag, base, arguments={"PACKAGES": packages})

    image = once("units", make)
    # Some of them listen on ::1, which an engine gives to a container or not.
    options = ["--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--volume", f"{FOLDER}:/tests:ro"]
    container = start(image, [*options, "--entrypoint", "sh"], ["/tests/import_units.sh", *LISTED["packages"]])
    try:
        wait_until(lambda: _serves(container), timeout=90)
        yield container
    finally:
        docker("rm", "--force", "--volumes", container.id, check=False)


def _serves(container: Container) -> bool:
    assert container.state()["Running"], container.logs()
    return container.exec("asyncinit", "status", "--ready", check=False).returncode == 0


@pytest.fixture(scope="module")
def report(machine: Container) -> dict[str, Any]:
    """What the import told, as JSON."""
    found: dict[str, Any] = json.loads(machine.exec("cat", "/report.json").stdout)
    return found


def services(report: dict[str, Any]) -> set[str]:
    """The names of all services that the units have become."""
    return {file["path"].rpartition("/")[2].removesuffix(".toml") for file in report["files"]}


def listed() -> dict[str, str]:
    """The services that are in the list, each with the part of it that it is in."""
    found: dict[str, str] = {}
    for part in ("starts", "skipped", "forks", "templates", "fails"):
        for name in LISTED[part]:
            assert name not in found, f"{name} is in the list twice"
            found[name] = part
    return found


def test_each_result_passes_the_check(machine: Container, report: dict[str, Any]) -> None:
    """All of them together, as nothing is written otherwise; and what is written is checked once more."""
    done = machine.exec("asyncinit", "check", "/etc/asyncinit/services.d", check=False)
    assert done.returncode == 0, done.stdout
    assert len(services(report)) >= len(LISTED["packages"]) // 2


def test_the_share_that_is_translated(report: dict[str, Any]) -> None:
    """It is printed, and does not fall; each setting that has no equivalent says why."""
    counts, share = report["counts"], report["share"]
    settings = sum(counts.values())
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    print(f"{len(LISTED['packages'])} Debian packages: {settings} settings, {told}: {share:.1%} taken care of")
    assert share >= SHARE and settings > 1000
    lost = [one for one in report["settings"] if one["verdict"] == "no equivalent"]
    assert [one["text"] for one in lost if not one["note"]] == []


def test_each_service_is_in_the_list(report: dict[str, Any]) -> None:
    """Neither one too few nor one too many: the list is about all of them."""
    assert services(report) == set(listed())


def test_daemons_that_fork_are_told(report: dict[str, Any]) -> None:
    """Those without a pid file are left to people: nobody can tell which process is the daemon."""
    forks = {
        one["service"]
        for one in report["settings"]
        if one["setting"] == "[Service] Type" and "foreground" in one["note"] and not one["service"].endswith("@")
    }
    assert forks == set(LISTED["forks"])


def test_each_starts_or_has_its_reason(machine: Container) -> None:
    """Those that start are ready or have completed; the others are skipped or fail, for the reason that is listed."""
    parts = listed()
    tried = [name for name in parts if parts[name] in ("starts", "skipped")]
    failing = [name for name in parts if parts[name] == "fails"]
    results = _results(machine, "up", 60, *tried) | _results(machine, "down", 8, *failing)
    wrong = [f"{name}: {why}" for name in results if (why := _wrong(name, parts[name], results[name]))]
    assert wrong == []


def _results(machine: Container, expected: str, patience: int, *names: str) -> dict[str, dict[str, Any]]:
    script = ["python3", "/tests/start_units.py", expected, str(patience)]
    done = docker("exec", machine.id, *script, *names, timeout=400)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def _wrong(name: str, part: str, result: dict[str, Any]) -> str:
    """Return what is not as the list has it; an empty string where it is."""
    state, said = result["state"], result["said"]
    if part == "starts":
        return "" if state in ("ready", "completed", "listening") else f"{state}\n{said}"
    expected = "skipped: " if part == "skipped" else LISTED["fails"][name]["says"]
    if state == "ready":
        return "is ready, and should not be"
    return "" if re.search(expected, said) else f"does not say {expected!r}\n{said}"
