"""How MariaDB is used: what a connection is set to, and that none is used again once something went wrong on it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import TextClause, text

from app.core.config import StartRefused, StorageSettings
from app.core.errors import DatabaseUnavailable
from app.database import Database, Transaction, database_url
from app.domain.identity import Role
from tests.backend import Process
from tests.mariadb_server import MariaDBServer, throwaway

SLEEP = text("SELECT SLEEP(30)")
NUMBER = text("SELECT :number AS number")
FOREVER = text("SELECT COUNT(*) FROM seq_1_to_100000000 a, seq_1_to_1000 b")


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDBServer]:
    with throwaway() as server:
        yield server


@pytest.fixture
async def address(server: MariaDBServer) -> str:
    return await server.database()


def opened(address: str, **settings: object) -> Database:
    values = {"database_url": address, "database_pool_size": 2, "database_statement_timeout": 2.0, **settings}
    return Database(StorageSettings(_env_file=None, **values))  # type: ignore[arg-type]  # each has its own type


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    database = opened(address)
    yield database
    await database.close()


async def one(tx: Transaction, statement: str) -> object:
    (row,) = await tx._connection.rows(text(statement))
    (value,) = row.values()
    return value


async def numbers(database: Database) -> list[int]:
    """What ten statements answer on however many connections there are; each should hear its own answer."""

    async def ask(number: int) -> int:
        async with database.snapshot() as tx:
            (row,) = await tx._connection.rows(NUMBER, {"number": number})
        return int(row["number"])

    return list(await asyncio.gather(*(ask(number) for number in range(10))))


async def add(tx: Transaction, name: str) -> None:
    await tx.users.add(email=f"{name}@example.com", name=None, role=Role.USER, password_hash="x")


async def write_and(database: Database, statement: TextClause, **values: object) -> None:
    """A transaction that writes, and then has this statement."""
    async with database.transaction() as tx:
        await add(tx, "undone")
        await tx._connection.rows(statement, values)


async def test_every_connection_is_set_to_what_the_statements_were_written_against(database: Database) -> None:
    async with database.transaction() as tx:
        assert await one(tx, "SELECT @@tx_isolation") == "READ-COMMITTED"
        assert await one(tx, "SELECT @@time_zone") == "+00:00"
        assert "STRICT_TRANS_TABLES" in str(await one(tx, "SELECT @@sql_mode"))
        assert await one(tx, "SELECT @@character_set_connection") == "utf8mb4"
        assert await one(tx, "SELECT @@autocommit") == 0
        lock, statement = (
            await one(tx, "SELECT @@innodb_lock_wait_timeout"),
            await one(tx, "SELECT @@max_statement_time"),
        )
        assert float(str(lock)) < float(str(statement)) < 2.0


async def test_a_row_that_is_as_it_was_to_be_is_counted(database: Database) -> None:
    async with database.transaction() as tx:
        user = await tx.users.add(email="same@example.com", name="Same", role=Role.USER, password_hash="x")
    for _ in range(2):
        async with database.transaction() as tx:
            assert await tx.users.change(user.id, {"name": "Same"})


async def test_a_statement_that_takes_too_long_is_ended_and_its_connection_goes_on(database: Database) -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await write_and(database, FOREVER)
    assert time.monotonic() - began < 5
    assert await numbers(database) == list(range(10))
    async with database.snapshot() as tx:
        assert await tx.users.with_password("undone@example.com") is None


async def test_who_waits_for_a_lock_gives_up_in_time(database: Database) -> None:
    async with database.transaction() as tx:
        await add(tx, "held")
    began = time.monotonic()
    async with database.transaction() as tx:
        await tx.users.enter_at("held@example.com")
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as other:
                await other.users.enter_at("held@example.com")
    assert time.monotonic() - began < 5
    async with database.transaction() as tx:
        assert await tx.users.enter_at("held@example.com") is not None


async def test_two_who_wait_for_each_other_do_not_wait_long(database: Database) -> None:
    async with database.transaction() as tx:
        await add(tx, "one")
        await add(tx, "two")
    holding = asyncio.Barrier(2)

    async def enter(first: str, second: str) -> None:
        async with database.transaction() as tx:
            await tx.users.enter_at(f"{first}@example.com")
            await holding.wait()
            await tx.users.enter_at(f"{second}@example.com")

    outcomes = await asyncio.gather(enter("one", "two"), enter("two", "one"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome] == [DatabaseUnavailable]


async def test_who_is_cancelled_while_a_statement_runs_leaves_no_answer_to_others(database: Database) -> None:
    async def wait() -> None:
        async with database.transaction() as tx:
            await add(tx, "cancelled")
            await tx._connection.rows(SLEEP)

    for _ in range(4):
        task = asyncio.create_task(wait())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert await numbers(database) == list(range(10))
    assert database.connections_in_use == 0
    async with database.snapshot() as tx:
        assert await tx.users.with_password("cancelled@example.com") is None


async def test_a_cancellation_is_heeded_at_every_moment_of_connecting(address: str) -> None:
    """Python 3.11's `asyncio.wait_for`, with which the driver opens its socket, would lose it at one."""

    async def ask_and_stay(database: Database) -> None:
        async with database.snapshot() as tx:
            await tx._connection.rows(NUMBER, {"number": 1})
        await asyncio.Event().wait()

    for moment in range(60):
        database = opened(address)
        asking = asyncio.create_task(ask_and_stay(database))
        for _ in range(moment):
            await asyncio.sleep(0)
        asking.cancel()
        assert await asyncio.wait({asking}, timeout=5) == ({asking}, set()), f"lost after {moment} turns of the loop"
        await database.close()


async def test_a_connection_that_the_server_has_ended_is_replaced(
    database: Database,
) -> None:
    assert await numbers(database) == list(range(10))
    with pytest.raises(DatabaseUnavailable):
        await write_and(database, text("KILL CONNECTION_ID()"))
    assert await numbers(database) == list(range(10))


async def test_of_a_frozen_server_one_hears_in_time_however_much_was_to_be_sent(
    database: Database, server: MariaDBServer
) -> None:
    assert await numbers(database) == list(range(10))
    server.freeze()
    try:
        began = time.monotonic()
        outcomes = await asyncio.gather(
            *(write_and(database, NUMBER, number="x" * 12_000_000) for _ in range(6)), return_exceptions=True
        )
        assert time.monotonic() - began < 8
    finally:
        server.thaw()
    assert {type(outcome) for outcome in outcomes} == {DatabaseUnavailable}
    assert await numbers(database) == list(range(10))


async def test_a_server_that_freezes_over_a_statement_is_away_in_time(
    database: Database, server: MariaDBServer
) -> None:
    async def freeze_and_write() -> None:
        async with database.transaction() as tx:
            await one(tx, "SELECT 1")
            server.freeze()
            await tx._connection.rows(NUMBER, {"number": "x" * 12_000_000})

    began = time.monotonic()
    try:
        with pytest.raises(DatabaseUnavailable):
            await freeze_and_write()
        assert time.monotonic() - began < 8
    finally:
        server.thaw()
    assert await numbers(database) == list(range(10))


async def test_a_server_that_takes_no_writes_is_read(database: Database, server: MariaDBServer) -> None:
    async with database.transaction() as tx:
        await add(tx, "before")
    await server.administer("SET GLOBAL read_only=ON")
    try:
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as tx:
                await add(tx, "after")
        async with database.snapshot() as tx:
            assert await tx.users.with_password("before@example.com") is not None
    finally:
        await server.administer("SET GLOBAL read_only=OFF")


@pytest.mark.parametrize(
    "wrong",
    [
        "mysql://app:wrong@127.0.0.1:{port}/test_x",
        "mysql://app:secret@127.0.0.1:{port}/test_none",
        "mysql://127.0.0.1:1/x",
    ],
)
async def test_a_server_that_lets_nobody_in_is_away(server: MariaDBServer, wrong: str) -> None:
    database = opened(wrong.format(port=database_url(server.url).port))
    with pytest.raises(DatabaseUnavailable):
        await database.revision()
    await database.close()


async def test_a_server_without_a_free_connection_is_away(server: MariaDBServer, database: Database) -> None:
    assert await numbers(database) == list(range(10))
    await server.administer("SET GLOBAL max_connections=10")
    hogs = [opened(str(database.url.render_as_string(hide_password=False)), database_pool_size=1) for _ in range(12)]
    try:
        held = await asyncio.gather(*(hog.revision() for hog in hogs), return_exceptions=True)
        assert {type(outcome) for outcome in held} == {str, DatabaseUnavailable}
    finally:
        await asyncio.gather(*(hog.close() for hog in hogs))
        await server.administer("SET GLOBAL max_connections=400")


async def test_what_is_wrong_with_a_statement_is_no_matter_of_being_away(database: Database) -> None:
    for statement in ("SELECT 1 FROM nowhere", "SELEC", "INSERT INTO users (id) VALUES (REPEAT('x', 99))"):
        with pytest.raises(Exception, match=r"1146|1064|1364|1406") as raised:
            async with database.transaction() as tx:
                await tx._connection.run(text(statement))
        assert not isinstance(raised.value, DatabaseUnavailable)


async def test_texts_that_look_alike_are_told_apart(database: Database) -> None:
    names = ["straße", "strasse", "STRASSE", "résumé", "resume", "电池", "電池", "🔋", "🪫"]
    async with database.transaction() as tx:
        for name in names:
            await add(tx, name)
    async with database.snapshot() as tx:
        assert await tx.users.with_password("strasse@example.com ") is None
        for name in names:
            found = await tx.users.with_password(f"{name}@example.com")
            assert found is not None
            assert found[0].email == f"{name}@example.com"
            assert await tx.users.get(f"{found[0].id} ") is None
            assert await tx.users.get(found[0].id.upper()) is None
        assert await tx.users.get("不是🔋") is None


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ("mysql://u:p@h/d", {}),
        ("mysql://u:p@h/d?charset=latin1", {}),
        ("mysql://u:p@h/d?ssl-mode=DISABLED", {}),
        ("mysql://u:p@h/d?ssl-mode=REQUIRED", {"ssl_check_hostname": "false"}),
        ("mariadb://u:p@h/d?ssl=true", {"ssl_check_hostname": "false"}),
        ("mysql://u:p@h/d?ssl_mode=VERIFY_CA&ssl_ca=/ca.pem", {"ssl_ca": "/ca.pem", "ssl_check_hostname": "false"}),
        ("mysql://u:p@h/d?sslmode=VERIFY_IDENTITY&ssl_ca=/ca.pem", {"ssl_ca": "/ca.pem"}),
    ],
)
def test_what_hosters_write_is_understood(given: str, query: dict[str, str]) -> None:
    url = database_url(given)
    assert url.drivername.endswith("+asyncmy")
    assert dict(url.query) == {**query, "charset": "utf8mb4"}


def test_what_is_to_be_verified_is_verified_by_somebody() -> None:
    query = database_url("mysql://u:p@h/d?ssl-mode=VERIFY_IDENTITY").query
    assert {"ssl_ca", "ssl_capath"} & query.keys()
    assert "ssl_check_hostname" not in query


@pytest.mark.parametrize("word", ["ssl-mode=PERHAPS", "useSSL=true", "connection_limit=5"])
def test_a_word_that_nobody_knows_is_refused(word: str) -> None:
    with pytest.raises(StartRefused, match="DATABASE_URL"):
        database_url(f"mysql://u:p@h/d?{word}")


def test_without_its_driver_the_start_is_refused_in_one_line(tmp_path: Path) -> None:
    # A module that is None here is one that is not installed.
    program = "import sys; sys.modules['asyncmy'] = None; from app.main import run; run()"
    environment = Process(tmp_path, "mysql://u:p@127.0.0.1/d").environment
    started = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    (line,) = started.stderr.decode().splitlines()
    assert started.returncode == 2
    assert line == "DATABASE_URL: MariaDB and MySQL need the driver asyncmy: pip install asyncmy"
