"""What a service may use and do: ulimits, memory, processors, capabilities; knows no other key."""

from __future__ import annotations

from asyncinit.config.problems import printable
from asyncinit.config.sections.limits import LimitsTable
from asyncinit.config.spec import capabilities
from asyncinit.migration.compose.parsing import Value
from asyncinit.migration.compose.service import Service, is_true, number, size
from asyncinit.migration.report import MigrationError, Verdict

_SIZES = frozenset(("core", "memlock", "stack", "as", "data", "fsize", "rss", "msgqueue"))


def translate(service: Service) -> None:
    """Say what it may use; `prefer` where this machine may refuse."""
    table = service.value.table
    if "ulimits" in table:
        _ulimits(service, table["ulimits"])
    resources = {f"deploy.resources.limits.{key}": value for key, value in _resources(service).items()}
    for key, value in {**table, **resources}.items():
        if key in ("mem_limit", "deploy.resources.limits.memory"):
            _put(service, key, value, "limits.memory_max", size)
        elif key in ("pids_limit", "deploy.resources.limits.pids"):
            _put(service, key, value, "limits.pids_max", number)
        elif key in ("cpus", "deploy.resources.limits.cpus"):
            _put(service, key, value, "limits.cpu_max", _share)
        elif key in ("cpuset",):
            _put(service, key, value, "limits.cpu_affinity", lambda _, text: text)
        elif key == "oom_score_adj":
            _put(service, key, value, "limits.oom_score_adj", lambda value, text: number(value, text, -1000))
    _unmet(service)
    _capabilities(service)
    if "limits" in service.draft.data:
        service.draft.append(None, "prefer", "limits", note="not everywhere may they be set")
    if "security" in service.draft.data:
        service.draft.append(None, "prefer", "security", note="not everywhere may they be set")


def _resources(service: Service, kind: str = "limits") -> dict[str, Value]:
    found: Value | None = service.value
    for key in ("deploy", "resources", kind):
        found = found.table.get(key) if found is not None else None
    return found.table if found is not None else {}


def _unmet(service: Service) -> None:
    """Take down what is said of resources, and is no limit that there is here."""
    for key, value in _resources(service).items():
        if not service.has_said(f"deploy.resources.limits.{key}"):
            service.add(f"deploy.resources.limits.{key}", value)
    for key, value in _resources(service, "reservations").items():
        setting = service.add(f"deploy.resources.reservations.{key}", value)
        service.ledger.say(
            setting, Verdict.NOT_NEEDED, "nothing is reserved: there is one machine, and no one to choose it"
        )


def _put(service: Service, key: str, value: Value, ours: str, convert: object) -> None:
    setting = service.add(key, value)
    text = service.fixed(value, setting)
    if text is None:
        return
    if text in ("-1", "0"):
        service.ledger.say(setting, Verdict.NOT_NEEDED, "there is no limit unless it is said")
        return
    assert callable(convert)
    service.put(setting, ours, convert(value, text))


def _share(value: Value, text: str) -> str:
    try:
        percent = float(text) * 100
    except ValueError:
        raise MigrationError(f"{value.where}: {text} is no number of processors") from None
    return f"{percent:g}%"


def _ulimits(service: Service, value: Value) -> None:
    for name, item in value.table.items():
        setting = service.add(f"ulimits.{name}", item)
        if name not in {key for key in LimitsTable.__struct_encode_fields__ if key in _SIZES} | _COUNTS:
            continue

        def amount(of: Value) -> int | str:
            found = number(of, service.fixed(of) or "", -1)
            return "none" if found < 0 else found

        if item.table:
            service.put(setting, f"limits.{name}", {key: amount(each) for key, each in item.table.items()})
        else:
            service.put(setting, f"limits.{name}", amount(item))


_COUNTS = frozenset(("nofile", "nproc", "sigpending", "rtprio"))


def _names(key: str, value: Value) -> list[str]:
    """Return capabilities as asyncinit names them. Raises MigrationError for what is none."""
    names = []
    for item in value.items:
        name = (item.text or "").upper().removeprefix("CAP_")
        if name != "ALL" and name not in capabilities.NAMES:
            raise MigrationError(f"{item.where}: {key}: {printable(item.text or '')} is no capability")
        names.append("all" if name == "ALL" else f"CAP_{name}")
    return names


def _capabilities(service: Service) -> None:
    """Translate `cap_add`, `cap_drop`, `privileged` and `security_opt`: a container has Docker's usual set."""
    table = service.value.table
    added, dropped = (_names(key, table[key]) if key in table else [] for key in ("cap_add", "cap_drop"))
    without = [f"~{name}" for name in dropped if name != "all"]
    words: list[str] | str
    if "all" in added:
        words = ["all", *without]
    elif "all" in dropped:
        words = added or "none"
    else:
        words = ["docker-default", *without, *added]
    for key in ("cap_drop", "cap_add"):
        if key in table:
            service.put(service.add(key, table[key]), "security.capabilities", words)
    for item in table["security_opt"].items if "security_opt" in table else ():
        setting = service.add("security_opt", item)
        if (item.text or "").replace("=", ":") in ("no-new-privileges", "no-new-privileges:true"):
            service.put(setting, "security.no_new_privileges", True)
    if "privileged" in table:
        setting = service.add("privileged", table["privileged"])
        is_true(table["privileged"])
        service.ledger.say(setting, Verdict.NOT_NEEDED, "a service has the rights of its user, and no fewer")
