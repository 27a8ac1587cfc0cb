"""What PostgreSQL's connections are spared, and that nobody gets a broken one for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from sqlalchemy import text

from app.core.config import StorageSettings
from app.core.errors import DatabaseUnavailable
from app.database import Database, postgresql
from app.database import database_url as parse_url
from app.domain.identity import Role

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


class Way:
    """A way to a database that is closed, or holds up what is said, from where a client says `at`; once `begun`."""

    def __init__(self, at: bytes, *, hold: bool = False) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self._at = at
        self._hold = hold

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool) -> None:
        while piece := await reader.read(65536):
            if to_server and self.begun.is_set() and self._at in piece:
                if not self._hold:
                    break
                await self.go_on.wait()
            writer.write(piece)
        writer.close()


@asynccontextmanager
async def led(url: str, way: Way) -> AsyncIterator[str]:
    """The address of a way to the same database."""
    behind = parse_url(url)
    host, port = str(behind.query.get("host", behind.host)), int(str(behind.query.get("port", behind.port or 5432)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            if host.startswith("/"):
                there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            else:
                there = await asyncio.open_connection(host, port)
            both = way.carry(reader, there[1], to_server=True), way.carry(there[0], writer, to_server=False)
            await asyncio.wait(map(asyncio.create_task, both), return_when=asyncio.FIRST_COMPLETED)
            writer.close()
            there[1].close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        front = behind.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1], query={})
        yield front.set(drivername="postgresql").render_as_string(hide_password=False)


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


async def test_one_that_breaks_while_it_is_made_is_a_database_that_is_away(
    database_kind: str, database_url: str
) -> None:
    way = Way(at=b"idle_in_transaction")
    async with led(database_url, way) as url:
        database = Database(StorageSettings(_env_file=None, database_url=url))
        process = await of_this(database, "pg_backend_pid()")
        way.begun.set()
        await close(database, process)
        with pytest.raises(DatabaseUnavailable):
            await of_this(database, "1")
        await database.close()


async def test_what_is_written_after_a_begin_that_came_too_late_is_committed(
    database_kind: str, database_url: str, database: Database
) -> None:
    way = Way(at=b"BEGIN", hold=True)
    async with led(database_url, way) as url:
        late = Database(StorageSettings(_env_file=None, database_url=url, database_statement_timeout=2.0))
        assert await of_this(late, "1") == 1
        way.begun.set()
        with pytest.raises(DatabaseUnavailable):
            async with late.transaction() as tx:  # the connection was in use a moment ago, and is believed
                await tx._connection.rows(text("SELECT 1"))
        way.begun.clear()
        way.go_on.set()
        await asyncio.sleep(0.2)  # it begins, and says so to nobody
        async with late.transaction() as tx:
            await tx.users.add(email="a@example.com", name=None, role=Role.USER, password_hash="x")

        async with database.snapshot() as tx:
            assert await tx.users.with_password("a@example.com") is not None
        await late.close()


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
