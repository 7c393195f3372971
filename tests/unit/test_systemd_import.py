"""Units of systemd as services: each group of directives, what units are to each other, and what is lost."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from asyncinit.migration.report import UNKNOWN, MigrationError, Verdict
from asyncinit.migration.systemd.directives.tables import SECTIONS
from asyncinit.migration.systemd.translate import translate
from asyncinit.migration.writing import write
from tests.unit.systemd_world import START, entries, put, service, services, translated, verdicts

DIRECTIVES = {
    "Type=simple": "",
    "Type=oneshot\nRemainAfterExit=yes": 'type = "oneshot"',
    "Type=exec\nRemainAfterExit=yes": 'type = "oneshot"',
    "Type=oneshot\nRemainAfterExit=yes\nExecStop=/undo $$X": 'type = "oneshot"\nstop.command = ["/undo", "$$X"]',
    "Type=oneshot\nRemainAfterExit=yes\nExecStop=-/a\nExecStop=kill $MAINPID\nExecStop=/b": (
        'type = "oneshot"\nstop.command = ["/bin/sh", "-c", "{ /a || :; } && /b"]'
    ),
    "Type=oneshot\nExecStop=/a": 'type = "oneshot"',
    "Type=forking\nPIDFile=x.pid": 'ready.pid_file = "/run/x.pid"',
    "Type=notify": "ready.notify = true",
    "Type=notify-reload": 'ready.notify = true\nreload.signal = "SIGHUP"',
    "ExecReload=/bin/kill -HUP $MAINPID": 'reload.signal = "SIGHUP"',
    "ExecReload=kill -s USR1 ${MAINPID}": 'reload.signal = "SIGUSR1"',
    "ExecReload=/bin/r $MAINPID": 'reload.command = ["/bin/r", "${MAINPID}"]',
    "ExecReload=/a $X\nExecReload=-/b": 'reload.command = ["/bin/sh", "-c", "{ set -f; /a $$X; } && { /b || :; }"]',
    "ExecStop=/bin/kill -QUIT $MAINPID": 'stop.signal = "SIGQUIT"',
    "ExecStop=/a\nExecStop=/b\nKillSignal=INT": 'hooks.pre_stop = [["/a"], ["/b"]]\nstop.signal = "SIGINT"',
    "ExecStop=/a\nTimeoutStopSec=1min": (
        'hooks.pre_stop = [{ command = ["/a"], timeout = "1m" }]\nstop.timeout = "1m"'
    ),
    "ExecStartPre=-/a": 'hooks.pre_start = [{ command = ["/a"], ignore_failure = true }]',
    "ExecStartPre=/a\nExecStartPre=\nExecStartPre=/b": 'hooks.pre_start = [["/b"]]',
    "ExecStartPost=/a ; /b": 'hooks.post_start = [["/a"], ["/b"]]',
    "ExecStopPost=/a $$X": 'hooks.post_stop = [["/a", "$$X"]]',
    "User=u\nExecStartPre=+/a": 'user = "u"\nhooks.pre_start = [{ command = ["/a"], user = "root" }]',
    "Restart=always\nRestartSec=5": 'restart = { policy = "always", delay = "5s", backoff = 1.0 }',
    "Restart=on-watchdog": 'restart.on = ["watchdog"]',
    "Restart=on-failure\nRestartPreventExitStatus=2 SIGKILL": (
        'restart = { policy = "on-failure", never_on = [2, "SIGKILL"] }'
    ),
    "Restart=always\nRestartSec=1\nRestartSteps=3\nRestartMaxDelaySec=8": (
        'restart = { policy = "always", delay = "1s", backoff = 2.0, max_delay = "8s" }'
    ),
    "SuccessExitStatus=143 TEMPFAIL SIGTERM": 'success_exit = [0, 143, 75, "SIGTERM"]',
    "KillMode=mixed\nKillSignal=SIGINT\nTimeoutStopSec=5": (
        'stop = { scope = "process", signal = "SIGINT", timeout = "5s" }'
    ),
    "Type=notify\nTimeoutStartSec=0\nWatchdogSec=20": ('ready = { notify = true, timeout = "none" }\nwatchdog = "20s"'),
    "User=www\nGroup=g\nUMask=27\nSupplementaryGroups=a b": (
        'user = "www"\ngroup = "g"\numask = "0027"\nsupplementary_groups = ["a", "b"]'
    ),
    'Environment=A=b "C=d e" F=$x${y}': 'environment = { A = "b", C = "d e", F = "$x$${y}" }',
    "EnvironmentFile=-/etc/default/x": 'environment_file = ["-/etc/default/x"]',
    "WorkingDirectory=~": 'working_directory = "${HOME}"',
    "WorkingDirectory=-/srv": 'working_directory = "/srv"',
    "RuntimeDirectory=a b/c\nRuntimeDirectoryMode=700": 'directories = { runtime = ["a", "b/c"], mode = "0700" }',
    "LimitNOFILE=1024:4096\nLimitCORE=infinity\nLimitCPU=1min": (
        'limits = { nofile = { soft = 1024, hard = 4096 }, core = "none", cpu = "1m" }'
    ),
    "CPUQuota=150%\nMemoryMax=1G\nTasksMax=10\nNice=5\nOOMScoreAdjust=-900": (
        'limits = { cpu_max = "150%", memory_max = "1G", pids_max = 10, nice = 5, oom_score_adj = -900 }'
    ),
    "StandardOutput=append:/var/log/x\nSyslogIdentifier=x": (
        'log = { file = "/var/log/x", format = "raw", max_size = "none", tag = "x" }'
    ),
    "StandardOutput=null\nStandardError=null": 'log.to = "null"',
    "StandardInput=tty\nTTYPath=/dev/tty3": 'tty = "/dev/tty3"',
    "CapabilityBoundingSet=CAP_CHOWN CAP_KILL": 'security.capabilities = ["CAP_CHOWN", "CAP_KILL"]',
    "CapabilityBoundingSet=~CAP_SYS_PTRACE": 'security.capabilities = ["all", "~CAP_SYS_PTRACE"]',
    "CapabilityBoundingSet=": 'security.capabilities = "none"',
    "AmbientCapabilities=CAP_KILL CAP_CHOWN\nCapabilityBoundingSet=CAP_KILL": (
        'security = { capabilities = ["CAP_KILL"], ambient_capabilities = ["CAP_KILL"] }'
    ),
    "SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM": (
        'security.seccomp = { allow = ["@system-service"], action = "EPERM" }'
    ),
    "SystemCallFilter=~@mount": 'security.seccomp = { deny = ["@mount"], action = "kill" }',
    "SystemCallFilter=~@mount\nNoNewPrivileges=no": (
        'security = { seccomp = { deny = ["@mount"], action = "kill" }, no_new_privileges = false }'
    ),
    "ProtectKernelModules=yes": (
        'security = { capabilities = ["all", "~CAP_SYS_MODULE"], seccomp = { deny = ["@module"] } }'
    ),
    "ProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nReadWritePaths=-/a /b": (
        'security = { protect_system = "strict", protect_home = true, private_tmp = true, write_paths = ["-/a", "/b"] }'
    ),
    "PrivateNetwork=yes": 'namespaces.net = "private"',
    "BindReadOnlyPaths=/a:/b": (
        'namespaces.mounts = [{ type = "bind", source = "/a", target = "/b", read_only = true }]'
    ),
    "TemporaryFileSystem=/a:ro,size=1M": (
        'namespaces.mounts = [{ type = "tmpfs", target = "/a", read_only = true, size = "1M" }]'
    ),
    "LoadCredential=a.b:/etc/x": 'security.credentials = { "a.b" = "/etc/x" }',
    "NoNewPrivileges=no\nPrivateDevices=no": "",
}
"""Lines of a [Service], and the keys that they become."""


@pytest.mark.parametrize("text", DIRECTIVES)
def test_directives_of_services(tmp_path: Path, text: str) -> None:
    """What each becomes, beside what a service has that says nothing of it."""
    found = service(tmp_path, f"{START}{text}\n[Install]\nWantedBy=multi-user.target\n")
    assert found == {"command": ["/bin/x"], **tomllib.loads(DIRECTIVES[text])}


@pytest.mark.parametrize(
    ("line", "command", "shell"),
    [
        ("/bin/x a 'b c'", ["/bin/x", "a", "b c"], False),
        ("/bin/x ${A} b${C}d", ["/bin/x", "${A:-}", "b${C:-}d"], False),
        ("/bin/x $A 'it''s'", "set -f; exec /bin/x $A its", True),
        ("/bin/x $A '${B} c'", "set -f; exec /bin/x $A \"${B}\"' c'", True),
        (":/bin/x $A ${B}", ["/bin/x", "$A", "$${B}"], False),
        ("@/bin/x y z", ["/bin/x", "z"], False),
        ("/bin/x a$b $$c", ["/bin/x", "a$b", "$$c"], False),
        ("-/bin/x", ["/bin/x"], False),
        (r"/bin/x \x41\"", ["/bin/x", 'A"'], False),
        ("/bin/x %%n %p", ["/bin/x", "%n", "web"], False),
    ],
)
def test_commands(tmp_path: Path, line: str, command: object, shell: bool) -> None:
    """Words, variables, prefixes; a variable that is a word of its own may be several, and takes a shell."""
    found = service(tmp_path, f"[Service]\nExecStart={line}\n")
    assert (found["command"], found.get("shell", False)) == (command, shell)


def test_several_commands_of_a_oneshot(tmp_path: Path) -> None:
    """All but the last are hooks without a timeout; one that may fail does not fail it."""
    found = service(tmp_path, "[Service]\nType=oneshot\nExecStart=/a\nExecStart=-/b\nExecStart=-/c d\n")
    assert found["hooks"]["pre_start"] == [
        {"command": ["/a"], "timeout": "none"},
        {"command": ["/b"], "timeout": "none", "ignore_failure": True},
    ]
    assert (found["command"], found["shell"]) == ("/c d || :", True)


def test_a_privileged_command_keeps_its_folders(tmp_path: Path) -> None:
    """ExecStart=! starts it as root; its folders are its user's all the same."""
    text = "[Service]\nExecStart=!/bin/x\nUser=u\nStateDirectory=x\nProtectSystem=strict\n"
    found = service(tmp_path, text)
    assert "user" not in found and "directories" not in found
    assert found["hooks"]["pre_start"] == [
        ["install", "-d", "-m", "0755", "/var/lib/x"],
        ["chown", "u:", "/var/lib/x"],
    ]
    assert found["security"]["write_paths"] == ["/var/lib/x"]


def test_a_dynamic_user_is_not_root(tmp_path: Path) -> None:
    """It is a number of its own, always the same, and as shut in as systemd has it."""
    text = f"{START}DynamicUser=yes\nUser=u\n"
    one, again = service(tmp_path, text), service(tmp_path, text)
    assert one == again
    assert 61184 <= one["user"] <= 65519
    assert one["security"]["protect_system"] == "strict" and one["security"]["no_new_privileges"]


def test_a_fork_without_a_pid_file(tmp_path: Path) -> None:
    """It is said, in the file too, and nothing is guessed."""
    found = verdicts(tmp_path, f"{START}Type=forking\n")
    assert found["Type"][0] is Verdict.NO_EQUIVALENT and "foreground" in found["Type"][1]


def test_start_limits(tmp_path: Path) -> None:
    """Of the starts that systemd counts the first is none of the restarts."""
    text = f"[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=1min\n{START}Restart=always\n"
    assert service(tmp_path, text)["restart"] == {"policy": "always", "limit": 2, "window": "1m"}


# --- What counts -----------------------------------------------------------------------------------------------------


def test_every_setting_has_its_entry(tmp_path: Path) -> None:
    """What nobody knows, what is overridden, what is garbage, what is for others: in order, each with a verdict."""
    text = "[Unit]\nFoo=1\nDescription=a\nDescription=b\ngarbage\nX-Y=1\n[X-Z]\nA=b\n[Service]\nExecStart=/x\nUser=\n"
    found = [(entry.setting.line, entry.setting.value, entry.verdict) for entry in entries(tmp_path, text)]
    assert found == [
        (2, "1", Verdict.NO_EQUIVALENT),
        (3, "a", Verdict.NOT_NEEDED),
        (4, "b", Verdict.TRANSLATED),
        (5, "garbage", Verdict.NO_EQUIVALENT),
        (6, "1", Verdict.NOT_NEEDED),
        (8, "b", Verdict.NOT_NEEDED),
        (10, "/x", Verdict.TRANSLATED),
        (11, "", Verdict.NOT_NEEDED),
    ]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_directive_says_something(tmp_path: Path, section: str) -> None:
    """Whatever its value: none of those that are in the tables is left without a word of its own."""
    unit = {"Socket": "web.socket", "Timer": "web.timer"}.get(section, "web.service")
    for value in ("yes", "no", "/a/b", "5", "x.service", "x=y", "%i", "a:b", "~@mount", "* * *"):
        base = {"web.service": f"{START}[Install]\nWantedBy=multi-user.target\n"}
        lines = "".join(f"{key}={value}\n" for key in SECTIONS[section])
        base[unit] = base.get(unit, "") + f"[{section}]\n{lines}"
        put(tmp_path, base)
        translation = translated(tmp_path, {})
        assert [entry.setting.name for entry in translation.ledger.entries() if entry.note == UNKNOWN] == []


def test_drop_ins(tmp_path: Path) -> None:
    """Of the kind, of a prefix, of the unit: by their file names, over the unit; an empty list begins anew."""
    found = services(
        tmp_path,
        {
            "a-b.service": f"{START}Environment=A=1 B=1 C=1\nExecStartPre=/old\n",
            "service.d/10.conf": "[Service]\nEnvironment=A=2\nExecStartPre=\n",
            "a-.service.d/20.conf": "[Service]\nEnvironment=B=2\n",
            "a-b.service.d/15.conf": "[Service]\nEnvironment=B=3 C=3\nExecStartPre=/new\n",
            "a-b.service.d/no": "[Service]\nEnvironment=A=9\n",
        },
    )["a-b"]
    assert found["environment"] == {"A": "2", "B": "2", "C": "3"}
    assert found["hooks"]["pre_start"] == [["/new"]]


# --- Units together --------------------------------------------------------------------------------------------------


def test_relations(tmp_path: Path) -> None:
    """To services that are there; the stages of a boot need no name, and what is not there is told."""
    found = services(
        tmp_path,
        {
            "db.service": START,
            "cache.service": START,
            "web.service": "[Unit]\nRequires=db.service gone.service\nAfter=db.service network.target no.service\n"
            f"Wants=cache.service\nOnFailure=db.service\nConflicts=shutdown.target\n{START}",
        },
    )["web"]
    assert (found["requires"], found["after"], found["wants"]) == (["db"], ["db"], ["cache"])
    assert found["on_failure"] == ["db"] and "conflicts" not in found


def test_wanted_by_another(tmp_path: Path) -> None:
    """[Install] of one service is a key of the other; what nothing starts at boot is not enabled."""
    found = services(
        tmp_path,
        {
            "web.service": f"{START}[Install]\nWantedBy=multi-user.target\n",
            "helper.service": f"{START}[Install]\nRequiredBy=web.service\n",
            "static.service": START,
        },
    )
    assert found["web"]["requires"] == ["helper"] and "enabled" not in found["web"]
    assert found["helper"]["enabled"] is False and found["static"]["enabled"] is False


def test_a_circle_that_systemd_can_keep(tmp_path: Path) -> None:
    """One wants another that it comes before: here who wants waits, so that the weaker one is left out, and told."""
    files = {"a.service": f"[Unit]\nWants=b.service\nBefore=b.service\n{START}", "b.service": START}
    translation = translated(tmp_path, files)
    by_name = {draft.name: draft for draft in translation.drafts}
    assert by_name["a"].data["before"] == ["b"] and "wants" not in by_name["a"].data
    lost = [entry for entry in translation.ledger.entries() if "circle" in entry.note]
    assert [entry.setting.name for entry in lost] == ["[Unit] Wants"]


def test_a_long_chain_and_many_circles(tmp_path: Path) -> None:
    """Hundreds of units that all want one another in a ring, and a chain of them: untied, and no recursion."""
    files = {
        f"u{number}.service": f"[Unit]\nAfter=u{(number + 1) % 300}.service\nWants=u{number // 2}.service\n{START}"
        for number in range(300)
    }
    assert len(translated(tmp_path, files).drafts) == 300


def test_sockets(tmp_path: Path) -> None:
    """They belong to their service, which a connection starts; options reach those that they mean something for."""
    found = services(
        tmp_path,
        {
            "web.service": START,
            "web.socket": "[Socket]\nListenStream=8080\nListenStream=/run/web.sock\nListenDatagram=[::1]:53\n"
            "SocketMode=600\nBacklog=5\nFileDescriptorName=x\n[Install]\nWantedBy=sockets.target\n",
        },
    )["web"]
    assert found["on_demand"] is True and "enabled" not in found
    assert found["sockets"] == [
        {"tcp": "*:8080", "backlog": 5, "name": "x"},
        {"unix": "/run/web.sock", "mode": "0600", "backlog": 5, "name": "x"},
        {"udp": "[::1]:53", "name": "x"},
    ]


def test_who_may_connect(tmp_path: Path) -> None:
    """Everybody, where systemd is not told otherwise: a bus that only root can reach is none."""
    files = {"bus.service": START, "bus.socket": "[Socket]\nListenStream=/run/bus\nListenStream=@bus\n"}
    found = services(tmp_path, files)["bus"]["sockets"]
    assert found == [{"unix": "/run/bus", "mode": "0666"}, {"unix": "@bus"}]


def test_the_bus_of_a_service_of_the_bus(tmp_path: Path) -> None:
    """systemd has it require the bus without a word in the unit; it is ready when its name is there."""
    files = {"dbus.service": START, "a.service": f"{START}Type=dbus\nBusName=org.a\n"}
    found = services(tmp_path, files)["a"]
    assert found["requires"] == ["dbus"]
    assert found["ready"]["command"][0] == "dbus-send" and found["ready"]["command"][-1] == "string:org.a"


def test_a_service_that_opens_its_port_itself(tmp_path: Path) -> None:
    """It is started at boot and does not ask for the socket beside it: that stays out. One that asks has it."""
    boot = "[Install]\nWantedBy=multi-user.target\n"
    socket = "[Socket]\nListenStream=22\n[Install]\nWantedBy=sockets.target\n"
    alone = services(tmp_path / "1", {"ssh.service": START + boot, "ssh.socket": socket})["ssh"]
    assert "sockets" not in alone
    asks = services(tmp_path / "2", {"ssh.service": f"{START}{boot}Also=ssh.socket\n", "ssh.socket": socket})["ssh"]
    assert asks["sockets"] == [{"tcp": "*:22"}] and "on_demand" not in asks


def test_one_instance_for_each_connection(tmp_path: Path) -> None:
    """Accept=yes has no equivalent, and that is said of each of its settings."""
    files = {"f@.service": START, "f.socket": "[Socket]\nListenStream=79\nAccept=yes\n"}
    translation = translated(tmp_path, files)
    assert [draft.name for draft in translation.drafts] == ["f@"]
    of_socket = [entry for entry in translation.ledger.entries() if entry.setting.file.endswith(".socket")]
    assert {entry.verdict for entry in of_socket} == {Verdict.NO_EQUIVALENT} and len(of_socket) == 2


def test_timers(tmp_path: Path) -> None:
    """They are the [timer] of their service, by name or by Unit=."""
    timer = "[Timer]\nOnCalendar=daily\nOnCalendar=*:30\nOnBootSec=5min\nRandomizedDelaySec=1h\nPersistent=true\n"
    found = services(
        tmp_path,
        {
            "a.service": "[Service]\nType=oneshot\nExecStart=/x\n",
            "a.timer": f"{timer}[Install]\nWantedBy=timers.target\n",
            "c.service": "[Service]\nType=oneshot\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n",
            "b.timer": "[Timer]\nUnit=c.service\nOnUnitActiveSec=1h\n",
        },
    )
    assert found["a"]["timer"] == {
        "cron": ["0 0 * * *", "30 * * * *"],
        "after_boot": "5m",
        "random_delay": "1h",
        "persistent": True,
    }
    assert "enabled" not in found["a"]
    assert found["c"]["timer"] == {"every": "1h", "at_start": True} and found["c"]["enabled"] is False


def test_targets(tmp_path: Path) -> None:
    """One of one's own is a target here; it has no more than a target can have."""
    found = services(
        tmp_path,
        {
            "shop.target": "[Unit]\nDescription=All\nWants=web.service\nOnFailure=web.service\n"
            "[Install]\nWantedBy=multi-user.target\n",
            "web.service": START,
        },
    )
    assert found["shop.target"] == {"description": "All", "type": "target", "wants": ["web"]}


def test_templates(tmp_path: Path) -> None:
    """%i is ${INSTANCE}; DefaultInstance= is the one that there is; an instance with a file of its own is one."""
    found = services(
        tmp_path,
        {
            "w@.service": "[Unit]\nDescription=W %i\n[Service]\nExecStart=/x --port %i $OPTS\n"
            "[Install]\nWantedBy=multi-user.target\nDefaultInstance=80\n",
            "w@81.service": "[Service]\nExecStart=/y %i\n",
        },
    )
    assert found["w@"]["description"] == "W ${INSTANCE}" and found["w@"]["instances"] == ["80"]
    assert found["w@"]["command"] == "set -f; exec /x --port '${INSTANCE}' $OPTS"
    assert found["w@81"]["command"] == ["/y", "81"]


@pytest.mark.parametrize("kind", ["path", "mount", "automount", "swap", "slice", "device", "scope"])
def test_other_kinds_are_told(tmp_path: Path, kind: str) -> None:
    """They become nothing: each of their settings says so, and why."""
    put(tmp_path, {"a.service": START, f"b.{kind}": "[Unit]\nDescription=b\n[X]\nWhat=/x\n"})
    translation = translate([str(tmp_path / "a.service"), str(tmp_path / f"b.{kind}")], ())
    found = [entry for entry in translation.ledger.entries() if entry.setting.file.endswith(kind)]
    assert [entry.verdict for entry in found] == [Verdict.NO_EQUIVALENT] * 2 and all(entry.note for entry in found)


# --- Where units are found -------------------------------------------------------------------------------------------


def names(sources: list[str], *folders: Path) -> set[str]:
    return {draft.name for draft in translate(sources, [str(folder) for folder in folders]).drafts}


def test_by_name(tmp_path: Path) -> None:
    """With what belongs to it and what it requires; the first folder wins; an alias is what it stands for."""
    etc, lib = tmp_path / "etc", tmp_path / "lib"
    put(etc, {"db.service": "[Service]\nExecStart=/etc-db\n"})
    put(
        lib,
        {
            "db.service": START,
            "web.service": f"[Unit]\nRequires=db.service\nWants=other.service\n{START}",
            "web.timer": "[Timer]\nOnCalendar=daily\n",
            "other.service": START,
        },
    )
    os.symlink("web.service", lib / "www.service")
    os.symlink("/dev/null", etc / "masked.service")
    assert names(["www"], etc, lib) == {"web", "db"}
    (db,) = (draft for draft in translate(["web"], [str(etc), str(lib)]).drafts if draft.name == "db")
    assert db.data["command"] == ["/etc-db"]
    with pytest.raises(MigrationError, match=r"did you mean web"):
        names(["wbe"], etc, lib)
    assert names(["masked", "db"], etc, lib) == {"db"}


def test_strange_files(tmp_path: Path) -> None:
    """No unit's name, a loop of links, bytes that are no text, a FIFO: a line each, and nothing waits."""
    os.symlink("loop.service", tmp_path / "loop.service")
    (tmp_path / "latin.service").write_bytes(b"[Unit]\nDescription=\xe4\n")
    os.mkfifo(tmp_path / "fifo.service")
    put(tmp_path, {"x.txt": "", "web.service": START})
    for name, text in (("x.txt", "name of a unit"), ("loop.service", "links"), ("latin.service", "UTF-8")):
        with pytest.raises(MigrationError, match=text):
            translate([str(tmp_path / name)], ())
    with pytest.raises(MigrationError, match="ordinary"):
        translate([str(tmp_path / "fifo.service")], ())
    (tmp_path / "web.service.d").mkdir()
    os.symlink("a.conf", tmp_path / "web.service.d" / "a.conf")
    with pytest.raises(MigrationError, match="links"):
        translate([str(tmp_path / "web.service")], ())


def test_two_units_of_one_name_here(tmp_path: Path) -> None:
    """They are not made one: both are named."""
    put(tmp_path, {"a-b.service": START, "a\\x2db.service": START})
    with pytest.raises(MigrationError, match=r"a-b\.service and .*would both be called a-b"):
        translate([str(tmp_path)], ())


def test_nothing_to_start(tmp_path: Path) -> None:
    """A command that cannot be read makes no service, and all of it is told as lost; without one it is a oneshot."""
    put(tmp_path, {"a.service": "[Unit]\nDescription=a\n[Service]\nExecStart='open\n", "b.service": "[Unit]\n"})
    translation = translate([str(tmp_path)], ())
    assert [draft.name for draft in translation.drafts] == []
    put(tmp_path, {"b.service": "[Service]\nExecStop=/x\n"})
    translation = translate([str(tmp_path)], ())
    assert {entry.verdict for entry in translation.ledger.entries()} == {Verdict.NO_EQUIVALENT}
    written = write(translation, str(tmp_path / "out"), "test", dry_run=True)
    assert 'command = ["true"]' in written.files[str(tmp_path / "out" / "b.toml")]


def test_a_file_of_the_environment_outweighs_it(tmp_path: Path) -> None:
    """As it does for systemd; a value that cannot stand as a default is told."""
    unit = f"{START}Environment=A=b$ C=d}} PATH=/x\nEnvironmentFile=-/etc/default/x\n"
    found = service(tmp_path, unit)
    assert found["environment"] == {"A": "${A:-b$$}", "C": "d}", "PATH": "/x"}
    assert found["environment_file"] == ["-/etc/default/x"]
    assert verdicts(tmp_path, unit)["Environment"][0] is Verdict.APPROXIMATED
