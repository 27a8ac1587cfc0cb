"""The client that loads the targets: raw HTTP on asyncio, so that it is never what is measured."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Self, cast

from tests.bench.answers import FIRST, WrongAnswer

PATIENCE = 180.0


@dataclass(slots=True)
class Reply:
    """One answer as it came. Times are `time.monotonic()`; `first` is that of the first text."""

    sent: float
    parts: list[bytes] = field(default_factory=list)
    first: float | None = None
    ended: float = 0.0

    @property
    def status(self) -> int:
        return int(self.parts[0][9:12])

    @property
    def body(self) -> bytes:
        """What has come of it so far."""
        head, _, body = b"".join(self.parts).partition(b"\r\n\r\n")
        return _joined(body) if _chunked(head) else body

    @property
    def until_first(self) -> float:
        if self.first is None:
            raise WrongAnswer(f"no text in {b''.join(self.parts)[:2000]!r}")
        return self.first - self.sent


class Connection(asyncio.Protocol):
    """One request at a time, each answered to its end; reading does no more than find that end."""

    first_text: ClassVar[bytes] = FIRST

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._tail = b""
        self._length: int | None = None
        self._on_first: asyncio.Future[Reply] | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def ask(self, request: bytes) -> "asyncio.Future[Reply]":
        if self._transport is None:
            raise WrongAnswer("the target closed a connection between two requests")
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._on_first = None
        self._tail, self._length = b"", None
        self._reply = Reply(time.monotonic())
        self._transport.write(request)
        return waiter

    async def first(self) -> Reply:
        """The answer that was asked for as soon as it has its first text, or its end without one."""
        if self._reply.first is None and self._waiter is not None:
            self._on_first = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._on_first, self._waiter], return_when=asyncio.FIRST_COMPLETED)
        return self._reply

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        reply.parts.append(data)
        if reply.first is None and self.first_text in data:
            reply.first = time.monotonic()
            if self._on_first is not None and not self._on_first.done():
                self._on_first.set_result(reply)
        self._tail = data[-7:] if len(data) >= 7 else (self._tail + data)[-7:]
        if self._tail.endswith(b"\r\n0\r\n\r\n") or (len(reply.parts) < 4 and self._is_whole(reply)):
            self._finish(reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(WrongAnswer(f"an answer was cut after {b''.join(self._reply.parts)[-300:]!r}"))

    def _is_whole(self, reply: Reply) -> bool:
        """For answers of known length, which are short here: refusals, and what is not streamed."""
        head, end, body = b"".join(reply.parts).partition(b"\r\n\r\n")
        if not end or _chunked(head):
            return False
        _, _, length = head.lower().partition(b"content-length:")
        return len(body) >= int(length.partition(b"\r\n")[0] or 0)

    def _finish(self, reply: Reply) -> None:
        reply.ended = time.monotonic()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)


async def once(port: int, request: bytes) -> Reply:
    (reply,) = await together(port, [request])
    return reply


async def together(port: int, requests: Sequence[bytes], *, within: float = 0.0) -> list[Reply]:
    """On a connection each, begun at even distances within so many seconds."""
    return [replies[0] for replies in await in_turn(port, [[request] for request in requests], within=within)]


async def in_turn(port: int, queues: Sequence[Sequence[bytes]], *, within: float = 0.0) -> list[list[Reply]]:
    """A connection for each queue, which asks one after the other."""

    async def ask_all(number: int, connection: Connection, requests: Sequence[bytes]) -> list[Reply]:
        await asyncio.sleep(begin + within * number / len(queues) - time.monotonic())
        return [await connection.ask(request) for request in requests]

    async with _patience():
        with ExitStack() as stack:
            opened = await asyncio.gather(*(Connection.open(port) for _ in queues))
            connections = [stack.enter_context(connection) for connection in opened]
            begin = time.monotonic()
            return await asyncio.gather(*map(ask_all, range(len(queues)), connections, queues))


async def ramp(port: int, requests: Sequence[bytes], *, at_once: int = 32) -> list[Reply]:
    """Like `together`, with so many at most that wait for their first text: a crowd that gathers, not a stampede."""
    starting = asyncio.Semaphore(at_once)

    async def ask(request: bytes) -> Reply:
        async with starting:
            connection = await Connection.open(port)
            asked = connection.ask(request)
            await connection.first()
        with connection:
            return await asked

    async with _patience():
        return await asyncio.gather(*map(ask, requests))


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise WrongAnswer(f"an answer had no end after {PATIENCE:.0f} s") from None


def _chunked(head: bytes) -> bool:
    return b"transfer-encoding: chunked" in head.lower()


def _joined(body: bytes) -> bytes:
    """The body of a chunked transfer, as far as it has come."""
    parts, at = [], 0
    while (start := body.find(b"\r\n", at)) > 0 and (size := int(body[at:start], 16)):
        parts.append(body[start + 2 : start + 2 + size])
        at = start + 4 + size
    return b"".join(parts)
