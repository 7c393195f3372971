"""Pods at run time: in which namespaces a process is made, and what can be told of a pod; decides nothing else.

A pod is a service: its run makes its PID 1 as any other's makes its main process, and its members' runs ask here where
theirs is made. What is shared stays with the sandbox of that PID 1 (`runtime.sandbox`).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from asyncinit.config.spec import Belonging, NamespaceKind, Pod, PodInit, PodTree, ServiceSpec, pod_key
from asyncinit.control.types import PodMember, PodNamespace, PodStatus, timestamp
from asyncinit.core.service import Service
from asyncinit.errors import SpawnError
from asyncinit.linux import cgroups, namespaces, proc
from asyncinit.runtime import handed
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.control.operations import RefusedError
from asyncinit.runtime.process import isolating, refusals
from asyncinit.runtime.process.plan import ExecPlan, Isolation, JoinedPids, NewPids, Pid1
from asyncinit.runtime.process.prepared import Prepared
from asyncinit.runtime.process.step import Step
from asyncinit.runtime.sandbox.sandboxes import Sandboxes
from asyncinit.runtime.snapshot import reason_status

# Those that are made and joined with the PID namespace; pid and user are in any case.
_WITH_IT = frozenset({"net", "ipc", "uts", "cgroup"})
# There is no program of the plan's: what becomes PID 1 is the sandbox's to say.
_OF_ITS_INIT = ExecPlan(("the init of the pod",), {})


class Pods:
    """The pods among `services`, and what the `sandboxes` have of each; `address` is that of our control socket."""

    def __init__(
        self,
        services: Mapping[str, Service],
        sandboxes: Sandboxes,
        announcer: Announcer,
        address: Callable[[], str | None],
    ) -> None:
        self._services = services
        self._sandboxes = sandboxes
        self._announcer = announcer
        self._address = address

    # -----------------------------------------------------------------------------------------------------------------
    # Where processes are made

    def init_plan(self, spec: ServiceSpec, prepared: Prepared | None) -> ExecPlan:
        """Return the plan for the simple init of a pod, for which all is `prepared`."""
        assert spec.sandbox is not None and prepared is not None
        return replace(_OF_ITS_INIT, placement=_made(spec.sandbox, Pid1.POD, prepared.cgroup))

    def placed(self, spec: ServiceSpec, plan: ExecPlan) -> ExecPlan:
        """Return the plan for a process of a service as it is made where the service is. Raises SpawnError."""
        if spec.sandbox is not None:
            return replace(plan, placement=_made(spec.sandbox, Pid1.PROGRAM))
        if spec.pod is None:
            return plan
        service = self._services.get(pod_key(spec.pod))
        if service is None or service.spec.sandbox is None:
            raise SpawnError(f"join pod {spec.pod}", 0, "it is not declared")
        pod = service.spec.sandbox
        if pod.first == spec.name:
            return replace(plan, placement=_made(pod, Pid1.PROGRAM))
        init = self.init(pod, service)
        if init is None:
            raise SpawnError(f"join pod {spec.pod}", 0, "it is not up")
        inside = pod.init is PodInit.SIMPLE and pod.tree is PodTree.INSIDE
        joined = frozenset(filter(lambda kind: _joins(spec, kind), _WITH_IT & set(pod.share)))
        return replace(plan, placement=JoinedPids(init, inside, joined))

    # -----------------------------------------------------------------------------------------------------------------
    # What is told

    def statuses(self, names: Sequence[str] | None) -> list[PodStatus]:
        """Return every pod, by name; or those of `names`, in that order. Raises RefusedError for one that is none."""
        known = {one.spec.pod_name: one for one in self._services.values() if one.spec.sandbox is not None}
        for name in names or ():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                raise RefusedError(f"no such pod: {name}" + (f"; did you mean {near[0]}?" if near else ""))
        return [self._status(name, known[name]) for name in (sorted(known) if names is None else dict.fromkeys(names))]

    def _status(self, name: str, service: Service) -> PodStatus:
        pod = service.spec.sandbox
        assert pod is not None
        init = self.init(pod, service)
        since = self._announcer.times(service.name).since
        return PodStatus(
            name=name,
            service=service.name,
            init=pod.init,
            tree=pod.tree,
            first=pod.first,
            state=service.state,
            reason=reason_status(service.reason),
            pid=init,
            since=None if since is None else timestamp(since),
            restarts=service.restarts,
            hostname=pod.hostname,
            share=list(pod.share),
            namespaces=self._numbers(init),
            members=[_member(one) for key, one in sorted(self._services.items()) if one.spec.pod == name],
            control=self._control(name, pod),
            inside=[one.name for one in service.spec.inner],
            file=service.spec.origin or None,
        )

    def _control(self, name: str, pod: Pod) -> str | None:
        return handed.socket_of(name, self._address()) if pod.init is PodInit.ASYNCINIT else None

    def init(self, pod: Pod, service: Service) -> int | None:
        """Return the PID 1 of a pod: its own main process, or that of the member which it is."""
        if pod.init is PodInit.FIRST:
            first = self._services.get(pod.first or "")
            return first.main if first is not None else None
        return service.main

    def _numbers(self, init: int | None) -> list[PodNamespace]:
        if init is None:
            return []
        sandbox = self._sandboxes.of(init)
        found = sandbox.namespaces.items() if sandbox is not None else ()
        return [PodNamespace(kind=kind, number=os.fstat(fd).st_ino) for kind, fd in found]


def _made(pod: Pod, pid1: Pid1, cgroup: str | None = None) -> NewPids:
    """Return how the PID 1 of a pod is made, with all that is shared."""
    steps = [] if cgroup is None else [Step("join its cgroup", cgroups.join, (cgroup,))]
    if pod.hostname is not None:
        steps.append(Step(f"set the host name {pod.hostname}", namespaces.set_hostname, (pod.hostname,)))
    if "net" in pod.share:
        steps.append(Step("bring loopback up", refusals.bring_loopback_up))
    users = Isolation(own=frozenset({NamespaceKind.USER}), uid_map=pod.uid_map, gid_map=pod.gid_map)
    user = isolating.user_step(users) if "user" in pod.share else None
    return NewPids(pid1, _WITH_IT.intersection(pod.share), shared=True, user=user, steps=tuple(steps))


def _joins(spec: ServiceSpec, kind: str) -> bool:
    """Tell whether a member shares the pod's namespace of this kind: unless it says otherwise."""
    return getattr(spec.namespaces, kind) is Belonging.POD


def _member(service: Service) -> PodMember:
    pid = service.main
    numbers = proc.status_field(pid, "NSpid").split() if pid is not None else []
    inner = int(numbers[-1]) if numbers else None
    return PodMember(name=service.name, state=service.state, pid=pid, inner=inner)
