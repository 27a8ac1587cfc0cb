"""Behind the application's back: what time, another instance or an operator does to the database."""

from collections.abc import Sequence

from sqlalchemy import Executable, RowMapping
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url


async def alter(database_url: str, *statements: Executable) -> None:
    """In one transaction of its own."""
    engine = create_async_engine(parse_url(database_url))
    try:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(statement)
    finally:
        await engine.dispose()


async def rows(database_url: str, statement: Executable) -> Sequence[RowMapping]:
    engine = create_async_engine(parse_url(database_url))
    try:
        async with engine.connect() as connection:
            return (await connection.execute(statement)).mappings().all()
    finally:
        await engine.dispose()
