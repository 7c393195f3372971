"""Packages of Debian's, as the files that apt-get downloads; installs nothing and needs no root."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from build_error import BuildError

_HINT = "see above; `apt-get update` as root fetches the lists of packages again"


def dependencies(names: Iterable[str], without: Collection[str]) -> list[str]:
    """Return packages with all that they depend on; what is in `without` is not looked at, nor what it needs."""
    found: set[str] = set()
    asked = set(names)
    while asked:
        told = _told(asked)
        found |= asked
        asked = {one for depends in told.values() for one in depends} - found - set(without)
    return sorted(found)


def _told(names: Collection[str]) -> dict[str, list[str]]:
    """Ask apt for what packages depend on; of alternatives it is the first."""
    done = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *sorted(names)], capture_output=True, text=True, check=False
    )
    told = {}
    for paragraph in done.stdout.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.M))
        if "Package" in fields:
            every = f"{fields.get('Depends', '')},{fields.get('Pre-Depends', '')}".split(",")
            told[fields["Package"]] = [one.split()[0].split(":")[0] for one in every if one.strip()]
    missing = sorted(set(names) - set(told))
    if missing:
        raise BuildError(f"apt knows no package {', '.join(missing)}: {_HINT}")
    return told


def download(names: Iterable[str], folder: Path) -> list[Path]:
    """Return the files of packages in `folder`; those that are not there yet are downloaded into it."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not list(folder.glob(f"{name}_*.deb"))]
    if missing:
        print(f"  downloading {len(missing)} packages", flush=True)
        done = subprocess.run(
            ["apt-get", "download", "-q", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root", *missing],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise BuildError(f"cannot download {', '.join(missing)}: {_HINT}")
    return [max(folder.glob(f"{name}_*.deb")) for name in names]


def unpack(package: Path, root: Path, wanted: Callable[[str], bool]) -> int:
    """Unpack those files of a package that are wanted (`usr/bin/x`) below `root`, and return their bytes.

    What packages still bring as /bin, /sbin or /lib is in /usr, as in each installed Debian.
    """
    size = 0
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            name = _merged(member.name)
            if member.isdir() or not wanted(name):
                continue
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            if member.issym():
                place.symlink_to(member.linkname)
            elif member.islnk():
                place.hardlink_to(root / _merged(member.linkname))
            else:
                content = archive.extractfile(member)
                assert content is not None
                place.write_bytes(content.read())
                place.chmod(member.mode & 0o755)
                size += member.size
    if process.returncode:
        raise BuildError(f"cannot unpack {package}; remove it and start again")
    return size


def _merged(name: str) -> str:
    name = name.removeprefix("./")
    return f"usr/{name}" if name.split("/")[0] in ("bin", "sbin", "lib", "lib64") else name
