"""What PID 1 of a machine does on each signal, and on each request of sysvinit's programs; knows no descriptor.

The signals are those of three families of programs at once, which do not overlap: busybox's halt, poweroff and reboot
(USR1, USR2, TERM), systemd's real-time signals, and the kernel's own (INT: ctrl-alt-del, PWR).
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable

from asyncinit.config.spec import LogLevel, PowerAction
from asyncinit.linux.signals import SignalInfo
from asyncinit.machine import power_signals, power_status
from asyncinit.machine.init_request import Ask, InitRequest
from asyncinit.machine.power_status import Power
from asyncinit.runtime import words
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.orders import Orders
from asyncinit.runtime.shutdown import Shutdown
from asyncinit.runtime.signals import sender

_RTMIN = signal.SIGRTMIN
_IN_ORDER = power_signals.BUSYBOX | power_signals.SYSTEMD
_ACTIONS = {number: PowerAction(how.action) for number, how in _IN_ORDER.items()}
_AT_ONCE = {number: PowerAction(how.action) for number, how in power_signals.SYSTEMD_AT_ONCE.items()}
DEFAULT, RESCUE, EMERGENCY = "default", "rescue", "emergency"
_TARGETS = {_RTMIN: DEFAULT, _RTMIN + 1: RESCUE, _RTMIN + 2: EMERGENCY}
_REOPEN, _OVERVIEW = _RTMIN + 8, _RTMIN + 9  # free in systemd's list; USR1 and USR2 mean this in a container
_REPLACE = frozenset({signal.SIGQUIT, _RTMIN + 25})  # busybox's "restart", systemd's re-exec

_KEYS, _WITHIN = 7, 2.0
"""Ctrl-alt-del so often within so many seconds: somebody does not want to wait for anything (systemd's rule)."""

_RUNLEVELS = {"6": PowerAction.REBOOT, "0": PowerAction.POWEROFF}
_HALT_VARIABLE = "INIT_HALT"
"""What sysvinit's shutdown sets for runlevel 0: HALT, where the machine is not to be switched off."""


class MachineOrders:
    """Handle signals and requests.

    `others` is what handles signals that mean nothing else here. `reload` has the configuration read again, `replace`
    has asyncinit replaced by the program now installed, `enter` starts a target (or what starts by default), each for
    the reason that it is given. `power_status` is what is said of the power at SIGPWR. `now` is monotonic.
    """

    def __init__(
        self,
        shutdown: Shutdown,
        announcer: Announcer,
        others: Orders,
        *,
        reload: Callable[[str], None],
        replace: Callable[[str], None],
        enter: Callable[[str, str], None],
        now: Callable[[], float],
        power_status: Callable[[], Power] = power_status.take,
    ) -> None:
        self._shutdown = shutdown
        self._announcer = announcer
        self._others = others
        self._reload = reload
        self._replace = replace
        self._enter = enter
        self._now = now
        self._power_status = power_status
        self._keys: deque[float] = deque(maxlen=_KEYS)
        self._stands_still = False

    def handle(self, info: SignalInfo) -> None:
        """Do what the signal says; every one is told with its sender."""
        number = info.number
        text = words.received(number, sender(info))
        if number == signal.SIGINT:
            self._ctrl_alt_del("ctrl-alt-del was pressed" if info.from_kernel else text)
        elif number == signal.SIGPWR:
            self._power(self._power_status(), text)
        elif number in _ACTIONS:
            self._shutdown.request(text, _ACTIONS[number])
        elif number in _AT_ONCE:
            self._shutdown.request(text, _AT_ONCE[number], at_once=True)
        elif number in _TARGETS:
            self._enter(_TARGETS[number], text)
        elif number in _REPLACE:
            self._replace(text)
        elif number == signal.SIGHUP:
            self._reload(text)
        elif number == _REOPEN:
            self._others.reopen_logs(text)
        elif number == _OVERVIEW:
            self._others.tell_all(text)
        else:
            self._others.handle(info)

    def _ctrl_alt_del(self, text: str) -> None:
        """Reboot; while it goes down it hurries, without changing what is done then."""
        now = self._now()
        self._keys.append(now)
        if len(self._keys) == _KEYS and now - self._keys[0] <= _WITHIN:
            self._shutdown.request(f"{text} {_KEYS} times", PowerAction.REBOOT, at_once=True)
        elif self._shutdown.begun:
            self._shutdown.request(text)
        else:
            self._shutdown.request(text, PowerAction.REBOOT)

    def take(self, request: InitRequest) -> None:
        """Do what one of sysvinit's programs asks."""
        match request.ask:
            case Ask.SET_VARIABLE:
                name, _, value = request.text.partition("=")
                if name == _HALT_VARIABLE:
                    self._stands_still = value == "HALT"
            case Ask.UNSET_VARIABLE:
                if request.text == _HALT_VARIABLE:
                    self._stands_still = False
            case Ask.POWER_FAILS_NOW:
                self._power(Power.ENDS, "the power fails")
            case Ask.POWER_FAILS:
                self._power(Power.FAILS)
            case Ask.POWER_IS_BACK:
                self._power(Power.IS_BACK)
            case Ask.RUNLEVEL:
                self._runlevel(request.runlevel)

    def _power(self, status: Power, text: str = "") -> None:
        """Switch off where it is time to; before that, and when all is well again, tell it."""
        match status:
            case Power.ENDS:
                self._shutdown.request(text, PowerAction.POWEROFF)
            case Power.FAILS:
                self._announcer.system("the power fails, and there is some time yet", LogLevel.WARNING)
            case Power.IS_BACK:
                self._announcer.system("the power is back")

    def _runlevel(self, level: str) -> None:
        text = f"runlevel {level} was asked for"
        if level in _RUNLEVELS:
            action = _RUNLEVELS[level]
            if action is PowerAction.POWEROFF and self._stands_still:
                action = PowerAction.HALT
            self._shutdown.request(text, action)
        elif level in ("1", "S", "s"):
            self._enter(RESCUE, text)
        elif level in ("2", "3", "4", "5"):
            self._enter(DEFAULT, text)
        elif level in ("q", "Q"):
            self._reload(text)
        elif level in ("u", "U"):
            self._replace(text)
        else:
            self._announcer.system(f"{text}, which means nothing here", LogLevel.WARNING)
