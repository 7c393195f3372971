"""System call filters: made by libseccomp from names, put into force from bytes; must not know for whom.

The two are apart so that a filter is made once, in a child that may load a library, and its bytes are put into force in
the process that shall have it. libseccomp is called directly: what the Python bindings add to six functions is a
search for the library by ldconfig and gcc, as child processes.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterable
from typing import Any

from asyncinit.errors import AsyncinitError
from asyncinit.linux.libc import call

_PR_SET_SECCOMP = 22  # <linux/prctl.h>
_MODE_FILTER = 2
_INSTRUCTION = 8  # bytes of a struct sock_filter

ALLOW = 0x7FFF0000  # <linux/seccomp.h>
KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_LIBRARY = "libseccomp.so.2"
_NO_SUCH_CALL = -1  # __NR_SCMP_ERROR
_BAD_ARCHITECTURE = 2  # SCMP_FLTATR_ACT_BADARCH
_NO_NEW_PRIVS = 3  # SCMP_FLTATR_CTL_NNP: that is ours to set
# Programs of 32 bits, which 64-bit kernels run too: <linux/audit.h>
_SECOND_ARCHITECTURES = {"x86_64": 0x40000003, "aarch64": 0x40000028}


class MissingLibraryError(AsyncinitError):
    """libseccomp is not installed, or too old."""

    def __str__(self) -> str:
        return f"{_LIBRARY} is not installed (Debian: libseccomp2, Alpine: libseccomp)"


class UnknownCallError(AsyncinitError):
    """libseccomp knows no system call of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such system call: {name}")


def refuse_with(number: int) -> int:
    """Return the action by which a call fails with an errno."""
    return _ERRNO | number


def library() -> Any:
    """Open libseccomp. Raises MissingLibraryError."""
    import ctypes

    try:
        found = ctypes.CDLL(_LIBRARY)
        integer, unsigned, pointer = ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p
        found.seccomp_init.argtypes, found.seccomp_init.restype = (unsigned,), pointer
        found.seccomp_release.argtypes, found.seccomp_release.restype = (pointer,), None
        found.seccomp_arch_add.argtypes = (pointer, unsigned)
        found.seccomp_attr_set.argtypes = (pointer, integer, unsigned)
        found.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
        found.seccomp_rule_add_array.argtypes = (pointer, unsigned, integer, ctypes.c_uint, pointer)
        found.seccomp_export_bpf.argtypes = (pointer, integer)
    except (OSError, AttributeError) as error:
        raise MissingLibraryError from error
    return found


def make_filter(default: int, rules: Iterable[tuple[str, int]], required: Iterable[str]) -> bytes:
    """Return the filter that gives each named call its action, and all other calls `default`.

    A name that this libseccomp or this architecture does not have is left out, or if it is `required` raises
    UnknownCallError. What a program of a foreign architecture calls is refused. Raises MissingLibraryError and OSError.
    """
    seccomp = library()
    context = seccomp.seccomp_init(default)
    if not context:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    try:
        _checked(seccomp.seccomp_attr_set(context, _NO_NEW_PRIVS, 0))
        _checked(seccomp.seccomp_attr_set(context, _BAD_ARCHITECTURE, refuse_with(errno.ENOSYS)))
        second = _SECOND_ARCHITECTURES.get(os.uname().machine)
        if second is not None and sys.maxsize > 2**32:
            _checked(seccomp.seccomp_arch_add(context, second))
        named = set(required)
        for name, action in rules:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number == _NO_SUCH_CALL:
                if name in named:
                    raise UnknownCallError(name)
            elif action != default:
                _checked(seccomp.seccomp_rule_add_array(context, action, number, 0, None))
        return _exported(seccomp, context)
    finally:
        seccomp.seccomp_release(context)


def _exported(seccomp: Any, context: int) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _checked(seccomp.seccomp_export_bpf(context, fd))
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def enforce(program: bytes) -> None:
    """Put a filter into force for this process, for good. Raises OSError: EACCES without no_new_privs and a right."""
    import ctypes

    filters = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, and where they are
    head = struct.pack("@HP", len(program) // _INSTRUCTION, ctypes.addressof(filters))
    buffer = ctypes.create_string_buffer(head, len(head))
    call("prctl", _PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(buffer))
