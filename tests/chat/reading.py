"""Reading a stream block by block, as a client that may leave at any moment."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from tests.backend import User
from tests.sse import Event, Stream, blocks, parse


class Reader:
    """An open stream. `seen` are the blocks so far, pings too; leaving the `async with` block closes the connection."""

    def __init__(self, response: httpx.Response, arriving: AsyncGenerator[bytes, None]) -> None:
        self.response = response
        self.seen: list[bytes] = []
        self._arriving = arriving

    async def block(self, *, within: float = 10.0) -> bytes:
        async with asyncio.timeout(within):
            block = await anext(self._arriving)
        self.seen.append(block)
        return block

    async def event(self) -> Event:
        """The next event; pings are passed over."""
        while not (events := parse(await self.block() + b"\n\n")):
            pass
        return events[0]

    async def events(self, n: int) -> list[Event]:
        return [await self.event() for _ in range(n)]

    async def rest(self, *, within: float = 10.0) -> list[Event]:
        """All events to the end."""
        async with asyncio.timeout(within):
            read = [block async for block in self._arriving]
        self.seen.extend(read)
        return parse(b"".join(block + b"\n\n" for block in read))


@asynccontextmanager
async def reading(
    user: User, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
) -> AsyncIterator[Reader]:
    async with user.http.stream(method, path, headers=headers, **request) as response:
        assert response.status_code == 200, (response.status_code, await response.aread())
        async with aclosing(blocks(response.aiter_bytes())) as arriving:
            yield Reader(response, arriving)


def posting(user: User, message: str, /, *, headers: Mapping[str, str] | None = None, **body: Any) -> Any:
    """`reading` of a new post, an `async with` of a Reader."""
    return reading(user, "POST", "/ai/chat/stream", headers=headers, json={"message": message, **body})


async def follow(user: User, generation_id: str, **resume: Any) -> Stream:
    """The whole rest of a generation."""
    response = await user.http.get(f"/ai/generations/{generation_id}/events", **resume)
    assert response.status_code == 200, response.text
    return Stream.of(response.content)


async def eventually(holds: Callable[[], bool], *, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)
