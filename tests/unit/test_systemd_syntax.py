"""Unit files as text: lines, words, specifiers, spans of time, calendar events, names; and any garbage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncinit.config.names import is_service_name, is_template
from asyncinit.migration.report import MigrationError
from asyncinit.migration.systemd.calendar import cron
from asyncinit.migration.systemd.commands import parse as parse_commands
from asyncinit.migration.systemd.directives.tables import SECTIONS
from asyncinit.migration.systemd.names import UnitName, parsed, service_name, unescape
from asyncinit.migration.systemd.parsing import Assignment, parse
from asyncinit.migration.systemd.specifiers import INSTANCE_MARK, expand
from asyncinit.migration.systemd.times import duration, size
from asyncinit.migration.systemd.translate import translate
from asyncinit.migration.systemd.words import Untranslatable, boolean, split
from asyncinit.migration.writing import write
from tests.unit.systemd_world import put


def test_lines() -> None:
    """Comments, continued lines with comments in them, spaces, what is no setting; the line is where it begins."""
    text = "# no\n; no\n[Unit]\n A = b \nlong = one \\\n# within\n  two \\\nthree\n\nnonsense\n[S]\nB=\nC=x=y\nlast=\\"
    assert list(parse(text)) == [
        Assignment(4, "Unit", "A", "b"),
        Assignment(5, "Unit", "long", "one  two  three"),
        Assignment(10, "Unit", "", "nonsense"),
        Assignment(12, "S", "B", ""),
        Assignment(13, "S", "C", "x=y"),
        Assignment(14, "S", "last", ""),
    ]
    assert list(parse("A=b\n[U")) == [Assignment(1, "", "", "A=b"), Assignment(2, "", "", "[U")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("\"a b\" 'c \"d' e'f g'h", ["a b", 'c "d', "ef gh"]),
        (r"a\x20b \t\s \\ \u00e9 \101", ["a b", "\t ", "\\", "é", "A"]),
        (r"keep\q", ["keep\\q"]),
        ('"" x', ["", "x"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    """Quotes of both kinds, within words too, and C escapes."""
    assert split(text) == words


def test_a_quote_left_open() -> None:
    """It is no word."""
    with pytest.raises(Untranslatable, match="quote"):
        split("a 'b")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("5", "5s"),
        ("2min 3s", "2m3s"),
        ("1.5h", "1h30m"),
        ("3h 5 min", "3h5m"),
        ("infinity", "none"),
        ("50ms", "50ms"),
        ("1w", "168h"),
        ("0", "0s"),
        ("90us", "0.00009s"),
    ],
)
def test_spans(text: str, written: str) -> None:
    """As asyncinit writes them."""
    assert duration(text) == written


def test_what_is_no_span_or_size() -> None:
    """Not a time, not a size, not a boolean: each is told."""
    for read, text in ((duration, "soon"), (duration, ""), (size, "10%"), (boolean, "maybe")):
        with pytest.raises(Untranslatable):
            read(text)
    assert (size("2G"), size("infinity"), size("1000")) == ("2G", "none", 1000)
    assert boolean("On") and not boolean("0")


@pytest.mark.parametrize(
    ("text", "expression", "zone"),
    [
        ("daily", "0 0 * * *", None),
        ("*-*-* 06:30", "30 6 * * *", None),
        ("*-*-* 6,18:00:00", "0 6,18 * * *", None),
        ("Mon..Fri *-*-* 08:00", "0 8 * * MON-FRI", None),
        ("Sat,Sun 10:00", "0 10 * * SAT,SUN", None),
        ("Fri..Sun 10:00", "0 10 * * FRI,SAT,SUN", None),
        ("Mon..Sun 10:00", "0 10 * * *", None),
        ("*:0/15", "*/15 * * * *", None),
        ("*-*-* 0/2:30:00", "30 */2 * * *", None),
        ("*-*-01 00:00", "0 0 1 * *", None),
        ("*-1,7-1..5 4:5", "5 4 1-5 1,7 *", None),
        ("*-*~1", "0 0 L * *", None),
        ("Sun", "0 0 * * SUN", None),
        ("03:10 Europe/Berlin", "10 3 * * *", "Europe/Berlin"),
        ("weekly UTC", "0 0 * * MON", "UTC"),
    ],
)
def test_calendar_events(text: str, expression: str, zone: str | None) -> None:
    """As cron says them."""
    assert cron(text) == (expression, zone, "")


@pytest.mark.parametrize("text", ["2026-01-01", "Mon *-*-1", "*:*:0/10", "Sat..Mon", "*-*~2", "25:00", "x", "1:2:3:4"])
def test_what_cron_cannot_say(text: str) -> None:
    """It is no equivalent, and never another time."""
    with pytest.raises(Untranslatable):
        cron(text)


def test_seconds_of_a_calendar_event() -> None:
    """They are left out, and told."""
    assert cron("*-*-* 3:10:30")[2].startswith("at the full minute")


def test_specifiers() -> None:
    """What a name and a system say; what only a machine knows is not made up."""
    instance, template = parsed("a-b@c-d.service"), parsed("a-b@.service")
    assert instance is not None and template is not None
    assert expand("%n %N %p %i %I %j %%x %t %S %h %u", instance, "/x/y") == (
        "a-b@c-d.service a-b@c-d a-b c-d c/d b %x /run /var/lib /root root"
    )
    assert expand("%i", template, "") == INSTANCE_MARK
    assert expand("50% %", instance, "") == "50% %"
    with pytest.raises(Untranslatable, match="%H"):
        expand("%H", instance, "")


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("web.service", "web"),
        ("web@.service", "web@"),
        ("web@80.service", "web@80"),
        ("all.target", "all.target"),
        (r"foo\x2dbar.service", "foo-bar"),
        ("-x.service", "unit-x"),
        (r"a:b@c\x40d.service", "a_b@c_d"),
    ],
)
def test_names(unit: str, name: str) -> None:
    """Of services as asyncinit has them."""
    found = parsed(unit)
    assert found is not None and str(found) == unit
    assert service_name(found) == name
    assert is_service_name(name) or is_template(name)


def test_what_is_no_name() -> None:
    """No unit: no kind, a slash, nothing before the kind, too long."""
    assert [parsed(text) for text in ("web", "a/b.service", ".service", "x" * 300 + ".service", "a.conf")] == [None] * 5
    assert unescape(r"a-b\x2dc") == "a/b-c"
    assert UnitName("a", True, "b", "service").of_template == UnitName("a", True, "", "service")


@given(st.text())
@example("²:")  # a digit of str.isdigit, and no number
@example("*:0/²")
def test_any_text_is_read(text: str) -> None:
    """Lines, words, spans, events, commands: an answer, or that it is none; never anything else."""
    for one in parse(text):
        assert one.line > 0
    for read in (split, duration, size, cron, boolean, lambda text: parse_commands(split(text))):
        try:
            read(text)  # type: ignore[operator]
        except Untranslatable:
            pass


WORDS = (
    "|yes|no|0|7|5s|infinity|/a|-/a:/b|%i|a b|x.service|u@.service|10%|~@mount|CAP_KILL|null|file:/x|SIGTERM|oneshot|"
    "forking|process|daily|A=b|$X ${Y}|-/x $Z|tty|always|/dev/x 5|é|-1"
)
VALUES = st.sampled_from(WORDS.split("|"))


def lines(*sections: str) -> st.SearchStrategy[str]:
    """Of a unit: its sections, with any of their directives, and whatever else."""
    keys = st.sampled_from([(section, key) for section in sections for key in SECTIONS[section]])
    known = st.builds("[{0[0]}]\n{0[1]}={1}".format, keys, VALUES)
    return st.lists(known | st.builds("{0[1]}={1}".format, keys, st.text()) | st.text(), max_size=12).map("\n".join)


@given(lines("Unit", "Service", "Install"), lines("Unit", "Socket", "Timer", "Install"))
def test_any_unit_is_translated_or_refused(tmp_path_factory: pytest.TempPathFactory, one: str, two: str) -> None:
    """Whatever stands in units: what comes out passes the check, or an error says why there is nothing."""
    folder = tmp_path_factory.mktemp("units")
    try:
        put(
            folder, {"a.service": "[Service]\nExecStart=/x\n" + one, "a.socket": two, "b@.service": two, "b.timer": one}
        )
        translation = translate([str(folder)], ())
        units = ("a.service", "a.socket", "b.timer", "b@.service")
        read = sum(
            len(list(parse((folder / name).read_bytes().decode()))) for name in units if (folder / name).stat().st_size
        )
        assert len(translation.ledger.entries()) >= read
        write(translation, str(folder / "out"), "test", dry_run=True)
    except MigrationError as error:
        assert "bug" not in str(error)
    except UnicodeEncodeError:
        pass  # a lone half of a character, which no file can have


def test_a_long_unit(tmp_path: Path) -> None:
    """Ten thousand lines are read, each has its entry, and a draft with them is written."""
    lines = "".join(f"Environment=N{number}=v\nAfter=other{number}.service\n" for number in range(5000))
    put(tmp_path, {"web.service": "[Service]\nExecStart=/x\n" + lines.replace("After", "X-After")})
    translation = translate([str(tmp_path / "web.service")], ())
    assert len(translation.ledger.entries()) == 10_001
    assert len(translation.drafts[0].data["environment"]) == 5000
