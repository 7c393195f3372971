"""An initramfs out of the running Python, asyncinit and busybox, as a cpio archive; knows no test.

The kernel unpacks several archives one after another, so there are three: the base (Python, busybox, libraries), made
once for each test run and kept in the temporary folder; asyncinit; and what a boot brings itself.

In there: busybox with all its applets (in /bin; /sbin is the same folder), /usr/bin/python3, /usr/bin/asyncinit (as
pip installs it), root without a password in /etc/passwd and /etc/shadow, /etc/fstab as the test brings it. Folders for
what is mounted are there, and empty.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from examples.appliance.cpio import FIRST_DEVICES, Archive
from examples.appliance.kernel_modules import Modules
from tests.boot.hardware import modules as modules_folder
from tests.boot.hardware import program_path
from tests.support import ROOT

PYTHON = "/usr/bin/python3"
"""The interpreter in there."""

ASYNCINIT = "/usr/bin/asyncinit"
"""The command in there; what links to it as `init` is asyncinit started by the kernel."""

_PROGRAM = f"""#!{PYTHON}
# As pip makes it.
import re
import sys
from asyncinit.__main__ import main
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit(main())
"""
_FOLDERS = ("proc", "sys", "dev", "run", "tmp", "root", "mnt", "var/lib", "var/log", "usr/bin", "usr/lib")
_PACKAGES = (
    *("msgspec", "uvloop", "toml", "click", "h11", "cronsim", "asyncinotify", "pathspec"),
    *("rich", "pygments", "markdown_it"),
)
_NOT_NEEDED = re.compile(
    r"(^|/)(test|tests|idlelib|tkinter|ensurepip|lib2to3|turtledemo|pydoc_data|site-packages|unittest|distutils"
    r"|config-.*|sqlite3|curses)/|\.opt-\d\.pyc$"
    r"|(^|/)(_tkinter|_test\w*|_xx\w*|xx\w*|_sqlite3|_curses\w*|readline|_dbm|_gdbm|_codecs_\w+|nis|_crypt|audioop)\.[^/]*so$"
)
_NEEDED = re.compile(r"=> (/\S+)|^\s*(/\S+ld-linux\S+)", re.M)


def libraries(programs: Iterable[str]) -> set[str]:
    """Return what programs and libraries are linked with."""
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)
    return {one or two for one, two in _NEEDED.findall(done.stdout)}


def base() -> Path:
    """Return the archive of all that is the same for each boot, made if that was not done yet."""
    program = os.path.realpath(sys.executable)
    recipe = Path(__file__).read_bytes()
    packages = [package for package in _PACKAGES if importlib.util.find_spec(package) is not None]
    key = hashlib.sha256(f"{program} {sys.version} {packages}".encode() + recipe).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"asyncinit-boot-{os.getuid()}-{key}.cpio"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        try:
            with Archive(unfinished) as archive:
                _fill(archive, program)
            unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def _fill(archive: Archive, program: str) -> None:
    busybox = shutil.which("busybox")
    assert busybox is not None
    archive.copy(busybox, "/bin/busybox")
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet not in ("busybox", "init"):
            archive.link(f"/bin/{applet}", "busybox")
    archive.link("/sbin", "bin")
    for folder in _FOLDERS:
        archive.folder(f"/{folder}")
    for device in FIRST_DEVICES:
        archive.device(*device)
    archive.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    archive.file("/etc/group", b"root:x:0:\ntty:x:5:\n")
    archive.file("/etc/shadow", b"root::1::::::\n", 0o600)
    archive.file(ASYNCINIT, _PROGRAM.encode(), 0o755)
    archive.copy(program, program)
    archive.link(PYTHON, program)
    objects = [program]
    for place in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}:
        for file in _files(Path(place)):
            archive.copy(file, str(file))
            objects += [str(file)] if file.suffix == ".so" else []
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            continue  # asyncinit does without, where it is not used
        for file in _files_of(package):
            archive.copy(file, f"/site/{file.relative_to(_home_of(package))}")
            objects += [str(file)] if file.suffix == ".so" else []
    archive.file(f"{sysconfig.get_path('stdlib')}/site-packages/asyncinit.pth", b"/site\n")
    archive.file(f"{sysconfig.get_path('stdlib')}/dist-packages/asyncinit.pth", b"/site\n")  # Debian's own
    for library in sorted(libraries(objects)):
        archive.copy(library, library)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        name = f"{path.relative_to(folder)}"
        if path.is_file() and not _NOT_NEEDED.search(name) and path.suffix not in (".a", ".exe"):
            yield path


def _home_of(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None, package
    origin = Path(found.origin)
    return origin.parent.parent if origin.name == "__init__.py" else origin.parent


def _files_of(package: str) -> Iterator[Path]:
    home = _home_of(package)
    if (home / package).is_dir():
        for path in _files(home / package):
            if path.suffix not in (".c", ".pyx", ".pxd", ".h"):
                yield path
    else:
        yield home / f"{package}.py"


def asyncinit(archive: Archive) -> None:
    """Add asyncinit itself, compiled."""
    import compileall

    package = ROOT / "asyncinit"
    compileall.compile_dir(package, quiet=2)
    for path in sorted(package.rglob("*")):
        if path.is_file() and (path.suffix != ".pyc" or sys.implementation.cache_tag in path.name):
            archive.copy(path, f"/site/{path.relative_to(ROOT)}")


def make(
    path: Path,
    files: Mapping[str, str],
    *,
    links: Mapping[str, str] | None = None,
    modules: Sequence[str] = (),
    programs: Sequence[str] = (),
) -> Path:
    """Write an initramfs to `path`, and return that.

    `files` are texts by path (those that begin with #! can be executed), `links` targets by path; `/init` is among
    one of them. `modules` of the kernel come with what they need, for modprobe; `programs` of this machine with
    their libraries, by the path that they have here.
    """
    with path.open("wb") as whole:
        with base().open("rb") as file:
            shutil.copyfileobj(file, whole)
        whole.write(b"\0" * (-whole.tell() % 4))
        added = path.with_suffix(".added")
        with Archive(added) as archive:
            asyncinit(archive)
            folder = modules_folder()
            for name, data in (Modules(folder, modules).files() if modules and folder else {}).items():
                archive.file(name, data)
            found = [str(program_path(program)) for program in programs]
            for place in [*found, *sorted(libraries(found) if found else ())]:
                archive.copy(place, place)
            for name, text in files.items():
                archive.file(name, text.encode(), 0o755 if text.startswith("#!") else 0o644)
            for name, target in (links or {}).items():
                archive.link(name, target)
        whole.write(added.read_bytes())
        added.unlink()
    return path
