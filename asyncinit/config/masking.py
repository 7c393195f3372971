"""Which variables hold secrets, by their names; looks at no value."""

from __future__ import annotations

MASK = "********"

_WORDS = (
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASSCODE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "PRIVATE",
    "APIKEY",
    "BEARER",
)
_PARTS = frozenset(
    ("KEY", "KEYS", "PASS", "PWD", "PW", "AUTH", "PAT", "SALT", "DSN", "COOKIE", "SIGNATURE", "CERT", "JWT")
)


def is_secret(name: str) -> bool:
    """Tell whether a variable of this name probably holds a secret: rather one too many than one too few."""
    upper = name.upper()
    if any(word in upper for word in _WORDS):
        return True
    return upper != "PWD" and not _PARTS.isdisjoint("".join(c if c.isalnum() else " " for c in upper).split())


def masked(text: str) -> str:
    """Return `text` with a password in an address (scheme://user:password@host) hidden."""
    head, separator, rest = text.partition("://")
    if not separator:
        return text
    authority, slash, path = rest.partition("/")
    credentials, at, host = authority.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{head}://{user}:{MASK}@{host}{slash}{path}" if at and colon else text
