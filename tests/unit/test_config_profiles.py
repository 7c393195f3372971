"""Profiles: [profile.NAME] laid over the table that it stands in, where NAME is active."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from asyncinit.config import profiles, spec
from asyncinit.config.check import check
from asyncinit.config.enabling import say_enabled
from asyncinit.config.load import Loaded, read
from asyncinit.config.show import show
from tests.unit.config_world import NOWHERE, write

WEB = """\
command = "web"
environment = { PORT = "80", HOST = "a" }
after = ["db"]

[ready]
notify = true
timeout = "5s"

[profile.dev]
command = "web --debug"
environment = { PORT = "8080" }
restart = "never"

[profile.dev.ready]
tcp = "127.0.0.1:8080"

[profile.local]
environment = { PORT = "9090" }
"""


def loaded(folder: Path, *names: str, **files: str) -> Loaded:
    """Return what comes of reading services.d with `files` (by name, asyncinit.toml as `file`), profiles active."""
    write(folder, {"asyncinit.toml": files.pop("file", "")})
    write(folder, {f"services.d/{name.replace('__', '/')}.toml": text for name, text in files.items()})
    return read(str(folder / "asyncinit.toml"), profiles=names, root=NOWHERE)


def lines(problems: Sequence[object], folder: Path) -> list[str]:
    """Return problems with paths as seen from `folder`."""
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


def test_without_it_a_profile_says_nothing(tmp_path: Path) -> None:
    """The keys of a profile that is not active have no effect at all."""
    web = loaded(tmp_path, web=WEB, db='command = "db"').configuration.services["web"]
    assert web.command is not None
    assert web.command.argv == ("web",)
    assert web.environment == {"PORT": "80", "HOST": "a"}


def test_it_is_merged_as_a_drop_in_is(tmp_path: Path) -> None:
    """Tables key by key, one kind of readiness drops the other, all else replaces; short forms count."""
    found = loaded(tmp_path, "dev", web=WEB, db='command = "db"')
    assert not found.problems
    web = found.configuration.services["web"]
    assert web.command is not None
    assert web.command.argv == ("web", "--debug")
    assert web.environment == {"PORT": "8080", "HOST": "a"}
    assert web.after == ("db",)
    assert (web.ready.kind, web.ready.address, web.ready.timeout) == (spec.ReadyKind.TCP, "127.0.0.1:8080", 5.0)
    assert web.restart.policy == "never"


@pytest.mark.parametrize(("names", "port"), [(("dev", "local"), "9090"), (("local", "dev"), "8080")])
def test_of_several_the_later_wins(tmp_path: Path, names: tuple[str, ...], port: str) -> None:
    """The order in which they are given decides, not that of the file."""
    web = loaded(tmp_path, *names, web=WEB, db='command = "db"').configuration.services["web"]
    assert web.environment["PORT"] == port


def test_a_drop_in_is_over_the_profiles_of_the_file(tmp_path: Path) -> None:
    """A profile changes the table that it stands in: what lies over that lies over it too, and has profiles itself."""
    files = {"web": WEB, "db": 'command = "db"', "web.d__10": 'environment = { PORT = "1" }'}
    assert loaded(tmp_path, "dev", **files).configuration.services["web"].environment["PORT"] == "1"
    files["web.d__10"] += '\n[profile.dev]\nenvironment = { PORT = "2" }\n'
    assert loaded(tmp_path, "dev", **files).configuration.services["web"].environment["PORT"] == "2"


def test_asyncinit_toml_has_profiles_of_its_own(tmp_path: Path) -> None:
    """[profile.NAME] changes [init] and [defaults]; [services.X.profile.NAME] a service; a service is over defaults."""
    file = """
[init]
log_level = "info"
exit_codes = { 1 = 2 }
[defaults]
umask = "0022"
[services.web]
command = "web"
[services.web.profile.dev]
command = "web --debug"
[profile.dev.init]
log_level = "debug"
exit_codes = { 3 = 4 }
[profile.dev.defaults]
umask = "0077"
environment = { DEBUG = "1" }
"""
    plain, dev = loaded(tmp_path, file=file), loaded(tmp_path, "dev", file=file)
    assert not plain.problems + dev.problems
    assert (plain.configuration.init.log_level.value, dev.configuration.init.log_level.value) == ("info", "debug")
    assert dev.configuration.init.exit_codes == {1: 2, 3: 4}
    web = dev.configuration.services["web"]
    assert web.command is not None
    assert (web.umask, web.environment, web.command.argv) == (0o077, {"DEBUG": "1"}, ("web", "--debug"))
    assert plain.configuration.services["web"].umask == 0o022


def test_only_a_profile_may_have_defaults(tmp_path: Path) -> None:
    """[profile.NAME.defaults] needs no [defaults] below it."""
    web = loaded(tmp_path, "dev", file="[profile.dev.defaults]\numask = '0077'", web='command = "web"')
    assert web.configuration.services["web"].umask == 0o077


def test_a_service_of_one_profile_alone(tmp_path: Path) -> None:
    """`enabled` may be said by a profile."""
    text = 'command = "mail"\nenabled = false\n[profile.dev]\nenabled = true\n'
    assert not loaded(tmp_path, mail=text, dev='command = "x"').configuration.services["mail"].enabled
    assert loaded(tmp_path, "dev", mail=text, dev='command = "x"').configuration.services["mail"].enabled


def test_templates_have_profiles(tmp_path: Path) -> None:
    """Their instances get them with ${INSTANCE} filled in, and a profile may say how many there are."""
    text = 'command = "web"\ninstances = 1\n[profile.big]\ninstances = 2\nenvironment = { N = "${INSTANCE}" }\n'
    assert list(loaded(tmp_path, **{"web@": text}).configuration.services) == ["web@1"]
    services = loaded(tmp_path, "big", **{"web@": text}).configuration.services
    assert {name: one.environment for name, one in services.items()} == {"web@1": {"N": "1"}, "web@2": {"N": "2"}}


def test_pods_have_profiles(tmp_path: Path) -> None:
    """A pod's file and its [pods.NAME] have them as a service has."""
    text = '[profile.dev]\nhostname = "dev"\n'
    write(tmp_path, {"pods.d/shop.toml": text, "asyncinit.toml": "[pods.other.profile.dev]\nhostname = 'dev2'"})
    write(
        tmp_path, {"services.d/a.toml": 'command = "a"\npod = "shop"', "services.d/b.toml": 'command="b"\npod="other"'}
    )
    found = read(str(tmp_path / "asyncinit.toml"), profiles=("dev",), root=NOWHERE)
    assert not found.problems
    boxes = [one.sandbox for one in found.configuration.services.values()]
    assert sorted(box.hostname for box in boxes if box is not None) == ["dev", "dev2"]


def test_origins_name_the_profile(tmp_path: Path) -> None:
    """`show` says of each value which profile of which file it is from, by the line."""
    found = loaded(tmp_path, "dev", web=WEB, db='command = "db"', file="[profile.dev.defaults]\numask = '0077'")
    shown = show(found.configuration, "web").replace(f"{tmp_path}/", "")
    origins = {line.split(" = ")[0]: line.rpartition("  # ")[2] for line in shown.splitlines() if " = " in line}
    assert origins["command"] == "profile dev of services.d/web.toml:10"
    assert origins["policy"] == "profile dev of services.d/web.toml:12"
    assert origins["umask"] == "profile dev of asyncinit.toml:2"
    assert origins["HOST"] == "services.d/web.toml:2"
    assert origins["PORT"] == "profile dev of services.d/web.toml:11"
    assert "profile" not in tomllib.loads(shown)


def test_a_profile_of_any_name(tmp_path: Path) -> None:
    """Also one that is called as a table of ours is told by its name."""
    file = "[services.profile.profile.defaults]\ncommand = 'x'\n[profile.defaults.defaults]\numask = '0077'\n"
    found = loaded(tmp_path, "defaults", file=file + "[services.profile]\ncommand = 'y'")
    shown = show(found.configuration, "profile").replace(f"{tmp_path}/", "")
    assert re.findall("^(?:command|umask).*# (.*)$", shown, re.M) == [
        "profile defaults of asyncinit.toml:2",
        "profile defaults of asyncinit.toml:4",
    ]


def test_a_profile_that_no_file_has(tmp_path: Path) -> None:
    """It is an error that tells the one that was meant; nothing is silently run without it."""
    found = loaded(tmp_path, "dve", web=WEB, db='command = "db"')
    assert lines(found.problems, tmp_path) == [
        'profile dve: is in none of the files (expected one of dev, local); did you mean "dev"?'
    ]
    found = loaded(tmp_path / "none", "dev", web='command = "web"')
    assert lines(found.problems, tmp_path) == [
        "profile dev: is in none of the files (expected a table [profile.NAME] in one of them)"
    ]


def test_mistakes_in_a_profile_name_it(tmp_path: Path) -> None:
    """Each has the line, and the whole key with the profile's name; in a table of another kind, what belongs there."""
    file = "[profile.dev]\nlog_level = 'debug'\n[profile.dev.services.web]\n[profile.dev.init]\nlog_level = 'x'\n"
    web = 'command = "web"\n[profile.dev]\ncomand = "x"\n[profile.dev.profile.x]\n[profile.dev.init]\nstart = []\n'
    assert lines(loaded(tmp_path, "dev", file=file, web=web).problems, tmp_path) == [
        "asyncinit.toml:2: profile.dev.log_level: is not a table of a profile (expected init or defaults); did you "
        "mean init.log_level?",
        "asyncinit.toml:3: profile.dev.services: cannot be used here: [services.NAME.profile.PROFILE] is the place for "
        "it",
        'asyncinit.toml:5: profile.dev.init.log_level: found "x", expected one of "debug", "error", "info", "warning"',
        "services.d/web.toml:3: profile.dev.comand: is not a known key; did you mean command?",
        "services.d/web.toml:4: profile.dev.profile: cannot be used here: [profile.NAME] stands in a file's own table, "
        "and in no other",
        "services.d/web.toml:5: profile.dev.init: belongs into asyncinit.toml, not into a service's file",
    ]


def test_a_misspelt_profile_table(tmp_path: Path) -> None:
    """The table that was meant is told, in a file of a service and in one of a pod."""
    write(tmp_path, {"pods.d/shop.toml": "[profil.dev]\n"})
    found = lines(loaded(tmp_path, web='command = "web"\n[profil.dev]\numask = "0077"\n').problems, tmp_path)
    assert found == [
        "pods.d/shop.toml:1: profil: is not a key of a pod; did you mean profile?",
        "services.d/web.toml:2: profil: is not a known key; did you mean profile?",
    ]


def test_an_error_of_another_profile_hinders_nobody(tmp_path: Path) -> None:
    """What is wrong in a profile that is not active keeps nothing from running."""
    assert not loaded(tmp_path, web='command = "web"\n[profile.dev]\ncomand = "x"\n').problems


def test_check_looks_at_every_profile(tmp_path: Path) -> None:
    """The files alone, and with each of their profiles; one error is told once, and each names its profile."""
    web = """\
command = "web"
comand = "x"
[profile.dev]
restat = "never"
[profile.production]
requires = ["dbs"]
"""
    db = 'command = "db"\nrequires = ["db2"]\n[profile.production]\nbefore = ["db2"]\n'
    write(tmp_path, {"services.d/web.toml": web, "services.d/db.toml": db, "services.d/db2.toml": 'command = "db2"'})
    file = tmp_path / "asyncinit.toml"
    write(tmp_path, {"asyncinit.toml": ""})
    found = lines(check(config=str(file), root=NOWHERE).problems, tmp_path)
    assert found == [
        "services.d/db.toml:2: requires: with profile production: waits for itself: db -> db2 -> db (db requires db2, "
        "services.d/db.toml:2; db before db2, services.d/db.toml:4)",
        "services.d/web.toml:2: comand: is not a known key; did you mean command?",
        "services.d/web.toml:4: profile.dev.restat: is not a known key; did you mean restart?",
        'services.d/web.toml:6: profile.production.requires[0]: names "dbs", and there is no such service; did '
        'you mean "db"?',
    ]
    assert lines(check([str(tmp_path / "services.d" / "web.toml")], root=NOWHERE).problems, tmp_path) == found[1:]


def test_check_says_of_another_place_with_which_profile(tmp_path: Path) -> None:
    """Where what is wrong stands outside of the profile that makes it wrong, the problem says with which."""
    write(
        tmp_path,
        {
            "asyncinit.toml": "[profile.dev.defaults]\nshell = true\n",
            "services.d/web.toml": 'command = ["web"]',
        },
    )
    found = lines(check(config=str(tmp_path / "asyncinit.toml"), root=NOWHERE).problems, tmp_path)
    assert found == [
        "services.d/web.toml:1: command: with profile dev: is a list, but shell = true gives a text to the shell "
        "(expected a string)"
    ]


def test_disable_counts_with_profiles(tmp_path: Path) -> None:
    """A drop-in is written where a profile says otherwise, and holds over it."""
    write(tmp_path, {"services.d/web.toml": 'command = "web"\nenabled = false\n[profile.dev]\nenabled = true\n'})
    folder = [str(tmp_path / "services.d")]
    assert say_enabled("web", False, services=folder, root="/").written is None
    said = say_enabled("web", False, services=folder, root="/", profiles=("dev",))
    assert (said.before, said.written) == (True, f"{folder[0]}/web.d/90-enabled.toml")
    assert not read(None, folder, root="/", profiles=("dev",)).configuration.services["web"].enabled
    assert say_enabled("web", True, services=folder, root="/", profiles=("dev",)).removed == (said.written,)


@pytest.mark.parametrize(
    ("given", "environment", "names"),
    [
        (("a", "b"), "", ("a", "b")),
        (("a,b", "c"), "x", ("a", "b", "c")),
        ((), "a, b,", ("a", "b")),
        (("a,b,a",), "", ("b", "a")),
        (("",), "x", ()),
        ((), "", ()),
    ],
)
def test_words_name_profiles(given: tuple[str, ...], environment: str, names: tuple[str, ...]) -> None:
    """Several words, or one with commas; the environment counts without any; of two places the later."""
    assert profiles.active(given, {"ASYNCINIT_PROFILE": environment}) == names
