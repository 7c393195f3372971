"""supervisord.conf to services: what each option becomes, how values are read, what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from asyncinit.migration.report import Entry, MigrationError, Verdict
from asyncinit.migration.service import Translation
from asyncinit.migration.supervisord.parsing import parse
from asyncinit.migration.supervisord.translate import translate
from asyncinit.migration.writing import write

FULL = """\
; What a person has who runs a web application with workers.
[unix_http_server]
file=/run/supervisor.sock   ; the path to the socket
chmod=0700

[supervisord]
logfile=/var/log/supervisord.log
nodaemon=true
user=root
environment=LANG="C.UTF-8",APP_ENV="prod"

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix:///run/supervisor.sock

[program:web]
command=/usr/bin/gunicorn app:app
    --bind "127.0.0.1:%(ENV_PORT)s"   ; continued
directory=%(here)s/app
user=www-data
environment=DEBUG="0",
    GREETING="a, b = ${c}",PATH="/opt/bin:%(ENV_PATH)s"
autorestart=unexpected
exitcodes=0,2
startsecs=5
startretries=3
stopsignal=QUIT
stopwaitsecs=30
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=/var/log/%(program_name)s.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
umask=022

[program:worker]
command=/usr/bin/worker --id %(process_num)02d --load "100%%"
process_name=%(program_name)s_%(process_num)02d
numprocs=3
numprocs_start=1
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
"""


def translated(folder: Path, text: str, **others: str) -> Translation:
    """The translation of a configuration, with other files beside it by their names."""
    (folder / "supervisord.conf").write_text(text)
    for name, content in others.items():
        (folder / f"{name}.conf").write_text(content)
    return translate([str(folder / "supervisord.conf")])


def data(translation: Translation) -> dict[str, Any]:
    return {draft.name: draft.data for draft in translation.drafts}


def program(folder: Path, options: str, name: str = "x") -> dict[str, Any]:
    """What a program with these options becomes, without what stands for supervisord's defaults."""
    text = f"[program:{name}]\ncommand=/bin/true\nautorestart=true\nstopwaitsecs=5\nstartretries=0\n{options}"
    (found,) = data(translated(folder, text)).values()
    del found["command"], found["stop"]["timeout"]
    if "stopasgroup" not in options:
        del found["stop"]["scope"]
    found["restart"] = {key: value for key, value in found["restart"].items() if key not in BACK_OFF}
    return {key: value for key, value in found.items() if value not in ({}, {"policy": "always"})}


BACK_OFF = ("limit", "window", "delay", "backoff")


def entry(translation: Translation, text: str) -> Entry:
    """What the report says of an option."""
    (found,) = [each for each in translation.ledger.entries() if each.setting.text.startswith(text)]
    return found


def test_a_whole_configuration(tmp_path: Path) -> None:
    """Each program has all that it had, and the order of keys is that of the reference."""
    found = translated(tmp_path, FULL)
    assert data(found) == {
        "web": {
            "command": ["/usr/bin/gunicorn", "app:app", "--bind", "127.0.0.1:${PORT}"],
            "working_directory": f"{tmp_path}/app",
            "user": "www-data",
            "umask": "022",
            "environment": {
                "LANG": "C.UTF-8",
                "APP_ENV": "prod",
                "DEBUG": "0",
                "GREETING": "a, b = $${c}",
                "PATH": "/opt/bin:${PATH}",
            },
            "success_exit": [0, 2],
            "restart": {
                "policy": "on-failure",
                "reset_after": "5s",
                "limit": 3,
                "window": "28s",
                "delay": "1s",
                "backoff": 1.0,
            },
            "stop": {"signal": "SIGQUIT", "timeout": "30s"},
            "log": {"file": "/var/log/web.log", "max_size": "10M", "keep": 3},
        },
        "worker@": {
            "command": ["/usr/bin/worker", "--id", "${INSTANCE}", "--load", "100%"],
            "instances": ["01", "02", "03"],
            "user": "root",
            "environment": {"LANG": "C.UTF-8", "APP_ENV": "prod"},
            "restart": {"policy": "on-failure"},
            "stop": {"timeout": "10s", "scope": "process"},
        },
    }
    written = write(found, str(tmp_path / "services.d"), "test")
    assert [Path(path).name for path in written.files] == ["web.toml", "worker@.toml"]


def test_nothing_is_lost_without_a_word(tmp_path: Path) -> None:
    """Each option is in the report; what is about supervisord alone says what there is in its place."""
    found = translated(tmp_path, FULL)
    verdicts = {each.setting.name: each.verdict for each in found.ledger.entries()}
    assert verdicts["[supervisord] logfile"] is Verdict.NO_EQUIVALENT
    assert verdicts["[supervisord] nodaemon"] is verdicts["[unix_http_server] file"] is Verdict.NOT_NEEDED
    assert verdicts["[program:web] startsecs"] is Verdict.APPROXIMATED
    assert verdicts["[program:web] killasgroup"] is Verdict.NOT_NEEDED
    assert len(verdicts) == sum("=" in line and not line.startswith((" ", ";")) for line in FULL.splitlines())


def test_secrets_are_not_in_the_report(tmp_path: Path) -> None:
    """Of an environment the report has the names; of a password nothing."""
    text = '[inet_http_server]\npassword=hidden\n[program:x]\ncommand=x\nenvironment=A="hidden,B=hidden",C=hidden\n'
    texts = [each.setting.text for each in translated(tmp_path, text).ledger.entries()]
    assert texts == ["password=***", "command=x", "environment=A,C"]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ("autostart=false", {"enabled": False}),
        ("autostart=true", {}),
        ("autorestart=false", {"restart": {"policy": "never"}}),
        ("autorestart=unexpected", {"restart": {"policy": "on-failure"}}),
        ("stopsignal=SIGINT", {"stop": {"signal": "SIGINT"}}),
        ("stopasgroup=false", {"stop": {"scope": "process"}}),
        ("exitcodes=0,75", {"success_exit": [0, 75]}),
        ("umask=22", {"umask": "022"}),
        ("user=1000", {"user": "1000"}),
        ("environment=", {}),
        ("environment=A=b", {"environment": {"A": "b"}}),
        ("environment=A='b c',B=%(program_name)s-%(group_name)s", {"environment": {"A": "b c", "B": "x-x"}}),
        ("environment=A=/a.b:c+d-(e)", {"environment": {"A": "/a.b:c+d-(e)"}}),
        ("startsecs=0", {}),
        ("stdout_logfile=NONE\nstderr_logfile=NONE", {"log": {"to": "null"}}),
        ("stdout_logfile=NONE\nredirect_stderr=true", {"log": {"to": "null"}}),
        ("stdout_logfile=NONE", {}),
        ("stdout_logfile=AUTO\nstderr_logfile=/dev/stderr", {}),
        ("stdout_syslog=true", {"log": {"to": "syslog"}}),
        (
            "stdout_logfile=/l/%(program_name)s\nstderr_logfile=/l/err\nstderr_syslog=true",
            {
                "log": {
                    "file": "/l/x",
                    "stderr_file": "/l/err",
                    "to": ["file", "syslog"],
                    "max_size": "50M",
                    "keep": 10,
                }
            },
        ),
        (
            "stdout_logfile=/l\nstdout_logfile_maxbytes=0\nstdout_logfile_backups=500",
            {"log": {"file": "/l", "max_size": "none", "keep": 100}},
        ),
        ("numprocs=1\nprocess_name=%(program_name)s", {}),
    ],
)
def test_options(tmp_path: Path, options: str, keys: dict[str, Any]) -> None:
    """What an option becomes."""
    assert program(tmp_path, options) == keys


def test_processes_that_write_their_number_in_two_ways(tmp_path: Path) -> None:
    """A template has one way; so each process is a service, with its own number in it."""
    text = "[program:w]\ncommand=x --port 80%(process_num)02d --id %(process_num)d\nnumprocs=2\nnumprocs_start=7\n"
    found = data(translated(tmp_path, text))
    assert {name: each["command"] for name, each in found.items()} == {
        "w-7": ["x", "--port", "8007", "--id", "7"],
        "w-8": ["x", "--port", "8008", "--id", "8"],
    }


def test_a_process_that_is_never_started_again(tmp_path: Path) -> None:
    """What it does there within startsecs is said; where it is started once, no limit counts."""
    found = translated(tmp_path, "[program:x]\ncommand=x\nautorestart=false\nstartretries=5\n")
    assert data(found)["x"]["restart"] == {"policy": "never"}
    assert entry(found, "autorestart").verdict is entry(found, "startretries").verdict is Verdict.APPROXIMATED
    found = translated(tmp_path, "[program:x]\ncommand=x\nautorestart=false\nstartsecs=0\n")
    assert entry(found, "autorestart").verdict is Verdict.TRANSLATED


def test_no_retries_at_the_start_are_restarts_later_on(tmp_path: Path) -> None:
    """A limit of 0 would end a service for good that fails after weeks."""
    found = translated(tmp_path, "[program:x]\ncommand=x\nautorestart=true\nstartretries=0\n")
    assert data(found)["x"]["restart"]["limit"] == 1


def test_a_user_by_a_variable_is_refused(tmp_path: Path) -> None:
    """Without it the program would have supervisord's own rights."""
    with pytest.raises(MigrationError, match=r":3: user: .* a user's name takes no variable"):
        translated(tmp_path, "[program:x]\ncommand=x\nuser=%(ENV_APP)s\n")


def test_open_files_are_inherited(tmp_path: Path) -> None:
    """supervisord raises its own limit, and that is why people write it."""
    found = translated(tmp_path, "[supervisord]\nminfds=65536\n[program:x]\ncommand=x\n")
    assert data(found)["x"]["limits"] == {"nofile": 65536}
    write(found, str(tmp_path / "services.d"), "test")
    found = translated(tmp_path, "[supervisord]\nminfds=1024\n[program:x]\ncommand=x\n")
    assert "limits" not in data(found)["x"]


def test_what_supervisord_knows(tmp_path: Path) -> None:
    """The number of processes, and the name of the machine, which is not in every environment."""
    found = data(translated(tmp_path, "[program:x]\ncommand=x %(numprocs)s@%(host_node_name)s\n"))["x"]
    assert found["command"] == ["x", f"1@${{HOSTNAME:-{os.uname().nodename}}}"]


def test_a_dollar_before_a_variable(tmp_path: Path) -> None:
    """It stays one, and the variable is replaced."""
    found = translated(tmp_path, "[program:x]\ncommand=x $%(ENV_PRICE)s\n")
    assert data(found)["x"]["command"] == ["x", "$$${PRICE}"]


def test_priorities_become_an_order(tmp_path: Path) -> None:
    """Each program starts after those of the next lower priority; a group's own comes first."""
    text = "".join(
        f"[program:{name}]\ncommand=x\npriority={priority}\n"
        for name, priority in {"db": 1, "cache": 1, "web": 20, "worker": 10, "late": 5}.items()
    )
    found = data(
        translated(tmp_path, f"{text}[group:app]\nprograms=web,worker\npriority=3\n[program:last]\ncommand=x\n")
    )
    assert {name: each.get("after") for name, each in found.items() if name != "app"} == {
        "db": None,
        "cache": None,
        "worker": ["db", "cache"],
        "web": ["worker"],
        "late": ["web"],
        "last": ["late"],
    }
    assert found["app"] == {"type": "target", "wants": ["web", "worker"]}


def test_a_group_with_the_name_of_a_program(tmp_path: Path) -> None:
    """It is called NAME.target, and is not started where none of its programs is."""
    text = "[program:x]\ncommand=x\nautostart=false\n[group:x]\nprograms=x\n"
    assert data(translated(tmp_path, text))["x.target"] == {"type": "target", "wants": ["x"], "enabled": False}


def test_names_that_no_service_can_have(tmp_path: Path) -> None:
    """What is no letter, digit, dot, dash or underscore becomes a dash, and that is told."""
    found = translated(tmp_path, "[program:my prog/1]\ncommand=x\n")
    assert [*data(found)] == ["my-prog-1"]
    assert any(remark.startswith("[program:my prog/1] is called my-prog-1") for remark in found.ledger.remarks)


def test_event_listeners_are_told(tmp_path: Path) -> None:
    """No service is made of one: it speaks supervisord's protocol."""
    found = translated(tmp_path, "[program:x]\ncommand=x\n[eventlistener:mail]\ncommand=mailer\n")
    assert [*data(found)] == ["x"]
    assert entry(found, "command=mailer").verdict is Verdict.NO_EQUIVALENT
    assert any("mail" in remark for remark in found.ledger.remarks)


def test_a_fastcgi_program_gets_its_socket_as_standard_input(tmp_path: Path) -> None:
    """By a shell that moves the descriptor and is replaced by the program."""
    text = (
        "[fcgi-program:php]\ncommand=php-cgi -b 'a b'\nsocket=unix:///run/%(program_name)s.sock\n"
        "socket_owner=www:www\nsocket_mode=0700\nsocket_backlog=64\n"
    )
    found = data(translated(tmp_path, text))["php"]
    assert found["command"] == ["/bin/sh", "-c", 'exec "$@" <&3 3<&-', "sh", "php-cgi", "-b", "a b"]
    socket = {"unix": "/run/php.sock", "user": "www", "group": "www", "mode": "0700", "backlog": 64}
    assert found["sockets"] == [socket]


def test_included_files(tmp_path: Path) -> None:
    """In the order of their names, each with its own %(here)s; the last word on an option counts."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.conf").write_text("[program:b]\ncommand=%(here)s/run\n[program:a]\ncommand=/second\n")
    (tmp_path / "conf.d" / "a.conf").write_text("[program:a]\ncommand=/first\n")
    found = translated(tmp_path, "[include]\nfiles = conf.d/*.conf none/*.ini\n")
    assert {name: each["command"] for name, each in data(found).items()} == {
        "a": ["/second"],
        "b": [f"{tmp_path}/conf.d/run"],
    }
    assert "last one counts" in entry(found, "command=/first").note


def test_the_syntax(tmp_path: Path) -> None:
    """Comments of both kinds, colons, blank lines and indented lines within a value, CRLF, a BOM, keys in any case."""
    text = "\ufeff# c\n[program:x] ; c\nCommand: run ; not this\n\n   --more #nor this\n  ; nor this\n\tlast;yes\n"
    path = tmp_path / "x.conf"
    path.write_text(text, newline="\r\n")
    (draft,) = translate([str(path)]).drafts
    assert draft.data["command"] == ["run", "--more", "last;yes"]
    assert [each.line for each in parse("x", "\n[a]\n\nb=1\nc=2\n d\n")] == [4, 5]


LARAVEL = """\
[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile=/var/run/supervisord.pid

[program:php-fpm]
command=/usr/local/sbin/php-fpm -F
autostart=true
autorestart=true
priority=5
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0

[program:nginx]
command=nginx -g 'daemon off;'
autorestart=false
startretries=0
priority=10
stdout_events_enabled=true
stderr_events_enabled=true
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0

[program:laravel-worker]
process_name=%(program_name)s_%(process_num)02d
command=php /srv/app/artisan queue:work sqs --sleep=3 --tries=3 --max-time=3600
autostart=true
autorestart=true
stopasgroup=true
killasgroup=true
user=www-data
numprocs=8
redirect_stderr=true
stdout_logfile=/srv/app/worker.log
stopwaitsecs=3600

[program:scheduler]
command=/bin/sh -c "while [ true ]; do (php artisan schedule:run --verbose --no-interaction &); sleep 60; done"
user=www-data
environment=HOME="/home/www",XDEBUG_CONFIG="idekey=PHP;x"

[program:xvfb]
command=Xvfb :99 -screen 0 1280x1024x24 -ac +extension GLX ; virtual display
environment=DISPLAY=:99
"""


def test_a_configuration_as_people_have_it(tmp_path: Path) -> None:
    """A web server, PHP, eight workers with one log, a loop in a shell, a display; it passes check."""
    found = translated(tmp_path, LARAVEL)
    assert data(found)["laravel-worker@"] == {
        "command": ["php", "/srv/app/artisan", "queue:work", "sqs", "--sleep=3", "--tries=3", "--max-time=3600"],
        "instances": [f"{number:d}" for number in range(8)],
        "user": "www-data",
        "after": ["nginx"],
        "restart": {"policy": "always"},
        "stop": {"timeout": "3600s"},
        "log": {"file": "/srv/app/worker.log", "max_size": "50M", "keep": 10},
    }
    assert data(found)["scheduler"]["environment"] == {"HOME": "/home/www", "XDEBUG_CONFIG": "idekey=PHP;x"}
    assert data(found)["xvfb"]["command"][-1] == "GLX"
    assert data(found)["nginx"]["user"] == "root"
    write(found, str(tmp_path / "services.d"), "test")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("command=x\n", ':1: "command=x": expected a section'),
        ("[program:x]\njust words\n", ':2: "just words": expected an option'),
        ("[program:x]\nautostart=true\n", ":2: [program:x] has no command"),
        ("[program:x]\ncommand=a 'b\n", ":2: command: no closing quotation"),
        ("[program:x]\ncommand=100%\n", ":2: command: has a % that stands for nothing"),
        ("[program:x]\ncommand=%(nothing)s\n", "is nothing that supervisord replaces"),
        ("[program:x]\ncommand=x\nautostart=perhaps\n", ':3: autostart: "perhaps" is neither true nor false'),
        ("[program:x]\ncommand=x\nnumprocs=many\n", ':3: numprocs: "many" is no number'),
        ("[program:x]\ncommand=x\nnumprocs=1000000\n", ":3: numprocs: expected 1 to 1000"),
        ("[program:x]\ncommand=x\nexitcodes=a\n", "is no list of exit codes"),
        ("[program:x]\ncommand=x\npriority=high\n", ":3: priority: high is no integer"),
        ("[program:x]\ncommand=x\nenvironment=A\n", ":3: environment:"),
        ("[program:x]\ncommand=x\nstdout_logfile=/x\nstdout_logfile_maxbytes=1TB\n", "is no size"),
        ("[program:x]\ncommand=x\n[group:g]\nprograms=y\n", "there is no [program:y]"),
        ("[fcgi-program:x]\ncommand=x\n", "has no socket"),
        ("[fcgi-program:x]\ncommand=x\nsocket=ftp://x\n", "expected tcp://HOST:PORT or unix:///PATH"),
        ("[include]\nfiles=%(ENV_HOME)s/*.conf\n", "name these files on the command line"),
        ("[program:x]\ncommand=\ufdd0\n", "no characters"),
    ],
)
def test_what_supervisord_refuses_too(tmp_path: Path, text: str, told: str) -> None:
    """With the file and line, and nothing is made of the rest."""
    with pytest.raises(MigrationError) as error:
        translated(tmp_path, text)
    assert told in str(error.value)


def test_a_configuration_without_a_program(tmp_path: Path) -> None:
    """There is nothing to write, and that is said."""
    with pytest.raises(MigrationError, match="there is no service"):
        write(translated(tmp_path, "[supervisord]\nnodaemon=true\n"), str(tmp_path / "out"), "test")
