"""Become a subreaper within a millisecond; must not know why.

The ctypes package takes five times as long to import as the C module below it, and the wrapper makes just this one
call. Where that module is not what it used to be, `linux.process` does the same by the public way.
"""

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def set_subreaper() -> None:
    """Have orphans below us reparented to us although we are not PID 1 (prctl(2), Linux 3.4).

    Raises OSError, and MissingCtypesError where Python has no ctypes.
    """
    try:
        import _ctypes

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
        if _ctypes.call_function(prctl, (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0:
            return
    except (ImportError, AttributeError, TypeError, OSError):
        pass
    from asyncinit.linux import process

    process.set_subreaper()
