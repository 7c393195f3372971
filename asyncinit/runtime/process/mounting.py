"""The steps by which a child gets its own mounts and its own root; knows nothing of services.

Everything is made in two halves, so that no name is looked up twice and none can lead astray. First what is shown from
outside is opened, as mounts without a place. Then the child stands in its new root, by chroot(2), where a symbolic link
leads nowhere else than it will for the service; there places are looked up and made, and the mounts put to them. Last
the root is exchanged, and the old one is gone. All of it happens in the child's own mount namespace.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping

from asyncinit.config.spec import Mount, MountKind
from asyncinit.errors import SpawnError, why
from asyncinit.linux import mounting as kernel
from asyncinit.runtime.process import secrets
from asyncinit.runtime.process.step import Step

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
_FOLDER_MODE = 0o755
_OVER_FILES = "/dev/null"


class Mounting:
    """What has been opened, and has to be put somewhere: the state between the steps of one child."""

    def __init__(self, mounts: Iterable[Mount], root: str | None) -> None:
        # Those nearer to the root first; what is about the place itself comes when all else is there.
        self._mounts = sorted(mounts, key=lambda mount: (mount.kind.in_place, mount.target.rstrip("/").count("/")))
        self._root = root
        self._old_root = -1
        self._new_root = -1
        self._opened: dict[int, int] = {}
        self._devices: dict[str, int] = {}
        self._secrets: dict[int, dict[str, bytes]] = {}

    def opening(self) -> list[tuple[Mount | None, Step]]:
        """Return the steps, each with its mount (None: the root), that open what is shown from outside.

        They are for who we are outside, in a mount namespace of our own.
        """
        steps: list[tuple[Mount | None, Step]] = []
        if self._root is not None:
            steps.append((None, Step(f"open the root {self._root}", self._open_root)))
        for index, mount in enumerate(self._mounts):
            if mount.kind is MountKind.BIND:
                steps.append((mount, Step(name(mount), self._open_source, (index, mount))))
            elif mount.kind is MountKind.CREDENTIALS:
                steps.append((mount, Step(name(mount), self._read_secrets, (index, mount))))
            elif mount.kind is MountKind.HIDDEN:
                steps.append((mount, Step(name(mount), self._open_cover, (index,))))
            elif mount.kind is MountKind.DEV:
                steps.append((mount, Step(name(mount), self._open_devices)))
        steps.append((None, Step("make the places of its mounts", self._make_places)))
        return steps

    def placing(self) -> list[tuple[Mount | None, Step]]:
        """Return the steps, each with its mount (None: the root), for who we are inside, to its place."""
        steps: list[tuple[Mount | None, Step]] = []
        for index, mount in enumerate(self._mounts):
            if mount.kind is MountKind.OVERLAY:
                steps.append((mount, Step(name(mount), self._make_overlay, (index, mount))))
        if self._root is not None:
            steps.append((None, Step(f"enter the root {self._root}", self._enter_root)))
        for index, mount in enumerate(self._mounts):
            if not mount.kind.in_place:
                steps.append((mount, Step(name(mount), self._place, (index, mount))))
        steps += self._in_place()
        if self._root is not None:
            steps.append((None, Step(f"make {self._root} the root", self._exchange_root)))
        return steps

    def _in_place(self) -> list[tuple[Mount | None, Step]]:
        """What stays writable is kept before what is above it changes, and put there again afterwards."""
        # One that is nearer to the root comes first, so that there can be one of each kind within the other.
        order: tuple[dict[MountKind, Callable[[int, Mount], None]], ...] = (
            {MountKind.WRITABLE: self._keep},
            {MountKind.READ_ONLY: self._make_read_only, MountKind.WRITABLE: self._put_kept},
            {MountKind.HIDDEN: self._hide},
        )
        return [
            (mount, Step(name(mount), calls[mount.kind], (index, mount)))
            for calls in order
            for index, mount in enumerate(self._mounts)
            if mount.kind in calls
        ]

    # -----------------------------------------------------------------------------------------------------------------
    # Opening

    def _open_root(self) -> None:
        assert self._root is not None
        self._old_root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._new_root = kernel.copy(self._root, recursive=True)
        if not stat.S_ISDIR(os.fstat(self._new_root).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def _open_source(self, index: int, mount: Mount) -> None:
        try:
            tree = kernel.copy(mount.source, mount.recursive)
        except FileNotFoundError:
            if mount.optional:
                return
            raise
        except OSError as error:
            if error.errno == errno.EINVAL and not mount.recursive:
                text = "in a user namespace what is mounted below cannot be left out: recursive = true"
                raise SpawnError("", error.errno, text) from None
            raise
        kernel_attributes = attributes(mount)
        if kernel_attributes:
            _restrict(tree, kernel_attributes, recursive=mount.recursive)
        self._opened[index] = tree

    def _read_secrets(self, index: int, mount: Mount) -> None:
        self._secrets[index] = secrets.contents(mount.files)

    def _open_cover(self, index: int) -> None:
        """Open what is put over a file that nobody shall read; where it is a folder instead, it is not used."""
        self._opened[index] = kernel.copy(_OVER_FILES, recursive=False)

    def _open_devices(self) -> None:
        for device in _DEVICES:
            try:
                self._devices[device] = kernel.copy(f"/dev/{device}", recursive=False)
            except FileNotFoundError:
                pass  # asyncinit's own /dev has none: so it is here

    def _make_places(self) -> None:
        """Make what is missing of the places, as who may; what fails is told where it is used."""
        places = {mount.target for mount in self._mounts if not mount.kind.in_place}
        if self._root is not None:
            os.fchdir(self._new_root)
            os.chroot(".")
        for index, mount in enumerate(self._mounts):
            tree = self._opened.get(index)
            absent = mount.kind is MountKind.BIND and tree is None
            if mount.kind.in_place or absent or any(mount.target.startswith(f"{above}/") for above in places):
                continue  # what is in another mount comes with that
            try:
                _make_place(mount.target, tree is None or stat.S_ISDIR(os.fstat(tree).st_mode))
            except SpawnError:
                pass
        if self._root is not None:
            os.fchdir(self._old_root)
            os.chroot(".")

    # -----------------------------------------------------------------------------------------------------------------
    # Placing

    def _make_overlay(self, index: int, mount: Mount) -> None:
        options = {"lowerdir": ":".join(path.replace("\\", "\\\\").replace(":", "\\:") for path in mount.lower)}
        if mount.upper:
            options |= {"upperdir": mount.upper, "workdir": mount.work}
        self._opened[index] = kernel.make("overlay", options, attributes(mount))

    def _enter_root(self) -> None:
        """Stand in the new root, so that every name leads where it will lead for the service."""
        assert self._root is not None
        kernel.put(self._new_root, self._root)
        os.fchdir(self._new_root)
        os.chroot(".")

    def _place(self, index: int, mount: Mount) -> None:
        if mount.kind is MountKind.CREDENTIALS:
            tree = secrets.file_system(self._secrets.pop(index), mount.owner, attributes(mount))
        elif mount.kind in (MountKind.BIND, MountKind.OVERLAY):
            if index not in self._opened:
                return  # it is absent, and may be
            tree = self._opened.pop(index)
        else:
            tree = _make(mount)
        is_folder = stat.S_ISDIR(os.fstat(tree).st_mode)
        _make_place(mount.target, is_folder)
        kernel.put(tree, mount.target)
        if mount.kind is MountKind.DEV:
            self._fill_dev(mount.target)
            if mount.read_only:
                _restrict(tree, kernel.READ_ONLY, recursive=False)
        os.close(tree)

    def _fill_dev(self, folder: str) -> None:
        """Make the few devices that are harmless, from asyncinit's own: mknod(2) needs a right that few have."""
        for device, tree in self._devices.items():
            _make_place(f"{folder}/{device}", folder=False)
            kernel.put(tree, f"{folder}/{device}")
            os.close(tree)
        self._devices.clear()
        for link, target in _LINKS.items():
            os.symlink(target, f"{folder}/{link}")
        for inner in (
            Mount(MountKind.DEVPTS, f"{folder}/pts", nosuid=True, noexec=True),
            Mount(MountKind.TMPFS, f"{folder}/shm", nosuid=True, nodev=True, mode=0o1777),
        ):
            os.mkdir(inner.target)
            tree = _make(inner)
            kernel.put(tree, inner.target)
            os.close(tree)

    def _keep(self, index: int, mount: Mount) -> None:
        try:
            self._opened[index] = kernel.copy(mount.target, recursive=True)
        except FileNotFoundError:
            if not mount.optional:
                raise

    def _put_kept(self, index: int, mount: Mount) -> None:
        if index in self._opened:
            tree = self._opened.pop(index)
            kernel.put(tree, mount.target)
            os.close(tree)

    def _make_read_only(self, _index: int, mount: Mount) -> None:
        wanted = attributes(mount) | kernel.READ_ONLY
        try:
            if mount.target == "/":
                kernel.restrict_place("/", wanted)
                return
            tree = kernel.copy(mount.target, recursive=True)
        except FileNotFoundError:
            if mount.optional:
                return
            raise
        _restrict(tree, wanted, recursive=True)
        kernel.put(tree, mount.target)
        os.close(tree)

    def _hide(self, index: int, mount: Mount) -> None:
        try:
            is_folder = stat.S_ISDIR(os.stat(mount.target).st_mode)
        except FileNotFoundError:
            if mount.optional:
                return
            raise
        sealed = kernel.READ_ONLY | kernel.NOSUID | kernel.NODEV | kernel.NOEXEC
        cover = self._opened.pop(index)
        if is_folder:
            os.close(cover)
            cover = kernel.make("tmpfs", {"size": "4k", "nr_inodes": "2", "mode": "000"}, sealed)
        else:
            # A device that is not taken for one cannot be opened at all.
            _restrict(cover, sealed, recursive=False)
        kernel.put(cover, mount.target)
        os.close(cover)

    def _exchange_root(self) -> None:
        kernel.exchange_root(self._new_root, self._old_root)
        os.close(self._new_root)
        os.close(self._old_root)


def name(mount: Mount) -> str:
    """Return what a mount is about, to be read after "cannot"."""
    match mount.kind:
        case MountKind.CREDENTIALS:
            return f"provide security.credentials in {mount.target}"
        case MountKind.BIND:
            return f"mount {mount.source} on {mount.target}"
        case MountKind.READ_ONLY:
            return f"make {mount.target} read-only"
        case MountKind.WRITABLE:
            return f"keep {mount.target} writable"
        case MountKind.HIDDEN:
            return f"hide {mount.target}"
    return f"mount {mount.kind} on {mount.target}"


def attributes(mount: Mount) -> int:
    """Return what the kernel shall forbid in a mount."""
    forbidden: Mapping[int, bool] = {
        kernel.READ_ONLY: mount.read_only and mount.kind is not MountKind.DEV,
        kernel.NOSUID: mount.nosuid,
        kernel.NODEV: mount.nodev,
        kernel.NOEXEC: mount.noexec,
    }
    return sum(bit for bit, wanted in forbidden.items() if wanted)


def _make(mount: Mount) -> int:
    """Return a mount, at no place yet, of a file system that the kernel makes."""
    options: dict[str, str] = {}
    kind = str(mount.kind)
    match mount.kind:
        case MountKind.TMPFS:
            options = {"mode": f"{mount.mode:04o}"} | ({} if mount.size is None else {"size": str(mount.size)})
        case MountKind.DEVPTS:
            options = {"ptmxmode": "0666", "mode": "0620"}
        case MountKind.DEV:
            kind, options = "tmpfs", {"mode": "0755", "size": "64k"}
    try:
        return kernel.make(kind, options, attributes(mount))
    except OSError as error:
        if error.errno == errno.EPERM and mount.kind in (MountKind.PROC, MountKind.SYSFS):
            raise SpawnError("", error.errno, _REFUSED[mount.kind]) from None
        raise


_REFUSED = {
    MountKind.PROC: 'operation not permitted; in a user namespace this takes pid = "private", and a /proc outside '
    "that nothing hides (docker: --security-opt systempaths=unconfined)",
    MountKind.SYSFS: 'operation not permitted; in a user namespace this takes net = "private", and a /sys outside '
    "that nothing hides (docker: --security-opt systempaths=unconfined)",
}


def _restrict(tree: int, wanted: int, recursive: bool) -> None:
    try:
        kernel.restrict(tree, wanted, recursive)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            text = "this kernel cannot restrict a mount before it is seen: that takes Linux 5.12"
            raise SpawnError("", error.errno, text) from None
        raise


def _make_place(path: str, folder: bool) -> None:
    """Make what a mount is put over, where it is missing: a folder, or an empty file, and the folders above."""
    if os.path.lexists(path):
        return
    try:
        if folder:
            os.makedirs(path, _FOLDER_MODE, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), _FOLDER_MODE, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    except OSError as error:
        text = f"the {'folder' if folder else 'file'} {path} cannot be made: {why(error.errno or 0)}"
        raise SpawnError("", error.errno or 0, text) from None
