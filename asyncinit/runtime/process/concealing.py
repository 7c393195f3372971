"""What of [security] is about files: the mounts by which a service sees less, or its secrets; mounts nothing itself.

Each process of the service gets them in a mount namespace of its own (see `isolating`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from asyncinit.config.spec import Mount, MountKind, NamespaceKind, ProtectHome, ProtectSystem, Security
from asyncinit.runtime.process import directories
from asyncinit.runtime.process.plan import Credentials, Isolation

KEYS = (
    "private_tmp",
    "private_dev",
    "protect_system",
    "protect_home",
    "protect_kernel",
    "read_only_paths",
    "write_paths",
    "hidden_paths",
    "credentials",
)

VARIABLE = "CREDENTIALS_DIRECTORY"

_TEMPORARY = ("/tmp", "/var/tmp")
_SYSTEM = ("/usr", "/boot", "/efi")  # on a merged system /bin and /lib are links to there
_OLD_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_KERNELS = ("/dev", "/proc", "/sys")
_HOMES = ("/home", "/root", "/run/user")
_BELOW_HOMES = tuple(f"{home}/" for home in _HOMES)
# Those of Docker and containerd (oci/spec_opts.go has the reasons), with what is to be written to in /sys.
_TUNED = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/mtrr", "/sys")
_SECRETS = (
    *(
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/kmsg",
        "/proc/latency_stats",
    ),
    *("/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"),
    *("/sys/devices/virtual/powercap", "/sys/firmware"),
)


def variables(security: Security, name: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that tells a service the folder of its secrets. Raises SpawnError where there is no place."""
    if not security.credentials:
        return {}
    return {VARIABLE: f"{directories.base('runtime', directories.of_the_system(), inherited)}/credentials/{name}"}


def added(
    isolation: Isolation, security: Security, secrets: str, credentials: Credentials | None, kept: Iterable[str] = ()
) -> Isolation:
    """Return `isolation` with the mounts of `security`.

    `secrets` is the folder for these, which whoever has the `credentials` reads. `kept` are paths that are the
    service's own: they stay there, and writable.
    """
    owner = (credentials.uid, credentials.gid) if credentials is not None else None
    kept = tuple(kept)
    own = [mount for key in KEYS for mount in _of_key(security, key, kept)]
    own += _protected_home(security, kept, secrets if security.credentials else "")
    if security.credentials:
        files = tuple(security.credentials.items())
        own.append(
            Mount(MountKind.CREDENTIALS, secrets, nosuid=True, nodev=True, noexec=True, files=files, owner=owner)
        )
    if not own:
        return isolation
    places = {mount.target for mount in isolation.mounts if not mount.kind.in_place}
    new = [mount for mount in own if mount.kind.in_place or mount.target not in places]
    return replace(isolation, own=isolation.own | {NamespaceKind.MOUNT}, mounts=(*isolation.mounts, *new))


def _of_key(security: Security, key: str, kept: Iterable[str]) -> Iterator[Mount]:
    match key:
        case "private_tmp" if security.private_tmp:
            for path in _TEMPORARY:
                yield Mount(MountKind.TMPFS, path, nosuid=True, nodev=True, mode=0o1777)
        case "private_dev" if security.private_dev:
            yield Mount(MountKind.DEV, "/dev", read_only=True, nosuid=True, noexec=True)
        case "protect_system":
            yield from _protected_system(security, kept)
        case "protect_kernel" if security.protect_kernel:
            yield from (Mount(MountKind.READ_ONLY, path, optional=True) for path in _TUNED)
            yield from (Mount(MountKind.HIDDEN, path, optional=True) for path in _SECRETS)
        case "read_only_paths":
            yield from _in_place(MountKind.READ_ONLY, security.read_only_paths)
        case "write_paths":
            yield from _in_place(MountKind.WRITABLE, security.write_paths)
        case "hidden_paths":
            yield from _in_place(MountKind.HIDDEN, security.hidden_paths)


def _protected_system(security: Security, kept: Iterable[str]) -> Iterator[Mount]:
    wanted = security.protect_system
    if wanted is ProtectSystem.STRICT:
        yield Mount(MountKind.READ_ONLY, "/")
        # What was made for the service alone, and what is no file of the system.
        writable = (*_KERNELS, *(_TEMPORARY if security.private_tmp else ()), *kept)
        yield from (Mount(MountKind.WRITABLE, path, optional=True) for path in dict.fromkeys(writable))
    elif wanted is not ProtectSystem.NO:
        paths = (*_SYSTEM, *_OLD_SYSTEM, *(("/etc",) if wanted is ProtectSystem.FULL else ()))
        yield from (Mount(MountKind.READ_ONLY, path, optional=True) for path in paths)


def _protected_home(security: Security, kept: Iterable[str], secrets: str) -> Iterator[Mount]:
    """Yield what protects homes; for asyncinit of an ordinary user the service's own folders are in one."""
    if security.protect_home is ProtectHome.READ_ONLY:
        yield from (Mount(MountKind.READ_ONLY, path, optional=True) for path in _HOMES)
        yield from (Mount(MountKind.WRITABLE, path) for path in kept if path.startswith(_BELOW_HOMES))
    elif security.protect_home is ProtectHome.YES:
        for home in _HOMES:
            within = [path for path in kept if path.startswith(f"{home}/")]
            if within or secrets.startswith(f"{home}/"):
                yield Mount(MountKind.TMPFS, home, nosuid=True, nodev=True, noexec=True, size=1 << 16)
                yield from (Mount(MountKind.BIND, path, source=path) for path in within)
            else:
                yield Mount(MountKind.HIDDEN, home, optional=True)


def _in_place(kind: MountKind, paths: Iterable[str]) -> Iterator[Mount]:
    return (Mount(kind, path.removeprefix("-"), optional=path.startswith("-")) for path in paths)
