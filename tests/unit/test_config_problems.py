"""Every kind of mistake in a service's file: the line, the key, what was found, what was expected, what was meant."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config.problems import Problem, Severity
from tests.unit.config_world import problems_of, read_service, told

COMMAND = 'command = "x"\n'

MISTAKES = {
    "misspelt key": ('comand = "x"', "1: comand: is not a known key; did you mean command?"),
    "capital letters": (
        COMMAND + 'Working-Directory = "/"',
        "2: Working-Directory: is not a known key; did you mean working_directory?",
    ),
    "another program's key": (
        COMMAND + 'depends_on = ["db"]',
        "2: depends_on: is not a known key; did you mean requires?",
    ),
    "another program's key in a table": (
        COMMAND + 'StopSignal = "TERM"',
        "2: StopSignal: is not a known key; did you mean [stop] signal?",
    ),
    "unknown key": (COMMAND + "xyzzy = 1", "2: xyzzy: is not a known key"),
    "unknown table": (COMMAND + "[xyzzy]", "2: xyzzy: is not a known key"),
    "top level's key in a table": (
        COMMAND + '[stop]\nuser = "u"',
        "3: stop.user: is not a key of [stop]; did you mean user at the top level, before the first [table]?",
    ),
    "a table's key at the top level": (
        COMMAND + 'max_delay = "1s"',
        "2: max_delay: is not a known key; did you mean [restart] max_delay?",
    ),
    "a key of several tables": (
        COMMAND + 'timeout = "1s"',
        "2: timeout: is not a known key; did you mean [ready] timeout or [stop] timeout or [reload] timeout or [watch] timeout?",
    ),
    "another table's key": (
        COMMAND + "[ready]\nbackoff = 2",
        "3: ready.backoff: is not a key of [ready]; did you mean [restart] backoff?",
    ),
    "misspelt key of a table": (
        COMMAND + '[restart]\ndely = "1s"',
        "3: restart.dely: is not a key of [restart]; did you mean delay?",
    ),
    "no profile": (COMMAND + "[profile]\nx = 1", "3: profile.x: found 1, expected a table"),
    "no profiles": (COMMAND + 'profile = "dev"', '2: profile: found "dev", expected a table'),
    "no name of a profile": (
        COMMAND + '[profile."a b"]',
        '2: profile."a b": found "a b", expected a name of letters, digits, "_", "." and "-" that begins with a letter or digit',
    ),
    "nothing to combine": (
        COMMAND + "ready.all = []",
        '2: ready.all: is empty: it combines signs (expected all = [{ file = "/run/x" }])',
    ),
    "a part of two kinds": (
        COMMAND + 'ready.any = [{ file = "/x" }, { tcp = "127.0.0.1:1", file = "/y" }]',
        "2: ready.any[1]: has tcp and file: each part is one of them",
    ),
    "a part without a kind": (
        COMMAND + "ready.all = [{ notify = false }]",
        "2: ready.all[0]: has no kind (expected one of notify, notify_fd, tcp, unix, http, file, command, pid_file, log)",
    ),
    "a misspelt kind of a part": (
        COMMAND + 'ready.all = [{ tpc = "127.0.0.1:1" }]',
        "2: ready.all[0].tpc: is not a known key; did you mean tcp?",
    ),
    "a key of the whole in a part": (
        COMMAND + 'ready.all = [{ file = "/x", interval = "1s" }]',
        "2: ready.all[0].interval: is not a known key; did you mean [ready] interval or [health] interval?",
    ),
    "a descriptor for two parts": (
        COMMAND + "ready.all = [{ notify_fd = 3 }, { notify_fd = 3 }]",
        "2: ready.all[1].notify_fd: has 3, which another part has too",
    ),
    "all and any": (
        COMMAND + 'ready = { all = [{ file = "/x" }], any = [{ file = "/y" }] }',
        "2: ready.any: cannot stand beside all: [ready] takes one of them",
    ),
    "health without a probe": (
        COMMAND + '[health]\ninterval = "5s"',
        "2: health: has no probe (expected one of tcp, unix, http, file, command, all, any)",
    ),
    "health that tells by itself": (
        COMMAND + "[health]\nnotify = true",
        "3: health.notify: is not a key of [health]; did you mean [ready] notify?",
    ),
    "health with two probes": (
        COMMAND + 'health = { tcp = "127.0.0.1:1", file = "/x" }',
        "2: health.file: cannot stand beside tcp: [health] takes one of them",
    ),
    "health of a oneshot": (
        COMMAND + 'type = "oneshot"\nhealth.file = "/x"',
        "3: health: cannot be used here: it is for a service that is ready, and a oneshot completes",
    ),
    "a watchdog of a oneshot": (
        COMMAND + 'type = "oneshot"\nwatchdog = "5s"',
        "3: watchdog: cannot be used here: it is for a service that is ready, and a oneshot completes",
    ),
    "a watchdog without time": (COMMAND + "watchdog = 0", "2: watchdog: cannot be zero here (found 0)"),
    "a threshold of none": (
        COMMAND + 'health = { file = "/x", threshold = 0 }',
        "2: health.threshold: found 0, expected an integer from 1 to 1000",
    ),
    "a header for the service": (
        "[service]\n" + COMMAND,
        "1: service: is not a known table: in a service's file its keys stand at the top level, without a header",
    ),
    "asyncinit.toml's table": (
        COMMAND + "[defaults]",
        "2: defaults: belongs into asyncinit.toml, not into a service's file",
    ),
    "a text for a boolean": (
        COMMAND + 'enabled = "yes"',
        '2: enabled: found "yes", expected true or false; did you mean true?',
    ),
    "a number for a boolean": (COMMAND + "enabled = 1", "2: enabled: found 1, expected true or false"),
    "a number for a text": (
        COMMAND + "environment = { PORT = 8080 }",
        '2: environment.PORT: found 8080, expected a string; did you mean "8080"?',
    ),
    "a secret is not shown": (
        COMMAND + 'environment = { DB_PASSWORD = 1234, API_TOKEN = ["x"] }',
        "2: environment.API_TOKEN: found a list of 1, expected a string",
    ),
    "the environment as a text": (
        COMMAND + 'environment = "API_TOKEN=x"',
        "2: environment: found a string, expected a table",
    ),
    "a text for a list": (COMMAND + 'wants = "db"', '2: wants: found "db", expected a list; did you mean ["db"]?'),
    "a text for a table": (COMMAND + 'ready = "notify"', '2: ready: found "notify", expected a table'),
    "a list for a table": (COMMAND + "[[stop]]", "2: stop: found a list of 1, expected a table"),
    "a date": (
        COMMAND + "user = 1979-05-27",
        "2: user: found 1979-05-27, expected a name from /etc/passwd or /etc/group, or an id",
    ),
    "a word that is none of these": (
        COMMAND + 'type = "onshot"',
        '2: type: found "onshot", expected one of "oneshot", "service", "target"; did you mean "oneshot"?',
    ),
    "a short form that is none of these": (
        COMMAND + 'restart = "on_failure"',
        '2: restart: found "on_failure", expected one of "always", "never", "on-abnormal", "on-failure" or a table; '
        'did you mean "on-failure"?',
    ),
    "a number beyond its limits": (
        COMMAND + "restart.backoff = 0.5",
        "2: restart.backoff: found 0.5, expected a number from 1 to 1000",
    ),
    "not a number": (COMMAND + "restart.jitter = nan", "2: restart.jitter: found nan, expected a number from 0 to 1"),
    "a descriptor of stdio": (
        COMMAND + "ready.notify_fd = 2",
        "2: ready.notify_fd: found 2, expected an integer from 3 to 1023",
    ),
    "a limit that is no number": (
        COMMAND + 'restart.limit = "many"',
        '2: restart.limit: found "many", expected an integer from 0 to 1000000 or "none"',
    ),
    "a duration without a unit": (
        COMMAND + 'stop.timeout = "5"',
        '2: stop.timeout: found "5", expected a duration such as "500ms", "5s" or "1m30s", a number of seconds, or '
        '"none"; did you mean "5s"?',
    ),
    "a duration that must end": (
        COMMAND + 'restart.delay = "none"',
        '2: restart.delay: cannot be "none" here (found "none")',
    ),
    "a signal": (
        COMMAND + 'stop.signal = "SIGTREM"',
        '2: stop.signal: found "SIGTREM", expected the name of a signal, such as "SIGTERM" or "RTMIN+3"; did you mean '
        '"SIGTERM"?',
    ),
    "an end": (
        COMMAND + "success_exit = [0, 256]",
        "2: success_exit[1]: found 256, expected an exit code from 0 to 255",
    ),
    "an integer mask": (
        COMMAND + "umask = 27",
        '2: umask: found 27, expected a string of octal digits such as "0027": an integer would be decimal',
    ),
    "a name": (
        COMMAND + 'requires = ["a b"]',
        '2: requires[0]: found "a b", expected a name of letters, digits, "_", "." and "-" that begins with a letter or digit',
    ),
    "an empty condition": (COMMAND + 'condition.env_set = ["A", "!"]', '2: condition.env_set[1]: is empty (found "!")'),
    "a condition with a space": (
        COMMAND + 'condition.path_exists = "! /x"',
        '2: condition.path_exists: has a space after the sign (found "! /x"); did you mean "!/x"?',
    ),
    "a condition of a target": (
        'type = "target"\n[condition]\nenv_set = "A"',
        "2: condition: cannot be used here: a target is a name for a group and has no process",
    ),
    "a template's instance": (
        COMMAND + 'requires = ["db@1"]',
        '2: requires[0]: names "db@1", and there is no such service; did you mean "db"?',
    ),
    "systemd's word for an instance": (
        COMMAND + 'requires = ["db@%i.service"]',
        '2: requires[0]: found "db@%i.service", expected a name of letters, digits, "_", "." and "-" '
        'that begins with a letter or digit; did you mean "db@${INSTANCE}"?',
    ),
    "a directory": (
        COMMAND + 'directories.state = ["/var/lib/web"]',
        '2: directories.state[0]: is absolute (found "/var/lib/web"); did you mean "web"?',
    ),
    "a port alone": (
        COMMAND + "ready.tcp = 8080",
        '2: ready.tcp: found 8080, expected HOST:PORT such as "127.0.0.1:8080" or "[::1]:8080"; '
        'did you mean "127.0.0.1:8080"?',
    ),
    "a port and a path": (
        COMMAND + 'ready.http = "8080/health"',
        '2: ready.http: found "8080/health", expected an address such as "http://127.0.0.1:8080/healthz"; '
        'did you mean "http://127.0.0.1:8080/health"?',
    ),
    "a word that is no text": (
        COMMAND + "ready.pid_file = true",
        "2: ready.pid_file: found true, expected the path of a file",
    ),
    "TLS": (
        COMMAND + 'ready.http = "https://x/"',
        "2: ready.http: needs TLS, which probes do not speak: ask a plain port, or use tcp or command "
        '(found "https://x/")',
    ),
    "a command with an open quote": (
        'command = "echo \'x"',
        '1: command: cannot be split into words: no closing quotation (found "echo \'x")',
    ),
    "an empty command": ("command = []", "1: command: is empty (found [])"),
    "NUL": ('command = ["a", "\\u0000"]', "1: command[1]: has a NUL character, which no program can be given"),
    "a line break": (
        COMMAND + 'description = "a\\nb"',
        '2: description: has a line break or control character (found "a\\nb")',
    ),
    "two kinds of readiness": (
        COMMAND + '[ready]\nnotify = true\ntcp = "h:1"',
        "4: ready.tcp: cannot stand beside notify: [ready] takes one of them",
    ),
    "signal and command": (
        COMMAND + '[stop]\nsignal = "INT"\ncommand = "x"',
        "4: stop.command: cannot stand beside signal: [stop] takes one of them",
    ),
    "a shorter longest delay": (
        COMMAND + '[restart]\ndelay = "2s"\nmax_delay = "1s"',
        "4: restart.max_delay: is shorter than restart.delay",
    ),
    "on and never_on": (
        COMMAND + "[restart]\non = [1]\nnever_on = [1]",
        "4: restart.never_on: has 1, which restart.on has too",
    ),
    "prefer": (
        COMMAND + 'prefer = ["usr"]',
        '2: prefer[0]: found "usr", expected one of directories, environment_file, group, limits, log, namespaces, '
        'security, sockets, supplementary_groups, tty, umask, user, working_directory; did you mean "user"?',
    ),
    "a socket of no kind": (
        COMMAND + '[[sockets]]\nname = "http"',
        "2: sockets[0]: does not say where it is (expected one of tcp, udp, unix, unix_datagram)",
    ),
    "a socket of two kinds": (
        COMMAND + '[[sockets]]\ntcp = "127.0.0.1:80"\nudp = "127.0.0.1:80"',
        "4: sockets[0].udp: cannot stand beside tcp: each of [[sockets]] is one socket",
    ),
    "a socket's port alone": (
        COMMAND + '[[sockets]]\ntcp = "8080"',
        '3: sockets[0].tcp: has no port (found "8080"); did you mean "127.0.0.1:8080"?',
    ),
    "a socket's name for a host": (
        COMMAND + '[[sockets]]\ntcp = "web.example:80"',
        "3: sockets[0].tcp: has a host that is no IP address: a name may mean several, or none yet "
        '(found "web.example:80")',
    ),
    "a socket's relative path": (
        COMMAND + '[[sockets]]\nunix = "web.sock"',
        '3: sockets[0].unix: is not absolute (found "web.sock"); did you mean "/run/web.sock"?',
    ),
    "a socket's name with a colon": (
        COMMAND + '[[sockets]]\ntcp = "127.0.0.1:80"\nname = "a:b"',
        '4: sockets[0].name: found "a:b", expected up to 255 printable ASCII characters without ":"',
    ),
    "a mode of a port": (
        COMMAND + '[[sockets]]\ntcp = "127.0.0.1:80"\nmode = "0600"',
        "4: sockets[0].mode: means nothing for a socket of kind tcp",
    ),
    "a backlog of datagrams": (
        COMMAND + '[[sockets]]\nunix_datagram = "/run/log"\nbacklog = 3',
        "4: sockets[0].backlog: means nothing for a socket of kind unix_datagram",
    ),
    "one socket twice": (
        COMMAND + '[[sockets]]\ntcp = "127.0.0.1:80"\n[[sockets]]\ntcp = "127.0.0.1:80"',
        '5: sockets[1].tcp: is "127.0.0.1:80", which another of [[sockets]] is already',
    ),
    "a socket as one table": (
        COMMAND + '[sockets]\ntcp = "127.0.0.1:80"',
        "2: sockets: found a table, expected a list; did you mean [[sockets]]?",
    ),
    "an unknown key of a socket": (
        COMMAND + '[[sockets]]\ntcp = "127.0.0.1:80"\nbacklogs = 3',
        "4: sockets[0].backlogs: is not a key of [[sockets]]; did you mean backlog?",
    ),
    "the word of another init for a socket": (
        COMMAND + 'listen = "127.0.0.1:80"',
        "2: listen: is not a known key; did you mean [[sockets]]?",
    ),
    "on demand without a socket": (
        COMMAND + "on_demand = true",
        "2: on_demand: is for a service that has [[sockets]], on which a first connection can come",
    ),
    "an idle stop of what nothing starts": (
        COMMAND + 'idle_stop = "5m"',
        "2: idle_stop: is for a service with on_demand = true: nothing would start it again",
    ),
    "sockets of a oneshot": (
        COMMAND + 'type = "oneshot"\n[[sockets]]\ntcp = "127.0.0.1:80"',
        "3: sockets: cannot be used here: a oneshot completes, and serves nobody",
    ),
    "a readiness on a socket's descriptor": (
        COMMAND + 'ready.notify_fd = 3\n[[sockets]]\ntcp = "127.0.0.1:80"',
        "2: ready.notify_fd: is the descriptor of one of its [[sockets]], which are 3 to 3; did you mean 4?",
    ),
    "a readiness that its socket has from the start": (
        COMMAND + 'ready.tcp = "127.0.0.1:80"\n[[sockets]]\ntcp = "127.0.0.1:80"',
        "2: ready.tcp: is one of its [[sockets]], which takes connections before the service runs: it tells "
        "nothing; did you mean notify or http?",
    ),
    "a pid file of two instances": (
        COMMAND + 'handover = "overlap"\nready.pid_file = "/run/x.pid"',
        '3: ready.pid_file: is the same file for both instances of handover = "overlap", and is there from the old one; '
        "did you mean notify, notify_fd, log or command?",
    ),
    "a terminal of two instances": (
        COMMAND + 'handover = "overlap"\ntty = "/dev/tty1"',
        '3: tty: is a terminal, which the two instances of handover = "overlap" cannot both have; did you mean true?',
    ),
    "a socket in a folder that goes away": (
        COMMAND + 'directories.runtime = ["web"]\n[[sockets]]\nunix = "/run/web/s"',
        "4: sockets[0].unix: is in /run/web of directories.runtime, which is removed whenever the service ends",
    ),
    "one hook as a list": (
        COMMAND + 'hooks.pre_start = ["/bin/a", "-v"]',
        '2: hooks.pre_start: is a list of commands, and one begins with a dash (found "-v"); did you mean '
        '[["/bin/a", "-v"]]?',
    ),
    "a hook without command": (
        COMMAND + 'hooks.post_stop = [{ user = "root" }]',
        "2: hooks.post_stop[0].command: is missing (expected a list of words, or a string)",
    ),
    "a misspelt key of a hook": (
        COMMAND + 'hooks.post_stop = [{ comand = "x" }]',
        "2: hooks.post_stop[0].comand: is not a known key; did you mean command?",
    ),
    "a step without timeout": (
        COMMAND + 'stop.escalate = [{ signal = "INT" }]',
        '2: stop.escalate[0].timeout: is missing (expected a duration such as "500ms", "5s" or "1m30s", a number of '
        "seconds)",
    ),
    "no command": (
        'user = "root"',
        'None: command: is missing: every service but a target has one (expected command = ["PROGRAM"])',
    ),
    "an empty file": (
        "",
        'None: command: is missing: every service but a target has one (expected command = ["PROGRAM"])',
    ),
    "a list for the shell": (
        'shell = true\ncommand = ["x"]',
        "2: command: is a list, but shell = true gives a text to the shell (expected a string)",
    ),
    "a target with a process": (
        'type = "target"\n[stop]\nsignal = "INT"',
        "2: stop: cannot be used here: a target is a name for a group and has no process",
    ),
    "a oneshot that is ready": (
        COMMAND + 'type = "oneshot"\nready.notify = true',
        "3: ready.notify: cannot be used here: a oneshot is ready when it has exited successfully",
    ),
    "itself": (COMMAND + 'after = ["web"]', "2: after[0]: names web itself"),
    "an unknown service": (
        COMMAND + 'requires = ["dbb"]',
        '2: requires[0]: names "dbb", and there is no such service; did you mean "db"?',
    ),
}


@pytest.mark.parametrize(("text", "line"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_in_the_words_of_the_file(tmp_path: Path, text: str, line: str) -> None:
    """The first problem of the file says where, what was found, and what to write."""
    found = [problem for problem in problems_of(tmp_path, text, db=COMMAND) if ": warning" not in problem]
    assert found[0] == line
    assert len(found) == 1 or "DB_PASSWORD: found an integer" in found[1]


def test_warnings_do_not_keep_a_service_from_starting(tmp_path: Path) -> None:
    """A name that is only wished for, and a word that only a shell knows, are told and passed."""
    loaded = read_service(tmp_path, 'command = "a && b"\nwants = ["cache"]\nafter = ["x"]\nbefore = ["y"]')
    assert loaded.errors == []
    assert [problem.severity for problem in loaded.problems] == [Severity.WARNING] * 4
    assert told(loaded.problems[0]) == (
        '1: command: has "&&", which only a shell acts on, and no shell runs; did you mean shell = true?'
    )
    assert "web" in loaded.configuration.services


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """One bad file hides nothing of another, a bad key nothing beside it."""
    loaded = read_service(
        tmp_path,
        'comand = "x"\nuser = true\n[ready]\ntcp = 1\nnotify = "x"\n[stop]\nsignal = []\ntimeout = {}\n',
        a="command = ",
        b="command = 1\n",
        c=COMMAND + 'requires = ["d"]\n',
        d=COMMAND + 'requires = ["c"]\n',
    )
    places = [(Path(problem.file).name, problem.line, problem.key) for problem in loaded.problems]
    assert places == [
        ("a.toml", 1, ""),
        ("b.toml", 1, "command"),
        ("c.toml", 2, "requires"),
        ("web.toml", 1, "comand"),
        ("web.toml", 2, "user"),
        ("web.toml", 4, "ready.tcp"),
        ("web.toml", 5, "ready.notify"),
        ("web.toml", 7, "stop.signal"),
        ("web.toml", 8, "stop.timeout"),
    ]


def test_a_problem_has_its_parts_and_one_line() -> None:
    """File, line, key, found, expected and suggestion stand in a fixed order."""
    problem = Problem("services.d/web.toml", 3, "web", "restart.delay", "", '"5x"', "a duration", '"5s"')
    assert str(problem) == 'services.d/web.toml:3: restart.delay: found "5x", expected a duration; did you mean "5s"?'
    problem = Problem("a\x1b[2J\n.toml", None, None, "", "is bad", severity=Severity.WARNING)
    assert str(problem) == "a\\u001b[2J\\n.toml: warning: is bad"


@pytest.mark.parametrize(
    "text",
    [
        '"\\u001b[2J\\n\\u202e" = 1',
        'command = "\\u001b[2J \'"',
        'user = "\\u009b"',
        'stop.signal = "\\u001b"',
        'requires = ["\\u001b"]',
        'environment = { "\\u001b=" = "x" }',
        'directories.state = ["/\\u001b"]',
        'ready.http = "\\u001b"',
        "x = \x1b",
        '[restart]\n"\\u001b" = 1',
    ],
)
def test_no_control_character_of_a_file_is_given_out(tmp_path: Path, text: str) -> None:
    """A hostile file cannot steer the terminal that shows what is wrong with it."""
    problems = problems_of(tmp_path, text)
    assert problems
    assert all(problem.isprintable() for problem in problems)


def test_a_file_of_nothing_but_mistakes_is_told_in_part(tmp_path: Path) -> None:
    """Beyond some hundred problems it says so and stops."""
    problems = problems_of(tmp_path, COMMAND + "".join(f"key{number} = 1\n" for number in range(5000)))
    assert len(problems) == 201
    assert problems[0] == "None: : has more than 200 problems; these are the first"
