"""What a SQLite file has committed reaches the disk in groups, and nobody is told before."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.database.durability import WriteAheadLog
from app.domain.identity import Role


class Disk:
    """A disk that takes its time: each sync waits for `let`, and then is a real one."""

    def __init__(self) -> None:
        self.syncs = 0
        self.begun = threading.Event()
        self.let = threading.Event()
        self.error: OSError | None = None

    def sync(self, file: int) -> None:
        self.syncs += 1
        self.begun.set()
        assert self.let.wait(10)
        if self.error is not None:
            raise self.error
        os.fdatasync(file)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def log(tmp_path: Path, disk: Disk) -> AsyncIterator[WriteAheadLog]:
    file = tmp_path / "app.db"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (1)")
    log = WriteAheadLog(disk.sync)
    log.opened(str(file))
    yield log
    disk.let.set()
    await asyncio.to_thread(log.close)
    connection.close()


async def test_who_waits_is_told_after_a_sync_that_began_later(log: WriteAheadLog, disk: Disk) -> None:
    first = log.settle()
    await asyncio.to_thread(disk.begun.wait, 5)
    # These have committed since: the sync under way may have missed them.
    late = [log.settle() for _ in range(20)]
    await asyncio.sleep(0.01)
    assert not first.done()
    disk.begun.clear()

    disk.let.set()

    await asyncio.gather(first, *late)
    assert disk.syncs == 2


async def test_a_disk_that_fails_is_told_to_all_who_wait(log: WriteAheadLog, disk: Disk) -> None:
    disk.error = OSError(5, "Input/output error")
    disk.let.set()
    outcomes = await asyncio.gather(*(log.settle() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, OSError) for outcome in outcomes)
    disk.error = None
    await log.settle()


async def test_who_left_disturbs_nobody(log: WriteAheadLog, disk: Disk) -> None:
    tasks = [log.settle() for _ in range(3)]
    await asyncio.to_thread(disk.begun.wait, 5)
    tasks[1].cancel()
    disk.let.set()
    await asyncio.gather(tasks[0], tasks[2])


async def test_without_a_log_there_is_nothing_to_wait_for() -> None:
    log = WriteAheadLog()
    await log.settle()
    log.close()


async def test_a_write_is_on_the_disk_when_its_block_has_ended(database: Database) -> None:
    async with database.transaction() as tx:
        user = await tx.users.add(email="a@example.com", name=None, role=Role.USER, password_hash="x")
    # Another reader of the file, who knows nothing of our connections.
    with sqlite3.connect(str(database.file)) as other:
        assert other.execute("SELECT id FROM users").fetchall() == [(user.id,)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_folder_that_is_gone_is_a_database_that_is_away(database: Database, tmp_path: Path) -> None:
    assert database.file is not None
    database.file.rename(tmp_path / "elsewhere.db")
    database.file.mkdir()
    with pytest.raises(DatabaseUnavailable):
        async with database.snapshot() as tx:
            await tx.users.get("x")


async def test_the_wait_for_the_one_writer_has_a_limit(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction():
                raise AssertionError("there are two writers")
    async with database.transaction() as tx:
        await tx.users.add(email="a@example.com", name=None, role=Role.USER, password_hash="x")
