"""Where the worker keeps things: a file alone, or PostgreSQL and Redis."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.databases import database_of
from tests.redis_server import RedisServer, executable

TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL + Redis"}


class Missing(Exception):
    """A server that this machine does not have."""


@asynccontextmanager
async def stores_of(kind: str, folder: Path) -> AsyncIterator[Mapping[str, str]]:
    """The settings that name new, empty ones; what they keep in files is in this folder. Raises Missing."""
    async with database_of(kind, folder) as url:
        if kind == "sqlite":
            yield {"DATABASE_URL": url}
            return
        program = executable()
        if program is None:
            raise Missing("there is no redis-server on this machine")
        with RedisServer(program) as redis:
            yield {"DATABASE_URL": url, "REDIS_URL": redis.url}
