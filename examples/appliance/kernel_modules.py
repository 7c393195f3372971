"""Modules of a kernel with what they need, and the index files that modprobe reads; asks no depmod."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_NAME = re.compile(r"([^/]+)\.ko(?:\.\w+)?$")
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
_ALIAS = re.compile(rb"\0alias=([^\0]*)(?=\0)")


def folder_of(kernel: Path) -> Path:
    """Return the folder of a kernel's modules: in /lib/modules for one in /boot, else in the tree of its package."""
    return Path(kernel).absolute().parent.parent / "lib/modules" / kernel.name.removeprefix("vmlinuz-")


class Modules:
    """Some of the modules in a folder (`/lib/modules/VERSION`, or the same of a package that was only unpacked).

    Such a package has no modules.dep; what a module needs is said in itself.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._paths = {
            found[1].replace("-", "_"): path
            for path in (folder / "kernel").rglob("*.ko*")
            if (found := _NAME.search(path.name))
        }
        self._builtin = {
            found[1].replace("-", "_")
            for line in (folder / "modules.builtin").read_text().splitlines()
            if (found := _NAME.search(line))
        }
        self._needs: dict[str, list[str]] = {}
        for name in names:
            self._add(name)

    def _add(self, name: str) -> None:
        name = name.replace("-", "_")
        if name in self._needs or name in self._builtin:
            return
        if name not in self._paths:
            raise LookupError(f"the kernel has no module {name} (in {self._folder})")
        found = _DEPENDS.search(self._paths[name].read_bytes())
        self._needs[name] = [one for one in (found[1].decode().replace("-", "_").split(",") if found else []) if one]
        for needed in self._needs[name]:
            self._add(needed)

    def _order(self, name: str, found: list[str]) -> list[str]:
        """Add a module to `found`, after all that it needs."""
        for needed in self._needs[name]:
            if needed in self._needs and needed not in found:
                self._order(needed, found)
        found.append(name)
        return found

    def files(self) -> dict[str, bytes]:
        """Return each file by the path that it has in the machine."""
        home = f"/lib/modules/{self._folder.name}"
        places = {name: str(self._paths[name].relative_to(self._folder)) for name in self._needs}
        found = {f"{home}/{place}": self._paths[name].read_bytes() for name, place in places.items()}
        dependencies, aliases = [], []
        for name, place in places.items():
            needed = reversed(self._order(name, [])[:-1])  # modprobe loads the last one first
            dependencies.append(f"{place}: {' '.join(places[one] for one in needed)}".rstrip())
            data = found[f"{home}/{place}"]
            aliases += [f"alias {one.decode()} {name}" for one in _ALIAS.findall(data)]
        found[f"{home}/modules.dep"] = "".join(f"{line}\n" for line in dependencies).encode()
        found[f"{home}/modules.alias"] = "".join(f"{line}\n" for line in aliases).encode()
        found[f"{home}/modules.builtin"] = (self._folder / "modules.builtin").read_bytes()
        return found
