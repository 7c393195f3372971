"""A service's life: what it waits for, health, restarts, how it stops, when it is there at all; no other key."""

from __future__ import annotations

import re
import shlex

from asyncinit.config.problems import printable, shown
from asyncinit.migration.compose.parsing import Value
from asyncinit.migration.compose.service import Service, duration, is_true, number
from asyncinit.migration.report import MigrationError, Verdict

_QUIET = re.compile(
    r"-(?:-?fail|-?silent|-?show-error|-?quiet|-?spider|q|f|s|S|fsS|sf|fs|sS|sSf|fsSL|-?tries=\d+|qO-|O-)"
)
_HERE = re.compile(r"http://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?=[:/]|$)")
_POLICIES = {
    "no": "never",
    "false": "never",
    "always": "always",
    "unless-stopped": "always",
    "on-failure": "on-failure",
}
_HEALTH = {"interval": ("interval", "30s"), "timeout": ("probe_timeout", "30s")}


def dependencies(services: dict[str, Value]) -> tuple[set[str], set[str]]:
    """Return the services that someone waits for until they are healthy, and until they have completed."""
    healthy, completed = set(), set()
    for value in services.values():
        depends = value.table.get("depends_on")
        for name, condition in depends.table.items() if depends is not None else ():
            word = condition.table["condition"].text if "condition" in condition.table else ""
            healthy |= {name} if word == "service_healthy" else set()
            completed |= {name} if word == "service_completed_successfully" else set()
    return healthy, completed


def depends_on(service: Service, value: Value, names: dict[str, str]) -> None:
    """Translate `depends_on`. Raises MigrationError for a service that does not exist."""
    conditions = value.table or {item.text or "": Value(item.file, item.line, {}) for item in value.items}
    for name, condition in conditions.items():
        setting = service.add(f"depends_on.{name}", condition)
        if name not in names:
            raise MigrationError(f"{condition.where}: depends_on: there is no service {shown(name)}")
        word = condition.table["condition"].text if "condition" in condition.table else "service_started"
        optional = "required" in condition.table and not is_true(condition.table["required"])
        bound = "restart" in condition.table and is_true(condition.table["restart"])
        key = "wants" if optional else "binds_to" if bound else "requires"
        note = {
            "service_healthy": "until its [ready] is so",
            "service_completed_successfully": "until it has done its work: it is a oneshot",
        }.get(word or "", "")
        service.draft.append(setting, key, names[name])
        if key == "binds_to":
            told = "Compose restarts it when the other is restarted by hand; here, when the other ends by itself, too"
            service.ledger.say(setting, Verdict.APPROXIMATED, told)
        if note:
            service.ledger.say(setting, Verdict.TRANSLATED, note)


def healthcheck(service: Service, value: Value, awaited: bool) -> None:
    """Translate `healthcheck`: to [health], and where others wait for it to [ready]."""
    table = value.table
    settings = {key: service.add(f"healthcheck.{key}", item) for key, item in table.items()}
    test = table.get("test")
    disabled = "disable" in table and is_true(table["disable"])
    probe = None if disabled or test is None else _probe(service, test)
    if probe is None:
        note = (
            "nothing is probed unless it is said"
            if disabled or test is not None
            else "the image's own test is not known"
        )
        for setting in settings.values():
            service.ledger.say(
                setting, Verdict.NOT_NEEDED if disabled or test is not None else Verdict.NO_EQUIVALENT, note
            )
        return
    kind, what = probe
    note = "" if kind == "command" else "asyncinit asks itself"
    tables = ["health", *(["ready"] if awaited else [])]
    for section in tables:
        service.put(settings["test"], f"{section}.{kind}", what, note if section == "health" else "others wait for it")
    for key, (ours, default) in _HEALTH.items():
        item = table.get(key)
        text = service.fixed(item, settings[key]) if item is not None else None
        written = duration(item, text) if item is not None and text is not None else default
        if written in ("0s", "0"):
            written = default
        service.put(settings.get(key), f"health.{ours}", written, "" if key in settings else "Docker's default")
        if awaited and ours == "probe_timeout":  # a test that takes its time would never be ready
            service.put(settings.get(key), f"ready.{ours}", written)
    if "retries" in table and (text := service.fixed(table["retries"], settings["retries"])):
        service.put(settings["retries"], "health.threshold", max(number(table["retries"], text), 1))
    if "start_period" in table and (text := service.fixed(table["start_period"], settings["start_period"])):
        service.put(settings["start_period"], "health.start_period", duration(table["start_period"], text))
    if "start_interval" in settings:
        if awaited and (text := service.fixed(table["start_interval"], settings["start_interval"])):
            service.put(settings["start_interval"], "ready.interval", duration(table["start_interval"], text))
        else:
            service.ledger.say(settings["start_interval"], Verdict.NOT_NEEDED, "nobody waits for it")
    service.put(None, "health.action", "none", 'Docker marks what is unhealthy, and does nothing; "restart" would')


def _probe(service: Service, test: Value) -> tuple[str, object] | None:
    """Return the probe of a test: a command, or the address that curl or wget would ask; None: there is none."""
    if test.items:
        kind, *words = [item.text or "" for item in test.items]
        if kind == "NONE":
            return None
        if kind not in ("CMD", "CMD-SHELL") or not words:
            raise MigrationError(f"{test.where}: test: expected CMD, CMD-SHELL or NONE, and a command")
        text = words[0] if kind == "CMD-SHELL" else shlex.join(words)
    else:
        kind, words, text = "CMD-SHELL", [], test.text or ""
    address = _address(text)
    if address is not None:
        return "http", service.live(address)
    argv = words if kind == "CMD" else ["/bin/sh", "-c", text]
    return "command", [service.live(word) for word in argv]


def _address(text: str) -> str | None:
    """Return the address that a test by curl or wget asks, where asking it is all that it does."""
    try:
        words = shlex.split(re.sub(r"\|\|\s*exit \d+\s*$", "", text))
    except ValueError:
        return None
    if not words or words[0] not in ("curl", "wget"):
        return None
    urls = [word for word in words[1:] if not word.startswith("-")]
    if len(urls) != 1 or not all(_QUIET.fullmatch(word) for word in words[1:] if word.startswith("-")):
        return None
    return _HERE.sub("http://127.0.0.1", urls[0]) if _HERE.match(urls[0]) else None


def restart(service: Service) -> None:
    """Translate `restart` and `deploy.restart_policy`."""
    value = service.value.table.get("restart")
    policy = _deployed(service, "restart_policy")
    if value is not None:
        setting = service.add("restart", value)
        word, _, limit = (service.fixed(value, setting) or "").partition(":")
        if word not in _POLICIES:
            raise MigrationError(
                f"{value.where}: restart: {shown(word)} is none of no, always, on-failure, unless-stopped"
            )
        service.put(setting, "restart.policy", _POLICIES[word])
        if word == "unless-stopped":
            note = "what was stopped by hand starts again with asyncinit; `asyncinit disable` keeps it down"
            service.ledger.say(setting, Verdict.APPROXIMATED, note)
        if limit:
            service.put(setting, "restart.limit", number(value, limit), "within a minute", exact=False)
    elif not policy:
        service.put(None, "restart.policy", "never", "Compose's default, restart: no; a service's is always")
    for key, item in policy.items():
        setting = service.add(f"deploy.restart_policy.{key}", item)
        text = service.fixed(item, setting)
        if text is None:
            continue
        if key == "condition":
            words = {"any": "always", "none": "never", "on-failure": "on-failure"}
            if text not in words:
                raise MigrationError(f"{item.where}: condition: {shown(text)} is none of any, none, on-failure")
            service.put(setting, "restart.policy", words[text])
        elif key == "delay":
            service.put(setting, "restart.delay", duration(item, text))
        elif key == "max_attempts":
            service.put(setting, "restart.limit", number(item, text))
        elif key == "window":
            service.put(setting, "restart.reset_after", duration(item, text), exact=False)


def _deployed(service: Service, key: str) -> dict[str, Value]:
    deploy = service.value.table.get("deploy")
    found = deploy.table.get(key) if deploy is not None else None
    return found.table if found is not None else {}


def stop(service: Service) -> None:
    """Translate `stop_signal` and `stop_grace_period`."""
    table = service.value.table
    if "stop_signal" in table:
        setting = service.add("stop_signal", table["stop_signal"])
        if text := service.fixed(table["stop_signal"], setting):
            service.put(setting, "stop.signal", int(text) if text.isdigit() else text)
    if "stop_grace_period" in table:
        setting = service.add("stop_grace_period", table["stop_grace_period"])
        if text := service.fixed(table["stop_grace_period"], setting):
            service.put(setting, "stop.timeout", duration(table["stop_grace_period"], text))
    else:
        service.put(None, "stop.timeout", "10s", "Compose's default, stop_grace_period: 10s")
    service.put(None, "stop.scope", "process", "Docker signals the first process of a container alone")


def presence(service: Service) -> None:
    """Translate `profiles`: a service that has some is there only with one of them."""
    value = service.value.table.get("profiles")
    if value is None or not value.items:
        return
    setting = service.add("profiles", value)
    service.put(setting, "enabled", False, "only in a profile: asyncinit run --profile NAME")
    for item in value.items if not service.missing else ():
        service.put(setting, ("profile", item.text or "", "enabled"), True)


def watch(service: Service) -> None:
    """Translate `develop.watch`: what is synchronised is the same file here; what rebuilds restarts."""
    develop = service.value.table.get("develop")
    rules = develop.table.get("watch") if develop is not None else None
    for rule in rules.items if rules is not None else ():
        setting = service.add("develop.watch", rule)
        path = rule.table["path"].text if "path" in rule.table else None
        action = rule.table["action"].text if "action" in rule.table else ""
        if action == "sync" or not path:
            service.ledger.say(setting, Verdict.NOT_NEEDED, "the program sees the files themselves")
            continue
        note = "nothing is built anew" if action == "rebuild" else ""
        service.draft.append(
            setting,
            "watch.paths",
            service.absolute(path, rule),
            note=note,
            verdict=Verdict.APPROXIMATED if note else Verdict.TRANSLATED,
        )
        ignored = [item.text or "" for item in rule.table["ignore"].items] if "ignore" in rule.table else []
        if ignored:
            service.draft.append(setting, "watch.ignore", *ignored)


def scale(service: Service) -> int | None:
    """Return how many instances there shall be, None for one: `scale`, `deploy.replicas`. Raises MigrationError."""
    table = service.value.table
    deploy = table.get("deploy")
    value = table.get("scale") or (deploy.table.get("replicas") if deploy is not None else None)
    if value is None:
        return None
    text = service.fixed(value)
    if text is None:
        return None
    found = number(value, text)
    if found > 1000:
        raise MigrationError(f"{value.where}: {printable(text)} instances are more than 1000")
    return found
