"""A database, an index in a folder, and whoever keeps it up."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from app.core.config import Settings
from app.database import Database
from app.domain.embedding import Embedder
from app.stores import parts
from tests.rag.keeper import Keeper, keeping


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(Settings(_env_file=None, database_url=database_url))
    yield opened
    await opened.close()


class Keep(Protocol):
    async def __call__(self, embedder: Embedder | None = None, *, settled_for: float = 0.5) -> Keeper: ...


@pytest.fixture
async def keep(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Keep]:
    """Keeps the index of the test's database up, in the test's folder; who is begun later comes in place of the one
    before, as after a restart."""
    async with AsyncExitStack() as last:

        async def keep(embedder: Embedder | None = None, *, settled_for: float = 0.5) -> Keeper:
            await last.aclose()
            settings = Settings(_env_file=None, database_url=database_url, data_dir=tmp_path, qdrant_timeout=20)
            place = parts.vectors(settings)
            last.push_async_callback(place.store.close)
            return await last.enter_async_context(keeping(Keeper(database, place, embedder, settled_for=settled_for)))

        yield keep
