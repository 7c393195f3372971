"""What docs/reference/exit-codes-and-signals.md claims is what the code does."""

from __future__ import annotations

import ast
import functools
import re
import signal
from typing import Any

import pytest

from asyncinit import minimal, wrapper
from asyncinit.cli import outcome as cli_outcome
from asyncinit.client import errors
from asyncinit.core import outcome
from asyncinit.core.outcome import Facts, exit_code
from asyncinit.core.status import Code, ExitStatus
from asyncinit.linux.signals import CATCHABLE, FAULTS, SI_KERNEL, SignalInfo
from asyncinit.runtime.orders import Orders
from asyncinit.runtime.process.environment import NOT_INHERITED
from asyncinit.runtime.process.hooks import end_variables
from asyncinit.runtime.shutdown import SECOND_WISH
from asyncinit.wrapper import command, loop, options
from tests.support import ROOT
from tests.unit.reference_world import section, subjects, tables, words

PAGE = "reference/exit-codes-and-signals.md"
SI_USER = 0
SIGNALS = sorted(CATCHABLE - {int(signal.SIGCHLD)})


def numbers(module: Any) -> set[int]:
    """The constants of a module that are statuses."""
    return {value for name, value in vars(module).items() if name.isupper() and type(value) is int}


def listed(heading: str) -> list[list[str]]:
    """The statuses of each table under a heading, in order."""
    return [[row[0] for row in table.rows] for table in tables(PAGE, heading)]


# ---------------------------------------------------------------------------------------------------------------------
# Exit statuses


def test_the_statuses_of_run_are_those_of_the_code() -> None:
    """Each constant is on the page, and nothing else is."""
    refusals, ends = listed("Of asyncinit run")
    assert {*refusals, *ends} - {"any"} == {str(number) for number in numbers(outcome)} | {"0"}


def test_the_statuses_of_run_stand_in_their_order() -> None:
    """Where two apply, the one that is listed first wins."""
    facts = {
        "any": {"decisive": ExitStatus(7)},
        "126": {"not_executed": 126},
        "127": {"not_executed": 127},
        "70": {"internal_error": True},
        "69": {"failed": True},
        "124": {"killed": True},
        "0": {},
    }
    _, ends = listed("Of asyncinit run")
    assert ends == list(facts)
    for number, first in enumerate(ends):
        for later in ends[number + 1 :]:
            both: dict[str, Any] = {**facts[later], **facts[first]}
            assert str(exit_code(Facts(**both), {})) == first.replace("any", "7")


def test_the_notes_on_the_statuses_of_run_hold() -> None:
    """A signal is 128+n, what nobody saw is 1, what was asked for hides failures, and all can be mapped."""
    assert exit_code(Facts(decisive=ExitStatus(signal=15)), {}) == 143
    assert exit_code(Facts(decisive=ExitStatus()), {}) == 1
    assert exit_code(Facts(failed=True, requested=True), {}) == 0
    assert exit_code(Facts(failed=True), {69: 3}) == 3


def test_the_statuses_of_the_wrapper_are_those_of_the_code() -> None:
    """Each constant is on the page, and nothing else but CMD's own and that of a lost one."""
    codes = {command.NOT_FOUND, command.NOT_EXECUTABLE, wrapper.USAGE, wrapper.INTERNAL}
    assert set(listed("Of asyncinit -- CMD without services")[0]) == {str(code) for code in codes} | {"any", "1"}


def test_the_statuses_of_the_commands_are_those_of_the_code() -> None:
    """Each constant is on the page, and nothing else is."""
    codes = numbers(errors) | numbers(cli_outcome) | {0}
    assert set(listed("Of the other commands")[0]) == {str(code) for code in codes}


# ---------------------------------------------------------------------------------------------------------------------
# Signals


class Told:
    """Everything that `Orders` can ask for, noted in the words of the page."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def request(self, _reason: str) -> None:
        self.done.append("Shut down")

    def system(self, _text: str, level: object = None) -> None:
        if level is None and not self.done:
            self.done.append("Told in the log")

    def effect(self, number: int, code: int) -> str:
        self.done.clear()
        orders = Orders(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            overview=lambda: self.done.append("The state of every service"),
            reload=lambda _reason: self.done.append("Read the configuration again"),
            reopen=lambda: self.done.append("Log files are let go of") or 1,
            forward=lambda _number: self.done.append("forwarded"),
            resumed=lambda: self.done.append("It goes on"),
        )
        orders.handle(SignalInfo(number, code, 1234, 0))
        return self.done[-1] if self.done else "Nothing"


def rows_of_run() -> dict[tuple[str, str], str]:
    """What the page says, by signal (its name or number) and sender ("": whoever)."""
    claims: dict[tuple[str, str], str] = {}
    for first, meaning in tables(PAGE, "To asyncinit run")[0].rows:
        for name, sender in re.findall(r"`?(SIG\w+|\d+)`?(?: from (?:the|a) (\w+))?", first):
            claims[name, sender] = meaning
    return claims


@pytest.mark.parametrize("sender", ["kernel", "process"])
@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_does_what_the_page_says(number: int, sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every signal that can be caught, from either sender, has the effect of its row, or of the last one."""
    stopped: list[int] = []
    monkeypatch.setattr("os.kill", lambda _pid, sent: stopped.append(sent))
    monkeypatch.setattr("os.getpid", lambda: 4711)
    claims = rows_of_run()
    name = signal.Signals(number).name if number < 32 else str(number)
    claim = claims.get((name, sender)) or claims.get((name, "")) or ""
    effect = Told().effect(number, SI_KERNEL if sender == "kernel" else SI_USER)
    if stopped:
        assert claim.startswith("asyncinit stops") and stopped == [signal.SIGSTOP]
    elif claim:
        assert claim.startswith(effect)
    else:
        assert effect == ("forwarded" if sender == "process" else "Nothing")


def test_the_page_names_what_is_not_caught() -> None:
    """The faults, SIGKILL and SIGSTOP stand below the table, and no other."""
    text = next(
        block.text  # type: ignore[union-attr]
        for block in section(PAGE, "To asyncinit run")
        if "SIGKILL" in getattr(block, "text", "")
    )
    faults = {signal.Signals(number).name for number in FAULTS}
    assert {word for word in words(text) if word.startswith("SIG")} == faults | {"SIGKILL", "SIGSTOP"}


def test_the_wrapper_forwards_all_but_children() -> None:
    """What cannot be caught and SIGCHLD are never forwarded; that is all that the page leaves out."""
    (table,) = tables(PAGE, "To asyncinit -- CMD without services")
    caught = {int(number) for number in minimal.CATCHABLE}
    assert caught == CATCHABLE
    assert {int(getattr(signal, name)) for name in options._UNFORWARDED} == (
        set(map(int, signal.valid_signals())) - caught | {int(signal.SIGCHLD)}
    )
    assert [row[0] for row in table.rows] == ["`SIGCHLD`", "every other that can be caught"]


def test_the_times_on_the_page_are_those_of_the_code() -> None:
    """1 s to a second wish, 2 s for what CMD leaves behind."""
    (run,) = tables(PAGE, "To asyncinit run")
    assert f"Once more, {SECOND_WISH:g} s after" in run.rows[0][1]
    text = " ".join(getattr(block, "text", "") for block in section(PAGE, "To asyncinit -- CMD without services"))
    assert f"SIGKILL {loop.LEFTOVER_GRACE:g} s later" in text
    for name in re.findall(r"`(SIG\w+)`", text):
        assert getattr(signal, name) in loop._WAKES


# ---------------------------------------------------------------------------------------------------------------------
# Environment


def variables(heading: str) -> set[str]:
    return set(subjects(tables(PAGE, heading)[0]))


@functools.cache
def literals() -> set[str]:
    """Every text in the package that looks like the name of a variable."""
    nodes = [node for path in (ROOT / "asyncinit").rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"_?[A-Z]+(_[A-Z]+)*", text)}


def test_every_variable_of_the_code_is_on_the_page() -> None:
    """Names that begin or end as asyncinit's, systemd's and the desktop's variables do are all described."""
    ours = r"_?ASYNCINIT_.*|(XDG|NOTIFY|WATCHDOG|LISTEN|MONITOR|EXIT)_.*|NO_COLOR|SERVICE_RESULT|INSTANCE|MAINPID"
    known = variables("Read by asyncinit") | variables("Given to services") | variables("Not passed on")
    assert {name for name in literals() if re.fullmatch(ours, name)} <= known


def test_every_variable_on_the_page_is_in_the_code() -> None:
    """Nothing is described that is not there any more."""
    directories = {f"{kind}_DIRECTORY" for kind in ("RUNTIME", "STATE", "CACHE", "LOGS")}
    libraries = {"TZ"}
    known = variables("Read by asyncinit") | variables("Given to services")
    assert known <= literals() | directories | libraries


def test_the_page_names_what_is_not_passed_on() -> None:
    """No more and no less than what the environment of services leaves out."""
    assert variables("Not passed on") == NOT_INHERITED


def test_the_page_names_what_post_stop_hooks_get() -> None:
    """The variables of an end."""
    for status in (ExitStatus(0), ExitStatus(signal=9), ExitStatus()):
        assert set(end_variables(Code.SUCCESS, status)) <= variables("Given to services")
