"""Serve the application on the socket that asyncinit has opened; tell when it is ready; end without a lost request."""

from __future__ import annotations

import asyncio
import os
import socket

import uvicorn

# What was accepted a moment ago has its request on the way: uvicorn would close such a connection unanswered.
PATIENCE = 0.2


def notify(text: str) -> None:
    """Tell asyncinit something, as sd_notify(3) does."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(text.encode(), address.replace("@", "\0", 1))


class Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        notify("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()  # whoever connects from now on is another instance's, or waits for it
        await asyncio.sleep(PATIENCE)
        await super().shutdown(sockets=sockets)


Server(uvicorn.Config("application:application", fd=3, log_level="warning", timeout_graceful_shutdown=10)).run()
