"""The floor: a raw ASGI app that sends a request on as it came and the answer's bytes as they arrive.

Nothing is parsed but HTTP. No sign-in, no storage, no events: whoever does more on uvicorn pays more than this.
"""

import asyncio
import sys
from typing import Any, cast

import httptools
import uvicorn

Messages = Any  # ASGI's receive and send, as the raw protocol has them


class Upstream(asyncio.Protocol):
    """A connection to the vendor, kept alive from call to call."""

    def __init__(self) -> None:
        self.reusable = False
        self._transport: asyncio.WriteTransport | None = None
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport, self.reusable = None, False
        self._wake()

    def call(self, request: bytes) -> None:
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._ready: list[bytes] = []
        self._whole = False
        self.reusable = False
        self._transport.write(request)

    async def read(self) -> bytes:
        """All that has arrived; empty at the end of the answer."""
        while not self._ready:
            if self._whole:
                return b""
            if self._transport is None:
                raise ConnectionError("the upstream left")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = b"".join(self._ready)
        self._ready.clear()
        return data

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        self._wake()

    def on_body(self, body: bytes) -> None:
        self._ready.append(body)

    def on_message_complete(self) -> None:
        self._whole = True
        self.reusable = self._parser.should_keep_alive()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Relay:
    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.removeprefix("http://").partition(":")
        self._host, self._port = host, int(port)
        self._idle: list[Upstream] = []

    async def __call__(self, scope: dict[str, Any], receive: Messages, send: Messages) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        connection = await self._connection()
        try:
            connection.call(self._head(scope["path"], len(body)) + body)
            while data := await connection.read():
                await send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.close()
        await send({"type": "http.response.body", "body": b""})

    def _head(self, path: str, length: int) -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer sk-loopback\r\ncontent-length: {length}\r\n\r\n"
        ).encode()

    async def _connection(self) -> Upstream:
        while self._idle:
            if (connection := self._idle.pop()).reusable:
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(Upstream, self._host, self._port)
        return connection


if __name__ == "__main__":
    uvicorn.run(
        Relay(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        backlog=2048,
    )
