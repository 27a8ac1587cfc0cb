"""How uvicorn serves us."""

import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.core.config import ServerSettings, StartRefused
from app.protocol import Protocol

_BACKLOG = 2048
_UNSENT = 64 * 1024
"""Bytes that the kernel takes for a reader before it can send them. For one that reads nothing it would take megabytes,
and keep them after we have given it up."""
_KEPT_IDLE = 75
"""Seconds for which a connection may wait for its next request."""
_NOT_STARTED = 3
"""The exit code, as uvicorn's own command has it."""


def server_config(app: FastAPI, **options: Any) -> uvicorn.Config:
    """What every way of serving us has in common."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,  # ours is configured already
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever connects from this host could name any address as its own
        # Longer than clients and proxies keep an idle connection (httpx 5 s, load balancers 60 s): whoever closes first
        # must be the one that sends the next request, or that would now and then meet a closing connection.
        timeout_keep_alive=_KEPT_IDLE,
        # Answers have drained by then; what is left are connections whose readers do not read.
        timeout_graceful_shutdown=5,
        workers=1,  # else it reads WEB_CONCURRENCY, and fails at an empty one
        **options,
    )


class Server(uvicorn.Server):
    """Says that it is there once it listens, and not before."""

    def __init__(self, config: uvicorn.Config, on_listening: "OnListening") -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            await self._on_listening(self)

    def stop_listening(self) -> None:
        """Leave the port to somebody else; connections that are there go on."""
        for server in self.servers:
            server.close()


OnListening = Callable[[Server], Awaitable[None]]


def listen(settings: ServerSettings) -> socket.socket:
    """HOST and PORT, taken before anything else is begun. Raises StartRefused."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StartRefused(f"PORT: {settings.host}:{settings.port} cannot be taken ({error.strerror})") from error
    if (bound := getattr(socket, "TCP_NOTSENT_LOWAT", None)) is not None:
        listening.setsockopt(socket.IPPROTO_TCP, bound, _UNSENT)  # accepted connections inherit it
    return listening


def adopt(descriptor: int) -> socket.socket:
    """A socket that another process has taken for us."""
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def serve(app: FastAPI, listening: socket.socket, on_listening: OnListening) -> None:
    """Serve until a signal. Exits with a code when it could not start."""
    server = Server(server_config(app), on_listening)
    with suppress(KeyboardInterrupt):  # it has shut down by then, and raises the signal again
        server.run([listening])
    if not server.started:
        sys.exit(_NOT_STARTED)
