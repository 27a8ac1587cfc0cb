"""PostgreSQL, MariaDB and MySQL: a pool of connections of an async driver."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from sqlalchemy import AsyncAdaptedQueuePool, Connection
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.core.config import StorageSettings
from app.database import postgresql
from app.database.unit import Unit

T = TypeVar("T")


class ServerStore:
    embedded = False

    def __init__(self, url: URL, settings: StorageSettings) -> None:
        self._engine = _engine(url, settings)
        self._reading = self._engine
        self._watched = postgresql.is_spoken(url)
        if self._watched:
            postgresql.watch(self._engine)
            self._reading = postgresql.reading(self._engine)
        self._patience = settings.database_pool_timeout

    @property
    def in_use(self) -> int:
        pool = self._engine.pool
        return pool.checkedout() if isinstance(pool, AsyncAdaptedQueuePool) else 0

    @asynccontextmanager
    async def unit(self, *, write: bool, durable: bool) -> AsyncIterator[Unit]:  # the server syncs as it is set up
        engine = self._engine if write else self._reading
        async with self._connected(engine) as connection, connection.begin():
            unit = Unit(connection.run_sync)
            yield unit
            if write:
                await connection.run_sync(unit.rest())

    async def settle(self) -> None:
        """The server has seen to it at each commit."""

    async def glance(self, look: Callable[[Connection], T]) -> T:
        async with self._connected(self._reading) as connection, connection.begin():
            return await connection.run_sync(look)

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            # A pooled connection is tried before use, which would have a statement's time on a frozen server.
            async with asyncio.timeout(self._patience):
                connection = await stack.enter_async_context(engine.connect())
            yield connection
            if self._watched:
                postgresql.believe(connection)


def _engine(url: URL, settings: StorageSettings) -> AsyncEngine:
    is_postgresql = postgresql.is_spoken(url)
    return create_async_engine(
        url,
        isolation_level=postgresql.ISOLATION if is_postgresql else None,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout,
        pool_pre_ping=not is_postgresql,  # which has a cheaper way
        pool_use_lifo=True,
        hide_parameters=True,  # a statement's parameters are what users wrote; errors are logged
        connect_args=connect_args(url, settings.database_pool_timeout, settings.database_statement_timeout),
    )


def connect_args(url: URL, connect_timeout: float, statement_timeout: float | None) -> dict[str, object]:
    """How each driver is told how many seconds it may take."""
    if postgresql.is_spoken(url):
        return {"timeout": connect_timeout, "command_timeout": statement_timeout}
    if url.get_driver_name() == "asyncmy":
        from app.database.mariadb import connector  # noqa: PLC0415  # its driver is an extra

        return {"async_creator_fn": connector(connect_timeout, statement_timeout)}
    return {}
