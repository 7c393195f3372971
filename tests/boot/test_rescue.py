"""A machine whose boot fails, as a person at its console meets it: the reason, a repair, and the boot that goes on."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

from tests.boot import image
from tests.boot.guest import Guest, once, run_folder
from tests.boot.hardware import CONSOLE, Hardware

_SERVICES = {
    "app": """
        command = ["sleep", "100000"]
        requires = ["data"]
    """,
    "data": """
        type = "oneshot"
        command = ["sh", "-c", "test -e /root/data || exit 32"]
        restart = "never"
    """,
    "login": """
        command = ["sh", "-i"]
        tty = "/dev/ttyS0"
        environment = { PS1 = "login# ", HOME = "/root" }
    """,
}


def _story() -> dict[str, Any]:
    files = {f"/etc/asyncinit/services.d/{name}.toml": textwrap.dedent(text) for name, text in _SERVICES.items()}
    files["/etc/asyncinit/asyncinit.toml"] = '[init]\nstart = ["app", "login"]\n'
    initramfs = image.make(run_folder() / "rescue.cpio", files, links={"/init": image.ASYNCINIT})
    facts: dict[str, Any] = {}
    with Guest("rescue", initramfs, Hardware(append=f"{CONSOLE} single", resets=True)) as guest:
        facts["single"] = guest.expect(r"(?s)One person at the console.*?\n\n").group()
        guest.expect("# ")
        facts["alone"] = _states(guest)
        guest.send("exit\n")  # and the boot fails
        facts["reason"] = guest.expect(r"(?s)The boot has failed:.*?What came up runs").group()
        guest.expect("# ")
        facts["failed"] = _states(guest)
        guest.run('touch /root/data; echo \'command = ["sleep", "1"]\' >/etc/asyncinit/services.d/more.toml')
        guest.send("exit\n")
        guest.expect("login# ")
        facts["up"] = _states(guest)
        guest.send("poweroff\n")
        facts["end"] = guest.wait_ended()
    return facts


def _states(guest: Guest) -> dict[str, str]:
    shown = guest.run("asyncinit status --json | tr -d '\\n'; echo")
    line = next(line for line in shown.splitlines() if line.startswith(('{"', "{ ")))
    return {one["name"]: one["state"] for one in json.loads(line)["services"]}


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What happened on that machine."""
    return once("rescue", _story)


def test_single_is_a_shell_and_nothing_else(facts: dict[str, Any]) -> None:
    """The word on the kernel's command line starts rescue alone."""
    assert facts["alone"]["rescue"] == "ready"
    assert {facts["alone"][name] for name in _SERVICES} == {"inactive"}


def test_a_boot_that_fails_leads_to_a_shell_with_its_reason(facts: dict[str, Any]) -> None:
    """The cause and what follows from it are on the console, which the shell has for itself."""
    assert "data exited with 32" in facts["reason"]
    assert "app " in facts["reason"]
    assert (facts["failed"]["data"], facts["failed"]["app"]) == ("failed", "failed")
    assert facts["failed"]["login"] == "inactive"


def test_the_boot_goes_on_after_a_repair(facts: dict[str, Any]) -> None:
    """The files are read again, and all comes up; the console's login as well."""
    assert (facts["up"]["data"], facts["up"]["app"], facts["up"]["login"]) == ("completed", "ready", "ready")
    assert "more" in facts["up"]
    assert facts["end"] == "guest-shutdown"
