"""A load balancer on TCP alone: new connections go to instances that are ready, and bytes pass as they come."""

import asyncio
import os
import random
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self, cast

from tests.ports import free_port

LOOK_EACH = 0.2
HIGH_WATER = 64 * 1024
"""Bytes that wait in each direction for who does not read; then the other side is not read either."""
_RST_ON_CLOSE = struct.pack("ii", 1, 0)
_READY = b"GET /ready HTTP/1.1\r\nhost: front\r\nconnection: close\r\n\r\n"


class Front:
    """In front of `ports` on 127.0.0.1, at `url`.

    An instance may take `patience` seconds to say that it is ready, and to take a connection.
    """

    def __init__(self, ports: Sequence[int], *, patience: float = 1.0) -> None:
        self._ports = tuple(ports)
        self._patience = patience
        self._ready: set[int] = set()
        self._turn = 0
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.taken = 0
        """Connections so far."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Side(self._open), "127.0.0.1", self._port, backlog=2048)
        for port in self._ports:
            self._keep(asyncio.create_task(self._look(port)))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.reset(1.0, random.Random(0))  # noqa: S311
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def ready(self) -> frozenset[int]:
        """The ports of those that said so when last asked."""
        return frozenset(self._ready)

    @property
    def open(self) -> int:
        """Connections at present."""
        return len(self._pairs)

    def reset(self, share: float, rng: random.Random) -> int:
        """Break this share of the connections with RST, wherever they are in an answer; answers how many."""
        # By age, for a set's own order is another in each run.
        hit = [pair for pair in sorted(self._pairs, key=lambda pair: pair.number) if rng.random() < share]
        for pair in hit:
            pair.reset()
        return len(hit)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _open(self, client: "_Side") -> None:
        self.taken += 1
        self._keep(asyncio.create_task(self._join(client, self.taken)))

    async def _join(self, client: "_Side", number: int) -> None:
        """Give a connection to an instance; it is reset where none takes it."""
        backend = await self._connected()
        if backend is None or client.transport.is_closing():
            for side in (client, backend):
                if side is not None:
                    side.reset()
            return
        pair = _Pair(number, client, backend, self._pairs)
        client.begin(backend, pair)
        backend.begin(client, pair)

    async def _connected(self) -> "_Side | None":
        for port in self._in_turn():
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._patience):
                    _, side = await asyncio.get_running_loop().create_connection(_Side, "127.0.0.1", port)
                return side
        return None

    def _in_turn(self) -> list[int]:
        """Those that are ready, each time another first, then the others."""
        self._turn += 1
        start = self._turn % len(self._ports)
        ports = self._ports[start:] + self._ports[:start]
        return sorted(ports, key=lambda port: port not in self._ready)

    async def _look(self, port: int) -> None:
        while True:
            if await _is_ready(port, self._patience):
                self._ready.add(port)
            else:
                self._ready.discard(port)
            await asyncio.sleep(LOOK_EACH)


async def _is_ready(port: int, patience: float) -> bool:
    writer = None
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_READY)
            return (await reader.readline()).split(b" ")[1:2] == [b"200"]
    except (OSError, TimeoutError, ValueError):
        return False
    finally:
        if writer is not None:
            writer.transport.abort()


class _Pair:
    """A client's connection and its instance's."""

    def __init__(self, number: int, client: "_Side", backend: "_Side", among: "set[_Pair]") -> None:
        self.number = number
        self._sides = (client, backend)
        self._among = among
        among.add(self)

    def reset(self) -> None:
        for side in self._sides:
            side.reset()
        self.forget()

    def forget(self) -> None:
        self._among.discard(self)


class _Side(asyncio.Protocol):
    """One of the two connections. What it reads the other writes; while that cannot, this one is not read."""

    transport: asyncio.Transport

    def __init__(self, opened: "Callable[[_Side], None] | None" = None) -> None:
        self._opened = opened
        self._other: _Side | None = None
        self._pair: _Pair | None = None
        self._early: list[bytes] = []
        self._ended = False
        self._lost = False

    def begin(self, other: "_Side", pair: _Pair) -> None:
        """Pass bytes on from now on, those that came already first."""
        self._other, self._pair = other, pair
        for data in self._early:
            other.transport.write(data)
        self._early.clear()
        if self._lost:
            self._leave()
        elif self._ended:
            self.eof_received()
        else:
            self.transport.resume_reading()

    def reset(self) -> None:
        """Close with RST. What was written and not yet sent is lost, as it is when a machine goes."""
        if self.transport.is_closing():
            return
        # A duplicate, because the transport's own socket object need not allow options to be set.
        with suppress(OSError), socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self.transport.abort()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self.transport.set_write_buffer_limits(HIGH_WATER)
        self.transport.pause_reading()  # until there is somebody to write it to
        if self._opened is not None:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._other.transport.write(data)

    def eof_received(self) -> bool:
        self._ended = True
        if self._other is None:
            return True
        if not self._other.transport.is_closing():
            self._other.transport.write_eof()
        return not self._other._ended  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._leave()

    def pause_writing(self) -> None:
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def _leave(self) -> None:
        """The peer has gone: so goes the other side, with what it still had to write."""
        if self._pair is not None:
            self._pair.forget()
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.close()
