"""The way of a response's bytes to its client: straight into the connection where our server lets us."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from starlette.types import Receive, Scope, Send


class Pipe(Protocol):
    """The body of a response that has started. Writing never waits: whoever writes looks at `paused` first."""

    on_change: Callable[[], None]
    """Called when `paused` has ended, and when `gone` has begun; it must not raise."""

    @property
    def paused(self) -> bool:
        """Whether enough waits for the client already."""
        ...

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        ...

    def write(self, body: bytes) -> None: ...

    def abort(self) -> None:
        """Cut the connection, and drop what it still holds."""
        ...


@asynccontextmanager
async def pipe_of(scope: Scope, receive: Receive, send: Send) -> AsyncIterator[Pipe]:
    """The pipe of a response that has started and is not complete.

    Sending by ASGI costs each chunk a walk through every layer and a task that has to wake for it. Our server offers
    its connection instead (`app.protocol`); under any other server ASGI does.
    """
    if offered := scope.get("extensions", {}).get("app.pipe"):
        pipe: Pipe = offered["pipe"]
        try:
            yield pipe
        finally:
            pipe.on_change = _nothing
        return
    plain = _AsgiPipe(send)
    tasks = [asyncio.create_task(plain.send_forever()), asyncio.create_task(plain.watch(receive))]
    try:
        yield plain
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _nothing() -> None:
    pass


class _AsgiPipe:
    """One send at a time; while it is under way the pipe is paused."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._body = b""
        self._written = asyncio.Event()
        self.on_change: Callable[[], None] = _nothing
        self.gone = False

    @property
    def paused(self) -> bool:
        return bool(self._body)

    def write(self, body: bytes) -> None:
        self._body += body
        self._written.set()

    def abort(self) -> None:
        self.gone = True
        self.on_change()

    async def send_forever(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            await self._send({"type": "http.response.body", "body": self._body, "more_body": True})
            self._body = b""
            self.on_change()

    async def watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.abort()
