"""The commands that join a terminal to a service, as `cli.commands` has them; imports nothing heavy."""

from __future__ import annotations

from asyncinit.cli.declaring import Argument, Command, Option
from asyncinit.cli.options import ACT, NAMES

_DETACH_KEYS = Option("--detach-keys", "What is typed to leave it: ctrl-p,ctrl-q, or other keys, or none.", "KEYS")

START = Command(
    "start",
    "act:start",
    "Start services and what they require, and wait until they are ready.\n\n"
    "With --attach, one service in the foreground, on a terminal of its own that is joined to yours: ^C goes to "
    "it, and its exit status is the command's.",
    (
        *ACT,
        Option("--attach", "Be joined to its terminal, as attach does it, until it has ended."),
        _DETACH_KEYS,
    ),
    (NAMES,),
)

ATTACH = Command(
    "attach",
    "attach:attach",
    "Join your terminal to that of a service with tty = true: a debugger, a console.\n\n"
    "What you type goes to the service, ^C too; ctrl-p ctrl-q leaves it, and it goes on. It stays joined over "
    "restarts, and ends with the service, and its exit status. (exec runs another program beside it.)",
    (_DETACH_KEYS,),
    (Argument("name", "NAME", 1, 1),),
)
