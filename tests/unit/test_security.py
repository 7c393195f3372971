"""[security]: what its values mean, its profile, what they must agree on, and how they are shown again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from asyncinit.config import rights, spec
from asyncinit.config.merge import check_table, laid_over
from asyncinit.config.sections import security
from asyncinit.config.sections.pods import secured
from asyncinit.config.spec import Landlock, ProtectHome, ProtectSystem, Seccomp, Security
from asyncinit.config.spec.capabilities import ALL, DOCKER_DEFAULT, NAMES, bits, names
from asyncinit.config.spec.system_calls import SETS, calls
from asyncinit.config.values import BadValueError


def resolved(table: Any) -> spec.Security:
    full = laid_over({}, {"security": table})["security"]
    return security.resolve(security.in_full(msgspec.convert(full, security.SecurityTable)))


def test_nothing_is_given_up_without_a_key() -> None:
    """An empty table is as none."""
    assert not resolved({})
    assert resolved({"capabilities": "none"})
    assert resolved({"no_new_privileges": False})
    assert not resolved({"landlock": {}})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("none", 0),
        ([], 0),
        ("all", ALL),
        (["KILL"], 1 << 5),
        (["CAP_CHOWN", "CAP_KILL"], 1 | 1 << 5),
        (["docker-default", "~CAP_KILL"], sum(1 << NAMES.index(name) for name in DOCKER_DEFAULT - {"KILL"})),
        (["~CAP_KILL"], ALL & ~(1 << 5)),
        (["CAP_KILL", "none"], 1 << 5),
        (["none", "CAP_KILL"], 1 << 5),
    ],
)
def test_sets_of_capabilities(words: Any, expected: int) -> None:
    """Names with and without CAP_, sets, and what is taken out, of all where nothing stands before it."""
    assert bits(resolved({"capabilities": words}).capabilities or ()) == expected


def test_names_of_capabilities_are_their_numbers() -> None:
    """The ends of the kernel's list and some between; what is newer than ours has its number."""
    assert [NAMES.index(name) for name in ("CHOWN", "SETUID", "SYS_ADMIN", "CHECKPOINT_RESTORE")] == [0, 7, 21, 40]
    assert names(1 | 1 << 21 | 1 << 60) == ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_60"]


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("cap_net_admin", '"CAP_NET_ADMIN"'),
        ("CAP_NET_ADMN", '"CAP_NET_ADMIN"'),
        ("~kill", '"~CAP_KILL"'),
        ("everything", ""),
        ("", ""),
    ],
)
def test_what_is_no_capability(word: str, suggestion: str) -> None:
    """It is refused, and what was meant is told."""
    with pytest.raises(BadValueError) as caught:
        rights.capability(word)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("word", ["@systemservice", "@", "Open", "a b", "", "1st"])
def test_what_is_no_system_call(word: str) -> None:
    """Names of sets are known; those of calls have a form."""
    with pytest.raises(BadValueError):
        rights.system_call(word)


@pytest.mark.parametrize("word", ["usr", "~/x", "", "$HOME/x", "--/usr"])
def test_what_is_no_path(word: str) -> None:
    """Rules take absolute paths, or such that begin with a variable."""
    with pytest.raises(BadValueError):
        rights.rule_path(word)


@pytest.mark.parametrize("word", ["", ".", "..", "a/b", "x" * 256, "\u00e4" * 128])
def test_what_is_no_name_of_a_credential(word: str) -> None:
    """It is the name of a file."""
    with pytest.raises(BadValueError):
        rights.credential_name(word)


def test_sets_of_system_calls() -> None:
    """Each has some, each call once, and names of sets are replaced by what is in them."""
    for name in SETS:
        found = calls([name])
        assert found
        assert len(found) == len(set(found))
        assert not any(word.startswith("@") for word in found)
    assert {"mount", "execve", "read"} - set(calls(["@system-service"])) == {"mount"}
    assert calls(["@swap", "read", "@swap"]) == ["swapoff", "swapon", "read"]


def test_the_short_form_of_seccomp() -> None:
    """A list is what is allowed."""
    assert resolved({"seccomp": ["@system-service"]}).seccomp == Seccomp(("@system-service",))
    table = {"deny": ["ptrace"], "action": "kill"}
    assert resolved({"seccomp": table}).seccomp == Seccomp(None, ("ptrace",), "kill")


def test_who_can_gain_nothing() -> None:
    """seccomp and landlock take it along, unless it is refused."""
    assert not resolved({"capabilities": "none"}).gains_nothing
    assert resolved({"seccomp": ["@system-service"]}).gains_nothing
    assert resolved({"landlock": {"read": ["/usr"]}}).gains_nothing
    assert not resolved({"landlock": {"read": []}, "no_new_privileges": False}).gains_nothing


def test_the_strict_profile() -> None:
    """The short form is the profile alone; a key beside the profile counts instead of the profile's."""
    strict = resolved("strict")
    assert strict == resolved({"profile": "strict"})
    assert strict.gains_nothing
    assert strict.capabilities == ()
    assert strict.seccomp == Seccomp(("@system-service",))
    assert strict.private_tmp and strict.private_dev and strict.protect_kernel
    assert (strict.protect_system, strict.protect_home) == (ProtectSystem.STRICT, ProtectHome.YES)
    own = {"capabilities": ["CAP_KILL"], "seccomp": {"deny": ["@mount"]}, "no_new_privileges": False}
    own |= {"private_tmp": False, "protect_system": False, "protect_home": "read-only"}
    other = resolved({"profile": "strict", **own})
    assert other.capabilities == ("CAP_KILL",)
    assert other.seccomp == Seccomp(None, ("@mount",))
    assert other.no_new_privileges is False
    assert not other.private_tmp
    assert other.private_dev
    assert (other.protect_system, other.protect_home) == (ProtectSystem.NO, ProtectHome.READ_ONLY)


def test_a_profile_below_other_keys() -> None:
    """A drop-in's table is laid over the short form of what is below it, and the reverse."""
    assert laid_over({"security": "strict"}, {"security": {"capabilities": ["CAP_KILL"]}}) == {
        "security": {"profile": "strict", "capabilities": ["CAP_KILL"]}
    }


@pytest.mark.parametrize(
    "table",
    [
        "strict",
        {"profile": "strict", "no_new_privileges": False, "capabilities": "all"},
        {"no_new_privileges": False},
        {"capabilities": "none"},
        {"capabilities": ["~CAP_KILL"], "ambient_capabilities": ["CAP_CHOWN"]},
        {"seccomp": {"deny": ["@mount"]}},
        {"seccomp": {"allow": [], "action": "kill"}},
        {"seccomp": []},
        {"landlock": {"read": [], "write": ["-/tmp"], "bind_tcp": [80]}},
        {"private_tmp": True, "protect_system": True, "protect_home": True, "hidden_paths": ["/a", "-/b"]},
        {"private_dev": True, "protect_system": "full", "protect_home": "read-only", "protect_kernel": True},
        {"protect_system": "strict", "write_paths": ["${STATE_DIRECTORY}"], "read_only_paths": ["/a"]},
        {"credentials": {"key": "/etc/key", "other": "-${HOME}/x"}},
    ],
)
def test_what_is_shown_declares_the_same(table: Any) -> None:
    """`show` gives the keys that resolve to what they were made of."""
    found = resolved(table)
    assert resolved(security.declare(found)) == found


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"capabilities": "none", "ambient_capabilities": ["CAP_KILL"]}, "ambient_capabilities"),
        ({"profile": "strict", "ambient_capabilities": ["CAP_KILL"]}, "ambient_capabilities"),
        ({"seccomp": {"action": "kill"}}, "seccomp"),
        ({"seccomp": {"deny": []}}, "seccomp"),
    ],
)
def test_what_cannot_stand_together(table: dict[str, Any], key: str) -> None:
    """It is told by key."""
    assert [finding.key for finding in check_table({"security": table})] == [("security", key)]


def test_mounts_need_a_namespace_of_the_services_own() -> None:
    """Who says that it shares asyncinit's is told, for each key that says something."""
    table = {"private_tmp": True, "private_dev": False, "credentials": {"a": "/b"}, "hidden_paths": []}
    found = check_table({"security": table, "namespaces": {"mount": "host"}})
    assert [finding.key for finding in found] == [("security", "credentials"), ("security", "private_tmp")]
    assert list(check_table({"security": table, "namespaces": {"mount": "private"}})) == []


def test_a_profile_of_nothing() -> None:
    """One service is left out of what the defaults give to all."""
    assert not resolved("none")
    assert laid_over({"security": "strict"}, {"security": "none"}) == {"security": {"profile": "none"}}


def test_a_member_of_a_pod() -> None:
    """It has Docker's capabilities, without devices, and what it asked for, unless it says itself what it has."""
    plain = ("docker-default", "~MKNOD")
    assert secured(Security(), {}).capabilities == plain
    assert secured(Security(ambient_capabilities=("CAP_SYS_NICE",)), {}).capabilities == (*plain, "CAP_SYS_NICE")
    assert secured(Security(capabilities=("all",)), {}).capabilities == ("all",)


@pytest.mark.parametrize(
    "table",
    [
        {"capabilities": ["CAP_KILL"], "ambient_capabilities": ["KILL"]},
        {"capabilities": ["CAP_NO_SUCH"], "ambient_capabilities": ["CAP_KILL"]},
        {"capabilities": 5, "ambient_capabilities": [5]},
        {"seccomp": {"allow": []}},
        {"profile": [{}], "ambient_capabilities": {"a": 1}},
        {"profile": [{}], "seccomp": {"deny": {"a": [{}]}}},
        {"profile": "strict", "capabilities": ["CAP_KILL"], "ambient_capabilities": ["CAP_KILL"]},
    ],
)
def test_what_can_stand_together(table: dict[str, Any]) -> None:
    """What is wrong in itself is told elsewhere."""
    assert list(check_table({"security": table})) == []


def test_landlock_resolves_each_list() -> None:
    """An absent list says nothing, an empty one that there is nothing."""
    found = resolved({"landlock": {"write": [], "connect_tcp": [443, 443]}})
    assert found.landlock == Landlock(write=(), connect_tcp=(443,))
    assert found == Security(landlock=found.landlock)
