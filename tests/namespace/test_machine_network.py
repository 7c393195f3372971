"""The addresses of a machine's network, given and taken back in a network namespace by the kernel's own calls."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.support import PYTHON, ROOT

pytestmark = pytest.mark.namespace

_UNSHARE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--user", "--map-root-user"]
_HEAD = """
import json
from ipaddress import ip_address, ip_interface
from asyncinit.linux import netlink, rtnetlink
from asyncinit.linux.network import bring_up
from asyncinit.machine.programs.lease import Lease, apply, forget
from asyncinit.machine.programs.network import Links
from asyncinit.machine.programs.network_file import Link, Network

def found(name="lo"):
    index = rtnetlink.index_of(name)
    return sorted(str(one.interface) for one in rtnetlink.addresses() if one.link == index)

def tell(**facts):
    print(json.dumps(facts))
"""


def told(code: str) -> dict[str, Any]:
    """Run Python in a network namespace of its own, and return what it tells."""
    done = subprocess.run(
        [*_UNSHARE, PYTHON, "-c", _HEAD + code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_addresses_come_and_go() -> None:
    """Of both families; twice is once; one that is not there cannot be taken away."""
    facts = told("""
bring_up("lo")
index = rtnetlink.index_of("lo")
before = found()
for text in ("10.9.8.7/24", "fd00::7/64", "10.9.8.7/24"):
    rtnetlink.add_address(index, ip_interface(text))
given = found()
for text in ("10.9.8.7/24", "fd00::7/64"):
    rtnetlink.remove_address(index, ip_interface(text))
try:
    rtnetlink.remove_address(index, ip_interface("10.9.8.7/24"))
    refused = ""
except OSError as error:
    refused = error.strerror
tell(before=before, given=given, after=found(), refused=refused)
""")
    assert facts["before"] == facts["after"] == ["127.0.0.1/8", "::1/128"]
    assert facts["given"] == ["10.9.8.7/24", "127.0.0.1/8", "::1/128", "fd00::7/64"]
    assert facts["refused"] == "Cannot assign requested address"


def test_a_watch_tells_of_addresses() -> None:
    """Whoever waits for one is woken by the kernel."""
    facts = told("""
import select
news = rtnetlink.watch_addresses()
quiet = select.select([news], [], [], 0)[0] == []
bring_up("lo")
woken = select.select([news], [], [], 20)[0] == [news]
netlink.drain(news)
tell(quiet=quiet, woken=woken, drained=select.select([news], [], [], 0)[0] == [])
""")
    assert facts == {"quiet": True, "woken": True, "drained": True}


def test_interfaces_as_they_are_declared() -> None:
    """What was given is there, then nothing is waited for; taking it down leaves what others gave."""
    facts = told("""
links = Links(Network((Link("lo", addresses=(ip_interface("10.1.1.1/32"),)), Link("eth9", optional=True))))
lacking = links.lacking()
failed = links.bring_up()
up, now = found(), links.lacking()
links.take_down()
tell(lacking=lacking, failed=failed, up=up, now=now, down=found())
""")
    assert facts["lacking"] == ["lo"] and facts["now"] == []
    assert [text.partition(":")[0] for text in facts["failed"]] == ["eth9"]
    assert "10.1.1.1/32" in facts["up"]
    assert facts["down"] == ["127.0.0.1/8", "::1/128"]


def test_a_lease_replaces_the_one_before() -> None:
    """One address of IPv4 at a time; those of IPv6 are not DHCP's, and stay."""
    facts = told("""
from asyncinit.machine.programs import resolving
resolving.say = lambda *_given: None
bring_up("lo")
rtnetlink.add_address(rtnetlink.index_of("lo"), ip_interface("fd00::7/64"))
apply("lo", Lease(ip_interface("10.0.0.1/24"), (), (), ()))
first = found()
apply("lo", Lease(ip_interface("10.0.0.2/24"), (), (), ()))
second = found()
kept = {ip_interface("10.0.0.9/24")}
rtnetlink.add_address(rtnetlink.index_of("lo"), *kept)
forget("lo", kept)
tell(first=first, second=second, gone=found())
""")
    assert facts["first"] == ["10.0.0.1/24", "::1/128", "fd00::7/64"]
    assert facts["second"] == ["10.0.0.2/24", "::1/128", "fd00::7/64"]
    assert facts["gone"] == ["10.0.0.9/24", "::1/128", "fd00::7/64"]


def test_the_script_that_udhcpc_is_given() -> None:
    """It can be executed for as long as we live, and is told what the interface has beside the lease."""
    facts = told("""
import os, subprocess
from asyncinit.machine.programs.network import lease_script
bring_up("lo")
for text in ("10.0.0.9/24", "10.0.0.1/24"):
    rtnetlink.add_address(rtnetlink.index_of("lo"), ip_interface(text))
script = lease_script([ip_interface("10.0.0.9/24")])
environment = {**os.environ, "interface": "lo"}
status = subprocess.run([script, "deconfig"], env=environment).returncode
other = subprocess.run([script, "nak"], env=environment).returncode
tell(status=[status, other], left=found())
""")
    assert facts == {"status": [0, 0], "left": ["10.0.0.9/24", "::1/128"]}
