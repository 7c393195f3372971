"""Check an installed asyncinit, outside of its repository: python -P .ci/installed.py PATH/TO/bin/asyncinit."""

import os
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

SERVICE = """
command = ["sh", "-c", "echo it runs; exit 7"]
essential = true
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that is to end by itself."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)


def main(program: str) -> None:
    """Check the files of the package that imports, and the program at `program`."""
    package = resources.files("asyncinit")
    for name in ("py.typed", "control/io.asyncinit.varlink"):
        assert (package / name).is_file(), f"{name} is not in the package"

    os.chdir(tempfile.mkdtemp())
    done = run(program, "--version")
    assert done.returncode == 0, done
    assert package.joinpath("__init__.py").read_text().split('__version__ = "')[1].split('"')[0] in done.stdout, done
    done = run(program, "--", "sh", "-c", "exit 42")
    assert done.returncode == 42, done

    Path("services.d").mkdir()
    Path("services.d/web.toml").write_text(SERVICE)
    done = run(program, "check", "services.d")
    assert done.returncode == 0, done
    done = run(program, "run", "--services", "services.d")
    assert done.returncode == 7, done
    assert "it runs" in done.stdout + done.stderr, done


main(sys.argv[1])
