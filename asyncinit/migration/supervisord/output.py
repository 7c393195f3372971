"""Where a program's output goes: its options for both streams to [log]; knows no other option."""

from __future__ import annotations

import re

from asyncinit.config.problems import shown
from asyncinit.migration.report import MigrationError, Verdict
from asyncinit.migration.supervisord.parsing import Option
from asyncinit.migration.supervisord.process import FALSE, Process, where
from asyncinit.migration.variables import written

_STREAMS = ("stdout", "stderr")
_CONSOLE = re.compile(r"/dev/(?:stdout|stderr|fd/[12])|/proc/(?:self|1)/fd/[12]")
_SIZES = {"kb": "K", "mb": "M", "gb": "G"}
_LEAST = 4096  # bytes of a file; see config.destinations


def translate(process: Process) -> None:
    """Say where output goes."""
    to: dict[str, None] = {}
    nowhere: list[str] = []
    for stream in _STREAMS:
        option = process.options.get(f"{stream}_logfile")
        if option is not None:
            _stream(process, stream, option, to, nowhere)
        _syslog(process, stream, to)
        for key in (f"{stream}_capture_maxbytes", f"{stream}_events_enabled"):
            _events(process, key)
    _nowhere(process, nowhere)
    if "redirect_stderr" in process.options:
        process.flag("redirect_stderr", False)
        process.say(process.options["redirect_stderr"], Verdict.NOT_NEEDED, "both streams go the same way in any case")
    if to and list(to) != ["file"]:  # which is where output goes if a file is named
        process.draft.put(None, "log.to", list(to) if len(to) > 1 else next(iter(to)))
    _sizes(process)


def _stream(process: Process, stream: str, option: Option, to: dict[str, None], nowhere: list[str]) -> None:
    text = process.raw(option)
    if stream == "stderr" and process.flag("redirect_stderr", False):
        process.say(option, Verdict.NOT_NEEDED, "redirect_stderr has it go where standard output goes")
    elif text.upper() == "NONE" or text == "/dev/null":
        nowhere.append(stream)
    elif text.upper() == "AUTO":
        note = "goes to asyncinit's own output, with the service's name; `asyncinit logs`"
        process.say(option, Verdict.APPROXIMATED, note)
    elif _CONSOLE.fullmatch(text):
        note = "what a service writes goes to asyncinit's own output in any case"
        process.say(option, Verdict.NOT_NEEDED, note)
    elif text == "syslog":
        to["syslog"] = None
        process.say(option, Verdict.TRANSLATED, "", "log.to")
    else:
        to["file"] = None
        process.put(option, "log.file" if stream == "stdout" else "log.stderr_file", written(text))


def _syslog(process: Process, stream: str, to: dict[str, None]) -> None:
    option = process.options.get(f"{stream}_syslog")
    if option is None:
        return
    if process.flag(option.key, False):
        to["syslog"] = None
        process.say(option, Verdict.TRANSLATED, "", "log.to")
    else:
        process.say(option, Verdict.NOT_NEEDED, "nothing goes to syslog that is not told to")


def _events(process: Process, key: str) -> None:
    option = process.options.get(key)
    if option is not None and option.value.lower() in {*FALSE, "0b"}:
        process.say(option, Verdict.NOT_NEEDED, "there is no such thing to be switched off")
    elif option is not None:
        note = "no listener is told what a program writes; `asyncinit logs -f --json` tells who asks"
        process.say(option, Verdict.NO_EQUIVALENT, note)


def _nowhere(process: Process, streams: list[str]) -> None:
    both = "stdout" in streams and (process.flag("redirect_stderr", False) or "stderr" in streams)
    for stream in streams:
        option = process.options[f"{stream}_logfile"]
        if both:
            process.put(option, "log.to", "null")
        else:
            process.say(
                option, Verdict.NO_EQUIVALENT, 'one stream alone cannot be dropped; [log] to = "null" drops both'
            )


def _sizes(process: Process) -> None:
    """Say how large files become, and how many old ones are kept."""
    draft = process.draft
    has_file = draft.get("log.file") is not None or draft.get("log.stderr_file") is not None
    for key, ours, default, convert in (
        ("logfile_maxbytes", "log.max_size", "50M", _size),
        ("logfile_backups", "log.keep", 10, _backups),
    ):
        said = [process.options[f"{stream}_{key}"] for stream in _STREAMS if f"{stream}_{key}" in process.options]
        for option in said:
            value, exact = convert(option)
            if not has_file:
                process.say(option, Verdict.NOT_NEEDED, "there is no file")
            elif draft.get(ours, value) != value:
                process.say(option, Verdict.APPROXIMATED, f"one {ours} holds for both files")
            else:
                process.put(option, ours, value, exact=exact)
        if has_file and not said:
            draft.put(None, ours, default, f"supervisord's default, stdout_{key}")


def _size(option: Option) -> tuple[object, bool]:
    """Return a size as asyncinit writes it, and whether it is the same: a file is at least 4 KiB here."""
    found = re.fullmatch(r"([0-9]{1,15})\s*([KMG]B)?", option.value.strip(), re.IGNORECASE)
    if found is None:
        raise MigrationError(f"{where(option)}: {shown(option.value)} is no size")
    number, unit = int(found[1]), _SIZES.get((found[2] or "").lower(), "")
    if not number:
        return "none", True
    if not unit and number < _LEAST:
        return "4K", False
    return f"{number}{unit}" if unit else number, True


def _backups(option: Option) -> tuple[object, bool]:
    if not re.fullmatch(r"[0-9]{1,9}", option.value.strip()):
        raise MigrationError(f"{where(option)}: {shown(option.value)} is no number")
    return min(int(option.value), 100), int(option.value) <= 100
