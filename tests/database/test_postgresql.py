"""What PostgreSQL's connections are spared, and that nobody gets a broken one for it."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy import text

from app.core.errors import DatabaseUnavailable
from app.database import Database, postgresql

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


async def of_this(database: Database, what: str) -> object:
    (row,) = await database.now._connection.rows(text(f"SELECT {what} AS found"))
    return row["found"]


async def close(database: Database, process: object) -> None:
    """Let the server close the connection that is served by this process of its."""
    connection = await asyncpg.connect(database.url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        assert await connection.fetchval("SELECT pg_terminate_backend($1, 5000)", process)
    finally:
        await connection.close()


def close_unheard(database: Database, process: object) -> None:
    """The same while this event loop stands still, and so cannot hear of it before its next step."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(lambda: asyncio.run(close(database, process))).result(10)


async def test_statements_that_only_read_stand_each_by_itself(database_kind: str, database: Database) -> None:
    async with database.snapshot() as tx:
        rows = [await tx._connection.rows(text("SELECT now() AS began")) for _ in range(2)]
    assert rows[0][0]["began"] < rows[1][0]["began"]


async def test_statements_that_may_write_share_a_transaction(database_kind: str, database: Database) -> None:
    assert await of_this(database, "1") == 1  # the same connection has been used for reading
    async with database.transaction() as tx:
        rows = [await tx._connection.rows(text("SELECT now() AS began, txid_current() AS id")) for _ in range(2)]
    assert rows[0] == rows[1]


async def test_one_that_was_closed_while_nobody_used_it_is_replaced(database_kind: str, database: Database) -> None:
    process = await of_this(database, "pg_backend_pid()")
    await close(database, process)
    assert await of_this(database, "pg_backend_pid()") != process


async def test_one_that_lay_idle_is_tried_before_anybody_gets_it(database_kind: str, database: Database) -> None:
    process = await of_this(database, "pg_backend_pid()")
    time.sleep(postgresql._TRUSTED)  # noqa: ASYNC251  # the loop is to stand still
    close_unheard(database, process)
    assert await of_this(database, "pg_backend_pid()") != process


async def test_one_that_breaks_in_the_moment_of_its_use_costs_one_refusal_at_most(
    database_kind: str, database: Database
) -> None:
    process = await of_this(database, "pg_backend_pid()")
    close_unheard(database, process)
    with suppress(DatabaseUnavailable):  # unless the closing took longer than it is trusted
        await of_this(database, "1")
    assert await of_this(database, "pg_backend_pid()") != process
