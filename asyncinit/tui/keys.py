"""The keys of `asyncinit top`: the one table that the bindings, the help and the guide are made of; knows no screen."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """Keys (textual's names, with commas), the action that they do, how they are written, and what that is.

    `hint`: the word at the bottom of the screen; empty: it is only in the help.
    """

    keys: str
    action: str
    written: str
    text: str
    hint: str = ""


KEYS: dict[str, tuple[Key, ...]] = {
    "Looking": (
        Key("up,k", "move(-1)", "Up k", "the service, or line, above"),
        Key("down,j", "move(1)", "Down j", "the one below"),
        Key("pageup", "page(-1)", "PgUp", "a page up"),
        Key("pagedown", "page(1)", "PgDn", "a page down"),
        Key("home", "edge(-1)", "Home", "the first"),
        Key("end,G", "edge(1)", "End G", "the last; of a log: follow it"),
        Key("left", "sideways(-1)", "Left", "long lines: back to their beginning"),
        Key("right", "sideways(1)", "Right", "long lines: on to their end"),
        Key("tab", "other", "Tab", "move in the services or in what is below them"),
        Key("z", "zoom", "z", "what is below alone, the services alone, both"),
        Key("o", "sort", "o", "sort by the next column", "sort"),
        Key("O", "reverse", "O", "sort the other way round"),
        Key("f", "filter", "f", "services whose name or state has some text", "filter"),
    ),
    "What is below": (
        Key("l", "show('logs')", "l", "the log of the service"),
        Key("g", "show('graph')", "g", "what it needs, and what needs it", "graph"),
        Key("d", "show('details')", "d", "details: why it is so, and what would follow", "details"),
        Key("slash", "search", "/", "search the log", "search"),
        Key("n", "again(1)", "n", "the next line that has it"),
        Key("N", "again(-1)", "N", "the one before"),
        Key("ampersand", "lines", "&", "lines of the log with some text only"),
        Key("w", "wrap", "w", "long lines: wrapped or cut"),
        Key("space", "follow", "Space", "follow the log, or hold it"),
    ),
    "Doing": (
        Key("s", "act('Start')", "s", "start", "start"),
        Key("S", "act('Stop')", "S", "stop", "stop"),
        Key("r", "act('Restart')", "r", "restart", "restart"),
        Key("R", "act('Reload')", "R", "have it read its configuration again"),
        Key("K", "signal", "K", "send a signal"),
        Key("c", "scale", "c", "how many instances of a template there are"),
    ),
    "Else": (
        Key("question_mark,h,f1", "help", "? h F1", "these keys", "help"),
        Key("escape", "forget", "Esc", "close; forget a filter or a search"),
        Key("q", "leave", "q ^C", "end", "quit"),
    ),
}
"""All keys in groups, in the order of the help."""

_HINTED = ("Else", "Doing", "What is below", "Looking")


def all_keys() -> list[Key]:
    """Return the keys of all groups."""
    return [key for group in KEYS.values() for key in group]


def hints(width: int) -> str:
    """Return the keys that are told at the bottom: as many as have room, help first."""
    told = [key for name in _HINTED for key in KEYS[name] if key.hint]
    line = ""
    for key in told:
        more = f"{key.written.split()[0]} {key.hint}"
        if len(line) + len(more) + 2 > width:
            break
        line += ("  " if line else "") + more
    return line


def help_lines() -> list[str]:
    """Return the help: each group with its keys."""
    out: list[str] = []
    for name, group in KEYS.items():
        out += ["", name] if out else [name]
        out += [f"  {key.written:<7} {key.text}" for key in group]
    return out
