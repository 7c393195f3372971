"""Compose files to services that run without containers: what each key becomes, how files are read, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncinit.migration.compose import interpolation
from asyncinit.migration.compose.images import dockerfile, known
from asyncinit.migration.compose.parsing import MOST, parse
from asyncinit.migration.compose.translate import translate
from asyncinit.migration.report import Entry, MigrationError, Verdict
from asyncinit.migration.service import Translation
from asyncinit.migration.writing import write

SHOP = """\
name: shop
x-common: &common
  restart: unless-stopped
services:
  web:
    <<: *common
    build: ./web
    ports: ["8080:8000", "9000:9000"]
    environment:
      DATABASE_URL: postgres://app:${DB_PASSWORD}@db:5432/shop
      CACHE_HOST: cache
      DEBUG: yes
      PRICE: "$$5"
      LANG:
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
      cache: {condition: service_started, required: false}
    volumes: ["./web:/srv", "data:/data"]
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8000/healthz"]
      interval: 10s
      retries: 5
    stop_grace_period: 1m30s
  migrate:
    image: shop/tools
    command: python manage.py migrate --database "${DB:-main db}"
    working_dir: /srv
    volumes: [{type: bind, source: ./web, target: /srv}]
  db:
    image: docker.io/library/postgres:${PG:-16}-alpine
    environment: [POSTGRES_PASSWORD=hidden]
    healthcheck:
      test: pg_isready -U app
      timeout: 3s
  cache:
    image: redis:7
    profiles: [full]
volumes:
  data:
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A shop with a Dockerfile and a .env."""
    (tmp_path / "compose.yaml").write_text(SHOP)
    (tmp_path / ".env").write_text("DB_PASSWORD=geheim\n")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text(
        "FROM node AS build\nCMD [\"no\"]\n\nFROM python:3.12\nENV A=1 B='two words'\nWORKDIR /srv\n"
        'ENTRYPOINT ["gunicorn"]\nCMD ["app:app", \\\n  "--bind=:8000"]\nSTOPSIGNAL SIGQUIT\n'
    )
    return tmp_path


def data(translation: Translation) -> dict[str, Any]:
    return {draft.name: draft.data for draft in translation.drafts}


def entry(translation: Translation, name: str) -> Entry:
    """What the report says of a key."""
    (found,) = [each for each in translation.ledger.entries() if each.setting.name == name]
    return found


def one(folder: Path, text: str) -> dict[str, Any]:
    """What a service with these lines becomes, without what stands for Compose's defaults."""
    path = folder / "compose.yaml"
    path.write_text("services:\n  x:\n    command: run\n" + "".join(f"    {line}\n" for line in text.splitlines()))
    (found,) = data(translate([str(path)])).values()
    for key, default in {
        "command": ["run"],
        "working_directory": str(folder),
        "restart": {"policy": "never"},
        "stop": {"timeout": "10s", "scope": "process"},
    }.items():
        if found.get(key) == default:
            del found[key]
    return found


def test_a_whole_project(project: Path) -> None:
    """A build, an image that is known, one that is not, what waits for what; and it passes check."""
    found = translate([str(project / "compose.yaml")])
    assert data(found) == {
        "web": {
            "command": ["gunicorn", "app:app", "--bind=:8000"],
            "environment": {
                "A": "1",
                "B": "two words",
                "DATABASE_URL": "postgres://app:${DB_PASSWORD:-geheim}@127.0.0.1:5432/shop",
                "CACHE_HOST": "127.0.0.1",
                "DEBUG": "yes",
                "PRICE": "$5",
            },
            "working_directory": f"{project}/web",
            "requires": ["db", "migrate"],
            "wants": ["cache"],
            "health": {
                "http": "http://127.0.0.1:8000/healthz",
                "interval": "10s",
                "probe_timeout": "30s",
                "threshold": 5,
                "action": "none",
            },
            "restart": {"policy": "always"},
            "stop": {"signal": "SIGQUIT", "timeout": "1m30s", "scope": "process"},
        },
        "migrate": {
            "type": "oneshot",
            "command": ["python", "manage.py", "migrate", "--database", "${DB:-main db}"],
            "working_directory": f"{project}/web",
            "restart": {"policy": "never"},
            "stop": {"timeout": "10s", "scope": "process"},
        },
        "db": {
            "command": ["pg_ctlcluster", "--foreground", "16", "main", "start"],
            "user": "postgres",
            "working_directory": str(project),
            "ready": {"command": ["/bin/sh", "-c", "pg_isready -U app"], "probe_timeout": "3s"},
            "health": {
                "command": ["/bin/sh", "-c", "pg_isready -U app"],
                "interval": "30s",
                "probe_timeout": "3s",
                "action": "none",
            },
            "restart": {"policy": "never"},
            "stop": {"timeout": "10s", "scope": "process"},
        },
        "cache": {
            "command": ["redis-server"],
            "enabled": False,
            "profile": {"full": {"enabled": True}},
            "working_directory": str(project),
            "restart": {"policy": "never"},
            "stop": {"timeout": "10s", "scope": "process"},
        },
    }
    assert len(write(found, str(project / "services.d"), "test").files) == 4


def test_nothing_is_lost_without_a_word(project: Path) -> None:
    """Ports that are not mapped, volumes, images: each says what there is in its place; no secret is repeated."""
    found = translate([str(project / "compose.yaml")])
    verdicts = {each.setting.text: each.verdict for each in found.ledger.entries()}
    assert verdicts["ports: 8080:8000"] is Verdict.NO_EQUIVALENT
    assert verdicts["ports: 9000:9000"] is Verdict.NOT_NEEDED
    assert verdicts["volumes: ./web:/srv"] is Verdict.NO_EQUIVALENT
    assert verdicts["environment.POSTGRES_PASSWORD: ..."] is Verdict.NO_EQUIVALENT
    assert verdicts["environment.LANG: ..."] is Verdict.NOT_NEEDED
    assert not any("geheim" in text or "hidden" in text for text in verdicts)
    assert any(".env" in remark for remark in found.ledger.remarks)


def test_every_part_of_a_key_is_accounted_for(tmp_path: Path) -> None:
    """What is within a key that is translated in part is in the report by itself, once."""
    text = (
        "services:\n  x:\n    command: run\n    strange: [1]\n    x-own: 1\n    shm_size: 1g\n    deploy:\n"
        "      mode: global\n      odd: 1\n      replicas: 1\n      restart_policy: {condition: any, odd: 2}\n"
        "      resources: {limits: {memory: 1g, odd: 3}, reservations: {cpus: '1'}}\n"
        "    healthcheck: {test: t, odd: 4}\n    logging: {driver: gelf, options: {a: b}}\n"
    )
    (tmp_path / "compose.yaml").write_text(text)
    entries = translate([str(tmp_path / "compose.yaml")]).ledger.entries()
    assert {each.setting.name.removeprefix("services.x."): each.verdict.value for each in entries} == {
        "command": "approximated",
        "strange": "no equivalent",
        "x-own": "not needed",
        "shm_size": "not needed",
        "deploy.mode": "not needed",
        "deploy.odd": "no equivalent",
        "deploy.replicas": "not needed",
        "deploy.restart_policy.condition": "translated",
        "deploy.restart_policy.odd": "no equivalent",
        "deploy.resources.limits.memory": "translated",
        "deploy.resources.limits.odd": "no equivalent",
        "deploy.resources.reservations.cpus": "not needed",
        "healthcheck.test": "translated",
        "healthcheck.odd": "no equivalent",
        "logging.driver": "no equivalent",
        "logging.options": "no equivalent",
    }
    assert len(entries) == 16


def test_an_image_that_nobody_knows(tmp_path: Path) -> None:
    """It does not start by itself, its program's name says what is missing, and it passes check."""
    path = tmp_path / "compose.yaml"
    path.write_text("services:\n  mail:\n    image: example/mailer:1\n    profiles: [full]\n")
    found = translate([str(path)])
    assert data(found)["mail"]["enabled"] is False
    assert "profile" not in data(found)["mail"]
    assert data(found)["mail"]["command"] == ["fill-in-what-example-mailer-1-runs"]
    assert entry(found, "services.mail.image").verdict is Verdict.NO_EQUIVALENT
    assert any("mail is not enabled" in remark for remark in found.ledger.remarks)
    write(found, str(tmp_path / "services.d"), "test")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("entrypoint: /bin/tool --x", {"command": ["/bin/tool", "--x", "run"]}),
        ("working_dir: /srv", {"working_directory": "/srv"}),
        ('user: "1000:www"', {"user": "1000", "group": "www"}),
        ("user: ${UID:-33}", {"user": "33"}),
        ("restart: always", {"restart": {"policy": "always"}}),
        ('restart: "no"', {}),
        ("restart: on-failure:3", {"restart": {"policy": "on-failure", "limit": 3}}),
        (
            "deploy:\n  restart_policy: {condition: any, delay: 5s, max_attempts: 3, window: 2m}",
            {"restart": {"policy": "always", "delay": "5s", "limit": 3, "reset_after": "2m"}},
        ),
        ("stop_signal: SIGINT", {"stop": {"signal": "SIGINT", "timeout": "10s", "scope": "process"}}),
        ("stop_grace_period: 1500us", {"stop": {"timeout": "0.001500s", "scope": "process"}}),
        ("tty: true", {"tty": True}),
        ("scale: 1", {}),
        ("scale: 3", {"instances": 3}),
        ("scale: 0", {"enabled": False}),
        ("mem_limit: 512m", {"limits": {"memory_max": "512M"}, "prefer": ["limits"]}),
        ("cpus: 1.5", {"limits": {"cpu_max": "150%"}, "prefer": ["limits"]}),
        ("pids_limit: 100", {"limits": {"pids_max": 100}, "prefer": ["limits"]}),
        ("pids_limit: -1", {}),
        ("ulimits: {nofile: 1024, core: -1}", {"limits": {"nofile": 1024, "core": "none"}, "prefer": ["limits"]}),
        (
            "deploy: {resources: {limits: {memory: 1g, pids: 5}, reservations: {cpus: '1'}}}",
            {"limits": {"memory_max": "1G", "pids_max": 5}, "prefer": ["limits"]},
        ),
        (
            "cap_add: [SYS_TIME]",
            {"security": {"capabilities": ["docker-default", "CAP_SYS_TIME"]}, "prefer": ["security"]},
        ),
        ("cap_drop: [ALL]", {"security": {"capabilities": "none"}, "prefer": ["security"]}),
        (
            "cap_drop: [ALL]\ncap_add: [CHOWN, KILL]",
            {"security": {"capabilities": ["CAP_CHOWN", "CAP_KILL"]}, "prefer": ["security"]},
        ),
        (
            "cap_drop: [NET_RAW]\ncap_add: [ALL]",
            {"security": {"capabilities": ["all", "~CAP_NET_RAW"]}, "prefer": ["security"]},
        ),
        (
            "cap_drop: [CAP_NET_RAW]\ncap_add: [KILL]",
            {"security": {"capabilities": ["docker-default", "~CAP_NET_RAW", "CAP_KILL"]}, "prefer": ["security"]},
        ),
        (
            "security_opt: [no-new-privileges:true]",
            {"security": {"no_new_privileges": True}, "prefer": ["security"]},
        ),
        ("logging: {driver: none}", {"log": {"to": "null"}}),
        ("logging: {driver: syslog}", {"log": {"to": "syslog"}}),
        ("environment: [A=b=c, D]", {"environment": {"A": "b=c"}}),
        (
            "environment: {A: 010, B: 1.0, C: true, D: 12:30}",
            {"environment": {"A": "010", "B": "1.0", "C": "true", "D": "12:30"}},
        ),
        ("healthcheck: {disable: true}", {}),
        ('healthcheck: {test: ["NONE"]}', {}),
    ],
)
def test_keys(tmp_path: Path, text: str, keys: dict[str, Any]) -> None:
    """What a key becomes."""
    assert one(tmp_path, text) == keys


def test_a_variable_that_is_passed_on(tmp_path: Path) -> None:
    """Compose takes its value from the `.env` beside the file where its own environment has none."""
    (tmp_path / ".env").write_text("A=1\n")
    assert one(tmp_path, "environment: [A, B]") == {"environment": {"A": "${A:-1}"}}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("one:9092,two:9092", "127.0.0.1:9092,127.0.0.1:9092"),
        ("--db=one:5432", "--db=127.0.0.1:5432"),
        ("amqp://u:p@one", "amqp://u:p@127.0.0.1"),
        ("http://two:${PORT}/x", "http://127.0.0.1:${PORT:-}/x"),
        ("one:latest", "one:latest"),
        ("one/two", "one/two"),
        ("http://zone:80", "http://zone:80"),
    ],
)
def test_names_of_other_services(tmp_path: Path, said: str, meant: str) -> None:
    """Where one is a host it is this machine; a text that only looks so stays."""
    path = tmp_path / "compose.yaml"
    path.write_text(f"services:\n  one: {{command: x, environment: {{A: '{said}'}}}}\n  two: {{command: x}}\n")
    assert data(translate([str(path)]))["one"]["environment"] == {"A": meant}


def test_paths_of_an_extended_file(tmp_path: Path) -> None:
    """They begin in the folder of the file in which they stand; those of an upper file in the first one's."""
    (tmp_path / "base").mkdir()
    (tmp_path / "over").mkdir()
    (tmp_path / "base/base.yaml").write_text("services:\n  b: {command: x, env_file: ./b.env}\n")
    (tmp_path / "compose.yaml").write_text("services:\n  a:\n    extends: {file: base/base.yaml, service: b}\n")
    (tmp_path / "over/over.yaml").write_text("services:\n  a: {env_file: [o.env]}\n")
    found = translate([str(tmp_path / "compose.yaml"), str(tmp_path / "over/over.yaml")])
    assert data(found)["a"]["environment_file"] == [f"{tmp_path}/base/b.env", f"{tmp_path}/o.env"]


def test_a_file_over_another_that_is_written_differently(tmp_path: Path) -> None:
    """`depends_on` as names and as conditions become one; a file that two include is there once."""
    (tmp_path / "common.yaml").write_text("services:\n  db: {command: x, ports: ['1:1']}\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("include: [common.yaml]\n")
    (tmp_path / "compose.yaml").write_text(
        "include: [one.yaml, two.yaml]\n"
        "services:\n  a: {command: x, depends_on: {db: {condition: service_healthy}}}\n  b: {command: x}\n"
    )
    (tmp_path / "over.yaml").write_text("services:\n  a: {depends_on: [b]}\n")
    found = translate([str(tmp_path / "compose.yaml"), str(tmp_path / "over.yaml")])
    assert data(found)["a"]["requires"] == ["db", "b"]
    assert [each.setting.name for each in found.ledger.entries()].count("services.db.ports") == 1


def test_ports(tmp_path: Path) -> None:
    """An address is not lost without a word; that two listen on one port, which only containers can, is said."""
    path = tmp_path / "compose.yaml"
    path.write_text(
        "services:\n  a: {command: x, ports: ['127.0.0.1:80:80']}\n"
        "  b: {command: x, ports: [{target: 80, published: '8080', host_ip: '::1'}]}\n"
    )
    found = translate([str(path)])
    assert "127.0.0.1 alone" in entry(found, "services.a.ports").note
    assert "::1 alone" in entry(found, "services.b.ports").note
    assert any(remark.startswith("a, b listen on port 80") for remark in found.ledger.remarks)


@pytest.mark.parametrize(
    ("test", "probe"),
    [
        ("curl -fsS http://127.0.0.1/x || exit 1", {"http": "http://127.0.0.1/x"}),
        ("wget -q --spider http://localhost:80/", {"http": "http://127.0.0.1:80/"}),
        ("curl -f http://localhost/ -H Host:x", None),
        ("curl -f http://localhost/ && test -e /x", None),
        ("curl -k https://localhost/", None),
        ("[CMD, /bin/probe, $$HOME]", {"command": ["/bin/probe", "$HOME"]}),
    ],
)
def test_health_checks(tmp_path: Path, test: str, probe: dict[str, Any] | None) -> None:
    """A test that only asks an address of this machine becomes that question; any other stays a command."""
    found = one(tmp_path, f"healthcheck:\n  test: {test}")["health"]
    words = ["/bin/sh", "-c", test]
    assert {key: found[key] for key in found if key in ("http", "command")} == (probe or {"command": words})


@pytest.mark.parametrize(
    ("text", "live", "fixed"),
    [
        ("$A and ${A}", "${A:-1} and ${A:-1}", "1 and 1"),
        ("${B:-x}${C-y}", "${B:-x}${C:-y}", "xy"),
        ("${A:?must}", "${A:-1}", "1"),
        ("${B:?must}", "${B}", None),
        ("${B}", "${B:-}", None),
        ("${A:+yes}${B:+no}", "yes", "yes"),
        ("${B:-${A}}", "${B:-1}", "1"),
        ("${B:-${C:-deep}}", "${B:-deep}", "deep"),
        ("$$ $$A $${A} $1 $", "$$ $$A $${A} $$1 $$", "$ $A ${A} $1 $"),
        ("$$$$", "$$$$", "$$"),
        ("${not valid}", "$${not valid}", "${not valid}"),
        ("${unclosed", "$${unclosed", "${unclosed"),
    ],
)
def test_interpolation(text: str, live: str, fixed: str | None) -> None:
    """Where asyncinit replaces variables they stay, with what is known now as the default; elsewhere they are gone."""
    known = {"A": "1"}
    assert interpolation.kept(text, known) == live
    if fixed is None:
        with pytest.raises(interpolation.Unset):
            interpolation.fixed(text, known)
    else:
        assert interpolation.fixed(text, known) == fixed


def test_files_over_one_another(tmp_path: Path) -> None:
    """Tables are merged, lists come together, commands and texts are replaced; what was forgotten is told."""
    (tmp_path / "compose.yml").write_text(
        "services:\n  x:\n    command: [a, b]\n    environment: [A=1, B=2]\n    volumes: [./a:/a]\n"
        "    restart: always\n"
    )
    upper = "services:\n  x:\n    command: [c]\n    environment: {B: 3}\n    volumes: [./b:/b]\n  y:\n    command: d\n"
    (tmp_path / "compose.override.yml").write_text(upper)
    below = translate([str(tmp_path / "compose.yml")])
    assert any("compose.override.yml was not named" in remark for remark in below.ledger.remarks)
    found = translate([str(tmp_path / "compose.yml"), str(tmp_path / "compose.override.yml")])
    assert not found.ledger.remarks
    assert data(found)["x"]["command"] == ["c"]
    assert data(found)["x"]["environment"] == {"A": "1", "B": "3"}
    assert data(found)["x"]["restart"] == {"policy": "always"}
    assert sum(each.setting.name == "services.x.volumes" for each in found.ledger.entries()) == 2
    assert [*data(found)] == ["x", "y"]


def test_extends_and_include(tmp_path: Path) -> None:
    """A service over another of the same or another file; services of an included file."""
    (tmp_path / "base.yml").write_text(
        "services:\n  base:\n    command: run\n    environment: {A: 1, B: 2}\n    depends_on: [gone]\n"
    )
    (tmp_path / "more.yml").write_text("services:\n  db:\n    image: redis\n")
    (tmp_path / "compose.yml").write_text(
        "include: [more.yml]\nservices:\n"
        "  web:\n    extends: {file: base.yml, service: base}\n    environment: {B: 3}\n    depends_on: [db]\n"
        "  worker:\n    extends: web\n    command: work\n"
    )
    translation = translate([str(tmp_path / "compose.yml")])
    assert entry(translation, "services.worker.extends").verdict is Verdict.TRANSLATED
    found = data(translation)
    assert found["web"]["environment"] == found["worker"]["environment"] == {"A": "1", "B": "3"}
    assert (found["web"]["command"], found["worker"]["command"]) == (["run"], ["work"])
    assert found["web"]["requires"] == ["db"] and "requires" not in found["worker"]
    assert found["db"]["command"] == ["redis-server"]


def test_what_is_watched(tmp_path: Path) -> None:
    """What is only synchronised is the same file here."""
    watched = "{action: sync+restart, path: ./conf, target: /c, ignore: ['*.md']}"
    text = f"develop:\n  watch:\n    - {{action: sync, path: src, target: /s}}\n    - {watched}"
    assert one(tmp_path, text)["watch"] == {"paths": [f"{tmp_path}/conf"], "ignore": ["*.md"]}


def test_known_images() -> None:
    """By their name, whatever the registry's own path and tag; a stranger's image of the same name is not that one."""
    for image in ("redis", "redis:7-alpine", "library/redis", "docker.io/library/redis@sha256:0"):
        found = known(image)
        assert found is not None and found.command == ("redis-server",)
    assert known("example/redis") is known("registry.example.com:5000/redis") is known("unheard-of") is None
    assert known("postgres") is known("postgres:latest") is None  # which cluster that is, nobody knows


def test_dockerfiles(tmp_path: Path) -> None:
    """The last stage counts; a command may be a text for a shell."""
    path = tmp_path / "Dockerfile"
    path.write_text(
        "# c\nFROM a\nENTRYPOINT x\nFROM b\nWORKDIR /a\nWORKDIR b\nENV OLD way of it\nCMD serve \\\n  # no\n  --all\n"
    )
    found = dockerfile(str(path))
    assert found is not None
    assert (found.entrypoint, found.command) == (None, ["/bin/sh", "-c", "serve  --all"])
    assert (found.folder, found.environment) == ("/a/b", {"OLD": "way of it"})
    assert dockerfile(str(tmp_path / "none")) is None


def test_stages_of_a_dockerfile(tmp_path: Path) -> None:
    """One that is built on another has what that has; the one that is named counts."""
    path = tmp_path / "Dockerfile"
    path.write_text("FROM --platform=x a AS Base\nENV A=1\nCMD base\nFROM base AS dev\nCMD dev\nFROM base\nENV A=2\n")
    last, dev = dockerfile(str(path)), dockerfile(str(path), "dev")
    assert last is not None and (last.command, last.environment) == (["/bin/sh", "-c", "base"], {"A": "2"})
    assert dev is not None and (dev.command, dev.environment) == (["/bin/sh", "-c", "dev"], {"A": "1"})
    assert dockerfile(str(path), "gone") is None


BLOG = """\
version: "3.8"
services:
  blog:
    image: wordpress:latest
    restart: always
    ports:
      - 8080:80
    environment:
      WORDPRESS_DB_HOST: db:3306
      WORDPRESS_DB_PASSWORD: ${DB_PASS}
    volumes: [blog:/var/www/html]
    networks: {front: {aliases: [wp]}, back: }
    labels:
      - proxy.enable=true
  db:
    image: mysql:8.0
    command: >-
      --default-authentication-plugin=mysql_native_password
      --max-connections=500
    environment: {MYSQL_ROOT_PASSWORD_FILE: /run/secrets/pw}
    secrets: [pw]
  worker:
    build: {context: ./w, args: {X: 1}, target: dev}
    command: |
      sh -c "
        python wait.py &&
        celery worker
      "
    depends_on: [db]
    healthcheck: {test: ["CMD-SHELL", "celery inspect ping -d celery@$$HOSTNAME"], start_period: 10s}
  metrics:
    image: prom/prometheus
    command: ["--config.file=/etc/prometheus.yml"]
secrets: {pw: {file: ./pw.txt}}
networks: {front: {}, back: {driver: bridge}}
volumes: {blog: }
"""


def test_a_file_as_people_have_it(tmp_path: Path) -> None:
    """A blog, its database, a worker, metrics: folded texts, flow tables, images of all kinds; it passes check."""
    (tmp_path / "docker-compose.yml").write_text(BLOG)
    found = translate([str(tmp_path / "docker-compose.yml")])
    assert {name: each["command"] for name, each in data(found).items()} == {
        "blog": ["fill-in-what-wordpress-latest-runs"],
        "db": ["mysqld", "--default-authentication-plugin=mysql_native_password", "--max-connections=500"],
        "worker": ["sh", "-c", "\n  python wait.py &&\n  celery worker\n"],
        "metrics": ["fill-in-what-prom-prometheus-runs", "--config.file=/etc/prometheus.yml"],
    }
    assert data(found)["blog"]["environment"] == {
        "WORDPRESS_DB_HOST": "127.0.0.1:3306",
        "WORDPRESS_DB_PASSWORD": "${DB_PASS:-}",
    }
    write(found, str(tmp_path / "services.d"), "test")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image: redis\n    command: redis-server --appendonly yes", ["redis-server", "--appendonly", "yes"]),
        ("image: redis\n    command: --appendonly yes", ["redis-server", "--appendonly", "yes"]),
        ("image: mariadb\n    command: [--skip-networking]", ["mariadbd", "--skip-networking"]),
        ("image: redis\n    command: redis-sentinel /s.conf", ["redis-sentinel", "/s.conf"]),
        (
            "image: postgres:15\n    command: postgres -c max_connections=200",
            ["pg_ctlcluster", "--foreground", "-o", "-c max_connections=200", "15", "main", "start"],
        ),
        ("image: prom/prometheus\n    command: --web.x=1", ["fill-in-what-prom-prometheus-runs", "--web.x=1"]),
        ("image: example/app\n    command: serve --x", ["serve", "--x"]),
    ],
)
def test_an_image_with_a_command(tmp_path: Path, text: str, words: list[str]) -> None:
    """Options alone are those of the image's program; where that is not known, it is to be filled in before them."""
    (tmp_path / "compose.yaml").write_text(f"services:\n  x:\n    {text}\n")
    found = data(translate([str(tmp_path / "compose.yaml")]))["x"]
    assert found["command"] == words
    assert found.get("enabled", True) is not words[0].startswith("fill-in")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("[1, 2]\n", "is no Compose file"),
        ("services: [a]\n", ":1: services: expected a table"),
        ("services:\n  a: 1\n", ":2: services.a: expected a table"),
        ("services:\n\ta: 1\n", ":2:"),
        ("services:\n  a: {command: x}\n  a: {command: y}\n", ':3: "a" was there before, on line 2'),
        ("services:\n  a:\n    command: x\n    command: y\n", "was there before, on line 3"),
        ("a: 1\n---\nb: 2\n", "found another document"),
        ("services:\n  a: &a\n    x: *a\n", "is inside itself"),
        (BOMB, f"comes to more than {MOST} values"),
        ("services:\n  a: {command: !reset x}\n", "docker compose config"),
        ("services:\n  ? [a]\n  : b\n", "has a key that is no text"),
        ("[" * 2000, "nested too deeply"),
        ("x: " + "[" * 200 + "]" * 200, "nested too deeply"),
        ('services:\n  a: {command: "x \'y"}\n', ":2: command: no closing quotation"),
        ("services:\n  a: {command: x, depends_on: [b]}\n", 'there is no service "b"'),
        ("services:\n  a: {command: x, stop_grace_period: soon}\n", "is no duration"),
        ("services:\n  a: {command: x, mem_limit: much}\n", "is no size"),
        ("services:\n  a: {command: x, restart: sometimes}\n", "is none of no, always"),
        ("services:\n  a: {command: x, scale: 100000}\n", "more than 1000"),
        ("services:\n  a: {command: x, cap_add: [FLY]}\n", "is no capability"),
        ("services:\n  a: {extends: b}\n", "extends: there is no service"),
        ("services:\n  a: {extends: b}\n  b: {extends: a}\n", "extends itself"),
        ("services:\n  a b: {command: x}\n  a-b: {command: x}\n", "two that would be called a-b"),
        ("include: [compose.yaml]\nservices: {}\n", "includes itself"),
        ('services:\n  a: {command: [""]}\n', "its command is empty"),
        ("services:\n  a: {command: x, user: '${NOBODY_SET}'}\n", ':2: user: "${NOBODY_SET}" takes no variable'),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, text: str, told: str) -> None:
    """With the line, in a moment, and nothing is made of the rest."""
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    with pytest.raises(MigrationError) as error:
        translate([str(path)])
    assert told.casefold() in str(error.value).casefold()


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it, and the status of what is not there."""
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(MigrationError, match=r"asyncinit\[compose\]") as error:
        parse("x", "a: 1")
    assert error.value.exit_code == 69
