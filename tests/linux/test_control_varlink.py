"""The public varlink client against our server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import varlink

from tests.fake_operations import running_server


def test_public_client_introspects_and_calls(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """The public client reads our interface over the wire and calls every kind of method by it."""
    path = str(tmp_path / "control.sock")
    with running_server(loop, path, "db", "web") as running, varlink.Client(f"unix:{path}") as client:
        assert set(client.get_interfaces()) == {"org.varlink.service", "io.asyncinit"}
        assert client.info["product"] == "asyncinit"
        with client.open("io.asyncinit") as asyncinit:
            status = asyncinit.Status()
            assert [one["name"] for one in status["services"]] == ["db", "web"]
            assert status["asyncinit"]["ready"] is True
            assert asyncinit.Stop(["web"])["results"][0]["state"] == "inactive"
            assert asyncinit.Show("db") == {"toml": 'name = "db"\n'}
            assert asyncinit.Signal(["db"], 15) == {}
            with pytest.raises(varlink.VarlinkError) as caught:
                asyncinit.Start(["wev"])
            assert caught.value.error() == "io.asyncinit.NoSuchService"
            assert caught.value.parameters() == {"name": "wev", "suggestion": "web"}
        assert running.operations.signals == [(15, ["db"])]


def test_public_client_follows_logs(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """Logs with `more` and `follow` gives what is there and then what comes."""
    path = str(tmp_path / "control.sock")
    with running_server(loop, path, "db", "web") as running, varlink.Client(f"unix:{path}") as client:
        running.call(running.operations.log.add, "web", b"one", b"two \xff")
        with client.open("io.asyncinit") as asyncinit:
            replies = asyncinit.Logs(names=["web"], lines=1, follow=True, _more=True)
            assert [entry["message"] for entry in next(replies)["entries"]] == ["two \ufffd"]
            running.call(running.operations.log.add, "db", b"not asked for")
            running.call(running.operations.log.add, "web", b"three")
            assert [entry["message"] for entry in next(replies)["entries"]] == ["three"]
