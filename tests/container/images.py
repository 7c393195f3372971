"""The images that the container tests run: the repository's examples, and a bare Debian.

An image is built from its Dockerfile as a user would build it, but for its base: a build knows nothing of how this
machine reaches Debian's archive and the package index (mirrors, proxies, certificates, local indexes). So the
base is `debian:bookworm-slim` with this machine's apt settings, and with the packages that pip will ask for,
downloaded by this machine's pip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.container.engine import docker, run_label
from tests.support import ROOT

DEBIAN = "debian:bookworm-slim"
CODENAME = "bookworm"
PYTHON_OF_DEBIAN = "3.11"
BUILD_TIMEOUT = 600
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
APT_OPTIONS = (
    "Acquire::http",
    "Acquire::https",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
    "Acquire::Retries",
)


def output_of(*command: str) -> str:
    """Return what a command of this machine prints, or nothing where there is none such."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    ).stdout


def apt_options() -> str:
    """Return this machine's apt settings on how to reach an archive (proxies, retries, dates), as apt.conf lines."""
    dump = output_of("apt-config", "dump").splitlines()
    lines = [line for line in dump if line.startswith(APT_OPTIONS) and not line.endswith(' "";')]
    lines = [line for line in lines if "::Ca" not in line and "::Ssl" not in line]  # files that the image has not
    for scheme in ("http", "https"):
        if proxy := os.environ.get(f"{scheme}_proxy"):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    lines += ['Dir::Cache::pkgcache "";', 'Dir::Cache::srcpkgcache "";']  # as Debian's own images have it
    return "".join(f"{line}\n" for line in lines)


def apt_sources() -> str:
    """Return this machine's own sources of the release that the base has, or nothing where it is another system."""
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    releases = {CODENAME, f"{CODENAME}-updates", f"{CODENAME}-security"}
    sources = set()
    for line in output_of("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines():
        uri, release, component = line.split()
        if release in releases and component == "main" and not uri.startswith("file:"):
            sources.add(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {uri} {release} main\n")
    return "".join(sorted(sources))


def required(extras: Mapping[str, list[str]], name: str) -> Iterator[str]:
    """Yield what an extra asks for; of our own name the index knows another project's package."""
    for requirement in extras[name]:
        if requirement.startswith("asyncinit["):
            for other in requirement.removeprefix("asyncinit[").rstrip("]").split(","):
                yield from required(extras, other)
        else:
            yield requirement


def download_wheels(folder: Path) -> None:
    """Download what the examples and `make test` install, for Debian's Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *required(project["project"]["optional-dependencies"], "test")]
    wanted += [*project["build-system"]["requires"], "wheel"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += [
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={PYTHON_OF_DEBIAN}",
        f"--dest={folder}",
    ]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    assert done.returncode == 0, f"cannot download the packages for the images:\n{done.stderr}"


def build_base(tag: str) -> None:
    """Build the base of all images."""
    with tempfile.TemporaryDirectory() as name:
        context = Path(name)
        files = {"wheels": "/var/cache/wheels/", "pip.conf": "/etc/pip.conf", "99host": "/etc/apt/apt.conf.d/99host"}
        (context / "wheels").mkdir()
        download_wheels(context / "wheels")
        (context / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /var/cache/wheels\n")
        options = apt_options()
        lines = [f"FROM {DEBIAN}"]
        if sources := apt_sources():
            (context / "sources.list").write_text(sources)
            lines.append("RUN rm -f /etc/apt/sources.list.d/debian.sources")
            files["sources.list"] = "/etc/apt/sources.list"
        if "https://" in sources and CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, context / "certificates")
            files["certificates"] = "/etc/ssl/host-certificates.crt"
            options += 'Acquire::https::CaInfo "/etc/ssl/host-certificates.crt";\n'
        (context / "99host").write_text(options)
        lines += [f"COPY {source} {target}" for source, target in files.items()]
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        docker("build", "--label", run_label(), "--tag", tag, name, timeout=BUILD_TIMEOUT)


def build(
    dockerfile: Path, tag: str, base: str, context: Path = ROOT, arguments: Mapping[str, str] | None = None
) -> None:
    """Build an image from a Dockerfile that takes its base from the argument BASE, and `arguments`."""
    command = ["build", "--network", "host", "--label", run_label(), "--build-arg", f"BASE={base}", "--tag", tag]
    for name, value in (arguments or {}).items():
        command += ["--build-arg", f"{name}={value}"]
    docker(*command, "--file", str(dockerfile), str(context), timeout=BUILD_TIMEOUT)
