"""Build the appliance: a kernel, an initramfs with asyncinit as its init, and a disk for what is kept; see README.md.

    python3 build.py image OUT [--kernel FILE] [--password TEXT] [--key FILE] [--without-uvloop]
    python3 build.py disk OUT    an empty ext4 disk, OUT/data.ext4
    python3 build.py root OUT    what the initramfs has, as an ext4 image for a read-only root: OUT/root.ext4

Needs no root. What is downloaded stays in OUT/packages and OUT/wheels.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import debian
import elf
from build_error import BuildError
from cpio import FIRST_DEVICES, Archive
from kernel_modules import Modules, folder_of

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
SITE = "usr/lib/python3/dist-packages"

KERNEL = "linux-image-cloud-amd64"
# Those of qemu's devices, of the power button, and what a root that is only read may want; each with what it needs.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "button", "evdev", "overlay")

PACKAGES = {
    "python3.11-minimal": "the interpreter",
    "libpython3.11-stdlib": "the rest of its library, asyncio in it",
    "busybox-static": "a shell and the commands, syslogd, getty, login, udhcpc, modprobe, poweroff",
    "dropbear-bin": "ssh",
    "e2fsprogs": "fsck of the data disk",
}
# Not needed for what is used here, with all that only they need.
WITHOUT = {
    "dpkg": "installs packages", "perl": "of dpkg's tools", "libsqlite3-0": "no database is used",
    "libncursesw6": "curses is not used", "libtinfo6": "curses is not used", "libreadline8": "no Python prompt",
    "libnsl2": "NIS", "libtirpc3": "NIS", "libdb5.3": "dbm", "media-types": "types of files by their names",
    "debconf": "asks questions at installation", "gcc-12-base": "an empty package",
    "logsave": "the output of fsck is in asyncinit's log", "libss2": "debugfs",
}  # fmt: skip

PYTHON = (
    r"usr/lib/python3\.\d+/(idlelib|tkinter|ensurepip|lib2to3|pydoc_data|distutils|unittest|test|sqlite3|curses|dbm|"
    r"wsgiref|xmlrpc|xml|multiprocessing|venv|turtle|pydoc|doctest|imaplib|nntplib|mailbox|tarfile|zipapp|config-)"
    r"|lib-dynload/(_codecs_(cn|hk|iso2022|jp|kr|tw)|_multibytecodec|_sqlite3|_curses\w*|_dbm|readline|nis|_tkinter|"
    r"audioop|_test\w*|_xx\w*|xx\w*|_ctypes_test|ossaudiodev|spwd|_crypt|_multiprocessing|_posixshmem|pyexpat|"
    r"_elementtree)\."
)
PROGRAMS = (  # of packages that bring more: those that are used
    r"^usr/s?bin/(?!python3\.\d+$|busybox$|dropbear$|dropbearkey$|e2fsck$|fsck\.ext4$)"
)
UNWANTED = re.compile(
    rf"{PYTHON}|{PROGRAMS}|^usr/share/|^etc/|^usr/lib/(systemd|udev|sysusers\.d|tmpfiles\.d|valgrind)/"
    r"|^var/|/(gconv|audit|perl)/|\.(a|la)$|/e2initrd_helper|/engines-3/|/ossl-modules/"
)
# Dependencies of asyncinit that no command which is used on an appliance imports.
UNUSED = ("rich", "pygments", "markdown_it", "mdurl", "bin", "share", "*.dist-info/RECORD", "asyncinit/py.typed")


def main() -> int:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description="Build the appliance.")
    parser.add_argument("what", choices=("image", "disk", "root"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--kernel", type=Path, help="this one, its modules beside it, instead of Debian's package")
    parser.add_argument("--password", default="", help="root's on the console (appliance)")
    parser.add_argument("--key", type=Path, help="a public ssh key that may log in as root")
    parser.add_argument("--without-uvloop", action="store_true", help="with the loop of the standard library")
    asked = parser.parse_args()
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
        {"image": image, "disk": disk, "root": root_disk}[asked.what](asked)
    except BuildError as failure:
        print(f"build.py: {failure}", file=sys.stderr)
        return 1
    return 0


def image(asked: argparse.Namespace) -> None:
    """Build the kernel and the initramfs."""
    require({"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg"})
    out = asked.out.resolve()
    root = out / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    report("Debian's packages")
    packages(out, root)
    report("asyncinit and what it needs")
    wheels(out, root, "uvloop" if asked.without_uvloop else "")
    report("the kernel")
    kernel(out, root, asked.kernel)
    report("the appliance's own files")
    own(root, asked.password, asked.key)
    compiled(root)
    enabled(root)
    libraries(root)
    report("the initramfs")
    unfinished = out / "initramfs.new"
    with unfinished.open("wb") as file, gzip.GzipFile("", "wb", 6, file, 0) as packed, Archive(packed) as archive:
        for device in FIRST_DEVICES:
            archive.device(*device)
        archive.tree(root)
    unfinished.rename(out / "initramfs.cpio.gz")
    sizes(root, out / "initramfs.cpio.gz")


def packages(out: Path, root: Path) -> None:
    """Unpack the packages; /bin, /sbin and /lib are in /usr."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
        (root / "usr" / name).mkdir(parents=True)
    names = debian.dependencies(PACKAGES, WITHOUT)
    for package in debian.download(names, out / "packages"):
        debian.unpack(package, root, lambda name: not UNWANTED.search(name))
    (root / "usr/bin/python3").symlink_to(next((root / "usr/bin").glob("python3.*")).name)
    applets = run(root / "usr/bin/busybox", "--list").split()
    for applet in set(applets) - {"busybox", "init", "dpkg", "dpkg-deb", "rpm", "ar"}:
        if not (place := root / "usr/bin" / applet).exists():
            place.symlink_to("busybox")
    (root / "usr/sbin/modprobe").symlink_to("../bin/busybox")  # where the kernel looks for it


def wheels(out: Path, root: Path, without: str) -> None:
    """Install asyncinit from this checkout, for the image's Python whatever runs this."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        raise BuildError(f"{sys.executable} has no pip; on Debian: apt-get install python3-pip")
    source = out / "source"  # a copy: what is built leaves files beside its sources
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for name in ("asyncinit", "docs/man"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    found = out / "wheels"
    run(*pip, "wheel", "--no-deps", "--wheel-dir", found, source, why="cannot make asyncinit's wheel")
    version = next((root / "usr/bin").glob("python3.*")).name.removeprefix("python")
    platforms = [f"--platform=manylinux{one}_x86_64" for one in ("2014", "_2_17", "_2_28", "_2_34")]
    target = ("--python-version", version, "--implementation", "cp", *platforms, "--only-binary=:all:")
    asyncinit = max(found.glob("asyncinit-*.whl"), key=os.path.getmtime)
    run(*pip, "download", *target, "--dest", found, asyncinit, why="cannot download what asyncinit needs")
    place = root / SITE
    run(*pip, "install", *target, "--no-index", "--find-links", found, "--no-compile", "--target", place, asyncinit)
    for pattern in (*UNUSED, *([without, f"{without}-*"] if without else [])):
        for path in place.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for pattern in ("**/*.pyx", "**/*.pxd", "**/*.c", "**/*.h", "**/*.pyi"):
        for path in place.glob(pattern):
            path.unlink()
    strip = shutil.which("strip")
    if strip is None:
        print("  with binutils (strip) it would be smaller")
    else:
        run(strip, "--strip-unneeded", *place.rglob("*.so"))


def kernel(out: Path, root: Path, given: Path | None) -> None:
    """Take the kernel out of its package, or the one that is given, and the modules that are used."""
    if given is None:
        package = next(one for one in debian.dependencies([KERNEL], ()) if re.fullmatch(r"linux-image-[\d.]+-.*", one))
        unpacked = out / "kernel"
        if not list(unpacked.glob(f"boot/vmlinuz-{package.removeprefix('linux-image-')}")):
            shutil.rmtree(unpacked, ignore_errors=True)
            file = debian.download([package], out / "packages")[0]
            debian.unpack(file, unpacked / "usr", lambda name: name.startswith(("boot/", "usr/lib/modules/")))
            (unpacked / "usr/boot").rename(unpacked / "boot")
            (unpacked / "usr/usr/lib").rename(unpacked / "lib")
        given = unpacked / "boot" / f"vmlinuz-{package.removeprefix('linux-image-')}"
    folder = folder_of(given)
    if not (folder / "kernel").is_dir():
        raise BuildError(f"there are no modules of {given}: looked in {folder}")
    shutil.copyfile(given, out / "vmlinuz")
    for name, data in Modules(folder, MODULES).files().items():
        write(root / "usr" / name.lstrip("/"), data)


def own(root: Path, password: str, key: Path | None) -> None:
    """Copy the files below root/, and make /init, the command and root's password."""
    shutil.copytree(HERE / "root", root, symlinks=True, dirs_exist_ok=True)
    for name in ("proc", "sys", "dev", "run", "tmp", "mnt", "data", "root", "var/lib"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "var/log").symlink_to("/data/log")
    (root / "var/lib/asyncinit").symlink_to("/data/asyncinit")
    (root / "etc/machine-id").touch()
    command = "#!/usr/bin/python3\nimport sys\n\nfrom asyncinit.__main__ import main\n\nsys.exit(main())\n"
    write(root / "usr/bin/asyncinit", command.encode(), 0o755)
    for name in ("init", "usr/sbin/init"):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to("/usr/bin/asyncinit")
    shadow = root / "etc/shadow"
    if password:
        hashed = run(root / "usr/bin/busybox", "mkpasswd", "-m", "sha512", password).strip()
        shadow.write_text(re.sub(r"^root:[^:]*", lambda _: f"root:{hashed}", shadow.read_text(), flags=re.M))
    shadow.chmod(0o600)
    (root / "root").chmod(0o700)
    if key is not None:
        write(root / "root/.ssh/authorized_keys", key.read_bytes(), 0o600)
        (root / "root/.ssh").chmod(0o700)


def compiled(root: Path) -> None:
    """Compile Python's library by the image's own interpreter; of the library alone the sources go."""
    library = next((root / "usr/lib").glob("python3.*"))
    words = ("-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash", "-s", root)
    python(root, *words, "-b", library)
    for path in library.rglob("*.py"):
        path.unlink()
    shutil.rmtree(library / "__pycache__", ignore_errors=True)
    place = root / SITE
    python(root, *words, place)


def enabled(root: Path) -> None:
    """Switch on what asyncinit brings for a machine."""
    names = (HERE / "enabled").read_text().split()
    python(root, "-m", "asyncinit", "enable", "--root", root, *names)
    python(root, "-m", "asyncinit", "check", "--root", root)


def libraries(root: Path) -> None:
    """Remove the libraries that nothing needs; fail where one is missing."""
    folder = root / "usr/lib/x86_64-linux-gnu"
    while True:
        wanted = {name for path in files(root) for name in elf.needed(path)}
        meant = {(folder / name).resolve().name for name in wanted} | wanted
        spare = [path for path in folder.glob("lib*.so*") if path.name not in meant and not loaded_by_name(path)]
        if not spare:
            break
        for path in spare:
            path.unlink()
    there = {path.name for path in root.rglob("*.so*")}
    missing = sorted(wanted - there)
    if missing:
        raise BuildError(f"nothing brings {', '.join(missing)}; add its package to PACKAGES")


def loaded_by_name(path: Path) -> bool:
    """Tell whether a library is opened by name, and so in no list of what is needed: users and hosts in libc."""
    return path.name.startswith(("libnss_files", "libnss_dns", "libgcc_s"))


def disk(asked: argparse.Namespace) -> None:
    """Make the disk for what is kept."""
    report("the data disk")
    unfinished = asked.out / "data.new"
    unfinished.unlink(missing_ok=True)
    run(administration("mke2fs"), "-q", "-t", "ext4", "-L", "data", "-E", "root_owner=0:0", unfinished, "64M")
    unfinished.rename(asked.out / "data.ext4")


def root_disk(asked: argparse.Namespace) -> None:
    """Make a file system of what is in the initramfs; all in it belongs to root, whoever does this."""
    root = asked.out / "root"
    if not root.is_dir():
        raise BuildError(f"there is no {root} yet: make image")
    report("the root disk")
    unfinished = asked.out / "root.new"
    unfinished.unlink(missing_ok=True)
    size = sum(path.lstat().st_size + 4096 for path in root.rglob("*")) * 6 // 5 >> 20
    words = ("-q", "-t", "ext4", "-L", "root", "-E", "root_owner=0:0", "-d", root, unfinished, f"{size + 8}M")
    run(administration("mke2fs"), *words)
    # mke2fs takes nodes and owners from what it copies: here they are set without being root.
    lines = ["cd /dev", *(f"mknod {Path(name).name} c {major} {minor}" for name, major, minor, _ in FIRST_DEVICES)]
    lines += [f"sif {name} mode 0{0o020000 | mode:o}" for name, _, _, mode in FIRST_DEVICES]
    if os.getuid():
        names = [f"/{path.relative_to(root)}" for path in root.rglob("*")]
        lines += [f'sif "{name}" {field} 0' for name in names for field in ("uid", "gid")]
    script = asked.out / "debugfs"
    script.write_text("".join(f"{line}\n" for line in lines))
    run(administration("debugfs"), "-w", "-f", script, unfinished)
    script.unlink()
    unfinished.rename(asked.out / "root.ext4")


def administration(name: str) -> str:
    """Find a program of e2fsprogs; an ordinary user's PATH often has none for the administrator."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise BuildError(f"there is no {name}; on Debian: apt-get install e2fsprogs")
    return found


def sizes(root: Path, packed: Path) -> None:
    """Print what is how large."""
    parts = {
        "uvloop": f"{SITE}/uvloop/", "asyncinit": f"{SITE}/asyncinit/", "what else asyncinit needs": f"{SITE}/",
        "Python's library": "usr/lib/python3", "Python": "usr/bin/python3", "other programs": "usr/bin/",
        "kernel modules": "usr/lib/modules/", "libraries": "usr/lib/x86_64-linux-gnu/", "the rest": "",
    }  # fmt: skip
    found = dict.fromkeys(parts, 0)
    for path in files(root):
        name = str(path.relative_to(root))
        found[next(part for part, start in parts.items() if name.startswith(start))] += path.stat().st_size
    for part, size in sorted(found.items(), key=lambda one: -one[1]):
        print(f"  {size / 1e6:6.1f} MB  {part}")
    print(f"  {sum(found.values()) / 1e6:6.1f} MB  in all; {packed.stat().st_size / 1e6:.1f} MB as {packed}")


def files(root: Path) -> Iterable[Path]:
    """Return the files in a folder that are no links."""
    return (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def python(root: Path, *words: str | Path) -> str:
    """Run the image's own Python here, by its own loader and with its own libraries."""
    loader = next((root / "usr/lib").glob("*/ld-linux-*"))
    interpreter = (loader, "--library-path", root / "usr/lib/x86_64-linux-gnu", root / "usr/bin/python3")
    variables = {"PYTHONHOME": str(root / "usr"), "PYTHONPATH": str(root / SITE), "PYTHONDONTWRITEBYTECODE": "1"}
    return run(*interpreter, "-s", *words, variables=variables)


def run(*words: str | Path, why: str = "", variables: dict[str, str] | None = None) -> str:
    """Run a command, and return what it wrote."""
    command: Sequence[str] = [str(word) for word in words]
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
    )
    if done.returncode:
        raise BuildError(f"{done.stdout.strip()}\nbuild.py: {why or 'this failed: ' + ' '.join(command)}")
    return done.stdout


def require(programs: dict[str, str]) -> None:
    """Fail where a program is missing, with the package that has it."""
    if os.uname().machine != "x86_64":
        raise BuildError(f"the image is one for amd64, and has to be built there (this is {os.uname().machine})")
    for program, package in programs.items():
        if shutil.which(program) is None:
            raise BuildError(f"there is no {program} (of {package}); build this on Debian, or in a container of it")


def report(step: str) -> None:
    """Tell what is done next."""
    print(f"* {step}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
