"""Single values: how durations, sizes, signals, ends, commands, modes and names are written."""

from __future__ import annotations

import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config import addresses, ends, values
from asyncinit.config.names import is_service_name
from asyncinit.config.spec import Cause, Outcomes
from asyncinit.config.values import BadValueError
from asyncinit.errors import AsyncinitError
from asyncinit.runtime.ready import addresses as meant


def test_durations_are_read() -> None:
    """Units may be combined from large to small, a number is seconds, "none" never ends."""
    for text, seconds in {
        "500ms": 0.5,
        "5s": 5,
        "1m30s": 90,
        "1h": 3600,
        "2d": 172800,
        "1.5s": 1.5,
        "1h0.5m": 3630,
        "1s500ms": 1.5,
        "0s": 0,
        "none": math.inf,
    }.items():
        assert values.duration(text) == seconds
    assert values.duration(0) == 0
    assert values.duration(2.5) == 2.5


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5", '"5s"'),
        ("5 s", '"5s"'),
        ("5 secs", '"5s"'),
        ("1min 30sec", '"1m30s"'),
        ("10 minutes", '"10m"'),
        ("1S", '"1s"'),
        ("infinity", '"none"'),
        ("None", '"none"'),
        ("", ""),
        ("soon", ""),
        ("30s1m", ""),
        ("-5s", ""),
        ("1e3s", ""),
        ("\u0665s", ""),
        ("5s\n", '"5s"'),
        ("1" * 5000, ""),
    ],
)
def test_other_durations_are_refused_with_what_was_meant(text: str, meant: str) -> None:
    """What is no duration is refused, and a guess is made where there is one."""
    with pytest.raises(BadValueError) as caught:
        values.duration(text)
    assert caught.value.suggestion == meant


@pytest.mark.parametrize("number", [-1, -0.1, math.nan, math.inf, 10**400, 1e300, "100000d"])
def test_impossible_numbers_of_seconds_are_refused(number: float | str) -> None:
    """A duration is neither negative nor endless nor longer than timers can be."""
    with pytest.raises(BadValueError):
        values.duration(number)


@given(st.floats(0, values.LONGEST))
def test_a_duration_that_is_written_is_read_back(seconds: float) -> None:
    """`format_duration` loses nothing."""
    assert values.duration(values.format_duration(seconds)) == seconds


@given(st.integers(0, 3650 * 86400 * 1000))
def test_a_duration_in_milliseconds_is_read_back(milliseconds: int) -> None:
    """Times as people write them come back as they were."""
    assert values.duration(values.format_duration(milliseconds / 1000)) == milliseconds / 1000


def test_durations_are_written_as_people_do() -> None:
    """Whole seconds are in hours, minutes and seconds; less than one in milliseconds."""
    written = {0.0: "0s", 0.25: "250ms", 90.0: "1m30s", 3600.0: "1h", 1.5: "1.5s", math.inf: "none", 1e-7: "0.0000001s"}
    for seconds, text in written.items():
        assert values.format_duration(seconds) == text


def test_durations_that_must_end_or_be_positive() -> None:
    """Some keys cannot be "none", some not zero."""
    for function, bad in ((values.finite, "none"), (values.positive, "none"), (values.positive, 0)):
        with pytest.raises(BadValueError):
            function(bad)
    assert values.finite(0) == 0


def test_sizes_are_read() -> None:
    """Letters are powers of 1024, a number is bytes."""
    assert [values.size(text) for text in ("64K", "512M", "1.5G", "1T", "10", 7, "none")] == [
        65536,
        512 * 2**20,
        3 * 2**29,
        2**40,
        10,
        7,
        math.inf,
    ]
    for bad, guess in (("64KiB", '"64K"'), ("64 kb", '"64K"'), ("x", ""), (-1, "")):
        with pytest.raises(BadValueError) as caught:
            values.size(bad)
        assert caught.value.suggestion == guess


def test_signals_are_read_with_and_without_sig() -> None:
    """Names in any case, real-time signals, and numbers that exist."""
    for text in ("SIGTERM", "TERM", "term", 15):
        assert ends.signal_number(text) == signal.SIGTERM
    assert ends.signal_number("RTMIN+3") == signal.SIGRTMIN + 3
    assert ends.signal_number("SIGRTMAX-1") == signal.SIGRTMAX - 1
    for bad, guess in (
        ("SIGTREM", '"SIGTERM"'),
        ("RTMIN+60", ""),
        ("RTMAX+1", ""),
        (0, ""),
        (32, ""),
        (99, ""),
        ("", ""),
    ):
        with pytest.raises(BadValueError) as caught:
            ends.signal_number(bad)
        assert caught.value.suggestion == guess


@given(st.sampled_from(sorted(signal.valid_signals())))
def test_a_signal_that_is_written_is_read_back(number: int) -> None:
    """Every signal of this system has a name that means it."""
    assert ends.signal_number(ends.format_signal(number)) == number


def test_ends_are_codes_signals_and_causes() -> None:
    """A list of ends is sorted into what it names."""
    found = ends.outcomes([0, 75, "SIGHUP", "RTMIN+4", "oom"])
    assert found == Outcomes(frozenset({0, 75}), frozenset({1, signal.SIGRTMIN + 4}), frozenset({Cause.OOM}))
    assert ends.outcomes(ends.format_outcomes(found)) == found
    for bad, guess in ((256, ""), (-1, ""), ("75", "75"), ("omm", '"oom"'), ("SIGNOTHING", "")):
        with pytest.raises(BadValueError) as caught:
            ends.end_or_cause(bad)
        assert caught.value.suggestion == guess


def test_commands_are_split_as_a_shell_splits_words() -> None:
    """Quotes and backslashes count, variables and operators don't."""
    assert values.command("nginx -g 'daemon off;'") == ("nginx", "-g", "daemon off;")
    assert values.command(r'a "b c" d\ e "" $X # no comment') == ("a", "b c", "d e", "", "$X", "#", "no", "comment")
    assert values.command(["a b", ""]) == ("a b", "")
    for bad in ("", "   ", [], "'open", [""], "''"):
        with pytest.raises(BadValueError):
            values.command(bad)


def test_modes_are_octal_strings() -> None:
    """At most four octal digits; a mask has no more than permission bits."""
    assert values.umask("0027") == values.umask("27") == 0o027
    assert values.octal("1777") == 0o1777
    for bad in ("0o27", "8", "", "00027", "rwx"):
        with pytest.raises(BadValueError):
            values.octal(bad)
    with pytest.raises(BadValueError):
        values.umask("1000")


def test_names_of_services() -> None:
    """Letters, digits, and three signs that don't come first; an instance has two such names."""
    for good in ("web", "7", "a.b-c_d", "A" * 200, "web@8080", "a.b@c-d"):
        assert is_service_name(good)
    for bad in ("", ".a", "-a", "_a", "a b", "a/b", "é", "a\n", "..", "A" * 201):
        assert not is_service_name(bad)
    for bad in ("a@", "@a", "a@b@c", "a@.", "a@..", "a@ ", "a@é", "a@" + "b" * 199):
        assert not is_service_name(bad)


def test_accounts_are_names_or_ids() -> None:
    """Ids fit the kernel's type, and -1 is not one."""
    for good, text in ((0, "0"), ("1000", "1000"), ("www-data", "www-data"), (2**32 - 2, str(2**32 - 2))):
        assert values.account(good) == text
    for bad in (-1, 2**32 - 1, "", "a:b", "a b", "-x", "a,b", "9" * 30):
        with pytest.raises(BadValueError):
            values.account(bad)


def test_directories_stay_below_their_folder() -> None:
    """Neither absolute nor with a way up."""
    for good in ("web", "web/cache", "..."):
        assert values.directory(good) == good
    for bad in ("/run/web", "../x", "a/../b", "a//b", "", ".", "a/"):
        with pytest.raises(BadValueError):
            values.directory(bad)


def test_who_may_read_the_control_socket() -> None:
    """Nobody, everybody, or a group."""
    for good in ("owner", "all", "group:adm", "group:7"):
        assert values.control_read(good) == good
    for bad in ("ownr", "group", "group:", "group:a b", ""):
        with pytest.raises(BadValueError):
            values.control_read(bad)


_ADDRESSES = st.one_of(
    st.text(st.sampled_from("a1.:[]/@?#x -%é\t"), max_size=20),
    st.builds("{}:{}".format, st.sampled_from(["127.0.0.1", "[::1]", "localhost", "", "::1"]), st.integers(-1, 70000)),
    st.builds("http://{}{}".format, st.sampled_from(["h", "[::1]:80", "h:0", ":80", "u@h"]), st.text(max_size=5)),
)


@given(_ADDRESSES, st.sampled_from(["tcp", "http"]))
def test_an_address_is_accepted_just_when_probes_understand_it(text: str, kind: str) -> None:
    """The check of a file and the probe at run time agree."""
    if "\0" in text or "${" in text:
        return
    check, parse = {"tcp": (addresses.tcp, meant.parse_tcp), "http": (addresses.http, meant.parse_http)}[kind]
    try:
        parse(text)
    except AsyncinitError:
        with pytest.raises(BadValueError):
            check(text)
    else:
        assert check(text) == text


def test_what_was_meant_by_an_address() -> None:
    """The usual slips get the address that was meant; what has variables in it is taken as it is."""
    for function, text, guess in (
        (addresses.tcp, "8080", '"127.0.0.1:8080"'),
        (addresses.tcp, ":8080", '"127.0.0.1:8080"'),
        (addresses.tcp, "::1:8080", '"[::1]:8080"'),
        (addresses.http, "127.0.0.1:80/x", '"http://127.0.0.1:80/x"'),
        (addresses.http, "https://x/", ""),
        (addresses.listening, "@", ""),
        (addresses.unix, "@", ""),
    ):
        with pytest.raises(BadValueError) as caught:
            function(text)
        assert caught.value.suggestion == guess
    assert addresses.tcp("${HOST}:${PORT}") == "${HOST}:${PORT}"
