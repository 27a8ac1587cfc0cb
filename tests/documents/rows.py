"""What is stored, looked at past the application."""

from collections.abc import Mapping

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database import database_url as parse_url
from app.models import metadata

OF_DOCUMENTS = ("collections", "documents", "document_pages", "chunks", "jobs", "files")


async def counts(database_url: str, *names: str) -> Mapping[str, int]:
    """How many rows these tables have."""
    engine = create_async_engine(parse_url(database_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return {
                name: (await connection.execute(select(func.count()).select_from(metadata.tables[name]))).scalar_one()
                for name in names or OF_DOCUMENTS
            }
    finally:
        await engine.dispose()


async def pages_twice(database_url: str) -> int:
    """How many pages or chunks of a document have the same number as another, or are missing before the last."""
    engine = create_async_engine(parse_url(database_url), poolclass=NullPool)
    wrong = 0
    try:
        async with engine.connect() as connection:
            for table in ("document_pages", "chunks"):
                found = await connection.execute(
                    text(f"SELECT count(*), count(DISTINCT number), max(number) FROM {table} GROUP BY document_id")  # noqa: S608  # our own names
                )
                wrong += sum(len(set(row)) != 1 for row in found)
    finally:
        await engine.dispose()
    return wrong
