"""The addresses that probes are given, when they are final, and hosts(5)."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.errors import AddressError
from asyncinit.runtime.ready.addresses import parse_http, parse_path, parse_tcp, parse_unix
from asyncinit.runtime.ready.names import Endpoint, find_in_hosts, parse_ip, resolve

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:1", "::1", 1),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
        ("localhost:80", "localhost", 80),
        ("db.internal:0080", "db.internal", 80),
    ],
)
def test_tcp_addresses(text, host, port):
    """Host and port are found, brackets are taken off."""
    assert parse_tcp(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "8080",
        ":80",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:\uff18\uff10",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[host]:80",
        "a b:80",
        "host:http",
        "host:80:80",
        "a\0b:80",
        "host:" + "9" * 5000,
    ],
)
def test_bad_tcp_addresses_are_refused(text):
    """What is no address raises with what was expected."""
    with pytest.raises(AddressError):
        parse_tcp(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "authority", "target"),
    [
        ("http://127.0.0.1", "127.0.0.1", 80, "127.0.0.1", "/"),
        ("HTTP://localhost:81/a/b?c=d#e", "localhost", 81, "localhost:81", "/a/b?c=d"),
        ("http://[::1]:82?x", "::1", 82, "[::1]:82", "/?x"),
        ("http://[::1]/", "::1", 80, "[::1]", "/"),
        ("http://h/?a=http://b/", "h", 80, "h", "/?a=http://b/"),
    ],
)
def test_http_addresses(text, host, port, authority, target):
    """A URL gives where to connect, the Host header and what to ask for."""
    assert parse_http(text) == ((host, port), authority, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:80",
        "https://h/",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://u:p@h/",
        "http://h/ x",
        "http://h/ü",
        "http://h/\r\nX: y",
        "http://h:x/",
        "http://h\0/",
    ],
)
def test_bad_http_addresses_are_refused(text):
    """Other schemes, credentials and anything that could break out of the request line raise."""
    with pytest.raises(AddressError):
        parse_http(text)


def test_unix_addresses():
    """A path stays, an abstract name gets its NUL byte, neither may be empty or hide a NUL."""
    assert parse_unix("/run/x") == b"/run/x"
    assert parse_unix("@x") == b"\0x"
    assert parse_path("/a\udcff") == b"/a\xff"
    for text in ("", "@", "/a\0b", "@" + "x" * 108):
        with pytest.raises(AddressError):
            parse_unix(text)
    with pytest.raises(AddressError):
        parse_path("")


@given(st.text(max_size=60))
def test_no_text_makes_parsing_fail_otherwise(text):
    """Any text is an address or an AddressError, never another error."""
    for parse in (parse_tcp, parse_http, parse_unix, parse_path):
        for candidate in (text, "http://" + text, text + ":80"):
            try:
                parse(candidate)
            except AddressError as error:
                assert str(error)


def test_ip_addresses_are_told_from_names():
    """Only complete addresses count, and a zone is resolved to an interface."""
    assert parse_ip("127.0.0.1") == Endpoint(V4, "127.0.0.1")
    assert parse_ip("::1%7") == Endpoint(V6, "::1", 7)
    assert parse_ip("fe80::1%lo") == Endpoint(V6, "fe80::1", socket.if_nametoindex("lo"))
    for text in ("127.1", "localhost", "1.2.3.4.5", "", "::1%nosuchif", "::g", "a\0"):
        assert parse_ip(text) is None
    assert parse_ip("::1%7").sockaddr(80) == ("::1", 80, 0, 7)


HOSTS = b"""
127.0.0.1\tlocalhost db   # comment db2
10.0.0.1 DB web.Example.org
#10.0.0.9 web
::1 db
10.0.0.1 db
nonsense db
\xff\xfe db
"""


def test_hosts_are_found_in_the_order_of_the_file():
    """Names match in any case, comments do not, bad lines are skipped, an address comes once."""
    assert find_in_hosts(HOSTS, "Db") == [Endpoint(V4, "127.0.0.1"), Endpoint(V4, "10.0.0.1"), Endpoint(V6, "::1")]
    assert find_in_hosts(HOSTS, "WEB.example.org") == [Endpoint(V4, "10.0.0.1")]
    assert find_in_hosts(HOSTS, "web") == find_in_hosts(HOSTS, "db2") == find_in_hosts(HOSTS, "10.0.0.1") == []


def test_localhost_needs_no_file(tmp_path):
    """localhost is the two loopback addresses; a name needs the file; a file that is not there has no names."""
    file = tmp_path / "hosts"
    assert resolve("LocalHost", str(file)) == [Endpoint(V4, "127.0.0.1"), Endpoint(V6, "::1")]
    assert resolve("db", str(file)) == []
    file.write_bytes(HOSTS)
    assert len(resolve("db", str(file))) == 3
    assert resolve("10.9.8.7", str(file)) == [Endpoint(V4, "10.9.8.7")]


@given(
    st.lists(st.sampled_from(["1.1.1.1", "::1", "a", "ab", "A", " ", "\t", "\n", "#", "x"])),
    st.sampled_from(["a", "x"]),
)
def test_hosts_are_read_as_the_plain_reading_does(parts, name):
    """The quick search finds what a line by line reading finds."""
    data = " ".join(parts).encode()
    plain = []
    for line in data.lower().split(b"\n"):
        words = line.partition(b"#")[0].split()
        endpoint = parse_ip(words[0].decode()) if words and name.encode() in words[1:] else None
        if endpoint is not None and endpoint not in plain:
            plain.append(endpoint)
    assert find_in_hosts(data, name) == plain


def test_a_password_in_an_address_is_not_repeated():
    """The error goes to logs; a secret in the address does not."""
    with pytest.raises(AddressError) as caught:
        parse_http("http://user:s3cret@host:80/")
    assert "s3cret" not in str(caught.value) and "host:80" in str(caught.value)


@given(st.binary(max_size=200), st.text(max_size=10))
def test_no_hosts_file_makes_it_fail(data, name):
    """Any bytes are a hosts file."""
    find_in_hosts(data, name)
