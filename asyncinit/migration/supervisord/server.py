"""What is about supervisord itself: its own section, its servers, its client; knows no program's option."""

from __future__ import annotations

from collections.abc import Sequence

from asyncinit.config.problems import shown
from asyncinit.migration.report import Ledger, Setting, Verdict
from asyncinit.migration.service import Draft
from asyncinit.migration.supervisord.parsing import Option
from asyncinit.migration.supervisord.process import environment_of, integer, text_for
from asyncinit.migration.supervisord.sources import Section

_NO, _LOST = Verdict.NOT_NEEDED, Verdict.NO_EQUIVALENT
_OWN = {
    "nodaemon": (_NO, "asyncinit stays in the foreground"),
    "silent": (_NO, "`asyncinit run -q`"),
    "pidfile": (_NO, "`asyncinit status --json` tells its pid"),
    "identifier": (_NO, "a socket is found by the folder that one stands in"),
    "childlogdir": (_NO, "what programs write goes to asyncinit's own output, or to their [log] file"),
    "nocleanup": (_NO, "there are no such files to be removed"),
    "strip_ansi": (_LOST, "what programs write is kept as it is"),
    "logfile": (_LOST, "not of a service: asyncinit.toml has [init] log_to and log_file"),
    "logfile_maxbytes": (_LOST, "not of a service: asyncinit.toml has [init] log_max_size"),
    "logfile_backups": (_LOST, "not of a service: asyncinit.toml has [init] log_keep"),
    "loglevel": (_LOST, "not of a service: asyncinit.toml has [init] log_level"),
    "minprocs": (_NO, "asyncinit needs one; what a service needs is its [limits] nproc"),
}
_FILES = 1024  # what a process may open where nobody says anything
_SECTIONS = {
    "unix_http_server": (_NO, "asyncinit has a control socket of its own; [init] control_socket and control_read"),
    "inet_http_server": (_LOST, "asyncinit is not reached over a network; ssh is, with `asyncinit status`"),
    "supervisorctl": (_NO, "`asyncinit` is its own client"),
    "rpcinterface": (_NO, "the control socket speaks Varlink, its own interface"),
    "ctlplugin": (_LOST, "`asyncinit` has no plug-ins"),
    "eventlistener": (_LOST, "speaks supervisord's protocol of events; `asyncinit events -f --json` tells the same"),
}


def translate(
    found: dict[str, Section], settings: dict[Option, Setting], ledger: Ledger, drafts: Sequence[Draft]
) -> None:
    """Say what becomes of what is no program's, and give the programs what they have from supervisord itself."""
    for section in found.values():
        verdict, note = _SECTIONS.get(section.kind, (None, ""))
        if verdict is not None:
            for option in section.options.values():
                ledger.say(settings[option], verdict, note)
    own = found.get("supervisord")
    for key, option in own.options.items() if own is not None else ():
        setting = settings[option]
        if key in _OWN:
            ledger.say(setting, *_OWN[key])
        elif key == "minfds":
            _open_files(option, setting, ledger, drafts)
        elif key in _INHERITED:
            _inherit(key, option, setting, drafts)
            if not any(setting in sources for draft in drafts for sources in draft.sources.values()):
                ledger.say(setting, Verdict.NOT_NEEDED, "every program has its own")
    for section in found.values():
        if section.kind == "eventlistener":
            ledger.remark(f"{shown(section.subject)} is an event listener, and no service was made of it")


def _open_files(option: Option, setting: Setting, ledger: Ledger, drafts: Sequence[Draft]) -> None:
    """Give programs the open files that they inherit from supervisord, which raises its own limit."""
    number = integer(Section(option.section, {option.key: option}), option.key, _FILES)
    if number <= _FILES:
        ledger.say(setting, Verdict.NOT_NEEDED, "there are as many in any case")
        return
    for draft in drafts:
        draft.put(setting, "limits.nofile", number)
        draft.put(None, "prefer", ["limits.nofile"], "who is not root has no more than is allowed")


_INHERITED = {"umask": "umask", "user": "user", "directory": "working_directory", "environment": "environment"}


def _inherit(key: str, option: Option, setting: Setting, drafts: Sequence[Draft]) -> None:
    """Give each program what it has from supervisord where it says nothing itself."""
    ours = _INHERITED[key]
    for draft in drafts:
        if key == "environment":
            own = draft.get(ours, {})
            values = {name: value for name, value in environment_of(option).items() if name not in own}
            draft.data[ours] = {**values, **own}
            for name, value in values.items():
                draft.put(setting, (ours, name), value)
        elif draft.get(ours) is None:
            text = text_for(option)
            draft.put(setting, ours, f"0{text}" if key == "umask" and not text.startswith("0") else text)
