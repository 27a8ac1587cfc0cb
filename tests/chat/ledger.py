"""The bill of a generation, read from its table."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url
from app.models.usage import usage_records


class Booked(NamedTuple):
    """One upstream attempt."""

    outcome: str
    estimated: bool
    input_tokens: int
    output_tokens: int


async def booked(database_url: str, generation_id: str) -> Sequence[Booked]:
    """What each upstream attempt of a generation was booked with, in order; the attempts are numbered from 1."""
    engine = create_async_engine(parse_url(database_url))
    columns = usage_records.c
    statement = select(
        columns.attempt, columns.outcome, columns.estimated, columns.input_tokens, columns.output_tokens
    ).where(columns.generation_id == generation_id)
    try:
        async with engine.connect() as connection:
            rows = (await connection.execute(statement.order_by(columns.attempt))).all()
    finally:
        await engine.dispose()
    assert [row.attempt for row in rows] == list(range(1, len(rows) + 1))
    return [Booked(row.outcome, row.estimated, row.input_tokens, row.output_tokens) for row in rows]
