"""Passages that were found are looked up by their ids, however many more their owner has."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url
from app.repositories.chunks import _FOUND, _STANDS


@pytest.mark.parametrize("statement", [_FOUND, _STANDS], ids=["found", "standing"])
async def test_sqlite_goes_by_the_ids(database_url: str, statement: Select[Any]) -> None:
    values = {"ids": [str(number) for number in range(24)], "user": "x", "collections": ["x"]}
    named = {name: value for name, value in values.items() if name in statement.compile().params}
    query = statement.params(named).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    first, *_ = await _plan(database_url, str(query))
    assert first.startswith("SEARCH chunks")
    assert first.endswith("(id=?)")


async def _plan(database_url: str, query: str) -> Sequence[str]:
    engine = create_async_engine(parse_url(database_url))
    try:
        async with engine.connect() as connection:
            return [row[3] for row in (await connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))).all()]
    finally:
        await engine.dispose()
