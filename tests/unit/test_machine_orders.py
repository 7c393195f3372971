"""What signals, and requests of sysvinit's programs, do on a machine; and that the page says so."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.spec import PowerAction
from asyncinit.core.status import signal_name
from asyncinit.linux.signals import SignalInfo
from asyncinit.machine import power_status, stand_in
from asyncinit.machine.init_request import SIZE, Ask, InitRequest, encode, parse
from asyncinit.machine.power_status import Power
from asyncinit.runtime.machine_orders import MachineOrders
from asyncinit.runtime.orders import Orders
from tests.support import ROOT
from tests.unit.reference_world import tables

KERNEL, USER = 0x80, 0
PAGE = ROOT / "docs/reference/exit-codes-and-signals.md"


class Machine:
    """All that orders can ask for, written down."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.said: list[str] = []
        self.time = 0.0
        self.begun = False
        self.power = Power.ENDS
        others = Orders(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            overview=self._note("overview"),
            reopen=lambda: self.asked.append("reopen") or 1,
            reload=self._note("reload"),
            forward=self._note("forward"),
            resumed=self._note("resumed"),
        )
        self.orders = MachineOrders(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            others,
            reload=self._note("reload"),
            replace=self._note("replace"),
            enter=lambda target, _reason: self.asked.append(f"enter {target}"),
            now=lambda: self.time,
            power_status=lambda: self.power,
        )

    def _note(self, what: str) -> Callable[..., None]:
        return lambda *_: self.asked.append(what)

    def request(self, _reason: str, action: PowerAction | None = None, at_once: bool = False) -> None:
        self.asked.append((action, at_once))
        self.begun = True

    def system(self, text: str, *_: object, **__: object) -> None:
        self.said.append(text)

    def get(self, number: int, code: int = USER) -> object:
        """Return what a signal has asked for; None: nothing."""
        self.asked.clear()
        self.orders.handle(SignalInfo(number, code, 1234, 0))
        return self.asked[-1] if self.asked else None

    def take(self, *requests: InitRequest) -> list[object]:
        for request in requests:
            self.orders.take(request)
        return self.asked


def in_words(asked: object) -> str:
    """What was asked for, in the words of the page."""
    if isinstance(asked, tuple):
        action, at_once = asked
        words = {"halt": "Halt", "poweroff": "Power off", "reboot": "Reboot", "kexec": "kexec"}[action]
        return f"{words} at once" if at_once else words
    texts = {
        "reload": "Read the configuration again",
        "replace": "Be replaced",
        "reopen": "Log files are let go of",
        "overview": "The state of every service",
        "enter default": "Start what starts by default",
        "enter rescue": "`rescue`",
        "enter emergency": "`emergency`",
    }
    return texts[str(asked)]


def test_the_signals_of_the_page_are_those_of_the_code() -> None:
    """Each does what its row says, and no other signal does any of it."""
    claims: dict[int, str] = {}
    for first, meaning in tables(PAGE, "To PID 1 of a machine")[0].rows:
        listed = re.findall(r"SIG\w+|\d+", first)
        for at, name in enumerate(listed):
            number = int(name) if name.isdecimal() else signal.Signals[name]
            claims[number] = meaning
            asked = in_words(Machine().get(number, KERNEL))
            if asked.endswith(" at once"):
                assert "The same four at once" in meaning
                same = in_words(Machine().get(number - 10))
                assert asked == f"{same} at once"
            else:
                assert asked.lower() in meaning.lower(), (name, at)
    for number in range(1, 65):
        if number not in claims and number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP):
            assert Machine().get(number) in (None, "forward", "resumed"), signal_name(number)


def test_ctrl_alt_del() -> None:
    """Reboots; while the machine goes down, for whatever, it hurries and changes nothing."""
    machine = Machine()
    assert machine.get(signal.SIGINT, KERNEL) == (PowerAction.REBOOT, False)
    machine = Machine()
    machine.get(signal.SIGUSR2)
    assert machine.get(signal.SIGINT, KERNEL) == (None, False)


def test_ctrl_alt_del_again_and_again() -> None:
    """Seven times within two seconds: at once; not where there is more time between them."""
    machine = Machine()
    for _ in range(6):
        machine.time += 0.3
        assert machine.get(signal.SIGINT, KERNEL) in ((PowerAction.REBOOT, False), (None, False))
    assert machine.get(signal.SIGINT, KERNEL) == (PowerAction.REBOOT, True)
    machine = Machine()
    for _ in range(20):
        machine.time += 0.4
        assert machine.get(signal.SIGINT, KERNEL) != (PowerAction.REBOOT, True)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("0", (PowerAction.POWEROFF, False)),
        ("6", (PowerAction.REBOOT, False)),
        *((level, "enter rescue") for level in "1Ss"),
        *((level, "enter default") for level in "2345"),
        *((level, "reload") for level in "qQ"),
        *((level, "replace") for level in "uU"),
    ],
)
def test_runlevels(level: str, expected: object) -> None:
    """As telinit asks for them."""
    assert Machine().take(InitRequest(Ask.RUNLEVEL, level)) == [expected]


@pytest.mark.parametrize("level", ["7", "a", "", "9", "é"])
def test_runlevels_that_mean_nothing(level: str) -> None:
    """They are told and do nothing."""
    machine = Machine()
    assert machine.take(InitRequest(Ask.RUNLEVEL, level)) == []
    assert machine.said


def test_whether_runlevel_0_switches_off() -> None:
    """sysvinit's shutdown -H says by a variable that it is not to be."""
    halt = InitRequest(Ask.SET_VARIABLE, text="INIT_HALT=HALT")
    down = InitRequest(Ask.RUNLEVEL, "0")
    assert Machine().take(halt, down) == [(PowerAction.HALT, False)]
    assert Machine().take(halt, InitRequest(Ask.UNSET_VARIABLE, text="INIT_HALT"), down) == [
        (PowerAction.POWEROFF, False)
    ]
    off = InitRequest(Ask.SET_VARIABLE, text="INIT_HALT=POWEROFF")
    assert Machine().take(halt, off, down) == [(PowerAction.POWEROFF, False)]
    assert Machine().take(InitRequest(Ask.SET_VARIABLE, text="OTHER=HALT"), down) == [(PowerAction.POWEROFF, False)]


def test_the_power_fails() -> None:
    """At the last the machine is switched off; before that it is told."""
    machine = Machine()
    assert machine.take(InitRequest(Ask.POWER_FAILS), InitRequest(Ask.POWER_IS_BACK)) == []
    assert len(machine.said) == 2
    assert machine.take(InitRequest(Ask.POWER_FAILS_NOW)) == [(PowerAction.POWEROFF, False)]


def test_what_is_said_of_the_power_decides() -> None:
    """SIGPWR comes also when it is back; only where it ends the machine is switched off."""
    machine = Machine()
    assert machine.get(signal.SIGPWR) == (PowerAction.POWEROFF, False)
    for power in (Power.FAILS, Power.IS_BACK):
        machine = Machine()
        machine.power = power
        assert machine.get(signal.SIGPWR) is None
        assert len(machine.said) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("F", Power.FAILS), ("OK\n", Power.IS_BACK), ("L\n", Power.ENDS), ("", Power.ENDS), ("\xff", Power.ENDS)],
)
def test_the_file_that_says_it(tmp_path: Path, text: str, expected: Power) -> None:
    """By its first letter, once: the next signal may come from who says nothing."""
    path = tmp_path / "powerstatus"
    path.write_bytes(text.encode("latin-1"))
    assert power_status.take(str(path)) is expected
    assert not path.exists()
    assert power_status.take(str(path)) is Power.ENDS


@pytest.mark.parametrize("power", list(Power))
def test_the_power_where_asyncinit_has_failed(power: Power, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stand-in goes on for as long as the power does."""
    said: list[str] = []
    monkeypatch.setattr(stand_in, "say", said.append)
    assert stand_in._has_time(power) is bool(said) is (power is not Power.ENDS)


# ---------------------------------------------------------------------------------------------------------------------
# The form of requests


def test_a_request_as_sysvinit_writes_it() -> None:
    """`telinit 6`: the bytes that its source says."""
    data = b"i\x19\x09\x03" + (1).to_bytes(4, "little") + ord("6").to_bytes(4, "little") + bytes(4) + bytes(368)
    assert parse(data) == ([InitRequest(Ask.RUNLEVEL, "6")], b"", 0)
    assert encode(InitRequest(Ask.RUNLEVEL, "6")) == data


@given(st.lists(st.sampled_from(list(Ask)), max_size=5), st.integers(0, 2000))
def test_requests_in_pieces(asks: list[Ask], at: int) -> None:
    """However they are cut, they are what they were."""
    requests = [InitRequest(ask, "1", f"A{number}=b") for number, ask in enumerate(asks)]
    data = b"".join(map(encode, requests))
    first, rest, _ = parse(data[:at])
    second, rest, nonsense = parse(rest + data[at:])
    assert ([*first, *second], rest, nonsense) == (requests, b"", 0)


@given(st.binary(max_size=3 * SIZE))
def test_nonsense_does_nothing(data: bytes) -> None:
    """It never raises, and leaves less than a request behind."""
    _, rest, _ = parse(data)
    assert len(rest) < SIZE
    assert parse(b"\xff" + data)[0] == []


def test_a_request_of_another_kind_is_left_out() -> None:
    """What is for sysvinit alone (its console, its state) does nothing, and what follows is understood."""
    unknown = bytearray(encode(InitRequest(Ask.RUNLEVEL, "6")))
    unknown[4:8] = (12345).to_bytes(4, "little")
    good = encode(InitRequest(Ask.RUNLEVEL, "q"))
    assert parse(bytes(unknown) + good) == ([InitRequest(Ask.RUNLEVEL, "q")], b"", 0)
