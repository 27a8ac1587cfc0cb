"""Interleavings that are certain: a request is under way while something else holds what it must wait for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url
from tests.accounts.behind import rows

T = TypeVar("T")

_WAITING = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def waits(database_url: str, *tasks: "asyncio.Task[T]") -> None:
    """Return once each of these waits for a lock, or is through although it should have waited."""
    if database_url.startswith("sqlite"):
        # It has one writer at a time and tells nobody who waits; a request that is slower to come there is only late.
        await asyncio.wait(tasks, timeout=0.3)
        return
    async with asyncio.timeout(4):
        while len(await rows(database_url, _WAITING)) < sum(not task.done() for task in tasks):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def locked(database_url: str, table: str) -> AsyncIterator[None]:
    """Whoever reads or writes this table of PostgreSQL's waits until the block ends, or gives up before."""
    engine = create_async_engine(parse_url(database_url))
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            yield
    finally:
        await engine.dispose()
