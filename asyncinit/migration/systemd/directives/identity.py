"""User=, Environment=, WorkingDirectory=, *Directory= and the like: as whom, where and with what a service runs."""

from __future__ import annotations

import re
import zlib

from asyncinit.config import values
from asyncinit.config.values import BadValueError
from asyncinit.migration.report import Setting
from asyncinit.migration.systemd.directives.execution import main_is_privileged
from asyncinit.migration.systemd.specifiers import INSTANCE_MARK
from asyncinit.migration.systemd.words import Untranslatable, boolean
from asyncinit.migration.systemd.work import Directive, Table, Work, each, literal, lost, needless, one

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _description(work: Work, setting: Setting) -> None:
    text = "".join(c for c in work.text(setting) if c.isprintable() or c == INSTANCE_MARK)
    work.put(setting, "description", text)


def _documentation(work: Work, setting: Setting) -> None:
    work.draft.remark(f"See {setting.value}")
    work.needless(setting, "stands in a comment")


# --- Users -----------------------------------------------------------------------------------------------------------


def _account(text: str) -> str:
    try:
        return values.account(text)
    except BadValueError:
        raise Untranslatable("is no name of a user or group") from None


def _is_dynamic(work: Work) -> bool:
    return work.unit.yes("Service", "DynamicUser")


def _user(work: Work, setting: Setting) -> None:
    if not _is_dynamic(work):
        work.put(setting, "user", _account(work.text(setting)))


def _group(work: Work, setting: Setting) -> None:
    if _is_dynamic(work):
        work.lost(setting, "the group of its user is one of its own, a number without a name")
    else:
        work.put(setting, "group", _account(work.text(setting)))


_DYNAMIC = range(61184, 65520)  # the numbers that systemd takes for it


def _dynamic(work: Work, setting: Setting) -> None:
    if not boolean(setting.value):
        work.kept(setting, "the default")
        return
    user = work.unit.last("Service", "User")
    name = work.text(user) if user is not None else work.draft.name
    number = _DYNAMIC[zlib.crc32(name.encode()) % len(_DYNAMIC)]
    note = "a number that nobody else has takes the place of DynamicUser=; it has no name in /etc/passwd"
    work.roughly(setting, "user", number, note)
    work.put(setting, "group", number)
    if user is not None:
        work.roughly(user, "user", number, note)
    for key, given in (("protect_system", "strict"), ("protect_home", "read-only"), ("private_tmp", True)):
        if work.draft.get(f"security.{key}") in (None, False):
            work.put(setting, f"security.{key}", given)
            work.prefer(f"security.{key}")
    work.put(setting, "security.no_new_privileges", True)


def _supplementary(work: Work, setting: Setting) -> None:
    work.append(setting, "supplementary_groups", *map(_account, work.words(setting)))


# --- Environment -----------------------------------------------------------------------------------------------------


_OUTWEIGHED = "EnvironmentFile= outweighs it; here so does what asyncinit is started with"
_OUTWEIGHS = "it outweighs EnvironmentFile=, where systemd has it the other way round"
_GIVEN = frozenset(("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "PWD"))
"""Variables that asyncinit itself is nearly always started with."""


def _environment(work: Work, setting: Setting) -> None:
    for word in work.words(setting):
        name, equals, value = word.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise Untranslatable(f"has a word that is no NAME=VALUE: {word[:40]}")
        if not work.unit.all("Service", "EnvironmentFile"):
            work.put(setting, ("environment", name), literal(value))
        elif "}" in value or name in _GIVEN:
            work.roughly(setting, ("environment", name), literal(value), _OUTWEIGHS)
        else:
            work.roughly(setting, ("environment", name), f"${{{name}:-{value.replace('$', '$$')}}}", _OUTWEIGHED)


def _environment_file(work: Work, setting: Setting) -> None:
    path = work.text(setting).strip("\"'")
    if any(character in path for character in "*?["):
        raise Untranslatable("a pattern is not possible here: name the files")
    work.append(setting, "environment_file", literal(path))


def _unset(work: Work, setting: Setting) -> None:
    for word in work.words(setting):
        if "=" in word:
            raise Untranslatable("a variable is unset whatever its value is")
        work.append(setting, "unset_environment", word)


def _directory(work: Work, setting: Setting) -> None:
    text = work.text(setting)
    path = text.removeprefix("-")
    work.put(setting, "working_directory", "${HOME}" if path == "~" else literal(path))
    if text.startswith("-"):
        work.prefer("working_directory")


def without_directory(work: Work) -> None:
    """Say where systemd runs what does not say it."""
    if work.draft.get("working_directory") is None and work.draft.get("command") is not None:
        work.put(None, "working_directory", "/", "systemd's default")


def _root(work: Work, setting: Setting) -> None:
    work.put(setting, "namespaces.root", work.text(setting))


# --- Folders ---------------------------------------------------------------------------------------------------------

_BASES = {"runtime": "/run", "state": "/var/lib", "cache": "/var/cache", "logs": "/var/log"}


def _folders(key: str) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        for word in work.words(setting):
            name, colon, _ = word.partition(":")
            name = name.rstrip("/")
            try:
                values.directory(name)
            except BadValueError:
                raise Untranslatable("is no relative name of a folder") from None
            work.append(setting, f"directories.{key}", name)
            if colon:
                work.lost(setting, "no links are made to the folders")

    return each(f"`directories.{key}`", function)


def _mode(work: Work, setting: Setting) -> None:
    folders = [key for key in _BASES if work.draft.get(f"directories.{key}")]
    there = work.draft.get("directories.mode")
    mode = setting.value.zfill(4)
    if not folders:
        work.needless(setting, "there is no such folder")
    elif there is not None and there != mode:
        work.lost(setting, f"all folders have one mode here, {there}")
    elif len(folders) > 1:
        work.roughly(setting, "directories.mode", mode, "all its folders have this mode")
    else:
        work.put(setting, "directories.mode", mode)


def _preserve(work: Work, setting: Setting) -> None:
    if setting.value == "restart" or boolean(setting.value):
        raise Untranslatable("folders below /run are removed when the service has ended")
    work.kept(setting, "it is so here")


def keep_user_aside(work: Work) -> None:
    """Where the main command is started without its user (! and +): its folders are still that user's.

    `directories` makes folders of the service's user, who is root then: a hook makes them.
    """
    draft = work.draft
    if draft.get("user") is None or not main_is_privileged(work):
        return
    user, group = str(draft.get("user")), str(draft.get("group") or "")
    for key in ("user", "group"):
        for setting in draft.drop(key):
            work.roughly(setting, "hooks.pre_start", draft.get("hooks.pre_start", []), "of its folders and hooks alone")
    mode = draft.get("directories.mode", "0755")
    paths = [f"{base}/{name}" for key, base in _BASES.items() for name in draft.get(f"directories.{key}", [])]
    hooks = draft.get("hooks.pre_start", [])
    moved = [setting for key in (*_BASES, "mode") for setting in draft.drop(f"directories.{key}")]
    draft.data.pop("directories", None)
    if paths:
        made = [["install", "-d", "-m", mode, *paths], ["chown", f"{user}:{group}", *paths]]
        note = f"its folders, which are {user}'s although it is started as another"
        draft.put(None, "hooks.pre_start", [*made, *hooks], note)
        for setting in moved:
            work.roughly(setting, "hooks.pre_start", draft.get("hooks.pre_start"), "")
        if draft.get("security.protect_system") == "strict":
            draft.append(None, "security.write_paths", *paths)
    elif not hooks:
        draft.drop("hooks.pre_start")
        draft.data.pop("hooks", None)


UNIT: Table = {
    "Description": one("`description`", _description),
    "Documentation": each("a comment", _documentation),
    "SourcePath": needless("it says where a generator has the unit from"),
}

SERVICE: Table = {
    "User": one("`user`", _user),
    "Group": one("`group`", _group),
    "SupplementaryGroups": each("`supplementary_groups`", _supplementary),
    "UMask": one("`umask`", lambda work, setting: work.put(setting, "umask", setting.value.rjust(4, "0"))),
    "Environment": each("`environment`", _environment),
    "EnvironmentFile": each("`environment_file`", _environment_file),
    "PassEnvironment": needless("a service gets what asyncinit was given; `clear_environment` keeps it away"),
    "UnsetEnvironment": each("`unset_environment`", _unset),
    "WorkingDirectory": one("`working_directory`", _directory),
    "RootDirectory": one("`namespaces.root`", _root),
    "RootImage": lost("no image is mounted; `namespaces.root` is a folder"),
    "RuntimeDirectory": _folders("runtime"),
    "StateDirectory": _folders("state"),
    "CacheDirectory": _folders("cache"),
    "LogsDirectory": _folders("logs"),
    "ConfigurationDirectory": lost("nothing is made in /etc"),
    "RuntimeDirectoryMode": one("`directories.mode`, of all folders", _mode),
    "StateDirectoryMode": one("`directories.mode`, of all folders", _mode),
    "CacheDirectoryMode": one("`directories.mode`, of all folders", _mode),
    "LogsDirectoryMode": one("`directories.mode`, of all folders", _mode),
    "ConfigurationDirectoryMode": lost("nothing is made in /etc"),
    "RuntimeDirectoryPreserve": one("not needed: no", _preserve),
    "DynamicUser": one("`user`: a number of its own", _dynamic),
    "SetLoginEnvironment": needless("HOME, USER, LOGNAME and SHELL are set with `user`"),
    "PAMName": lost("no PAM session is opened"),
    "KeyringMode": lost("no keyring is made"),
    "Personality": lost("it has asyncinit's own"),
}
