"""Files to a configuration: what keys come to, where files are looked for, defaults, and both forms."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from asyncinit.config import places
from asyncinit.config.load import ConfigErrors, Mode, load, read
from asyncinit.config.spec import (
    NONE,
    SUCCESS,
    Cause,
    Check,
    CheckKind,
    Command,
    Condition,
    Directories,
    EnvironmentFile,
    GiveUp,
    Health,
    HealthAction,
    Hook,
    Hooks,
    InitSpec,
    LogFormat,
    LogLevel,
    Outcomes,
    Ready,
    ReadyKind,
    Reload,
    Restart,
    RestartPolicy,
    Scope,
    ServiceSpec,
    ServiceType,
    Sign,
    SpawnMethod,
    Stop,
    StopStep,
)
from tests.unit.config_world import NOWHERE, problems_of, service, told, write

COMMAND = 'command = "x"\n'

EVERYTHING = """
description = "HTTP front end"
type = "service"
command = ["nginx", "-g", "daemon off;"]
enabled = false
essential = true
prefer = ["user", "directories.logs"]
working_directory = "/srv/web"
user = "www-data"
group = 33
supplementary_groups = ["adm", 7]
umask = "0027"
environment = { PORT = "8080" }
environment_file = ["/etc/default/web", "-/run/secrets/web.env"]
clear_environment = true
unset_environment = ["LANG"]
tty = "/dev/tty3"
success_exit = [0, 3, "SIGTERM"]
watchdog = "30s"
requires = ["db"]
wants = ["cache", "cache"]
after = ["a"]
before = ["b"]
binds_to = ["c"]
conflicts = ["d"]
on_failure = ["e"]
on_success = ["f"]

[condition]
path_exists = ["/etc/x", "!/run/x"]
env_set = "MODE=a"

[directories]
runtime = ["web", "web/x"]
state = ["web"]
cache = ["c"]
logs = ["l"]
mode = "0700"

[ready]
http = "http://127.0.0.1:8080/healthz"
timeout = "1m"
interval = 2
probe_timeout = "3s"

[restart]
policy = "on-abnormal"
delay = "1s"
backoff = 3
max_delay = "none"
jitter = 0
reset_after = "20s"
limit = 5
window = "none"
on = [75, "oom"]
never_on = ["SIGHUP"]
on_give_up = "shutdown"

[stop]
signal = "QUIT"
scope = "tree"
timeout = "none"
escalate = [{ signal = "SIGINT", timeout = "2s" }]

[reload]
command = "nginx -s reload"
timeout = "5s"

[health]
all = [{ tcp = "127.0.0.1:1" }, { command = ["check", "me"] }]
interval = "5s"
probe_timeout = "2s"
threshold = 4
success_threshold = 2
start_period = "1m"
action = "none"

[hooks]
pre_start = [["/usr/bin/prepare"], "a 'b c'", { command = "x", user = "root", timeout = "5s", ignore_failure = true }]
post_start = [["p"]]
pre_stop = [["q"]]
post_stop = [["r"]]
"""

WEB = ServiceSpec(
    name="web",
    type=ServiceType.SERVICE,
    command=Command(("nginx", "-g", "daemon off;")),
    description="HTTP front end",
    enabled=False,
    essential=True,
    prefer=frozenset({"user", "directories.logs"}),
    working_directory="/srv/web",
    user="www-data",
    group="33",
    supplementary_groups=("adm", "7"),
    umask=0o027,
    environment={"PORT": "8080"},
    environment_file=(EnvironmentFile("/etc/default/web"), EnvironmentFile("/run/secrets/web.env", optional=True)),
    clear_environment=True,
    unset_environment=("LANG",),
    tty="/dev/tty3",
    success_exit=Outcomes(frozenset({0, 3}), frozenset({signal.SIGTERM})),
    requires=("db",),
    wants=("cache",),
    after=("a",),
    before=("b",),
    binds_to=("c",),
    conflicts=("d",),
    on_failure=("e",),
    on_success=("f",),
    condition=Condition(
        (
            Check(CheckKind.PATH_EXISTS, "/etc/x"),
            Check(CheckKind.PATH_EXISTS, "/run/x", negated=True),
            Check(CheckKind.ENV_SET, "MODE=a"),
        )
    ),
    directories=Directories(("web", "web/x"), ("web",), ("c",), ("l",), 0o700),
    ready=Ready(ReadyKind.HTTP, "http://127.0.0.1:8080/healthz", timeout=60, interval=2, probe_timeout=3),
    restart=Restart(
        policy=RestartPolicy.ON_ABNORMAL,
        delay=1,
        backoff=3,
        max_delay=math.inf,
        jitter=0,
        reset_after=20,
        limit=5,
        window=math.inf,
        on=Outcomes(codes=frozenset({75}), causes=frozenset({Cause.OOM})),
        never_on=Outcomes(signals=frozenset({signal.SIGHUP})),
        on_give_up=GiveUp.SHUTDOWN,
    ),
    stop=Stop(signal.SIGQUIT, None, Scope.TREE, math.inf, (StopStep(signal.SIGINT, 2),)),
    watchdog=30,
    reload=Reload(command=Command(("nginx", "-s", "reload")), timeout=5),
    health=Health(
        kind=ReadyKind.ALL,
        parts=(Sign(ReadyKind.TCP, "127.0.0.1:1"), Sign(ReadyKind.COMMAND, command=Command(("check", "me")))),
        interval=5,
        probe_timeout=2,
        threshold=4,
        success_threshold=2,
        start_period=60,
        action=HealthAction.NONE,
    ),
    hooks=Hooks(
        pre_start=(
            Hook(Command(("/usr/bin/prepare",))),
            Hook(Command(("a", "b c"))),
            Hook(Command(("x",)), user="root", timeout=5, ignore_failure=True),
        ),
        post_start=(Hook(Command(("p",))),),
        pre_stop=(Hook(Command(("q",))),),
        post_stop=(Hook(Command(("r",))),),
    ),
)
OTHERS = dict.fromkeys(("db", "cache", "a", "b", "c", "d", "e", "f"), COMMAND)


def test_every_key_reaches_the_specification(tmp_path: Path) -> None:
    """A file that uses all keys gives a specification that has all of them."""
    found = service(tmp_path, EVERYTHING, **OTHERS)
    assert replace(found, origin="") == WEB
    assert found.origin == str(tmp_path / "services.d" / "web.toml")


def test_both_forms_mean_the_same(tmp_path: Path) -> None:
    """A file of services.d and a table of asyncinit.toml give equal specifications."""
    other = "".join(f"[services.{name}]\n{COMMAND}" for name in OTHERS)
    table = EVERYTHING.replace("\n[", "\n[services.web.")
    write(tmp_path, {"asyncinit.toml": f"{other}[services.web]\n{table}"})
    configuration = load(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
    assert replace(configuration.services["web"], origin="") == WEB
    assert configuration.services["web"].origin == str(tmp_path / "asyncinit.toml")


def test_defaults_of_a_plain_service(tmp_path: Path) -> None:
    """A command alone gives what the specification's own defaults say."""
    assert replace(service(tmp_path, COMMAND), origin="") == ServiceSpec("web", command=Command(("x",)))


def test_defaults_depend_on_type_and_mode(tmp_path: Path) -> None:
    """What completes or is essential is not restarted; a machine gives more time to stop."""
    assert service(tmp_path, COMMAND + 'type = "oneshot"').restart.policy is RestartPolicy.NEVER
    assert service(tmp_path, COMMAND + "essential = true").restart.policy is RestartPolicy.NEVER
    assert service(tmp_path, COMMAND + 'essential = true\nrestart = "always"').restart.policy is RestartPolicy.ALWAYS
    assert service(tmp_path, COMMAND, Mode.MACHINE).stop.timeout == 30
    assert service(tmp_path, COMMAND, Mode.DEV).stop.timeout == 5
    found = service(tmp_path, 'type = "target"')
    assert (found.type, found.command) == (ServiceType.TARGET, None)


def test_always_means_after_failure_for_a_oneshot(tmp_path: Path) -> None:
    """A oneshot that was restarted after success would never complete."""
    assert (
        service(tmp_path, COMMAND + 'type = "oneshot"\nrestart = "always"').restart.policy is RestartPolicy.ON_FAILURE
    )


def test_the_longest_delay_is_never_shorter_than_the_delay(tmp_path: Path) -> None:
    """A delay beyond the default of max_delay counts as written."""
    restart = service(tmp_path, COMMAND + 'restart.delay = "2m"').restart
    assert (restart.delay, restart.max_delay) == (120, 120)


def test_commands_have_two_forms_and_a_shell_on_request(tmp_path: Path) -> None:
    """A string is split into words; with shell = true it is given to the shell as it is, which expands it."""
    assert service(tmp_path, "command = \"a 'b c' ${X}\"").command == Command(("a", "b c", "${X}"))
    shell = service(tmp_path, 'command = "a && b $X"\nshell = true').command
    assert shell == Command(("/bin/sh", "-c", "a && b $X"), expand=False)


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("", Ready()),
        ("notify = false", Ready()),
        ("notify = true", Ready(ReadyKind.NOTIFY)),
        ("notify = false\nnotify_fd = 3", Ready(ReadyKind.NOTIFY_FD, descriptor=3)),
        ('tcp = "[::1]:80"', Ready(ReadyKind.TCP, "[::1]:80")),
        ('unix = "/run/x.sock"', Ready(ReadyKind.UNIX, "/run/x.sock")),
        ('file = "${RUNTIME_DIRECTORY}/x"', Ready(ReadyKind.FILE, "${RUNTIME_DIRECTORY}/x")),
        ('command = "pg_isready -q"', Ready(ReadyKind.COMMAND, command=Command(("pg_isready", "-q")))),
        ('pid_file = "/run/x.pid"', Ready(ReadyKind.PID_FILE, "/run/x.pid")),
        ('log = "listening on *"', Ready(ReadyKind.LOG, "listening on *")),
    ],
)
def test_each_kind_of_readiness(tmp_path: Path, text: str, ready: Ready) -> None:
    """The one key of [ready] that is given is the kind."""
    assert service(tmp_path, f"{COMMAND}[ready]\n{text}").ready == ready


def test_other_short_forms(tmp_path: Path) -> None:
    """restart, environment_file and tty take a plain value."""
    found = service(tmp_path, COMMAND + 'restart = "on-failure"\nenvironment_file = "-/x"\ntty = true')
    assert found.restart == Restart(policy=RestartPolicy.ON_FAILURE)
    assert found.environment_file == (EnvironmentFile("/x", optional=True),)
    assert found.tty is True


def test_init_has_all_its_keys(tmp_path: Path) -> None:
    """The [init] table becomes the specification of asyncinit as a whole."""
    text = """
    [init]
    services = ["s"]
    start = ["web"]
    control_socket = "/run/x.sock"
    control_read = "group:adm"
    shutdown_timeout = "20s"
    exit_codes = { 143 = 0, 1 = 2 }
    keep_running = true
    log_format = "json"
    log_level = "debug"
    spawn = "fork"
    """
    write(tmp_path, {"etc/asyncinit.toml": text, "etc/s/web.toml": COMMAND})
    configuration = load(str(tmp_path / "etc/asyncinit.toml"), root=NOWHERE)
    assert configuration.init == InitSpec(
        start=("web",),
        control_socket="/run/x.sock",
        control_read="group:adm",
        shutdown_timeout=20,
        exit_codes={143: 0, 1: 2},
        keep_running=True,
        log_format=LogFormat.JSON,
        log_level=LogLevel.DEBUG,
        oom_score_adj=-900,
        spawn=SpawnMethod.FORK,
    )
    assert configuration.files == (str(tmp_path / "etc/asyncinit.toml"), str(tmp_path / "etc/s/web.toml"))


def test_the_whole_shutdown_has_more_time_on_a_machine(tmp_path: Path) -> None:
    """9 s fit into docker stop's 10."""
    write(tmp_path, {"s/web.toml": COMMAND})
    times = {mode: load(None, [str(tmp_path / "s")], mode, root=NOWHERE).init.shutdown_timeout for mode in Mode}
    assert times == {Mode.CONTAINER: 9, Mode.DEV: 9, Mode.MACHINE: 90}


def test_a_machine_is_watched_and_is_not_ended_for_want_of_memory(tmp_path: Path) -> None:
    """Its watchdog is used where it has one; elsewhere it is another's. Without its init a machine panics."""
    write(tmp_path, {"s/web.toml": COMMAND})
    inits = {mode: load(None, [str(tmp_path / "s")], mode, root=NOWHERE).init for mode in Mode}
    assert {mode: init.watchdog for mode, init in inits.items()} == {
        Mode.CONTAINER: NONE,
        Mode.DEV: NONE,
        Mode.MACHINE: 30,
    }
    assert inits[Mode.MACHINE].oom_score_adj == -1000 and inits[Mode.CONTAINER].oom_score_adj == -900


@pytest.mark.parametrize(
    ("text", "expected"),
    [('watchdog = "1m30s"', 90), ("watchdog = 10", 10), ('watchdog = "none"', NONE), ('oom_score_adj = "none"', None)],
)
def test_what_is_declared_holds_on_a_machine_too(tmp_path: Path, text: str, expected: float | None) -> None:
    """Over the defaults that are a machine's."""
    write(tmp_path, {"asyncinit.toml": f"[init]\n{text}\nwatchdog_device = 'dog'", "services.d/web.toml": COMMAND})
    init = load(str(tmp_path / "asyncinit.toml"), mode=Mode.MACHINE, root=NOWHERE).init
    assert getattr(init, text.split(maxsplit=1)[0]) == expected
    assert init.watchdog_device == str(tmp_path / "dog")


def test_a_watchdog_leaves_time_for_an_exec(tmp_path: Path) -> None:
    """One that is shorter would reset the machine at each upgrade."""
    write(tmp_path, {"asyncinit.toml": '[init]\nwatchdog = "3s"', "services.d/web.toml": COMMAND})
    with pytest.raises(ConfigErrors, match=r"asyncinit.toml:2: init.watchdog: is too short: a live re-exec takes"):
        load(str(tmp_path / "asyncinit.toml"), root=NOWHERE)


# ---------------------------------------------------------------------------------------------------------------------
# [defaults]


def with_defaults(tmp_path: Path, defaults: str, text: str, others: str = "") -> ServiceSpec:
    """Return the specification of web with these defaults."""
    write(tmp_path, {"asyncinit.toml": f"[defaults]\n{defaults}\n{others}\n[services.web]\n{text}"})
    loaded = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
    assert [str(problem) for problem in loaded.problems] == []
    return loaded.configuration.services["web"]


def test_tables_of_the_defaults_are_merged_and_all_else_replaced(tmp_path: Path) -> None:
    """Variables and keys of tables come together, a list does not."""
    found = with_defaults(
        tmp_path,
        'user = "a"\nenvironment = { TZ = "UTC", A = "1" }\nrestart = { delay = "1s" }\nsuccess_exit = [1]',
        COMMAND + 'environment = { A = "2" }\nrestart = "on-failure"\nsuccess_exit = [2]',
    )
    assert found.environment == {"TZ": "UTC", "A": "2"}
    assert (found.restart.delay, found.restart.policy) == (1, RestartPolicy.ON_FAILURE)
    assert (found.user, found.success_exit) == ("a", Outcomes(frozenset({2})))


def test_the_short_form_of_the_defaults_is_merged_too(tmp_path: Path) -> None:
    """A policy of the defaults and a delay of the service come together."""
    found = with_defaults(tmp_path, 'restart = "never"', COMMAND + '[services.web.restart]\ndelay = "2s"')
    assert (found.restart.policy, found.restart.delay) == (RestartPolicy.NEVER, 2)


def test_a_kind_of_readiness_replaces_that_of_the_defaults(tmp_path: Path) -> None:
    """What excludes each other is not merged, what stands beside it is."""
    found = with_defaults(
        tmp_path,
        'ready = { notify = true, timeout = "9s" }\nstop = { signal = "INT", timeout = "1s" }',
        COMMAND + 'ready = { tcp = "h:1" }\nstop = { command = "halt" }',
    )
    assert found.ready == Ready(ReadyKind.TCP, "h:1", timeout=9)
    assert found.stop == Stop(command=Command(("halt",)), timeout=1)


def test_defaults_leave_alone_what_cannot_have_them(tmp_path: Path) -> None:
    """A target takes no process from the defaults, a oneshot no readiness, and nobody waits for itself."""
    defaults = 'command = "d"\nuser = "u"\nrequires = ["web"]\n[defaults.ready]\nnotify = true\ntimeout = "1s"'
    found = with_defaults(tmp_path, defaults, 'type = "target"')
    assert (found.user, found.command, found.requires, found.ready) == (None, None, (), Ready())
    found = with_defaults(tmp_path, defaults, 'type = "oneshot"')
    assert (found.ready, found.command) == (Ready(timeout=1), Command(("d",)))


def test_mistakes_in_the_defaults_are_told_once(tmp_path: Path) -> None:
    """However many services take them, a mistake stands where it was made; what only fails with a service names it."""
    text = "[defaults]\nusr = 1\nshell = true\nrequires = ['nope']\ncommand = ['d']\n"
    write(tmp_path, {"asyncinit.toml": text + "[services.a]\n[services.b]\ncommand = 'b'"})
    problems = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE).problems
    assert [told(problem) for problem in problems] == [
        "2: defaults.usr: is not a known key; did you mean user?",
        '4: defaults.requires[0]: names "nope", and there is no such service',
        "5: defaults.command: of a is a list, but shell = true gives a text to the shell (expected a string)",
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Where files are


def test_later_folders_win_by_name(tmp_path: Path) -> None:
    """Of two files with one name the later folder's counts alone; the other is not even read."""
    write(tmp_path, {"a/web.toml": "not TOML", "a/db.toml": COMMAND, "b/web.toml": 'command = "b"'})
    services = load(None, [str(tmp_path / "a"), str(tmp_path / "b")], root=NOWHERE).services
    assert services["web"].command == Command(("b",))
    assert sorted(services) == ["db", "web"]


def test_the_systems_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a package brings, an administrator and /run replace; ./services.d counts where none of them exists."""
    write(tmp_path, {"here/services.d/own.toml": COMMAND})
    monkeypatch.chdir(tmp_path / "here")
    assert sorted(load(root=str(tmp_path)).services) == ["own"]
    assert load(root=str(tmp_path)).services["own"].origin == "services.d/own.toml"
    for folder in ("usr/lib", "etc", "run"):
        write(
            tmp_path,
            {f"{folder}/asyncinit/services.d/{name}.toml": f'command = "{folder}"' for name in ("x", folder[:3])},
        )
    services = load(root=str(tmp_path)).services
    assert sorted(services) == ["etc", "run", "usr", "x"]
    assert services["x"].command == Command(("run",))


def test_the_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, else ./asyncinit.toml, else the system's."""
    write(
        tmp_path,
        {f"{place}.toml": f"[services.{place[0]}]\n{COMMAND}" for place in ("etc/asyncinit/asyncinit", "given")},
    )
    monkeypatch.chdir(tmp_path)
    assert list(load(root=str(tmp_path)).services) == ["e"]
    write(tmp_path, {"asyncinit.toml": f"[services.here]\n{COMMAND}"})
    assert list(load(root=str(tmp_path)).services) == ["here"]
    assert list(load("given.toml", root=str(tmp_path)).services) == ["g"]


def test_folders_of_a_configuration_file(tmp_path: Path) -> None:
    """Named ones are seen from the file's folder; else it is the services.d beside it; --services replaces both."""
    write(
        tmp_path,
        {
            "p/asyncinit.toml": "",
            "p/services.d/beside.toml": COMMAND,
            "q/named.toml": COMMAND,
            "usr/lib/asyncinit/services.d/system.toml": COMMAND,
        },
    )
    file = str(tmp_path / "p/asyncinit.toml")
    assert list(load(file, root=str(tmp_path)).services) == ["beside"]
    assert list(load(file, [str(tmp_path / "q")], root=str(tmp_path)).services) == ["named"]
    write(tmp_path, {"p/asyncinit.toml": '[init]\nservices = ["../q"]'})
    assert list(load(file, root=str(tmp_path)).services) == ["named"]
    write(tmp_path, {"q/asyncinit.toml": ""})
    assert list(load(str(tmp_path / "q/asyncinit.toml"), root=str(tmp_path)).services) == ["system"]
    write(tmp_path, {"q/asyncinit.toml": f"[services.own]\n{COMMAND}"})
    assert list(load(str(tmp_path / "q/asyncinit.toml"), root=str(tmp_path)).services) == ["own"]


def test_what_is_no_service_file_is_passed_over(tmp_path: Path) -> None:
    """Hidden files, editors' backups, notes and folders are no services."""
    names = (".web.toml", ".web.toml.swp", "web.toml~", "#web.toml#", "README.md", "web.toml.bak", "sub/x.txt", "e.d/x")
    write(tmp_path, {f"services.d/{name}": "not TOML" for name in names})
    assert problems_of(tmp_path, COMMAND) == []


def test_folders_as_kubernetes_makes_them(tmp_path: Path) -> None:
    """A ConfigMap is links into a hidden folder."""
    write(tmp_path, {"s/..2026_01/web.toml": COMMAND})
    (tmp_path / "s/..data").symlink_to("..2026_01")
    (tmp_path / "s/web.toml").symlink_to("..data/web.toml")
    loaded = read(None, [str(tmp_path / "s")], root=NOWHERE)
    assert (list(loaded.configuration.services), loaded.problems) == (["web"], ())


def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 come out as visible characters only."""
    folder = os.fsencode(tmp_path) + b"/\xff\x1b"
    os.mkdir(folder)
    for name in (b"web.toml", b"\xfe.toml", b"bad.toml"):
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"" if name == b"bad.toml" else COMMAND.encode())
    loaded = read(None, [os.fsdecode(folder)], root=NOWHERE)
    assert len(loaded.problems) == 2
    assert all(str(problem).isprintable() for problem in loaded.problems)
    assert loaded.configuration.services["web"].origin.isprintable()


def test_names_that_no_service_can_have(tmp_path: Path) -> None:
    """A file that was surely meant as a service is not passed over silently."""
    for name in ("a b.toml", "_a.toml", "@.toml", "web@a@b.toml"):
        write(tmp_path, {f"services.d/{name}": COMMAND})
    expected = '(expected a name of letters, digits, "_", "." and "-" that begins with a letter or digit and .toml)'
    assert problems_of(tmp_path, COMMAND) == [
        *[f"None: : has a name that no service can have {expected}"] * 4,
    ]


def test_a_name_in_both_forms_is_an_error(tmp_path: Path) -> None:
    """Nothing says which one is meant; mistakes of both are told."""
    write(tmp_path, {"asyncinit.toml": f"[services.web]\n{COMMAND}x = 1", "services.d/web.toml": "y = 1"})
    loaded = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
    assert [told(problem) for problem in loaded.problems] == [
        "3: services.web.x: is not a known key",
        f"None: : declares web, which [services.web] in {tmp_path}/asyncinit.toml declares too",
        "1: y: is not a known key",
    ]


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder that was named must be there, and be one."""
    write(tmp_path, {"file": ""})
    loaded = read(None, [str(tmp_path / "none"), str(tmp_path / "file")], root=NOWHERE)
    assert [problem.text for problem in loaded.problems] == [
        "cannot be read: not a directory",
        "there is no such folder",
    ]


def test_nothing_at_all_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No service is an error that tells how to write one, unless a command is there."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigErrors, match=r"services.d: no service is declared: write services.d/NAME.toml with"):
        load(root=NOWHERE)
    assert load(root=NOWHERE, may_be_empty=True).services == {}
    write(tmp_path, {"services.d/web": COMMAND, "services.d/README": ""})
    with pytest.raises(ConfigErrors, match=r"services.d/web was passed over: its name does not end in .toml"):
        load(root=NOWHERE)


def test_whether_anything_is_declared_is_told_without_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a named folder, or something in a default folder."""
    monkeypatch.chdir(tmp_path)
    assert not places.declared(None, [], NOWHERE)
    write(tmp_path, {"services.d/README": ""})
    assert not places.declared(None, [], NOWHERE)
    assert places.declared(None, ["x"], NOWHERE)
    assert places.declared("x", [], NOWHERE)
    write(tmp_path, {"services.d/web.toml": "broken ="})
    assert places.declared(None, [], NOWHERE)
    os.unlink("services.d/web.toml")
    write(tmp_path, {"asyncinit.toml": ""})
    assert places.declared(None, [], NOWHERE)


# ---------------------------------------------------------------------------------------------------------------------
# asyncinit.toml's own mistakes, and what is sound beside a mistake


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('start = ["x"]', "1: start: is not a known key here; did you mean [init] start?"),
        (COMMAND, "1: command: is a key of a service; did you mean [services.NAME] command or [defaults] command?"),
        (f"[web]\n{COMMAND}", "1: web: is not a known table; did you mean [services.web]?"),
        ("[int]", "1: int: is not a known table (expected [init], [defaults], [services.NAME] or [pods.NAME]); did you mean [init]?"),
        ('[init]\nuser = "x"', "2: init.user: is not a key of [init]; did you mean [defaults] user?"),
        ('[init]\nlog_fromat = "x"', "2: init.log_fromat: is not a key of [init]; did you mean log_format?"),
        ("[defaults.profile.dev]", "1: defaults.profile: cannot be used here: [profile.NAME] stands in a file's own table, and in no other"),
        ("services = 1", "1: services: found 1, expected a table"),
        ("services.web = 1", "1: services.web: found 1, expected a table"),
        ('[init]\nstart = ["wbe"]', '2: init.start[0]: names "wbe", and there is no such service'),
        ('[init]\nlog_format = "jsn"', '2: init.log_format: found "jsn", expected one of "auto", "json", "raw", "text"; did you mean "json"?'),
        ("[init]\nexit_codes = { x = 1 }", '2: init.exit_codes.x: found "x", expected an exit code from 0 to 255'),
        ("[init]\nexit_codes = { 1 = 300 }", "2: init.exit_codes.1: found 300, expected an exit code from 0 to 255"),
        ('[init]\ncontrol_socket = "@"', '2: init.control_socket: found "@", expected a path, or "@" and an abstract name'),
        (
            '[services."a b"]',
            '1: services."a b": found "a b", expected a name of letters, digits, "_", "." and "-" that begins with a letter or digit',
        ),
        ("[services.web]", '1: services.web.command: is missing: every service but a target has one (expected command = ["PROGRAM"])'),
        (
            f"[services.web]\n{COMMAND}[services.web.stop]\nuser = 'x'",
            "4: services.web.stop.user: is not a key of [stop]; did you mean user at the top level, before the first [table]?",
        ),
    ],
)  # fmt: skip
def test_mistakes_of_the_configuration_file(tmp_path: Path, text: str, line: str) -> None:
    """They are told as those of a service's file, with the whole key."""
    write(tmp_path, {"asyncinit.toml": text})
    problems = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE, may_be_empty=True).problems
    assert [told(problem) for problem in problems] == [line]


def test_what_is_sound_can_be_had_beside_what_is_not(tmp_path: Path) -> None:
    """A machine goes on without the services that have errors and those that need them."""
    files = {
        "bad": "user = 1 2",
        "worse": COMMAND + "nothing = 1",
        "needs": COMMAND + 'requires = ["bad"]',
        "needs2": COMMAND + 'binds_to = ["needs"]',
        "wants": COMMAND + 'wants = ["bad", "worse"]',
        "good": COMMAND,
    }
    write(tmp_path, {f"s/{name}.toml": text for name, text in files.items()})
    loaded = read(None, [str(tmp_path / "s")], Mode.MACHINE, root=NOWHERE)
    assert sorted(loaded.configuration.services) == ["good", "wants"]
    assert sorted(loaded.configuration.sources.origins) == ["good", "wants"]
    write(tmp_path, {"c.toml": '[init]\nservices = ["s"]\nstart = ["bad", "good"]'})
    assert read(str(tmp_path / "c.toml"), root=NOWHERE).configuration.init.start == ("good",)
    assert {problem.service for problem in loaded.problems} == {"bad", "worse"}
    with pytest.raises(ConfigErrors) as caught:
        load(None, [str(tmp_path / "s")], root=NOWHERE)
    assert caught.value.problems == loaded.problems
    assert len(str(caught.value).splitlines()) == 2


def test_a_mistake_in_the_defaults_concerns_who_takes_it(tmp_path: Path) -> None:
    """A service that was to run as somebody else does not run as root; one that says itself who does is sound."""
    text = "[defaults]\nuser = true\n[services.a]\ncommand = 'x'\n[services.b]\ncommand = 'x'\nuser = 'b'\n"
    write(tmp_path, {"asyncinit.toml": text + "[services.t]\ntype = 'target'"})
    assert list(read(str(tmp_path / "asyncinit.toml"), root=NOWHERE).configuration.services) == ["b", "t"]


def test_success_is_zero_unless_said_otherwise(tmp_path: Path) -> None:
    """An empty list is no success at all, and is not the default."""
    assert service(tmp_path, COMMAND).success_exit == SUCCESS
    assert service(tmp_path, COMMAND + "success_exit = []").success_exit == Outcomes()


def test_the_control_socket_is_seen_from_the_file_that_declares_it(tmp_path: Path) -> None:
    """A relative path counts from the configuration file's folder, as the commands read it."""
    (tmp_path / "asyncinit.toml").write_text('[init]\ncontrol_socket = "run/x.sock"\n[services.a]\ncommand = "true"\n')
    configuration = load(str(tmp_path / "asyncinit.toml"))
    assert configuration.init.control_socket == str(tmp_path / "run/x.sock")
