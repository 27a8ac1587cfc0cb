"""A database of the test's own, on each kind or on SQLite alone."""

from collections.abc import AsyncIterator

import pytest

from app.core.config import StorageSettings
from app.database import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(StorageSettings(_env_file=None, database_url=database_url, database_statement_timeout=3.0))
    yield database
    await database.close()
