"""Pods as files declare them: where they are found, what they resolve to, and what is told of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config.check import check
from asyncinit.config.load import Loaded, read
from asyncinit.config.show import show
from asyncinit.config.spec import Belonging, Namespaces, Pod, PodInit, PodTree, RestartPolicy, Security, ServiceType
from tests.unit.config_world import NOWHERE, told, write

COMMAND = 'command = ["x"]\n'
MEMBER = 'command = ["x"]\npod = "shop"\n'


def load(folder: Path, pod: str, **services: str) -> Loaded:
    """Read a pod `shop` and services, each with the text of its file."""
    write(folder, {"pods.d/shop.toml": pod} | {f"services.d/{name}.toml": text for name, text in services.items()})
    return read(None, [str(folder / "services.d")], root=NOWHERE)


def problems(folder: Path, pod: str, **services: str) -> list[str]:
    return [told(problem) for problem in load(folder, pod, **services).problems]


class TestMembers:
    """What a pod is among services."""

    def test_a_pod_is_a_service_that_its_members_are_bound_to(self, tmp_path: Path) -> None:
        """So that they start after it, go down with it and come back after it."""
        loaded = load(tmp_path, "", web=MEMBER, db=MEMBER, alone='command = ["x"]')
        services = loaded.configuration.services
        assert not loaded.problems
        assert services["pod:shop"].type is ServiceType.POD
        assert services["pod:shop"].sandbox == Pod(hostname="shop")
        assert [services[name].binds_to for name in ("web", "db", "alone")] == [("pod:shop",), ("pod:shop",), ()]

    def test_a_service_shows_its_pod_and_no_edge(self, tmp_path: Path) -> None:
        """What is shown declares the same service."""
        shown = show(load(tmp_path, "", web=MEMBER).configuration, "web")
        assert 'pod = "shop"' in shown
        assert "pod:shop" not in shown

    def test_a_pod_is_shown_with_the_origin_of_each_value(self, tmp_path: Path) -> None:
        """As a service is."""
        shown = show(load(tmp_path, 'share = ["pid"]\nrestart = "never"', web=MEMBER).configuration, "pod:shop")
        lines = {line.split(" = ")[0]: line.rpartition("# ")[2] for line in shown.splitlines() if " = " in line}
        assert lines["share"].endswith("pods.d/shop.toml:1")
        assert lines["policy"].endswith("pods.d/shop.toml:2")
        assert lines["init"] == "default"

    def test_an_instance_is_a_member_of_the_pod_that_its_template_names(self, tmp_path: Path) -> None:
        """`${INSTANCE}` is replaced there too."""
        write(tmp_path, {"services.d/web@.toml": 'command = ["x"]\npod = "${INSTANCE}"\ninstances = ["shop"]'})
        services = load(tmp_path, "").configuration.services
        assert services["web@shop"].binds_to == ("pod:shop",)

    def test_defaults_can_put_every_service_into_a_pod_but_no_target(self, tmp_path: Path) -> None:
        """A target has no process."""
        write(
            tmp_path,
            {
                "asyncinit.toml": '[defaults]\npod = "shop"\n[pods.shop]\n[services.web]\ncommand = ["x"]\n'
                '[services.all]\ntype = "target"'
            },
        )
        services = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE).configuration.services
        assert (services["web"].pod, services["all"].pod) == ("shop", None)

    def test_a_member_of_a_wrong_pod_is_left_out_with_it(self, tmp_path: Path) -> None:
        """Half a sandbox is none."""
        loaded = load(tmp_path, 'share = "net"', web=MEMBER, alone='command = ["x"]')
        assert set(loaded.configuration.services) == {"alone"}

    def test_drop_ins_are_laid_over_a_pod(self, tmp_path: Path) -> None:
        """As over a service."""
        write(tmp_path, {"pods.d/shop.d/10.toml": 'hostname = "till"'})
        services = load(tmp_path, 'hostname = "shop"\ntree = "outside"').configuration.services
        assert services["pod:shop"].sandbox == Pod(hostname="till", tree=PodTree.OUTSIDE)


class TestNamespaces:
    """What a member shares."""

    def test_a_member_is_in_what_its_pod_shares_and_has_mounts_of_its_own(self, tmp_path: Path) -> None:
        """So that its /proc is the pod's."""
        spec = load(tmp_path, 'share = ["pid", "net"]', web=MEMBER).configuration.services["web"]
        assert spec.namespaces == Namespaces(pid=Belonging.POD, net=Belonging.POD, mount=Belonging.PRIVATE)

    def test_a_member_may_keep_to_itself_what_others_share(self, tmp_path: Path) -> None:
        """But not the PID namespace, which makes the pod."""
        own = 'namespaces = { ipc = "private", uts = "host" }'
        spec = load(tmp_path, "", web=MEMBER + own).configuration.services["web"]
        assert (spec.namespaces.ipc, spec.namespaces.uts) == (Belonging.PRIVATE, Belonging.HOST)

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            (
                'pid = "private"',
                '3: namespaces.pid: cannot be used here: it is in pod shop, whose members share it (found "private", '
                'expected "pod")',
            ),
            (
                'net = "pod"',
                '3: namespaces.net: is for what pod shop shares, and that is pid, ipc, uts (found "pod")',
            ),
            (
                'mount = "host"',
                "3: namespaces.mount: cannot be used here: it is in pod shop, and what /proc shows is the pod's "
                '(found "host", expected "private")',
            ),
        ],
    )
    def test_what_cannot_be_is_told(self, tmp_path: Path, said: str, expected: str) -> None:
        """With what the pod shares."""
        assert problems(tmp_path, "", web=MEMBER + f"namespaces = {{ {said} }}") == [expected]


class TestSecurity:
    """What a member gives up."""

    def test_a_member_has_what_docker_gives_less_the_making_of_devices(self, tmp_path: Path) -> None:
        """And cannot tune the kernel; a service of no pod is as asyncinit is."""
        services = load(tmp_path, "", web=MEMBER, alone='command = ["x"]').configuration.services
        assert services["web"].security == Security(capabilities=("docker-default", "~MKNOD"), protect_kernel=True)
        assert services["alone"].security == Security()

    def test_its_own_word_counts(self, tmp_path: Path) -> None:
        """Key by key."""
        own = '[security]\ncapabilities = ["all"]\nprotect_kernel = false'
        spec = load(tmp_path, "", web=MEMBER + own).configuration.services["web"]
        assert spec.security == Security(capabilities=("all",))


class TestFirst:
    """A pod whose PID 1 is a member."""

    def test_the_others_are_bound_to_the_pod_and_the_pod_to_the_first(self, tmp_path: Path) -> None:
        """When the first one dies, the kernel ends all."""
        loaded = load(tmp_path, 'init = "first"\nfirst = "db"', web=MEMBER, db=MEMBER)
        services = loaded.configuration.services
        assert not loaded.problems
        assert {name: spec.binds_to for name, spec in services.items()} == {
            "db": (),
            "pod:shop": ("db",),
            "web": ("pod:shop",),
        }
        assert services["pod:shop"].sandbox == Pod(init=PodInit.FIRST, first="db", hostname="shop")
        assert not services["pod:shop"].has_process

    def test_a_single_member_is_the_first(self, tmp_path: Path) -> None:
        """Nothing else could be."""
        services = load(tmp_path, 'init = "first"', web=MEMBER).configuration.services
        assert services["pod:shop"].binds_to == ("web",)


class TestAsyncinitInside:
    """A pod whose PID 1 is an asyncinit."""

    def test_its_members_are_that_ones_services(self, tmp_path: Path) -> None:
        """From outside they are one service, which needs no other simple init."""
        loaded = load(tmp_path, 'init = "asyncinit"', web=MEMBER + 'requires = ["db"]', db=MEMBER, alone=COMMAND)
        services = loaded.configuration.services
        assert not loaded.problems
        assert set(services) == {"alone", "pod:shop"}
        assert [one.name for one in services["pod:shop"].inner] == ["db", "web"]
        assert services["pod:shop"].restart.policy is RestartPolicy.ON_FAILURE

    def test_who_starts_one_of_them_starts_the_pod(self, tmp_path: Path) -> None:
        """That one starts what is enabled."""
        write(tmp_path, {"asyncinit.toml": '[init]\nstart = ["web"]', "pods.d/shop.toml": 'init = "asyncinit"'})
        write(tmp_path, {"services.d/web.toml": MEMBER})
        assert read(str(tmp_path / "asyncinit.toml"), root=NOWHERE).configuration.init.start == ("pod:shop",)

    @pytest.mark.parametrize(
        ("web", "alone", "expected"),
        [
            (MEMBER + 'requires = ["alone"]', COMMAND, "names alone, which is not in pod shop"),
            (MEMBER, COMMAND + 'after = ["web"]', "names web, which is in pod shop"),
        ],
    )
    def test_no_edge_crosses_its_border(self, tmp_path: Path, web: str, alone: str, expected: str) -> None:
        """Nobody could keep to it."""
        found = problems(tmp_path, 'init = "asyncinit"', web=web, alone=alone)
        assert len(found) == 1
        assert expected + ", and that has an asyncinit of its own" in found[0]


@pytest.mark.parametrize(
    ("pod", "services", "expected"),
    [
        (
            "",
            {"web": 'command = ["x"]\npod = "shpo"'},
            '2: pod: names "shpo", and there is no such pod; did you mean "shop"?',
        ),
        ("user = 3", {}, "1: user: is a key of a service, not of a pod"),
        ('hostnam = "x"', {}, "1: hostnam: is not a key of a pod; did you mean hostname?"),
        (
            'init = "frist"',
            {},
            '1: init: found "frist", expected one of "asyncinit", "first", "simple"; did you mean "first"?',
        ),
        ('first = "web"', {}, '1: first: is for a pod whose PID 1 is a member: it needs init = "first"'),
        (
            'init = "asyncinit"\ntree = "outside"',
            {},
            '2: tree: is for a pod with init = "simple", and this has init = "asyncinit"',
        ),
        (
            'share = ["net"]',
            {},
            '1: share: leaves out pid, which the members of a pod always share (found ["net"]); '
            'did you mean ["pid", "net"]?',
        ),
        (
            'share = ["pid"]\nhostname = "x"',
            {},
            "2: hostname: is for a pod with a host name of its own: share has no uts",
        ),
        (
            'uid_map = ["0:1000:1"]',
            {},
            "1: uid_map: is for a pod with users of its own: share has no user",
        ),
        (
            'share = ["pid", "user"]\nuid_map = ["0:1000:1"]',
            {},
            "2: uid_map: is half a mapping (expected gid_map beside it)",
        ),
        (
            'init = "first"',
            {"web": MEMBER, "db": MEMBER},
            'None: first: is missing: db, web are members, and one of them is PID 1 (expected first = "db")',
        ),
        ('init = "first"', {}, '1: init: is "first", and no service is in this pod to be its PID 1'),
        (
            'init = "first"\nfirst = "db"',
            {"web": MEMBER, "db": 'command = ["x"]'},
            '2: first: names "db", which is not in this pod (expected pod = "shop" there)',
        ),
        (
            'init = "first"\nrestart = "never"',
            {"web": MEMBER},
            '2: restart: cannot be used here: with init = "first" it is the [restart] of the member that is PID 1',
        ),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, pod: str, services: dict[str, str], expected: str) -> None:
    """Each names the key, what was found and what was expected."""
    assert problems(tmp_path, pod, **({"other": 'command = ["x"]'} | services)) == [expected]


def test_a_first_member_that_needs_another_one_waits_for_itself(tmp_path: Path) -> None:
    """The other waits for the pod, which is there with the first."""
    found = problems(tmp_path, 'init = "first"\nfirst = "web"', web=MEMBER + 'requires = ["db"]', db=MEMBER)
    assert len(found) == 1
    assert "pod: waits for itself: db -> pod:shop -> web -> db" in found[0]


def test_a_pod_that_nobody_declares_is_named_with_the_file_that_it_would_have(tmp_path: Path) -> None:
    """Where there is no pod at all it is the place that is not known."""
    write(tmp_path, {"services.d/web.toml": MEMBER})
    found = read(None, [str(tmp_path / "services.d")], root=NOWHERE).problems
    assert [told(problem) for problem in found] == [
        '2: pod: names "shop", and there is no such pod (expected a file pods.d/shop.toml, or [pods.shop])'
    ]


class TestFolders:
    """Where pods are looked for."""

    def test_a_folder_of_another_name_has_no_pods_beside_it(self, tmp_path: Path) -> None:
        """Beside /tmp/x anybody could put one."""
        write(tmp_path, {"pods.d/shop.toml": "", "mine/web.toml": MEMBER})
        assert len(read(None, [str(tmp_path / "mine")], root=NOWHERE).problems) == 1

    def test_of_two_files_with_the_same_name_the_later_folder_wins(self, tmp_path: Path) -> None:
        """The administrator's over the package's."""
        write(
            tmp_path,
            {
                "usr/lib/asyncinit/pods.d/shop.toml": 'hostname = "lib"',
                "etc/asyncinit/pods.d/shop.toml": 'hostname = "etc"',
                "etc/asyncinit/services.d/web.toml": MEMBER,
            },
        )
        services = read(root=str(tmp_path)).configuration.services
        assert services["pod:shop"].sandbox == Pod(hostname="etc")

    def test_init_names_others(self, tmp_path: Path) -> None:
        """Seen from the file, as its folders of services."""
        write(
            tmp_path,
            {
                "asyncinit.toml": '[init]\npods = ["sandboxes"]',
                "services.d/web.toml": MEMBER,
                "sandboxes/shop.toml": "",
                "pods.d/other.toml": "",
            },
        )
        services = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE).configuration.services
        assert set(services) == {"web", "pod:shop"}

    def test_what_is_declared_twice_is_told(self, tmp_path: Path) -> None:
        """In the file and in a folder."""
        write(tmp_path, {"asyncinit.toml": "[pods.shop]", "services.d/web.toml": MEMBER, "pods.d/shop.toml": ""})
        found = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE).problems
        assert [problem.service for problem in found] == ["pod:shop"]
        assert "declares pod shop, which [pods.shop] in" in found[0].text

    def test_an_odd_name_is_told(self, tmp_path: Path) -> None:
        """A template of pods is none."""
        assert problems(tmp_path, "", web=MEMBER) == []
        write(tmp_path, {"pods.d/x@.toml": ""})
        assert [one.split(": ", 2)[2] for one in problems(tmp_path, "", web=MEMBER)] == [
            'has a name that no pod can have (expected a name of letters, digits, "_", "." and "-" that begins with a '
            "letter or digit and .toml)"
        ]

    def test_one_file_can_be_checked(self, tmp_path: Path) -> None:
        """In the company of its folder and of the services beside it."""
        load(tmp_path, 'hostnam = "x"', web=MEMBER + "x = 1")
        found = check([str(tmp_path / "pods.d/shop.toml")], root=NOWHERE)
        assert [told(problem) for problem in found.problems] == [
            "1: hostnam: is not a key of a pod; did you mean hostname?"
        ]
