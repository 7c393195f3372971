"""What `top` shows of the services: which, in which order, in which columns; without a screen."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from asyncinit.tui import columns
from asyncinit.tui.services import WORST_FIRST, Services

NOW = 1_795_454_100.0


def status(name: str, state: str = "ready", **changes: object) -> dict[str, Any]:
    """A service as an answer of Status has it."""
    values: dict[str, Any] = {
        "name": name,
        "type": "service",
        "state": state,
        "reason": None,
        "pid": 5,
        "since": "2026-11-23T17:13:50.123Z",
        "restarts": 0,
        "waiting_on": [],
        "next_start": None,
        "status_text": None,
        "successor": None,
        "draining": [],
        "not_applied": [],
        "health": None,
        "log": None,
    }
    return values | changes


def some(*statuses: dict[str, Any]) -> Services:
    services = Services()
    services.replace(statuses)
    return services


def usage(name: str, seconds: float, memory: int = 1 << 20) -> dict[str, Any]:
    return {"name": name, "cpu_seconds": seconds, "memory": memory, "processes": 1}


class TestOrder:
    def test_by_name(self) -> None:
        """At first services stand by name, and the first is selected."""
        services = some(status("web"), status("db"))
        assert services.shown() == ["db", "web"]
        assert services.selected == "db"

    def test_by_state_the_worst_first(self) -> None:
        """Sorted by state, what is in trouble stands above what is well."""
        services = some(*(status(f"a-{state}", state) for state in sorted(WORST_FIRST)))
        services.next_sort()
        assert services.shown() == [f"a-{state}" for state in WORST_FIRST]

    @pytest.mark.parametrize("sort", Services.SORTS)
    def test_reversed(self, sort: str) -> None:
        """Each order can be turned round."""
        services = some(
            status("a", since="2026-11-23T17:13:50.123Z", restarts=1),
            status("b", "failed", since="2026-11-23T18:13:50.123Z", restarts=2),
        )
        services.measure(1.0, [usage("a", 1.0, 5), usage("b", 1.0, 9)])
        services.measure(2.0, [usage("a", 1.0, 5), usage("b", 1.5, 9)])
        while services.sort != sort:
            services.next_sort()
        before = services.shown()
        assert before == (["a", "b"] if sort == "name" else ["b", "a"])
        services.reverse()
        assert services.shown() == before[::-1]

    def test_every_state_has_a_place_and_a_sign(self) -> None:
        """No state is unknown to the order, nor without a sign."""
        from asyncinit.core.status import State

        assert set(WORST_FIRST) == set(State) == set(columns.SIGNS)


class TestFilter:
    def test_name_state_and_reason(self) -> None:
        """A filter finds services by name, state and reason, in small letters or capitals."""
        services = some(
            status("web"), status("db", "failed", reason={"code": "exit-code", "text": "Out of luck", "service": None})
        )
        for text, found in (("WEB", ["web"]), ("failed", ["db"]), ("luck", ["db"]), ("", ["db", "web"]), ("x", [])):
            services.set_filter(text)
            assert services.shown() == found

    def test_the_selection_stays_on_the_screen(self) -> None:
        """Where the selected service is left out, another one is selected; none where nothing is left."""
        services = some(status("web"), status("db"))
        services.set_filter("web")
        assert services.selected == "web"
        services.set_filter("nothing")
        assert services.selected is None
        services.set_filter("")
        assert services.selected == "db"

    def test_the_selection_stays_with_its_service(self) -> None:
        """Who comes and goes around the selected service does not move the selection."""
        services = some(status("b"), status("c"))
        services.select(1)
        services.replace([status("a"), status("b"), status("c")])
        assert (services.selected, services.position) == ("c", 2)
        services.replace([status("a")])
        assert services.selected == "a"


class TestUse:
    def test_processor_time_between_two_answers(self) -> None:
        """What is shown is the share of one processor since the answer before; nothing after the first."""
        services = some(status("web"))
        services.measure(10.0, [usage("web", 5.0)])
        assert services.use["web"].cpu is None
        services.measure(12.0, [usage("web", 6.0)])
        assert services.use["web"].cpu == 0.5

    def test_never_less_than_nothing(self) -> None:
        """A process that was replaced by another one does not use less than nothing."""
        services = some(status("web"))
        services.measure(10.0, [usage("web", 5.0)])
        services.measure(12.0, [usage("web", 0.1)])
        assert services.use["web"].cpu == 0.0

    def test_who_has_no_process_uses_nothing(self) -> None:
        """What has ended is not shown any more."""
        services = some(status("web"))
        services.measure(10.0, [usage("web", 5.0)])
        services.measure(12.0, [])
        assert services.use == {}


class TestColumns:
    @pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 80, 100, 200])
    @pytest.mark.parametrize("longest", [1, 8, 30, 200])
    def test_no_line_is_longer_than_the_screen(self, width: int, longest: int) -> None:
        """Whatever the names, what stands in a row has room, but for a name and a state on the smallest screens."""
        found = columns.columns(width, longest)
        assert sum(column.width + 1 for column in found) - 1 <= max(width, 13)
        services = some(status("n" * longest, "unhealthy", restarts=123456))
        cells = columns.row(found, services, "n" * longest, NOW)
        assert [cell_len(cell) for cell in cells] == [column.width for column in found]

    def test_80_columns_have_all(self) -> None:
        """On 80 columns everything is there, with room for a remark."""
        titles = [column.title for column in columns.columns(80, 20)]
        assert titles == ["NAME", "STATE", "SINCE", "CPU", "MEM", "RST", "HEALTH", "REMARK"]

    def test_40_columns_have_what_matters(self) -> None:
        """On 40 columns the name, the state and the use are left."""
        titles = [column.title for column in columns.columns(40, 12)]
        assert titles == ["NAME", "STATE", "CPU", "MEM"]

    def test_the_state_is_a_word(self) -> None:
        """Nothing is told by colour alone."""
        services = some(status("db", "failed"))
        assert columns.row(columns.columns(80, 8), services, "db", NOW)[1].rstrip() == "! failed"

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90061, "1d01h"), (4e7, "462d")],
    )
    def test_spans(self, seconds: float, text: str) -> None:
        """A duration has at most six characters."""
        assert columns.span(seconds) == text
        assert len(text) <= 6

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (0, "0B"),
            (1000, "1K"),
            (1 << 20, "1.0M"),
            (123 << 20, "123M"),
            (5 << 30, "5.0G"),
            (1023 << 20, "1.0G"),
            (2 << 40, "2.0T"),
        ],
    )
    def test_sizes(self, number: int, text: str) -> None:
        """A size has at most six characters."""
        assert columns.size(number) == text

    def test_long_names_keep_their_ends(self) -> None:
        """A name is cut in its middle: the number of an instance tells it from others."""
        assert columns.short_name("a-very-long-name-of-a-service@12", 16) == "a-very-l…vice@12"
        assert columns.short_name("short", 16) == "short"

    def test_health(self) -> None:
        """Health is a word, and nothing where nothing is probed."""
        base = {"healthy": True, "failures": 0, "probed": "2026-11-23T17:13:50.123Z", "text": None}
        for changes, word in (({}, "well"), ({"probed": None}, "-"), ({"failures": 2, "healthy": False}, "2 bad")):
            services = some(status("web", health=base | changes))
            assert columns.row(columns.columns(80, 8), services, "web", NOW)[6].strip() == word

    def test_remarks_cannot_break_the_line(self) -> None:
        """What a service says of itself is shown without anything that a terminal obeys, and cut to its cells."""
        services = some(status("web", status_text="\x1b[2J日本語日本語日本語日本語\n" * 9))
        cells = columns.row(columns.columns(100, 8), services, "web", NOW)
        assert "\x1b" not in cells[-1]
        assert "\n" not in cells[-1]
        assert cell_len(cells[-1]) == columns.columns(100, 8)[-1].width
