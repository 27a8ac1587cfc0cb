"""A transaction that cannot begin or cannot be committed costs itself alone; the next ones are whole again."""

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.config import StorageSettings
from app.core.errors import DatabaseUnavailable
from app.database import Database, Transaction
from app.domain.identity import Role


async def add(tx: Transaction, name: str) -> None:
    await tx.users.add(email=f"{name}@example.com", name=None, role=Role.USER, password_hash="x")


async def fail_in_a_block(database: Database) -> None:
    async with database.transaction() as tx:
        await add(tx, "undone")
        raise ZeroDivisionError


async def fail_to_commit(database: Database) -> None:
    """A commit that SQLite refuses, and with which its transaction does not end."""
    async with database.transaction() as tx:
        await tx._connection.run(text("PRAGMA defer_foreign_keys=ON"))
        tx.conversations.add(user_id="nobody", title="T", model="m", model_given=False, system_prompt=None)


@pytest.mark.parametrize(
    ("database_kind", "bound", "shorten"),
    [
        ("postgresql", "SHOW idle_in_transaction_session_timeout", "SET idle_in_transaction_session_timeout = '200ms'"),
        ("mariadb", "SELECT @@idle_transaction_timeout", "SET SESSION idle_transaction_timeout = 1"),
    ],
    indirect=["database_kind"],
)
async def test_one_of_a_process_that_stands_still_keeps_its_locks_only_for_a_while(
    database_kind: str, bound: str, shorten: str, database: Database
) -> None:
    async with database.snapshot() as tx:
        (row,) = await tx._connection.rows(text(bound))
    assert str(*row.values()) in ("10s", "10")

    async def stand_still() -> None:
        async with database.transaction() as tx:
            await add(tx, "lost")
            await tx._connection.run(text(shorten))
            await asyncio.sleep(4)
            await add(tx, "late")

    with pytest.raises(DatabaseUnavailable):
        await stand_still()

    async with database.transaction() as tx:
        await add(tx, "lost")


async def test_after_a_lock_that_did_not_come_what_a_block_raises_still_undoes_what_it_wrote(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await add(tx, "first")
    other = sqlite3.connect(str(database.file), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as tx:
            await add(tx, "locked-out")
    other.execute("ROLLBACK")

    with pytest.raises(ZeroDivisionError):
        await fail_in_a_block(database)

    assert other.execute("SELECT email FROM users").fetchall() == [("first@example.com",)]
    other.close()


async def test_after_a_commit_that_failed_others_commit(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await fail_to_commit(database)
    async with database.transaction() as tx:
        await add(tx, "next")
    async with database.snapshot() as tx:
        assert await tx.users.with_password("next@example.com") is not None


async def test_what_is_synced_is_the_log_that_is_written_to(database: Database) -> None:
    async with database.transaction() as tx:
        await add(tx, "first")
    synced: list[int] = []

    def note(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        os.fdatasync(file)

    database._store._log._sync = note  # type: ignore[attr-defined]  # which file it is, nobody else can tell
    # The last connection of all goes, and the log with it; the next one makes another.
    await database._store._writer._all[0].carry(lambda connection: connection.invalidate())  # type: ignore[attr-defined]
    async with database.transaction() as tx:
        await add(tx, "second")
    assert synced == [os.stat(f"{database.file}-wal").st_ino]


async def test_a_database_behind_a_link_has_its_log_beside_the_file(tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "volume").mkdir()
    file = tmp_path / "volume" / "real.db"
    shutil.copy(sqlite_template, file)
    (tmp_path / "app.db").symlink_to(file)
    database = Database(StorageSettings(_env_file=None, database_url=f"sqlite:///{tmp_path / 'app.db'}"))
    synced: list[int] = []

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        os.fdatasync(descriptor)

    database._store._log._sync = note  # type: ignore[attr-defined]  # which file it is, nobody else can tell
    async with database.transaction() as tx:
        await add(tx, "first")
    assert synced == [os.stat(f"{file}-wal").st_ino]
    await database.close()
