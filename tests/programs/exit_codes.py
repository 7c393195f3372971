"""Run the wrapper as PID 1 of a fresh namespace for each of the 256 exit codes; print those that came out wrong."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from asyncinit import wrapper
from asyncinit.linux import namespaces


def status_of(code: int, **options: dict[int, int]) -> int:
    """Return the status that a wrapper as PID 1 gives for a CMD that exits with `code`."""
    helper = os.fork()
    if helper == 0:
        namespaces.unshare(namespaces.CLONE_NEWPID | (namespaces.CLONE_NEWUSER if os.geteuid() else 0))
        if os.fork() == 0:
            assert os.getpid() == 1
            wrapper.run(wrapper.WrapOptions(("/bin/sh", "-c", f"exit {code}"), **options))
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
    return os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])


for code in range(256):
    if status_of(code) != code:
        print("as it is:", code)
    if status_of(code, exit_codes={code: 255 - code}) != 255 - code:
        print("mapped:", code)
print("done")
