"""A server on loopback that plays raw bytes, with TLS or without, and notes what it was asked."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Self

Then = Literal["keep", "close", "reset", "hold"]
Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """`replies` are played in order, one a request and the last again and again; none reads a body for itself."""

    def __init__(
        self,
        *replies: Reply,
        secure: ssl.SSLContext | None = None,
        reads_bodies: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.left = 0
        """How many of them have ended."""
        self.protocols: list[str | None] = []
        self._replies = list(replies)
        self._secure = secure
        self._host = host
        self._reads_bodies = reads_bodies
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._secure)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http{'s' if self._secure else ''}://127.0.0.1:{self.port}"

    async def until(self, holds: Callable[[], bool]) -> None:
        """Looks again whenever something has happened here."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    def hang_up(self) -> None:
        """At once, without the event loop."""
        for writer in self._writers:
            with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as own:
                own.shutdown(socket.SHUT_RDWR)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        secure = writer.get_extra_info("ssl_object")
        self.protocols.append(secure.selected_alpn_protocol() if secure else None)
        try:
            while True:
                await self._read(reader)
                reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
                await reply(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, EndOfReply):
            pass
        except RuntimeError:  # uvloop's word for a connection that the client has closed
            if not writer.transport.is_closing():
                raise
        finally:
            self._writers.discard(writer)
            self.left += 1
            self._changed.set()
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        self._changed.set()
        size = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        if self._reads_bodies:
            self.bodies.append(await reader.readexactly(size))
            self._changed.set()


class EndOfReply(Exception):
    """The connection is over."""


def plays(*packets: bytes, then: Then = "keep") -> Reply:
    """These bytes, in as many packets."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for packet in packets:
            writer.write(packet)
            await writer.drain()
            if len(packets) > 1:
                await asyncio.sleep(0.001)
        match then:
            case "keep":
                return
            case "close":
                writer.close()
                await writer.wait_closed()
            case "reset":
                await asyncio.sleep(0.02)  # what came before has been read
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            case "hold":
                await reader.read(1)
        raise EndOfReply

    return reply


def bytewise(data: bytes) -> Sequence[bytes]:
    return [data[at : at + 1] for at in range(len(data))]
