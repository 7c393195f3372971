"""The C library: calls that Python has no function for, with errno as OSError; must not know what they are for.

Every prototype is declared here, once, so that no caller can pass an argument in a wrong width. Constants beside the
prototypes are those of the kernel's headers.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import: each simple init loads this
if TYPE_CHECKING:
    from typing import Any

_prototypes: dict[str, tuple[Any, ...]] = {}
_functions: dict[str, Any] = {}


def _load() -> Any:
    """Open the C library that this process already uses, and fill the table of prototypes."""
    try:
        import ctypes
    except ImportError as error:
        from asyncinit.errors import MissingCtypesError

        raise MissingCtypesError from error
    integer, unsigned, pointer, text = ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_char_p
    _prototypes.update(
        prctl=(integer, unsigned, unsigned, unsigned, unsigned),
        signalfd=(integer, pointer, integer),
        timerfd_create=(integer, integer),
        timerfd_settime=(integer, integer, pointer, pointer),
        unshare=(integer,),
        setns=(integer, integer),
        mount=(text, text, text, unsigned, pointer),
        umount2=(text, integer),
        swapoff=(text,),
        reboot=(ctypes.c_uint,),
        adjtimex=(pointer,),
        pivot_root=(text, text),
        vhangup=(),
        sethostname=(text, ctypes.c_size_t),
        capget=(pointer, pointer),
        capset=(pointer, pointer),
        # variadic: all arguments are passed as what they are in the kernel, a long
        syscall=(ctypes.c_long,) * 7,
    )
    return ctypes.CDLL(None, use_errno=True)


def _function(name: str) -> Any:
    if not _functions:
        _functions[""] = _load()
    function = getattr(_functions[""], name)
    function.argtypes = _prototypes[name]
    import ctypes

    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    _functions[name] = function
    return function


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library and return its result.

    Arguments left out at the end are zero. Raises OSError with the function's errno where it gives -1, and
    MissingCtypesError where Python has no ctypes. A call interrupted by a signal raises InterruptedError.
    """
    function = _functions.get(name) or _function(name)
    import ctypes

    missing = len(function.argtypes) - len(arguments)
    result = int(function(*arguments, *(0,) * missing))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def clone_number() -> int:
    """Return the number of the system call clone(2) on this machine; raises OSError(ENOSYS) where it is not known."""
    import errno

    machine = os.uname().machine
    numbers = {"x86_64": 56, "aarch64": 220, "riscv64": 220, "loongarch64": 220, "ppc64le": 120}
    numbers |= dict.fromkeys(("i386", "i486", "i586", "i686", "armv6l", "armv7l", "armv8l"), 120)
    if machine not in numbers:  # s390x has the arguments in another order
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), f"clone on {machine}")
    import sys

    if machine in ("x86_64", "aarch64") and sys.maxsize < 2**32:
        return 120  # a 32-bit interpreter on a 64-bit kernel (i386 and arm both have 120)
    return numbers[machine]
