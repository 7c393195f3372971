"""One `asyncinit dev` a project: the first one claims its folder for as long as anything of it lives.

The claim is an abstract socket that is bound and never listened on: no file is left, and the kernel gives it back when
the last of us has ended. It is kept by the folder's identity, as the control socket's name is (`control.address`).
"""

from __future__ import annotations

import _socket
import errno
import os


def claim(folder: str) -> _socket.socket | None:
    """Claim the project in `folder` and return what holds the claim, which children hold with us; None: it is taken.

    Whose network namespace is another one (a container) has claims of its own. Raises OSError.
    """
    status = os.stat(folder)
    held = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        held.bind(f"\0asyncinit-dev-{status.st_dev:x}-{status.st_ino:x}")
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return held
