"""New databases of each kind, of which nothing stays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app import migrations
from app.database import database_url
from tests import mariadb_server
from tests.postgresql import PostgreSQL

KINDS = ("sqlite", "postgresql", "mariadb")


@asynccontextmanager
async def database_of(kind: str, folder: Path) -> AsyncIterator[str]:
    """The address of a new database."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'app.db'}"
        await migrations.migrate(database_url(url))
        yield url
    elif kind == "postgresql":
        server = PostgreSQL(folder)
        try:
            yield await server.database()
        finally:
            server.close()
    else:
        with mariadb_server.throwaway() as maria:
            yield await maria.database()
