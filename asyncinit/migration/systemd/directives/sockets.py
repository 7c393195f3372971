"""[Socket]: what is opened for the service of a socket."""

from __future__ import annotations

from typing import Any

from asyncinit.config import addresses
from asyncinit.config.values import BadValueError
from asyncinit.migration.report import Setting, Verdict
from asyncinit.migration.systemd.directives.execution import kind_of
from asyncinit.migration.systemd.words import Untranslatable, boolean
from asyncinit.migration.systemd.work import Directive, Table, Work, each, literal, lost, needless, one


def _listen(internet: str, local: str) -> Directive:
    def function(work: Work, setting: Setting) -> None:
        text = work.text(setting)
        table = _address(text, internet, local)
        work.append(setting, "sockets", table)

    return each(f"`{internet}` or `{local}` of a `[[sockets]]`", function)


def _address(text: str, internet: str, local: str) -> dict[str, Any]:
    if text.startswith(("/", "@")):
        key, address, check = local, literal(text), addresses.listen_unix
    elif text.startswith("vsock:"):
        raise Untranslatable("there are no sockets between virtual machines")
    else:
        key, address, check = internet, f"*:{text}" if text.isdigit() else text, addresses.listen
    try:
        check(address)
    except BadValueError as error:
        raise Untranslatable(f"no address here: {error}") from None
    return {key: address}


def _of_all(key: str, families: tuple[str, ...], read: Any) -> Directive:
    """Return a directive that is a key of each of the unit's sockets that it means something for."""

    def function(work: Work, setting: Setting) -> None:
        value = read(work.text(setting))
        tables = [
            {**table, key: value} if value is not None and _concerns(families, table) else table
            for table in work.draft.get("sockets", [])
        ]
        if tables == work.draft.get("sockets", []):
            work.needless(setting, "means nothing for its sockets, or is the default")
        else:
            work.put(setting, "sockets", tables)

    return one(f"`{key}` of `[[sockets]]`", function)


def _concerns(families: tuple[str, ...], table: dict[str, Any]) -> bool:
    """Tell whether a key means something for a socket: those of files mean nothing for an abstract name."""
    abstract = families == _FILES and any(str(table.get(family, "")).startswith("@") for family in _FILES)
    return not abstract and any(family in table for family in families)


_INTERNET = ("tcp", "udp")
_STREAMS = ("tcp", "unix")
_FILES = ("unix", "unix_datagram")


def _yes(text: str) -> bool | None:
    return True if boolean(text) else None


def _number(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 2**31:
        raise Untranslatable("is no number of connections")
    return min(int(text), 65535)


def _name(text: str) -> str:
    try:
        return addresses.socket_name(text)
    except BadValueError:
        raise Untranslatable("is no name of a socket") from None


def _ipv6_only(text: str) -> bool | None:
    return True if text == "ipv6-only" else None


def _accept(work: Work, setting: Setting) -> None:
    if boolean(setting.value):
        raise Untranslatable("no instance is started for each connection; the service has to take them itself")
    work.kept(setting, "it is so here")


def _service(work: Work, setting: Setting) -> None:
    work.kept(setting, f"the sockets are a part of {work.draft.name} here")


def _hooks(work: Work, setting: Setting) -> None:
    raise Untranslatable("a socket has no commands; hooks are its service's")


SOCKET: Table = {
    "Service": one("the service that has the `[[sockets]]`", _service),
    "ListenStream": _listen("tcp", "unix"),
    "ListenDatagram": _listen("udp", "unix_datagram"),
    "ListenSequentialPacket": lost("sockets are streams or take datagrams"),
    "ListenFIFO": lost("no FIFO is opened"),
    "ListenSpecial": lost("no special file is opened"),
    "ListenNetlink": lost("no netlink socket is opened"),
    "ListenMessageQueue": lost("no message queue is opened"),
    "ListenUSBFunction": lost("USB gadgets are beyond asyncinit"),
    "Accept": one("not needed: no", _accept),
    "FileDescriptorName": _of_all("name", (*_INTERNET, *_FILES), _name),
    "BindIPv6Only": _of_all("ipv6_only", _INTERNET, _ipv6_only),
    "Backlog": _of_all("backlog", _STREAMS, _number),
    "ReusePort": _of_all("reuse_port", _INTERNET, _yes),
    "FreeBind": _of_all("freebind", _INTERNET, _yes),
    "SocketUser": _of_all("user", _FILES, str),
    "SocketGroup": _of_all("group", _FILES, str),
    "SocketMode": _of_all("mode", _FILES, lambda text: text.zfill(4)),
    "DirectoryMode": lost("folders of sockets have the mode 0755"),
    "Symlinks": lost("no links are made to a socket"),
    "RemoveOnStop": lost("sockets stay while asyncinit runs"),
    "FlushPending": needless("who waits is served when the service is back"),
    "Writable": needless("it is for special files"),
    "SELinuxContextFromNet": lost("the policy decides"),
    "ExecStartPre": each("no equivalent", _hooks),
    "ExecStartPost": each("no equivalent", _hooks),
    "ExecStopPre": each("no equivalent", _hooks),
    "ExecStopPost": each("no equivalent", _hooks),
    "TimeoutSec": needless("a socket has no commands"),
    **dict.fromkeys(
        (
            *("KeepAlive", "KeepAliveTimeSec", "KeepAliveIntervalSec", "KeepAliveProbes", "NoDelay", "Priority"),
            *("DeferAcceptSec", "ReceiveBuffer", "SendBuffer", "IPTOS", "IPTTL", "Mark", "SmackLabel", "PipeSize"),
            *("TCPCongestion", "Transparent", "Broadcast", "PassCredentials", "PassSecurity", "PassPacketInfo"),
            *("Timestamping", "BindToDevice", "SocketProtocol", "MessageQueueMaxMessages", "MessageQueueMessageSize"),
            *("MaxConnections", "MaxConnectionsPerSource", "TriggerLimitIntervalSec", "TriggerLimitBurst"),
            *("PollLimitIntervalSec", "PollLimitBurst", "PassFileDescriptorsToExec", "AcceptFileDescriptors"),
        ),
        lost("a socket has no such option here"),
    ),
}


def settle(work: Work, service: Work, *, starts: bool) -> None:
    """Say what sockets make of their service: it is started by a connection, unless it starts itself."""
    draft = work.draft
    if not draft.get("sockets"):
        return
    if starts and not _names(service, str(work.unit.name)):
        # Whether the socket is enabled beside it is up to who runs systemd; most services cannot take one from it then.
        for setting in draft.drop("sockets"):
            note = "its service is started at boot, does not ask for the socket, and opens it itself"
            work.world.ledger.say(setting, Verdict.NOT_NEEDED, note, anew=True)
        return
    if kind_of(service) == "oneshot":
        for setting in draft.drop("sockets"):
            work.lost(setting, "a oneshot completes, and serves nobody")
        return
    _out_of_runtime_folder(work)
    _open_to_all(work)
    if not starts:
        draft.put(None, "on_demand", True, "the socket starts it, and not the boot")


def _open_to_all(work: Work) -> None:
    """Where SocketMode= says nothing, systemd has everybody connect."""
    tables = [
        {**table, "mode": "0666"} if _concerns(_FILES, table) and "mode" not in table else table
        for table in work.draft.get("sockets", [])
    ]
    if tables != work.draft.get("sockets"):
        work.put(None, "sockets", tables, "mode: systemd's default where SocketMode= says nothing")


def _names(service: Work, socket: str) -> bool:
    """Tell whether a service asks for a socket that belongs to it."""
    unit = service.unit
    places = (("Service", "Sockets"), ("Install", "Also"), *(("Unit", key) for key in ("Requires", "Wants", "After")))
    return any(socket in setting.value.split() for section, key in places for setting in unit.all(section, key))


def _out_of_runtime_folder(work: Work) -> None:
    """A runtime folder is removed at each end of a service, and its socket would go with it: it is no such folder."""
    draft = work.draft
    for name in list(draft.get("directories.runtime", [])):
        inside = [
            table
            for table in draft.get("sockets", [])
            if any(str(table.get(key, "")).startswith(f"/run/{name}/") for key in _FILES)
        ]
        if inside:
            rest = [one for one in draft.get("directories.runtime") if one != name]
            settings = draft.drop("directories.runtime")
            if rest:
                draft.put(None, "directories.runtime", rest)
            elif not draft.get("directories"):
                draft.data.pop("directories", None)
            for setting in settings:
                work.world.ledger.say(
                    setting,
                    Verdict.APPROXIMATED,
                    f"/run/{name} is made for its socket, and stays when the service has ended",
                )
