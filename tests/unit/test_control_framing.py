"""Messages come out whole however the stream is cut."""

from __future__ import annotations

import pytest

from asyncinit.control.framing import MessageTooLongError, Splitter

STREAM = b'{"method":"a.B"}\0\0{"x":"\xc3\xa9"}\0rest'
MESSAGES = [b'{"method":"a.B"}', b"", b'{"x":"\xc3\xa9"}']


def messages_of(splitter: Splitter) -> list[bytes]:
    found = []
    while (message := splitter.next()) is not None:
        found.append(message)
    return found


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_stream_cut_anywhere_gives_the_same_messages(cut: int) -> None:
    """Two reads give what one read gives."""
    splitter = Splitter()
    splitter.feed(STREAM[:cut])
    found = messages_of(splitter)
    splitter.feed(STREAM[cut:])
    assert found + messages_of(splitter) == MESSAGES
    assert len(splitter) == len(b"rest")


def test_byte_by_byte() -> None:
    """A byte a read gives the same messages too."""
    splitter = Splitter()
    found = []
    for number in range(len(STREAM)):
        splitter.feed(STREAM[number : number + 1])
        found += messages_of(splitter)
    assert found == MESSAGES


def test_a_message_of_the_limit_passes_and_a_longer_one_does_not() -> None:
    """The limit counts the message without its NUL, whether the NUL has come or not."""
    exact = Splitter(10)
    exact.feed(b"x" * 10 + b"\0")
    assert exact.next() == b"x" * 10
    for text in (b"x" * 11, b"x" * 11 + b"\0"):
        long = Splitter(10)
        long.feed(text)
        with pytest.raises(MessageTooLongError):
            long.next()
