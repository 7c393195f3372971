"""`asyncinit analyze plot`: the start as one SVG picture, for a browser; needs nothing else and loads nothing.

A row a service, in the order in which they could begin. The name stands before its bar, so that no label meets another.
A line leads from where a service was ready down or up to where the one begins that waited for it last; those of the
chain that decided the whole are drawn strong. The colours follow the reader's light or dark setting.
"""

from __future__ import annotations

from itertools import pairwise

from asyncinit.cli.analyze import chain_to, held_by, took
from asyncinit.core.phrases import duration

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

_ROW = 26
_BAR = 14
_TOP = 112
_SCALE = 860
_RIGHT = 110
_LETTER = 7.3
_LONGEST_NAME = 40
_TICKS = 10

# Plain rules first, and only then those that not every viewer understands.
_STYLE = """
  text { font: 12px ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; fill: #1f2933; }
  .title { font-size: 19px; font-weight: 600; } .strong { font-weight: 600; }
  .end { text-anchor: end; } .mid { text-anchor: middle; } .dim { fill: #6b7785; }
  .paper { fill: #ffffff; } .band { fill: #f6f8fa; } .grid { stroke: #e4e8ec; }
  .waiting { fill: #cfd6dd; } .preparing { fill: #e2b659; } .starting { fill: #4c8fd6; }
  .ready { fill: #bfe3cd; } .failed { fill: #d9605a; }
  .edge { fill: none; stroke: #a9b3bd; stroke-width: 1; } .edge-head { fill: #a9b3bd; }
  .chain { fill: none; stroke: #d1495b; stroke-width: 2; } .chain-head { fill: #d1495b; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e3e8ed; } .dim { fill: #94a1ae; }
    .paper { fill: #14181d; } .band { fill: #191f25; } .grid { stroke: #2a323a; }
    .waiting { fill: #45505b; } .preparing { fill: #b98a2e; } .ready { fill: #2c5840; } .failed { fill: #c9534d; }
    .edge { stroke: #5c6874; } .edge-head { fill: #5c6874; }
    .chain { stroke: #f0788a; } .chain-head { fill: #f0788a; }
  }
"""
_LEGEND = (
    ("waiting", "waits for others"),
    ("preparing", "is prepared"),
    ("starting", "starts"),
    ("ready", "is ready"),
    ("failed", "failed"),
)


def draw(answer: dict[str, Any]) -> str:
    """Return the picture of a start as the text of an SVG file."""
    services = sorted(answer["services"], key=_order)
    return _Plot(answer, services).text()


def _order(one: dict[str, Any]) -> tuple[float, float, str]:
    begins = one["preparing"] if one["preparing"] is not None else float("inf")
    ready = one["ready"] if one["ready"] is not None else float("inf")
    return begins, ready, one["name"]


class _Plot:
    """One picture under way."""

    def __init__(self, answer: dict[str, Any], services: list[dict[str, Any]]) -> None:
        self._answer = answer
        self._services = services
        self._by_name = {one["name"]: one for one in services}
        self._rows = {one["name"]: number for number, one in enumerate(services)}
        chain = chain_to(services, None)
        self._chain = {(later["name"], earlier["name"]) for later, earlier in pairwise(chain)}
        self._in_chain = {one["name"] for one in chain}
        moments = [one[key] for one in services for key in ("waiting", "preparing", "starting", "ready", "ended")]
        known = [moment for moment in moments if moment is not None]
        self._last: float = max([*known, 0.001]) * 1.04
        longest = max((len(one["name"]) for one in services), default=0)
        self._left = 24 + min(longest, _LONGEST_NAME) * _LETTER + 12
        self._bottom = _TOP + len(services) * _ROW
        self._width = self._left + _SCALE + _RIGHT
        self._parts: list[str] = []

    def text(self) -> str:
        height = self._bottom + 44
        self._add(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self._width:.0f}" height="{height}" '
            f'viewBox="0 0 {self._width:.0f} {height}" role="img" aria-label="{_escaped(self._headline())}">'
        )
        self._add(f"<style>{_STYLE}</style>")
        self._add(f'<rect class="paper" width="{self._width:.0f}" height="{height}"/>')
        self._head()
        self._grid()
        for one in self._services:
            self._bars(one)
        # Over the bars, and those of the chain over all others.
        for strong in (False, True):
            for one in self._services:
                self._edge(one, strong)
        self._add("</svg>\n")
        return "\n".join(self._parts)

    def _add(self, text: str) -> None:
        self._parts.append(text)

    def _headline(self) -> str:
        finished = self._answer["finished"]
        count = len(self._services)
        whole = "still starting" if finished is None else f"started in {duration(finished)}"
        return f"asyncinit {whole}: {count} service{'' if count == 1 else 's'}"

    def _head(self) -> None:
        self._add(f'<text class="title" x="24" y="36">{_escaped(self._headline())}</text>')
        self._add(f'<text class="dim" x="24" y="56">{_escaped(self._answer["begun"])}</text>')
        x = 24.0
        for kind, words in _LEGEND:
            self._add(f'<rect class="{kind}" x="{x:.1f}" y="69" width="12" height="12" rx="2"/>')
            self._add(f'<text class="dim" x="{x + 18:.1f}" y="79">{words}</text>')
            x += 18 + len(words) * 6.6 + 22
        self._add(f'<path class="chain" d="M{x:.1f},75 h22"/>')
        self._add(f'<text class="dim" x="{x + 28:.1f}" y="79">what the start waited for</text>')

    def _grid(self) -> None:
        for number in range(0, len(self._services), 2):
            y = _TOP + number * _ROW
            self._add(f'<rect class="band" x="0" y="{y}" width="{self._width:.0f}" height="{_ROW}"/>')
        step = _nice(self._last / _TICKS)
        moment = 0.0
        while moment <= self._last:
            x = self._x(moment)
            self._add(f'<path class="grid" d="M{x:.1f},{_TOP - 6} V{self._bottom + 6}"/>')
            self._add(f'<text class="dim mid" x="{x:.1f}" y="{self._bottom + 24}">{duration(moment)}</text>')
            moment += step

    def _x(self, moment: float) -> float:
        return self._left + moment / self._last * _SCALE

    def _y(self, name: str) -> float:
        return _TOP + self._rows[name] * _ROW + _ROW / 2

    def _bars(self, one: dict[str, Any]) -> None:
        name, y = one["name"], self._y(one["name"])
        strong = " strong" if name in self._in_chain else ""
        self._add("<g>")
        self._add(f"<title>{_escaped(_story(one, held_by(one, self._by_name)))}</title>")
        shown = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        self._add(f'<text class="end{strong}" x="{self._left - 12:.1f}" y="{y + 4:.1f}">{_escaped(shown)}</text>')
        end = one["ready"] if one["ready"] is not None else one["ended"]
        until = self._last if end is None else end
        prepared = until if one["preparing"] is None else one["preparing"]
        started = until if one["starting"] is None else one["starting"]
        self._bar("waiting", one["waiting"], prepared, y, thin=True)
        if one["preparing"] is not None:
            self._bar("preparing", prepared, min(started, until), y)
            self._bar("starting" if one["ready"] is not None or end is None else "failed", started, until, y)
        if one["ready"] is not None:
            self._bar("ready", one["ready"], self._last, y, thin=True)
        if one["ready"] is not None and one["ended"] is not None:
            self._bar("failed", one["ended"], one["ended"], y)  # its first attempt
        taken = took(one)
        if taken is not None and end is not None:
            label = f'<text class="dim" x="{self._x(self._last) + 8:.1f}" y="{y + 4:.1f}">'
            self._add(f"{label}{duration(taken)}{'' if one['ready'] is not None else ' ✕'}</text>")
        self._add("</g>")

    def _bar(self, kind: str, begin: float, end: float, y: float, thin: bool = False) -> None:
        if end < begin:
            return
        height = 4 if thin else _BAR
        width = max(self._x(end) - self._x(begin), 0.0 if thin else 2.0)
        x = self._x(begin)
        top = y - height / 2
        self._add(f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height}" rx="1.5"/>')

    def _edge(self, one: dict[str, Any], strong: bool) -> None:
        """Draw the line from what held a service up last; the others would only hide the picture."""
        holder = held_by(one, self._by_name)
        if holder is None or ((one["name"], holder) in self._chain) is not strong:
            return
        end = self._by_name[holder]
        moments = [moment for moment in (end["ready"], end["ended"]) if moment is not None]
        moment = max(moment for moment in moments if moment <= one["preparing"] + 1e-6)
        begin_x, begin_y = self._x(moment), self._y(holder)
        x, y = self._x(one["preparing"]), self._y(one["name"])
        down = 1 if y > begin_y else -1
        tip = y - down * (_BAR / 2 + 1)
        kind = "chain" if strong else "edge"
        title = f"{_escaped(one['name'])} waited for {_escaped(holder)}"
        turn = y - down * _ROW / 2
        path = f"M{begin_x:.1f},{begin_y + down * _BAR / 2:.1f} V{turn:.1f} H{x:.1f} V{tip - down * 5:.1f}"
        head = f"M{x:.1f},{tip:.1f} l-3.5,{-down * 6} h7 z"
        self._add(f'<g><title>{title}</title><path class="{kind}" d="{path}"/>')
        self._add(f'<path class="{kind}-head" d="{head}"/></g>')


def _story(one: dict[str, Any], holder: str | None) -> str:
    """Return what a pointer over a row shows."""
    lines = [f"{one['name']} ({one['type']}), now {one['state']}"]
    if one["preparing"] is not None:
        waited = one["preparing"] - one["waiting"]
        lines.append(f"waited {duration(waited)}" + (f", at last for {holder}" if holder else ""))
    taken = took(one)
    if taken is not None:
        lines.append(f"took {duration(taken)} to {'be ready' if one['ready'] is not None else 'fail'}")
    if one["ready"] is not None:
        lines.append(f"ready after {duration(one['ready'])}")
    if one["attempts"] > 1:
        lines.append(f"{one['attempts']} attempts")
    return "\n".join(lines)


def _nice(step: float) -> float:
    """Return the next larger step of 1, 2 or 5 times a power of ten."""
    power = 1e-6
    while power * 10 <= step:
        power *= 10
    return next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= step)


def _escaped(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return "".join(one if one.isprintable() or one == "\n" else " " for one in text)
