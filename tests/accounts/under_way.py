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

_WAITING = {
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": (
        "SELECT 1 FROM information_schema.processlist p "
        "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id "
        "WHERE p.db = DATABASE() AND (t.trx_state = 'LOCK WAIT' OR p.state LIKE 'Waiting for table%')"
    ),
}
_LOOK = 0.11
"""Seconds between two looks; InnoDB shows what it showed before to whoever comes again within a tenth."""
_LOCK = {"postgresql": "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", "mysql": "LOCK TABLES {} WRITE"}


async def waits(database_url: str, *tasks: "asyncio.Task[T]") -> None:
    """Return once each of these waits for a lock, or is through although it should have waited."""
    if database_url.startswith("sqlite"):
        # It has one writer at a time and tells nobody who waits; a request that is slower to come there is only late.
        await asyncio.wait(tasks, timeout=0.3)
        return
    waiting = text(_WAITING[parse_url(database_url).get_backend_name()])
    async with asyncio.timeout(12):
        while len(await rows(database_url, waiting)) < sum(not task.done() for task in tasks):
            await asyncio.sleep(_LOOK)


@asynccontextmanager
async def locked(database_url: str, table: str) -> AsyncIterator[None]:
    """Whoever reads or writes this table of a server's waits until the block ends, or gives up before."""
    url = parse_url(database_url)
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(_LOCK[url.get_backend_name()].format(table)))
            yield
    finally:
        await engine.dispose()
