"""Our own place when memory runs out: lowered for us, never for what we make; must not know what that is.

A child has the score of its parent at the moment of its making, and an ordinary program could not raise an init's that
it inherited. So the score that we were given is put back around each making of a process (`given_back`), and since we
have one thread nothing else happens meanwhile. Lowering takes CAP_SYS_RESOURCE. See proc_pid_oom_score_adj(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from asyncinit.errors import why

_PATH = "/proc/self/oom_score_adj"


class OwnScore:
    """The score of this process. Descriptors carried: one, close-on-exec; opened anew after a re-exec."""

    def __init__(self, path: str = _PATH) -> None:
        self._path = path
        self._fd = -1
        self._lowered = 0
        self._followed = False
        self.original: int | None = None
        """What children get; None: it was not lowered."""
        self.refusal = ""
        """Why it could not be lowered, if so."""

    def lower(self, wanted: int | None, original: int | None = None) -> None:
        """Lower it to `wanted`, or None: put the original back; a score that is lower already stays.

        `original` is what it was before another program of this process lowered it. What is refused is remembered.
        """
        self.refusal = ""
        if original is not None:
            self.original = original
        try:
            if self._fd < 0:
                self._open()
            now = int(os.pread(self._fd, 32, 0))
            given = now if self.original is None else self.original
            target = given if wanted is None else min(given, wanted)
            if target != now:
                self._write(target)
        except OSError as error:
            self._give_up(error)
        else:
            self.original, self._lowered = given, target
            if target == given:
                self.close()

    @property
    def lowered(self) -> int | None:
        """What it was lowered to; None: it was not."""
        return None if self.original is None else self._lowered

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Have the original score for as long as a process is made; a forked child keeps it."""
        if self.original is None:
            yield
            return
        self._set(self.original)
        try:
            yield
        finally:
            if self.original is not None:  # in a forked child it is None
                self._set(self._lowered)

    def close(self) -> None:
        """Give back the descriptor, and know of no score any more."""
        if self._fd >= 0:
            try:
                os.close(self._fd)
            except OSError:
                pass  # whoever closes all descriptors has closed it, too
        self._fd, self.original = -1, None

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        if not self._followed:
            # The file is that of the process that has opened it, in its children too.
            os.register_at_fork(after_in_child=self.close)
            self._followed = True

    def _set(self, value: int) -> None:
        try:
            self._write(value)
        except OSError as error:  # the right to lower it was taken from us: then all have the original
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.close()
        self.refusal = why(error.errno or 0)

    def _write(self, value: int) -> None:
        os.pwrite(self._fd, b"%d" % value, 0)


own_score = OwnScore()
"""That of this process: there is one."""
