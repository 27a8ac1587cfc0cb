"""A client that follows a stream in the background while the test does something to the server."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from tests.backend import User
from tests.sse import Stream


class Follower:
    """`async with Follower.post(alice, "Count") as follower: …`; leaving the block leaves the stream."""

    def __init__(self, user: User, method: str, path: str, **request: Any) -> None:
        self._user = user
        self._request = user.http.build_request(method, path, **request)
        self._arrived = asyncio.Condition()
        self.response: httpx.Response | None = None
        self.body = b""
        self.cut = False
        """Whether the connection broke before HTTP's own end."""
        self.over = False
        self.last_at = 0.0
        """When the newest bytes came, by `time.monotonic()`."""
        self._arrivals: list[tuple[float, int]] = []
        """When bytes came, and how many there were then."""

    @classmethod
    def post(cls, user: User, message: str, **body: Any) -> Self:
        return cls(user, "POST", "/ai/chat/stream", json={"message": message, **body})

    @classmethod
    def resume(cls, user: User, generation_id: str, after: int = 0) -> Self:
        return cls(user, "GET", f"/ai/generations/{generation_id}/events", params={"after": after})

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def stream(self) -> Stream:
        """What has arrived in whole events."""
        return Stream.of(self.body)

    def seen_until(self, moment: float) -> Stream:
        """What had arrived by then."""
        return Stream.of(self.body[: max((size for at, size in self._arrivals if at <= moment), default=0)])

    @property
    def status(self) -> int:
        assert self.response is not None
        return self.response.status_code

    async def until(self, predicate: Callable[[Stream], bool], *, within: float = 10.0) -> Stream:
        """Wait until what has arrived satisfies the predicate."""
        try:
            async with asyncio.timeout(within), self._arrived:
                await self._arrived.wait_for(lambda: predicate(self.stream) or self.over)
        except TimeoutError:
            raise TimeoutError(f"not within {within} s: {self.body[-500:]!r}") from None
        assert predicate(self.stream), (self.response, self.body[-500:])
        return self.stream

    async def ended(self, *, within: float = 10.0) -> Stream:
        """Wait until the stream is over, well or broken."""
        try:
            async with asyncio.timeout(within), self._arrived:
                await self._arrived.wait_for(lambda: self.over)
        except TimeoutError:
            raise TimeoutError(f"no end within {within} s: {self.body[-500:]!r}") from None
        return self.stream

    async def _read(self) -> None:
        try:
            # The server may be silent for as long as the test waits.
            self._request.extensions["timeout"] = {"connect": 10.0, "read": 60.0, "write": 10.0, "pool": 10.0}
            self.response = await self._user.http.send(self._request, stream=True)
            try:
                async for chunk in self.response.aiter_bytes():
                    self.body += chunk
                    self.last_at = time.monotonic()
                    self._arrivals.append((self.last_at, len(self.body)))
                    await self._wake()
            finally:
                await self.response.aclose()
        except httpx.TransportError:
            self.cut = True
        finally:
            self.over = True
            await self._wake()

    async def _wake(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()
