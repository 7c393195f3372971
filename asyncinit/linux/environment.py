"""The environment as the kernel gave it to us, without what Python added; must not know what is in it.

Python, started in the C locale (the usual thing in a container), sets LC_CTYPE=C.UTF-8 in its own environment
(PEP 538), and every program that it starts would get that as if its user had asked for it.
"""

import os

_COERCED = {b"C.UTF-8", b"C.utf8", b"UTF-8"}  # the values that PEP 538 sets


def original_environment() -> dict[bytes, bytes]:
    """Return a copy of our environment as it was before Python touched LC_CTYPE.

    Changes by others (`os.environ[...] = ...`) are in it. Where /proc can't be read, a coerced LC_CTYPE is dropped.
    """
    environment = dict(os.environb)
    if environment.get(b"LC_CTYPE") not in _COERCED or environment.get(b"LC_ALL"):
        return environment  # PEP 538 does nothing where LC_ALL is set
    before = _first_value(b"LC_CTYPE")
    if before is None:
        del environment[b"LC_CTYPE"]
    else:
        environment[b"LC_CTYPE"] = before
    return environment


def _first_value(name: bytes) -> bytes | None:
    """Return the value of `name` in the block that exec gave us, which setenv(3) leaves as it was."""
    try:
        with open("/proc/self/environ", "rb", buffering=0) as file:
            block = file.read()
    except OSError:
        return None
    for entry in block.split(b"\0"):
        key, found, value = entry.partition(b"=")
        if found and key == name:
            return value
    return None
