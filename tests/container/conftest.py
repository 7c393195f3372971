"""The images, each built once per test run by whoever needs it first, and containers that go when their test ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.container import images
from tests.container.engine import Container, docker, start
from tests.support import ROOT

RunContainer = Callable[..., Container]


def once(name: str, make: Callable[[str], None]) -> str:
    """Let the first process of the test run make the image `name`, the others wait for it; return its tag."""
    run = Path(os.environ["ASYNCINIT_TEST_RUN"])
    folder = run / "images"
    folder.mkdir(exist_ok=True)
    tag = f"{run.name.lower()}:{name}"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / name
        if not done.exists():
            done.write_text("failed")
            make(tag)
            done.write_text("")
        if done.read_text():
            pytest.fail(f"the image {name} could not be built: see the test that needed it first", pytrace=False)
    return tag


@pytest.fixture(scope="session")
def base() -> str:
    """The base of all images."""
    return once("base", images.build_base)


@pytest.fixture(scope="session")
def shop(base: str) -> str:
    """The image of examples/container."""
    return once("shop", lambda tag: images.build(ROOT / "examples/container/Dockerfile", tag, base))


@pytest.fixture(scope="session")
def single(base: str) -> str:
    """The image of examples/single."""
    return once("single", lambda tag: images.build(ROOT / "examples/single/Dockerfile", tag, base))


@pytest.fixture(scope="session")
def clockwork(base: str) -> str:
    """The image of examples/cron."""
    return once("clockwork", lambda tag: images.build(ROOT / "examples/cron/Dockerfile", tag, base))


@pytest.fixture(scope="session")
def bare(base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bare Debian with a clone of the repository and what its two commands need."""

    def make(tag: str) -> None:
        context = tmp_path_factory.mktemp("clone")
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60)
        for name in filter(None, listing.stdout.decode().split("\0")):
            if name != ".dockerignore" and (ROOT / name).is_file():
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, context / name)
        images.build(ROOT / "tests/container/bare.Dockerfile", tag, base, context)

    return once("bare", make)


@pytest.fixture
def run() -> Iterator[RunContainer]:
    """Start containers: run(image, *command, options=[...]); they are removed after the test."""
    started: list[Container] = []

    def run_container(image: str, *command: str, options: Sequence[str] = ()) -> Container:
        container = start(image, options, command)
        started.append(container)
        return container

    yield run_container
    for container in started:
        docker("rm", "--force", "--volumes", container.id, check=False)
