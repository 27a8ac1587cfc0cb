"""Room for what is sent to us, while it comes in and is made sense of: bounded for all, and for each user."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from app.core.errors import Overloaded

SMALL = 256 * 1024
"""Bytes of JSON that are decoded where they are read: in some milliseconds at worst."""
_BODIES = 4
"""Of the longest, that may be under way at once; half of that for one user."""
_PATIENCE = 10.0
"""Seconds that a body waits for those before it."""


class Body:
    """What has come of one so far, counted against the room that all have."""

    def __init__(self, room: Callable[[int], None], free: int) -> None:
        self._room = room
        self._free = free
        self._chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Raises Overloaded."""
        before = max(0, self.size - self._free)
        self.size += len(chunk)
        self._room(max(0, self.size - self._free) - before)
        self._chunks.append(chunk)

    def take(self) -> bytes:
        """All of it, which is not kept."""
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


class BodyRoom:
    """`most_bytes` is of one body; its first `free` bytes are not counted. `busy` says what others are about."""

    def __init__(self, most_bytes: int, *, busy: str, free: int = 0) -> None:
        self._most_held = _BODIES * most_bytes
        self._busy = busy
        self._free = free
        self._held: Counter[str] = Counter()
        self._turn = asyncio.Semaphore(1)

    @contextmanager
    def body(self, user_id: str) -> Iterator[Body]:
        """To be filled while it comes in, as slowly as it may."""
        mine = 0

        def room(size: int) -> None:
            nonlocal mine
            if self._held.total() + size > self._most_held or self._held[user_id] + size > self._most_held // 2:
                raise Overloaded(self._busy, retry_after=10)
            mine += size
            self._held[user_id] += size

        try:
            yield Body(room, self._free)
        finally:
            self._held[user_id] -= mine
            if self._held[user_id] <= 0:
                del self._held[user_id]

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """For what takes long with one body: one at a time in this process. Raises Overloaded."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._turn.acquire()
        except TimeoutError:
            raise Overloaded(self._busy, retry_after=5) from None
        try:
            yield
        finally:
            self._turn.release()
