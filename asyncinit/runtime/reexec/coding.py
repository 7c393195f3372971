"""The state as bytes, and where it is while one program becomes the next; knows nothing of what is in it.

MessagePack, not JSON: it has infinity (a deadline that never comes) and bytes (a line that is no UTF-8) as they are.
Text from outside (an argument, a path, the environment) may hold bytes that are no UTF-8, as lone surrogates, which no
format takes: where there are any, all text is written as the bytes that it stands for, one letter a byte.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from asyncinit.errors import AsyncinitError

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

FORMAT = 1
"""Changes when an older program could not read the state right any more; new fields with a default don't change it."""
READABLE = frozenset({1})
"""Formats that this program takes over."""

_MAGIC = b"asyncinit state "
_PLAIN, _BY_BYTES = b"plain", b"bytes"
_MFD_NOEXEC_SEAL = 8  # Linux 6.3; where the system demands it, nothing else is to be had
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class StateError(AsyncinitError):
    """What should be the state of an asyncinit is not, or is of a version that this program does not know."""


def encode(state: msgspec.Struct) -> bytes:
    """Return a state as bytes, its format before it."""
    try:
        kind, body = _PLAIN, _encoder.encode(state)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(state, builtin_types=(bytes,), str_keys=False, enc_hook=_plain)
        kind, body = _BY_BYTES, _encoder.encode(_each_text(plain, _to_letters))
    return b"%s%d %s\n%s" % (_MAGIC, FORMAT, kind, body)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the state that `encode` has made bytes of, as `kind`; raises StateError."""
    head, _, body = data.partition(b"\n")
    words = head.removeprefix(_MAGIC).split()
    if not head.startswith(_MAGIC) or len(words) != 2 or not words[0].isdigit():
        raise StateError("this is not the state of an asyncinit")
    if int(words[0]) not in READABLE:
        known = ", ".join(map(str, sorted(READABLE)))
        raise StateError(f"the state has format {int(words[0])}, and this program knows {known}")
    try:
        if words[1] == _PLAIN:
            return msgspec.msgpack.decode(body, type=kind)
        builtins = _each_text(msgspec.msgpack.decode(body), _from_letters)
        return msgspec.convert(builtins, kind, builtin_types=(bytes,))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise StateError(f"the state cannot be read: {error}") from error


def by_keys(entries: Iterable[msgspec.Struct]) -> list[dict[str, Any]]:
    """Return entries of the control protocol as what they consist of: their keys are added to from version to version.

    Their own types are too strict for another version's: see `from_keys`.
    """
    return [msgspec.to_builtins(entry) for entry in entries]


def from_keys(entries: Iterable[dict[str, Any]], kind: type[S]) -> list[S]:
    """Return entries of another version as those of this one; one that lacks something is left out."""
    known = msgspec.structs.fields(kind)
    found = []
    for entry in entries:
        try:
            keys = {field.encode_name: entry[field.encode_name] for field in known if field.encode_name in entry}
            found.append(msgspec.convert(keys, kind))
        except msgspec.ValidationError:
            continue
    return found


def store(data: bytes) -> int:
    """Return a new descriptor, close-on-exec, of memory that holds `data` and that nobody can change any more."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create("asyncinit-state", flags | _MFD_NOEXEC_SEAL)
    except OSError:
        fd = os.memfd_create("asyncinit-state", flags)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def load(fd: int) -> bytes:
    """Return what `store` has put there; raises StateError if others could have written it, OSError."""
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError as error:
        raise StateError(f"descriptor {fd} holds no state") from error
    if seals & fcntl.F_SEAL_WRITE == 0:
        raise StateError(f"descriptor {fd} is not sealed")
    size = os.fstat(fd).st_size
    parts: list[bytes] = []
    at = 0
    while at < size:
        part = os.pread(fd, size - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _plain(value: object) -> Any:
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} is no plain data")


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return `value` with `change` applied to every text in it, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_each_text(key, change): _each_text(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(item, change) for item in value]
    return value


def _to_letters(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _from_letters(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogatepass")
