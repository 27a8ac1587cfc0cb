"""How uvicorn serves us: bounded heads and buffers, and connections that a response may abort."""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.config import ServerSettings

_NOT_STARTED = 3
"""The exit code, as uvicorn's own command has it."""
_HEAD_BYTES = 64 * 1024
_WRITE_BUFFER = 32 * 1024
"""Bytes that wait for a slow reader in this process; asyncio's 64 KiB and more would be held by each of them."""


class Protocol(HttpToolsProtocol):
    """A connection. A head beyond 64 KiB is a bad request: the parser itself has no bound."""

    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        # For a response whose reader is stuck: closing would wait for the reader to take what is buffered.
        self.scope["extensions"] = {"app.abort": {"abort": self.transport.abort}}

    def on_url(self, url: bytes) -> None:
        self._measure(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(name + value)
        super().on_header(name, value)

    def _measure(self, part: bytes) -> None:
        self._head += len(part)
        if self._head > _HEAD_BYTES:
            raise ValueError("the head of the request is too large")


def server_config(app: FastAPI, **options: Any) -> uvicorn.Config:
    """What every way of serving us has in common."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,  # ours is configured already
        access_log=False,
        server_header=False,
        # Answers have drained by then; what is left are connections whose readers do not read.
        timeout_graceful_shutdown=5,
        **options,
    )


class _Server(uvicorn.Server):
    """Says that it is there once it listens, and not before."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_listening()


def serve(app: FastAPI, settings: ServerSettings, on_listening: Callable[[], None]) -> None:
    """Serve on HOST and PORT until a signal. Exits with a code when it could not start."""
    server = _Server(server_config(app, host=settings.host, port=settings.port), on_listening)
    with suppress(KeyboardInterrupt):  # it has shut down by then, and raises the signal again
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)
