"""Compose files to drafts: which services there are, and each key in turn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from asyncinit.config.problems import printable
from asyncinit.migration.compose import limiting, living, running, surroundings
from asyncinit.migration.compose.files import Project, read
from asyncinit.migration.compose.parsing import Value
from asyncinit.migration.compose.service import Service, others
from asyncinit.migration.report import Ledger, MigrationError, Verdict
from asyncinit.migration.service import Draft, Translation

_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_DEPLOY = {"mode", "labels", "placement", "endpoint_mode", "update_config", "rollback_config"}
_SURROUNDINGS = {"ports": surroundings.ports, "logging": surroundings.logging, "tty": surroundings.terminal}
_OF_FILE = {
    "version": "no version of Compose's format is needed",
    "name": "asyncinit is known by its folder or socket",
    "networks": "all services share the network of the machine",
    "volumes": "folders of the machine take their place",
}


def translate(sources: Sequence[str]) -> Translation:
    """Translate Compose files, the later over the earlier. Raises MigrationError."""
    project = read(sources)
    ledger = Ledger()
    services = _services(project, ledger)
    healthy, completed = living.dependencies(project.services)
    names = {name: service.draft.name for name, service in services.items()}
    for name, service in services.items():
        _translate(service, names, name in healthy, name in completed)
    for key, value in project.sections.items():
        setting = ledger.add(value.file, value.line, key, value.flat(), text=key)
        if key.startswith("x-") or key in _OF_FILE or key == "include":
            note = _OF_FILE.get(key, "what it is used for has it" if key.startswith("x-") else "what it names was read")
            ledger.say(setting, Verdict.NOT_NEEDED, note)
        elif key in ("secrets", "configs"):
            ledger.say(setting, Verdict.NO_EQUIVALENT, surroundings.SAID[key][1])
    _remark(project, services.values(), ledger)
    return Translation([service.draft for service in services.values()], ledger)


def _services(project: Project, ledger: Ledger) -> dict[str, Service]:
    known = others(project.services)
    made: dict[str, Service] = {}
    taken: set[str] = set()
    for name, value in project.services.items():
        fit = _UNFIT.sub("-", name).strip("-_.") or "service"
        if fit in taken:
            raise MigrationError(
                f"{value.where}: services.{printable(name)}: there are two that would be called {fit} here"
            )
        taken.add(fit)
        if fit != name:
            ledger.remark(f"services.{printable(name)} is called {fit} here, for no service can have its name")
        trial = Service(name, value, Draft(fit, ledger, origin=value.file), project, known)
        many = living.scale(trial)
        draft = Draft(f"{fit}@" if many is not None and many > 1 else fit, ledger, origin=value.file)
        made[name] = Service(name, value, draft, project, known)
    return made


def _translate(service: Service, names: dict[str, str], awaited: bool, completed: bool) -> None:
    table = service.value.table
    _scale(service)
    if completed:
        service.put(None, "type", "oneshot", "others wait until it has completed")
    if "volumes" in table:
        surroundings.volumes(service, table["volumes"])
    running.translate(service)
    living.presence(service)
    if "depends_on" in table:
        living.depends_on(service, table["depends_on"], names)
    if "healthcheck" in table and completed:
        setting = service.add("healthcheck", table["healthcheck"])
        service.ledger.say(setting, Verdict.NOT_NEEDED, "it completes, and serves nobody")
    elif "healthcheck" in table:
        living.healthcheck(service, table["healthcheck"], awaited)
    if awaited and "healthcheck" not in table:
        service.ledger.remark(
            f"others wait until {service.draft.name} is healthy by its image's test: say in [ready] how one sees that"
        )
    living.restart(service)
    living.stop(service)
    living.watch(service)
    limiting.translate(service)
    for key, translate_one in _SURROUNDINGS.items():
        if key in table:
            translate_one(service, table[key])
    _rest(service)


def _scale(service: Service) -> None:
    many = living.scale(service)
    deploy = service.value.table.get("deploy")
    said = {
        "scale": service.value.table.get("scale"),
        "deploy.replicas": deploy.table.get("replicas") if deploy else None,
    }
    for key, value in said.items():
        if value is None:
            continue
        setting = service.add(key, value)
        if many is None:
            service.fixed(value, setting)
        elif many > 1:
            note = "all of them share the machine: what each listens on has to differ; ${INSTANCE} is 1, 2, ..."
            service.put(setting, "instances", many, note, exact=False)
        elif many == 0:
            service.put(setting, "enabled", False)
        else:
            service.ledger.say(setting, Verdict.NOT_NEEDED, "it is one")


def _rest(service: Service) -> None:
    """Take down what no one has: what containers alone have, and what is not known."""
    for key, value in service.value.table.items():
        if key == "deploy":
            _deploy(service, value)
            continue
        if service.has_said(key):
            continue
        if value.data in (None, [], {}) and key not in surroundings.SAID:
            continue
        setting = service.add(key, value)
        if key.startswith("x-"):
            service.ledger.say(setting, Verdict.NOT_NEEDED, "what it is used for has it")
        elif key in surroundings.SAID:
            service.ledger.say(setting, *surroundings.SAID[key])


def _deploy(service: Service, value: Value) -> None:
    for key, item in value.table.items():
        if service.has_said(f"deploy.{key}"):
            continue
        setting = service.add(f"deploy.{key}", item)
        if key in _DEPLOY:
            service.ledger.say(setting, Verdict.NOT_NEEDED, "it is about a cluster")


def _remark(project: Project, services: Iterable[Service], ledger: Ledger) -> None:
    listeners: dict[str, dict[str, None]] = {}
    for service in services:
        for port in service.listens:
            listeners.setdefault(port, {})[service.draft.name] = None
    for port, names in listeners.items():
        if len(names) > 1:
            ledger.remark(f"{', '.join(names)} listen on port {port}, each in its container: here only one of them can")
    for path in project.overlooked:
        ledger.remark(f"{printable(path)} was not named, and nothing of it is in these files")
    if project.variables:
        ledger.remark(
            f"values of {printable(project.dotenv)} stand in these files, as defaults of the variables that are used: "
            "mind what is secret"
        )
