"""asyncinit as an ordinary user, who has nothing but user namespaces; for tests that run as root."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.support import ROOT

UID = 12345


def as_ordinary_user(folder: Path) -> dict[str, Any]:
    """Return what to give to `Init` for `folder`, which becomes that user's.

    The interpreter (which knows its place), what is installed and the source may be where only root gets to: they are
    seen in the folder, as `python`, `packages` and `source`, and the first at its place too.
    """
    os.chown(folder, UID, UID)
    seen = {"python": sys.base_prefix, "packages": Path(msgspec.__file__).parent.parent, "source": ROOT}
    for name in seen:
        (folder / name).mkdir()
    binds = " && ".join(f"mount --bind '{path}' {folder}/{name}" for name, path in seen.items())
    top = "/".join(sys.base_prefix.split("/")[:2])
    if not os.stat(top).st_mode & stat.S_IXOTH:
        place = f"mkdir -p {sys.base_prefix} && mount --bind {folder}/python {sys.base_prefix}"
        binds += f" && mount -t tmpfs -o mode=755 none {top} && {place}"
    user = f"setpriv --reuid {UID} --regid {UID} --clear-groups"
    prefix = ["unshare", "--mount", "sh", "-c", f'{binds} && exec {user} "$@"', "sh"]
    python = str(Path(sys.executable).resolve())
    return {
        "pid1": False,
        "prefix": prefix,
        "python": python,
        "client": [*prefix, python],  # root does not talk to another user's asyncinit
        "environment": {"PYTHONPATH": f"{folder}/source:{folder}/packages", "HOME": str(folder)},
    }
