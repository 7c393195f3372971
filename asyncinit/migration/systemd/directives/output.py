"""Standard*=, Syslog*=, TTY*=: where output goes, and where input comes from."""

from __future__ import annotations

from asyncinit.config import spec
from asyncinit.migration.report import Setting
from asyncinit.migration.systemd.specifiers import INSTANCE_MARK
from asyncinit.migration.systemd.times import duration, seconds
from asyncinit.migration.systemd.words import Untranslatable, boolean
from asyncinit.migration.systemd.work import Table, Work, literal, lost, one, value

_OURS = "it goes where asyncinit has all output go: console, or `[log]`"


def _output(work: Work, setting: Setting) -> None:
    text = work.text(setting)
    kind, colon, path = text.partition(":")
    if colon and kind in ("file", "append", "truncate"):
        _to_file(work, setting, "log.file", kind, path)
    elif text == "null":
        _to_null(work, setting)
    elif text in ("journal", "inherit", "journal+console", "syslog+console", "kmsg+console"):
        work.kept(setting, _OURS)
    elif text == "syslog":
        work.put(setting, "log.to", ["syslog"])
    elif text == "tty":
        _terminal(work, setting)
    else:
        raise Untranslatable(_OURS)


def _to_null(work: Work, setting: Setting) -> None:
    errors = work.unit.value("Service", "StandardError", "inherit")
    if errors not in ("inherit", "null"):
        raise Untranslatable("both outputs go to the same place, and standard error shall not go nowhere")
    work.put(setting, "log.to", "null")


def _to_file(work: Work, setting: Setting, key: str, kind: str, path: str) -> None:
    if path.startswith(("/dev/", "/proc/")):
        raise Untranslatable("a device is no file for output here")
    note = {"file": "", "append": "", "truncate": "it is added to, and not emptied at each start"}[kind]
    if note:
        work.roughly(setting, key, literal(path), note)
    else:
        work.put(setting, key, literal(path))
    work.put(setting, "log.format", "raw")
    work.put(setting, "log.max_size", "none")


def _errors(work: Work, setting: Setting) -> None:
    text = work.text(setting)
    kind, colon, path = text.partition(":")
    if colon and kind in ("file", "append", "truncate"):
        if work.draft.get("log.file") == literal(path):
            work.kept(setting, "both outputs go to the same file")
        elif work.draft.get("log.to") is None:
            _to_file(work, setting, "log.stderr_file", kind, path)
        else:
            raise Untranslatable("both outputs go to the same place")
    elif text in ("inherit", "journal", work.unit.value("Service", "StandardOutput")) and not (
        text == "journal" and work.draft.get("log.file")
    ):
        work.kept(setting, "both outputs go to the same place")
    else:
        raise Untranslatable("both outputs go to the same place, files apart")


def _terminal(work: Work, setting: Setting) -> None:
    path = work.unit.value("Service", "TTYPath", "/dev/console")
    work.put(setting, "tty", path)
    tty = work.unit.last("Service", "TTYPath")
    if tty is not None:
        work.put(tty, "tty", work.text(tty))


def _input(work: Work, setting: Setting) -> None:
    if setting.value == "null":
        work.kept(setting, "the default")
    elif setting.value in ("tty", "tty-force", "tty-fail"):
        _terminal(work, setting)
    else:
        raise Untranslatable("standard input is empty, or a terminal")


def _tty_path(work: Work, setting: Setting) -> None:
    if work.draft.get("tty") is None:
        work.needless(setting, "nothing of it is a terminal")


def _of_terminal(work: Work, setting: Setting) -> None:
    if work.draft.get("tty") is None or not boolean(setting.value):
        work.needless(setting, "nothing of it is a terminal")
    else:
        raise Untranslatable("the terminal is left as it is")


def _facility(text: str) -> str:
    if text not in spec.FACILITIES:
        raise Untranslatable("is no facility")
    return text


def _tag(work: Work, setting: Setting) -> None:
    text = work.text(setting)
    plain = text.replace(INSTANCE_MARK, "")
    if not plain.isascii() or " " in plain or not plain.isprintable():
        raise Untranslatable("is not one word of visible characters")
    work.put(setting, "log.tag", text)


def _rate(work: Work, setting: Setting) -> None:
    if not setting.value.isdigit():
        raise Untranslatable("is no number")
    work.put(setting, "log.rate_limit", int(setting.value) or "none")


def _interval(work: Work, setting: Setting) -> None:
    if seconds(setting.value) in (0, None):
        work.put(setting, "log.rate_limit", "none")
    else:
        work.put(setting, "log.rate_interval", duration(setting.value))


def _sigpipe(work: Work, setting: Setting) -> None:
    if boolean(setting.value):
        raise Untranslatable("a service gets each signal as the kernel has it by default")
    work.kept(setting, "it is so here")


SERVICE: Table = {
    "StandardOutput": one("`log.to`, `log.file`, `tty`", _output),
    "StandardError": one("`log.stderr_file`", _errors),
    "StandardInput": one("`tty`", _input),
    "StandardInputText": lost("standard input is empty, or a terminal"),
    "StandardInputData": lost("standard input is empty, or a terminal"),
    "TTYPath": one("`tty`", _tty_path),
    "TTYReset": one("not needed without a terminal", _of_terminal),
    "TTYVHangup": one("not needed without a terminal", _of_terminal),
    "TTYVTDisallocate": one("not needed without a terminal", _of_terminal),
    "TTYRows": lost("the terminal is left as it is"),
    "TTYColumns": lost("the terminal is left as it is"),
    "SyslogIdentifier": one("`log.tag`", _tag),
    "SyslogFacility": value("log.facility", _facility),
    "SyslogLevel": lost("standard output has the severity info, standard error err"),
    "SyslogLevelPrefix": lost("a number before a line is a part of it"),
    "LogLevelMax": lost("what a service writes is kept, whatever it says of its weight"),
    "LogExtraFields": lost("there are no fields"),
    "LogNamespace": lost("there is no journal"),
    "LogFilterPatterns": lost("lines are not left out by what is in them"),
    "LogRateLimitBurst": one("`log.rate_limit`", _rate),
    "LogRateLimitIntervalSec": one("`log.rate_interval`", _interval),
    "UtmpIdentifier": lost("no login is recorded"),
    "UtmpMode": lost("no login is recorded"),
    "IgnoreSIGPIPE": one("not needed: no", _sigpipe),
}
