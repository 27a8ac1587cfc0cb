"""An index that outlives who keeps it up, who stands still for good at a certain call: as if killed there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from app.domain.vectors import Found, Point, Query, Space, VectorStore

T = TypeVar("T")


class DyingStore:
    """Its `at`-th call, from 1, is not answered; `done` says whether it was carried out all the same."""

    def __init__(self, store: VectorStore, *, at: int, done: bool) -> None:
        self._store = store
        self._left = at
        self._done = done
        self.died = asyncio.Event()

    async def open(self, space: Space) -> None:
        await self._call(lambda: self._store.open(space))

    async def upsert(self, space: Space, tenant: str, points: Sequence[Point]) -> None:
        await self._call(lambda: self._store.upsert(space, tenant, points))

    async def delete(self, space: Space, tenant: str, *, document_id: str | None = None) -> None:
        await self._call(lambda: self._store.delete(space, tenant, document_id=document_id))

    async def search(self, space: Space, tenant: str, query: Query) -> Found:
        return await self._store.search(space, tenant, query)

    async def documents(self, space: Space, tenant: str) -> Mapping[str, int]:
        return await self._call(lambda: self._store.documents(space, tenant))

    async def tenants(self, space: Space) -> Sequence[str]:
        return await self._call(lambda: self._store.tenants(space))

    async def spaces(self) -> Sequence[str]:
        return await self._call(self._store.spaces)

    async def drop(self, space_name: str) -> None:
        await self._call(lambda: self._store.drop(space_name))

    async def close(self) -> None:
        """It is another's."""

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        self._left -= 1
        if self._left > 0:
            return await work()
        if self._done and self._left == 0:
            await work()
        self.died.set()
        never: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        return await never


class SharedPlace:
    """A place that every process has."""

    shared = True
    away = False

    def __init__(self, store: VectorStore) -> None:
        self.store = store

    async def claim(self) -> str | None:
        return "memory"
