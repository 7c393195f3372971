"""What is asked and told of pods."""

from __future__ import annotations

from asyncinit.config.spec import PodInit, PodTree
from asyncinit.control.types.status import ReasonStatus
from asyncinit.control.types.wire import Wire
from asyncinit.core.status import State


class PodNamespace(Wire, frozen=True):
    """A namespace that the members share: its kind and its inode's number, by which the kernel knows it."""

    kind: str
    number: int


class PodMember(Wire, frozen=True):
    """A service in a pod: `pid` of its main process as asyncinit sees it, `inner` as the pod does."""

    name: str
    state: State
    pid: int | None
    inner: int | None


class PodStatus(Wire, frozen=True):
    """One pod.

    `service`: what it is called among services. `tree`: whose children the members are. `pid`: its PID 1 (where that is
    a member, that one). `share`: the kinds that are shared; `namespaces`: those that are there now. `control`: where
    the asyncinit in it is reached, and `inside` its services. `file`: where it is
    declared.
    """

    name: str
    service: str
    init: PodInit
    tree: PodTree
    first: str | None
    state: State
    reason: ReasonStatus | None
    pid: int | None
    since: str | None
    restarts: int
    hostname: str | None
    share: list[str]
    namespaces: list[PodNamespace]
    members: list[PodMember]
    control: str | None
    inside: list[str]
    file: str | None


class PodsParameters(Wire, frozen=True):
    """Parameters of Pods: `names` null for all."""

    names: list[str] | None = None


class PodsReply(Wire, frozen=True):
    """Reply of Pods: by name, or in the order that was asked for."""

    pods: list[PodStatus]
