"""The architecture: who imports whom, what PID 1 never touches, how big things are; read off the sources alone.

The rules are by top-level package of asyncinit, so that modules may move within one. What a rule lets a single module
do is listed here with the reason.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import asyncinit
from tests.support import ROOT

PACKAGE = ROOT / "asyncinit"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each part may import of asyncinit: modules, and all that is below them.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "minimal": set(),
    "fallback": {"linux", "machine", "minimal"},
    "simple_init": {"linux", "minimal"},
    "linux": {"errors"},
    "config": {"errors"},
    "core": {"config.spec", "errors"},
    "simulation": {"config.calendar", "config.ends", "config.names", "config.spec", "config.values", "core", "errors"},
    "migration": {"config", "errors"},
    "machine": {"config.spec", "errors", "linux", "minimal", "__version__"},
    "control": {"config.spec", "core.status"},
    "client": {"control"},
    "development": {"config", "errors", "linux", "minimal"},
    "wrapper": {"linux", "minimal"},
    "runtime": {
        "config.calendar",
        "config.names",
        "config.spec",
        "control",
        "core",
        "errors",
        "fallback",
        "linux",
        "machine",
        "minimal",
        "simple_init",
        "__version__",
    },
    "cli": {
        "client",
        "config",
        "control",
        "core.phrases",
        "core.status",
        "development",
        "errors",
        "linux",
        "machine",
        "migration",
        "runtime",
        "simulation",
        "tui",
        "wrapper",
        "__version__",
    },
    "tui": {
        "cli.details",
        "cli.explain",
        "cli.graph",
        "cli.screen",
        "cli.server",
        "cli.status",
        "client",
    },
    "reference": {"cli", "config", "control", "core", "linux", "machine", "migration", "runtime", "tui", "__version__"},
    "__main__": {
        "cli",
        "config.places",
        "fallback",
        "linux.descriptors",
        "machine",
        "minimal",
        "runtime.reexec",
        "wrapper",
    },
}
# A life of `asyncinit run` begins with files and words of the command line, and nothing else of the runtime knows them.
ALLOWED_TO_ONE = {
    "runtime.entry": {"config.places", "config.resolve"},
    "runtime.configuring.reading": {"config", "wrapper.options"},
    "runtime.configuring.own_files": {"config.places"},
    "runtime.assembly": {"config.show"},
}
THIRD_PARTY = {
    "msgspec": {"config", "control", "core", "migration", "runtime", "reference", "simulation"},
    "toml": {"config"},
    "click": {"cli", "reference"},
    "rich": {"cli", "tui"},
    "textual": {"cli", "tui"},
    "uvloop": {"runtime"},
    "h11": {"runtime"},
    "cronsim": {"cli", "config"},
    "asyncinotify": {"runtime"},
    "pathspec": {"runtime"},
    "yaml": {"migration"},
}
CORE_MAY_IMPORT = {"__future__", "collections", "copy", "dataclasses", "enum", "math", "msgspec", "signal", "typing"}

# Threads, child processes that wait for themselves, and what drags such things in.
NEVER_IMPORTED = {
    "_thread",
    "concurrent",
    "logging",
    "multiprocessing",
    "queue",
    "socketserver",
    "subprocess",
    "threading",
}
# Calls that start a thread, wait for a child of their own, or block on a name server.
NEVER_CALLED = {
    "add_child_handler",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "getaddrinfo",
    "gethostbyname",
    "getnameinfo",
    "run_in_executor",
    "start_new_thread",
    "subprocess_exec",
    "subprocess_shell",
    "to_thread",
}
WAITS = {"popen", "spawnv", "spawnve", "spawnvp", "system", "wait", "wait3", "wait4", "waitid", "waitpid"}
"""Of os: what waits for a child, or for more than one."""
# Who may wait for children, beside the reaper's own call in `linux.process`.
WAITERS = {
    "linux.process": "the call itself",
    "minimal": "runs alone: where the rest has failed, or as a pod's init",
    "wrapper.loop": "runs alone, without services and without the runtime",
    "development.guardian": "runs outside, in front of asyncinit, and inherits its children",
    "cli.unshare": "runs outside, in front of the PID namespace",
    "machine.remaining": "runs after the loop, when the machine goes down, and reaps all",
    "machine.programs.child": "runs in programs of their own, never in PID 1",
    "machine.programs.network": "the same",
    "machine.child": "runs before the loop and after it, where nobody else waits",
    "machine.stand_in": "is PID 1 where asyncinit is not, and reaps for it",
    "cli.joining": "runs outside, in front of a PID namespace that it has joined",
    "runtime.sandbox.placing": "runs in a forked helper, and waits for a child of that",
    "linux.user_namespaces": "runs in a forked child, and waits for a child of that",
    "runtime.process.isolating": "runs in a forked child, and waits for a child of that",
    "runtime.process.preferences": "runs in an offloaded child, and waits for a child of that",
}
MAY_SLEEP = {
    "minimal": "the reaper of last resort, when even waiting for a signal fails",
    "machine.stand_in": "a pause between two tries, where nothing runs but a shell",
    "runtime.output.buffer": "the last flush, after the loop, to a reader that is slow",
}
LONG_FUNCTIONS: dict[str, str] = {}


def name_of(path: Path) -> str:
    """Return a module's name within asyncinit: "core.engine", "" for asyncinit itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return module.partition(".")[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree(path)))


def imports(path: Path) -> list[tuple[int, str]]:
    """Return every import of a module, wherever it stands, as the full name of what is imported, with its line."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def used_names(path: Path) -> Iterator[tuple[int, str]]:
    """Return every name and attribute that a module uses, with its line."""
    for node in nodes(path):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr


def within(module: str, allowed: set[str]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in allowed)


def test_every_part_has_its_rule() -> None:
    """A new package or module at the top has to say what it may import, and in the map what it is for."""
    assert {part_of(name_of(path)) for path in MODULES} - {""} == set(ALLOWED)
    assert asyncinit.__doc__ is not None
    for part in ALLOWED:
        assert f"`{part}`" in asyncinit.__doc__ or f"{part} " in asyncinit.__doc__ or part == "errors"


def test_the_map_is_right() -> None:
    """In the docstring of asyncinit each layer imports from those to its right; none of these imports back."""
    assert asyncinit.__doc__ is not None
    chains = re.findall(r"^ {4,}(\S.* -> .*)$", asyncinit.__doc__, re.M)
    assert len(chains) == 3
    for chain in chains:
        layers = [re.sub(r" \(.*?\)", "", layer).strip() for layer in chain.split(" -> ")]
        for position, layer in enumerate(layers):
            assert not within(layer, {part for right in layers[position + 1 :] for part in ALLOWED[part_of(right)]})


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_point_one_way(part: str) -> None:
    """Each part imports of asyncinit what its rule allows, and nothing else."""
    wrong = []
    for path in MODULES:
        module = name_of(path)
        if part_of(module) == part:
            allowed = ALLOWED[part] | ALLOWED_TO_ONE.get(module, set()) | {part}
            own = [(line, name) for line, name in imports(path) if part_of(name) == "asyncinit"]
            wrong += [f"{path}:{line}: {name}" for line, name in own if not within(name.partition(".")[2], allowed)]
    assert wrong == []


def test_libraries_stay_where_they_are_used() -> None:
    """Third parties are imported by the parts that need them; the kernel's calls and the smallest loops need none."""
    wrong = []
    for path in MODULES:
        for line, name in imports(path):
            library = part_of(name)
            if library not in sys.stdlib_module_names | {"asyncinit"}:
                here = part_of(name_of(path)) in THIRD_PARTY.get(library, set())
                wrong += [] if here else [f"{path}:{line}: {name}"]
    assert wrong == []


def test_the_core_is_pure() -> None:
    """No clock, no chance, no file, no loop: the core imports arithmetic and types."""
    found = {part_of(name) for path in MODULES if part_of(name_of(path)) == "core" for _, name in imports(path)}
    assert found - {"asyncinit"} <= CORE_MAY_IMPORT


def test_only_the_runtime_has_a_loop() -> None:
    """asyncio is the runtime's alone, and that of `top`, which has its own: `cli` never loads it."""
    wrong = [
        f"{path}:{line}"
        for path in MODULES
        for line, name in imports(path)
        if part_of(name) == "asyncio" and part_of(name_of(path)) not in {"runtime", "tui"}
    ]
    assert wrong == []


def test_no_threads_and_no_foreign_children() -> None:
    """Nothing of asyncinit imports what starts threads or waits for children of its own."""
    wrong = [
        f"{path}:{line}: {name}" for path in MODULES for line, name in imports(path) if part_of(name) in NEVER_IMPORTED
    ]
    wrong += [f"{path}:{line}: {name}" for path in MODULES for line, name in used_names(path) if name in NEVER_CALLED]
    assert wrong == []


def test_ctypes_is_the_kernel_layers() -> None:
    """Only asyncinit/linux calls C."""
    wrong = [
        f"{path}:{line}"
        for path in MODULES
        for line, name in imports(path)
        if part_of(name) in {"ctypes", "_ctypes", "cffi"} and part_of(name_of(path)) != "linux"
    ]
    assert wrong == []


def test_one_reaper() -> None:
    """Beside the reaper nobody in PID 1 waits for children."""
    for path in MODULES:
        module = name_of(path)
        calls = [
            node.lineno
            for node in nodes(path)
            if isinstance(node, ast.Attribute)
            and node.attr in WAITS
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
        ]
        assert not calls or module in WAITERS, f"{path}:{calls} waits for children"
        takes = [line for line, name in imports(path) if name == "asyncinit.linux.process.wait_any"]
        assert not takes or module.endswith(".reaper"), f"{path}:{takes} reaps"
        assert not any(part_of(name) == "os" and name in {f"os.{call}" for call in WAITS} for _, name in imports(path))


def test_nothing_sleeps() -> None:
    """Nobody waits by sleeping, but where no loop is left to wait with."""
    sleepers = {
        name_of(path)
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr == "sleep"
    }
    assert sleepers == set(MAY_SLEEP)


def test_no_tasks() -> None:
    """The runtime is callbacks: no coroutine can be forgotten, cancelled or left behind."""
    wrong = [
        f"{path}:{node.lineno}"
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith))
    ]
    assert wrong == []


def test_every_module_says_what_it_is_for() -> None:
    """Each begins with its docstring."""
    assert [str(path) for path in MODULES if not ast.get_docstring(tree(path))] == []


def test_sizes() -> None:
    """A module fits in the head, a function on a screen."""
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > 400] == []
    functions = [
        (f"{name_of(path)}.{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef)
    ]
    assert {name for name, lines in functions if lines > 60} == set(LONG_FUNCTIONS)


def test_exceptions_are_needed() -> None:
    """No rule lists an exception for a module that is not there."""
    modules = {name_of(path) for path in MODULES}
    assert {*ALLOWED_TO_ONE, *WAITERS, *MAY_SLEEP} <= modules


def test_modules_have_no_cycle() -> None:
    """What a module imports when it is loaded never leads back to it."""
    known = {name_of(path): path for path in MODULES}
    edges = {
        module: {other for other in set(loaded(path)) & set(known) if not within(module, {other})}  # its own package
        for module, path in known.items()
    }
    done: set[str] = set()
    for start in known:
        trail: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            module, leave = stack.pop()
            if leave:
                done.add(trail.pop())
            elif module not in done:
                assert module not in trail, f"{' -> '.join([*trail, module])}"
                trail.append(module)
                stack.append((module, True))
                stack += [(other, False) for other in edges[module]]


def loaded(path: Path) -> Iterator[str]:
    """Return the modules of asyncinit that a module imports as it is loaded (not in functions, not for types alone)."""
    for node in tree(path).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[2] for alias in node.names if part_of(alias.name) == "asyncinit")
        elif isinstance(node, ast.ImportFrom) and node.module is not None and part_of(node.module) == "asyncinit":
            below = node.module.partition(".")[2]
            yield below
            yield from (f"{below}.{alias.name}".lstrip(".") for alias in node.names)
