"""Templates: which instances there are, what each declares, and what is told of them."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from asyncinit.config.check import check
from asyncinit.config.load import Loaded, load, read
from asyncinit.config.origins import origins_of
from asyncinit.config.show import show
from asyncinit.config.spec import Command, Instances, ReadyKind
from asyncinit.config.templates import filled_in
from tests.unit.config_world import NOWHERE, write

COMMAND = 'command = "x"\n'


def read_files(folder: Path, files: dict[str, str], *instances: str) -> Loaded:
    """Read a services.d with these files, and further instances."""
    write(folder, {f"services.d/{name}": text for name, text in files.items()})
    return read(None, [str(folder / "services.d")], root=NOWHERE, instances=Instances(instances))


def names(loaded: Loaded) -> dict[str, bool]:
    """Return the services, and whether each is started by itself."""
    assert [str(problem) for problem in loaded.problems] == []
    return {name: not spec.summoned for name, spec in loaded.configuration.services.items()}


def lines(folder: Path, loaded: Loaded) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/services.d/") for problem in loaded.problems]


def test_a_template_names_its_instances(tmp_path: Path) -> None:
    """Or says how many there are; the template itself is no service."""
    files = {"web@.toml": COMMAND + 'instances = ["8080", "blue"]', "worker@.toml": COMMAND + "instances = 3"}
    assert names(read_files(tmp_path, files)) == {
        "web@8080": True,
        "web@blue": True,
        "worker@1": True,
        "worker@2": True,
        "worker@3": True,
    }


def test_an_instance_has_its_name_in_every_value(tmp_path: Path) -> None:
    """In commands, a shell's text too, paths, addresses, and the names of other services."""
    text = """
command = "exec serve --port ${INSTANCE} $${INSTANCE} ${INSTANCES}"
shell = true
description = "on ${INSTANCE:-nothing}"
user = "web-${INSTANCE}"
instances = ["8080"]
environment = { PORT = "${INSTANCE}" }
requires = ["db@${INSTANCE}"]
directories.state = ["web/${INSTANCE}"]
[ready]
tcp = "127.0.0.1:${INSTANCE}"
[hooks]
pre_start = [["prepare", "a${INSTANCE}b"]]
"""
    loaded = read_files(tmp_path, {"web@.toml": text, "db@.toml": COMMAND})
    assert names(loaded) == {"db@8080": False, "web@8080": True}
    web = loaded.configuration.services["web@8080"]
    assert web.command == Command(("/bin/sh", "-c", "exec serve --port 8080 $${INSTANCE} ${INSTANCES}"), expand=False)
    assert (web.description, web.user, web.instance) == ("on 8080", "web-8080", "8080")
    assert web.environment == {"PORT": "8080"}
    assert web.requires == ("db@8080",)
    assert web.directories.state == ("web/8080",)
    assert (web.ready.kind, web.ready.address) == (ReadyKind.TCP, "127.0.0.1:8080")
    assert web.hooks.pre_start[0].command.argv == ("prepare", "a8080b")


def test_what_is_named_comes_into_being_for_who_names_it(tmp_path: Path) -> None:
    """By what starts it, along the chain; not by order alone. It is not started by itself."""
    loaded = read_files(
        tmp_path,
        {
            "lb.toml": COMMAND + 'requires = ["web@1"]\nwants = ["web@2"]\nafter = ["web@9"]',
            "web@.toml": COMMAND + 'binds_to = ["db@${INSTANCE}"]',
            "db@.toml": COMMAND,
        },
    )
    assert names(loaded) == {"db@1": False, "db@2": False, "lb": True, "web@1": False, "web@2": False}


def test_init_start_and_the_run_time_name_instances_too(tmp_path: Path) -> None:
    """And what has no template stays what it is: unknown."""
    write(
        tmp_path,
        {
            "asyncinit.toml": f'[init]\nstart = ["web@a", "web@"]\n[services."web@"]\ninstances = 1\n{COMMAND}',
        },
    )
    loaded = read(
        str(tmp_path / "asyncinit.toml"), root=NOWHERE, instances=Instances(("web@b", "nope@1", "no.service"))
    )
    assert names(loaded) == {"web@1": True, "web@a": False, "web@b": False}
    assert loaded.configuration.init.start == ("web@a", "web@1", "web@b")
    assert loaded.configuration.templates == {"web@": ("web@1",)}


def test_drop_ins_of_the_template_and_of_one_instance(tmp_path: Path) -> None:
    """The instance's own lie above; they make it be there, and may enable it."""
    loaded = read_files(
        tmp_path,
        {
            "web@.toml": COMMAND + 'instances = ["1"]\numask = "0001"',
            "web@.d/90-all.toml": 'umask = "0002"\ngroup = "g${INSTANCE}"',
            "web@1.d/10-one.toml": 'umask = "0003"',
            "web@2.d/10-two.toml": 'group = "h"',
            "web@3.d/10-three.toml": "enabled = true",
        },
    )
    assert names(loaded) == {"web@1": True, "web@2": False, "web@3": True}
    services = loaded.configuration.services
    assert [services[f"web@{n}"].umask for n in "123"] == [3, 2, 2]
    assert [services[f"web@{n}"].group for n in "123"] == ["g1", "h", "g3"]


def test_a_file_of_its_own_takes_the_place_of_the_template(tmp_path: Path) -> None:
    """As in systemd; the template's drop-ins are laid over it all the same. It needs no template."""
    loaded = read_files(
        tmp_path,
        {
            "web@.toml": COMMAND + 'group = "a"',
            "web@.d/x.toml": 'umask = "0002"',
            "web@1.toml": 'command = "y ${INSTANCE}"',
            "lone@7.toml": COMMAND,
        },
    )
    assert names(loaded) == {"lone@7": True, "web@1": True}
    web = loaded.configuration.services["web@1"]
    assert web.command == Command(("y", "1"))
    assert (web.group, web.umask) == (None, 2)


def test_a_templates_name_stands_for_its_instances(tmp_path: Path) -> None:
    """For all that there are, but for the one that says it."""
    loaded = read_files(
        tmp_path,
        {
            "lb.toml": COMMAND + 'requires = ["db", "web@"]',
            "db.toml": COMMAND + 'before = ["web@"]',
            "web@.toml": COMMAND + "instances = 2",
            "last@.toml": COMMAND + 'instances = 1\nafter = ["last@", "web@"]',
        },
        "web@x",
    )
    assert len(names(loaded)) == 6
    services = loaded.configuration.services
    assert services["lb"].requires == ("db", "web@1", "web@2", "web@x")
    assert services["db"].before == ("web@1", "web@2", "web@x")
    assert services["last@1"].after == ("web@1", "web@2", "web@x")


def test_defaults_count_for_instances(tmp_path: Path) -> None:
    """With their name in the place of ${INSTANCE}."""
    write(
        tmp_path,
        {
            "asyncinit.toml": '[defaults]\nworking_directory = "/srv/${INSTANCE}"\n',
            "services.d/web@.toml": COMMAND + "instances = 1",
        },
    )
    assert load(str(tmp_path / "asyncinit.toml"), root=NOWHERE).services["web@1"].working_directory == "/srv/1"


def test_each_value_has_its_origin(tmp_path: Path) -> None:
    """The line of the template or of a drop-in; what is shown declares the same."""
    loaded = read_files(
        tmp_path,
        {
            "lb.toml": COMMAND + 'wants = ["web@9"]',
            "web@.toml": COMMAND + "enabled = true\n[environment]\nPORT = '${INSTANCE}'",
            "web@9.d/x.toml": "\nuser = 'u'",
        },
    )
    folder = f"{tmp_path}/services.d"
    assert origins_of(loaded.configuration.sources, "web@9") == {
        "command": f"{folder}/web@.toml:1",
        "enabled": f"{folder}/web@.toml:2",
        "environment.PORT": f"{folder}/web@.toml:4",
        "user": f"{folder}/web@9.d/x.toml:2",
    }
    shown = show(loaded.configuration, "web@9")
    assert "# It is started by who names it, and not by itself.\n" in shown
    write(tmp_path, {"other/web@9.toml": shown})
    again = load(None, [str(tmp_path / "other")], root=NOWHERE).services["web@9"]
    assert replace(again, origin="") == replace(loaded.configuration.services["web@9"], origin="", summoned=False)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"web@.toml": COMMAND + 'instances = ["1", "2"]\nusr = "x"'},
            ["web@.toml:3: usr: is not a known key; did you mean user?"],
        ),
        ({"web@.toml": COMMAND + "xyzzy = 1"}, ["web@.toml:2: xyzzy: is not a known key"]),
        (
            {"web@.toml": "instances = 2"},
            ['web@.toml: command: is missing: every service but a target has one (expected command = ["PROGRAM"])'],
        ),
        (
            {"web@.toml": COMMAND + 'instances = ["80", "x"]\n[ready]\ntcp = "localhost:${INSTANCE}"'},
            ['web@.toml:4: ready.tcp: has no port from 1 to 65535 (found "localhost:x")'],
        ),
        (
            {"web@.toml": COMMAND + "instances = [8080]"},
            [
                'web@.toml:2: instances[0]: found 8080, expected a name of letters, digits, "_", "." and "-" that begins with a letter or digit; did you mean "8080"?'
            ],
        ),
        (
            {"web@.toml": COMMAND + "instances = 1001"},
            ["web@.toml:2: instances: found 1001, expected an integer from 0 to 1000"],
        ),
        (
            {"web@.toml": COMMAND + 'instances = ["a/b"]'},
            [
                'web@.toml:2: instances[0]: found "a/b", expected a name of letters, digits, "_", "." and "-" that begins with a letter or digit'
            ],
        ),
        (
            {"web.toml": COMMAND + "instances = 2"},
            ["web.toml:2: instances: cannot be used here: only a template, NAME@.toml, has instances"],
        ),
        (
            {"web@.toml": COMMAND, "web@1.d/a.toml": "instances = 2", "web@1.toml": COMMAND + "instances = 3"},
            [
                "web@1.d/a.toml:1: instances: cannot be used here: only a template, NAME@.toml, has instances",
                "web@1.toml:2: instances: cannot be used here: only a template, NAME@.toml, has instances",
            ],
        ),
        (
            {"lb.toml": COMMAND + 'requires = ["web@"]', "web@.toml": COMMAND},
            ['lb.toml:2: warning: requires[0]: names "web@", a template that has no instance'],
        ),
        (
            {"lb.toml": COMMAND + 'requires = ["wbe@1"]', "web@.toml": COMMAND + "instances = 1"},
            ['lb.toml:2: requires[0]: names "wbe@1", and there is no such service; did you mean "web@1"?'],
        ),
        (
            {"web@.toml": COMMAND + 'instances = 2\nrequires = ["web@"]'},
            [
                "web@.toml:3: requires: waits for itself: web@1 -> web@2 -> web@1 (web@1 requires web@2, FOLDER/web@.toml:3; web@2 requires web@1, FOLDER/web@.toml:3)"
            ],
        ),
        (
            {"web@.toml": "x", "lb.toml": COMMAND + 'requires = ["web@1"]'},
            ["web@.toml:1: is not valid TOML: expected '=' after a key in a key/value pair, and the file ends"],
        ),
        (
            {"app.toml": COMMAND, "app@1.d/x.toml": "enabled = true"},
            ['app@1.d: warning: has drop-ins for "app@1", and there is no such service; did you mean FOLDER/app.d?'],
        ),
    ],
)
def test_what_is_wrong_is_told_once_and_in_its_place(tmp_path: Path, files: dict[str, str], told: list[str]) -> None:
    """Whatever many instances have it too; what an instance makes wrong tells what it became."""
    loaded = read_files(tmp_path, files)
    assert [line.replace(f"{tmp_path}/services.d", "FOLDER") for line in lines(tmp_path, loaded)] == told


def test_a_bad_instance_takes_nobody_along(tmp_path: Path) -> None:
    """Others of its template are sound; a bad template has no sound instance."""
    loaded = read_files(
        tmp_path,
        {
            "web@.toml": COMMAND + 'instances = ["80", "x"]\n[ready]\ntcp = "localhost:${INSTANCE}"',
            "bad@.toml": COMMAND + "instances = 1",
            "bad@.d/x.toml": "not toml",
        },
    )
    assert list(loaded.configuration.services) == ["web@80"]


def test_templates_that_name_each_other_without_end_come_to_one(tmp_path: Path) -> None:
    """Names grow until none can have them; and there is a limit to how many there are."""
    loaded = read_files(tmp_path, {"a@.toml": COMMAND + 'instances = 1\nwants = ["a@1${INSTANCE}"]'})
    assert "a@111" in loaded.configuration.services
    assert lines(tmp_path, loaded)[0].startswith('a@.toml:3: wants[0]: found "a@111')
    text = COMMAND + 'instances = 1\nwants = ["a@1${INSTANCE}", "a@2${INSTANCE}"]'
    many = read_files(tmp_path, {"a@.toml": text})
    assert lines(tmp_path, many) == ["a@.toml: has more than 10000 instances with others"]


def test_the_checked_file_may_be_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a drop-in of one."""
    write(tmp_path, {"services.d/web@.toml": COMMAND + "xyzzy = 1", "services.d/web@.d/a.toml": "plugh = 1"})
    monkeypatch.chdir(tmp_path)
    for path, line in (("services.d/web@.toml", "2: xyzzy"), ("services.d/web@.d/a.toml", "1: plugh")):
        found = [str(problem) for problem in check([path], root=NOWHERE).problems]
        assert found == [f"{path}:{line}: is not a known key"]


def test_how_the_instance_is_filled_in() -> None:
    """A doubled dollar is left to whoever reads it; a deep nesting is no key of ours, and harmless."""
    assert filled_in("a${INSTANCE}b$${INSTANCE}$$${INSTANCE}", "7") == "a7b$${INSTANCE}$$7"
    assert filled_in({"k": ["${INSTANCE:-x}", 1, {"l": "$INSTANCE"}]}, "7") == {"k": ["7", 1, {"l": "$INSTANCE"}]}
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert filled_in(deep, "7")


@pytest.mark.parametrize(
    ("instances", "count", "expected"),
    [
        ("2", 0, []),
        ("2", 1, ["web@1"]),
        ("2", 4, ["web@1", "web@2", "web@3", "web@4"]),
        ("0", 2, ["web@1", "web@2"]),
        ('["8081", "8080"]', 3, ["web@8080", "web@8081", "web@8082"]),
        ('["blue", "green"]', 3, ["web@blue", "web@green"]),
        ('["01"]', 3, ["web@01"]),
    ],
)
def test_a_count_takes_the_place_of_what_the_template_says(
    tmp_path: Path, instances: str, count: int, expected: list[str]
) -> None:
    """Numbers go on from the highest; instances that are called by name stay what they are."""
    write(tmp_path, {"s/web@.toml": COMMAND + f"instances = {instances}", "s/lb.toml": COMMAND + 'after = ["web@"]'})
    loaded = read(None, [str(tmp_path / "s")], root=NOWHERE, instances=Instances(counts={"web@": count}))
    assert sorted(names_of(loaded)) == expected
    assert sorted(loaded.configuration.services["lb"].after) == expected


def names_of(loaded: Loaded) -> list[str]:
    return [name for name in loaded.configuration.services if "@" in name]


def test_which_templates_can_be_used(tmp_path: Path) -> None:
    """Those in which nothing is wrong, in drop-ins neither; with the instances that they name themselves."""
    loaded = read_files(
        tmp_path,
        {
            "a@.toml": COMMAND + "instances = 2",
            "b@.toml": COMMAND,
            "c@.toml": "x = 1",
            "d@.toml": COMMAND,
            "d@.d/x.toml": "nonsense",
        },
        "b@1",
    )
    assert loaded.configuration.templates == {"a@": ("a@1", "a@2"), "b@": ()}
