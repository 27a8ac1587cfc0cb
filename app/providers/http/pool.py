"""The connections to one server: those that are idle, and those at work."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import httpx2

from app.providers.http.connection import Connection

IDLE_SECONDS = 30.0
_CLOSE_SECONDS = 1.0


class Lent(NamedTuple):
    """A connection for one request, after which it comes back by itself or ends."""

    connection: Connection
    used: bool
    """It carried an answer before, so the server may be about to close it."""


class Pool:
    """As many connections as are asked for; the one used last is the next to be used, the others grow old."""

    def __init__(self, dial: Callable[[], Awaitable[Connection]], *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._dial = dial
        self._idle_seconds = idle_seconds
        self._idle: list[Connection] = []  # by age
        self._open: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied = asyncio.Event()

    async def lend(self) -> Lent:
        """Raises httpx2.TransportError."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return Lent(connection, used=True)
            connection.abort()
        connection = await self._dial()
        if self._closed or connection.closed:
            connection.abort()
            raise httpx2.ConnectError("the connection was closed at once")
        connection.on_idle = self._take_back
        connection.on_lost = self._forget
        self._open.add(connection)
        return Lent(connection, used=False)

    async def aclose(self) -> None:
        """End all connections, at work or not."""
        self._closed = True
        self._idle.clear()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in self._open:
            connection.abort()
        self._emptied.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._open:
                    await self._emptied.wait()

    def _take_back(self, connection: Connection) -> None:
        if self._closed:
            connection.abort()
            return
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweep_in(self._idle_seconds)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._open:
            self._emptied.set()

    def _sweep_in(self, seconds: float) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = asyncio.get_running_loop().time()
        while self._idle and now >= self._idle[0].idle_since + self._idle_seconds:
            self._idle.pop(0).abort()
        if self._idle:
            self._sweep_in(self._idle[0].idle_since + self._idle_seconds - now)
