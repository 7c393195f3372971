"""The quick JSON of the client says what the json package says."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.client import quick_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@given(VALUES)
def test_what_is_written_is_read(value: object) -> None:
    """Both read what either writes."""
    text = quick_json.dumps(value)
    assert json.loads(text) == value
    assert quick_json.loads(text.encode()) == value
    assert quick_json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == value


@pytest.mark.parametrize(
    "text", [b"", b" ", b"{", b"[1,]", b"1 2", b"{}x", b'"\n"', b"nul", b'{"a" 1}', b"\xff", b"NaN", b"'a'", b"[1]]"]
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError):
        quick_json.loads(text)


def test_without_the_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are missing, the package does it."""
    monkeypatch.setattr(quick_json, "make_scanner", None)
    assert quick_json.loads(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert json.loads(quick_json.dumps({"a": math.pi})) == {"a": math.pi}
