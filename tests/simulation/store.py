"""A database of the simulation as one instance sees it, and the schema that all worlds begin with."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, StaticPool, create_engine

from app import migrations
from app.database import database_url
from app.database.unit import Unit
from tests.simulation.loop import Process
from tests.simulation.sessions import DatabaseServer, Session

T = TypeVar("T")

_POOL_PATIENCE = 2.0
# What the judges want to know of each write, rolled back with it where it is.
_OBSERVERS = """
CREATE TABLE seen_endings (generation_id TEXT, status TEXT, failure_code TEXT, fence INTEGER, at REAL);
CREATE TRIGGER see_ending AFTER UPDATE OF status ON generations WHEN NEW.status <> 'streaming'
BEGIN
  INSERT INTO seen_endings VALUES
    (NEW.id, NEW.status, NEW.failure_code, NEW.fence, (julianday('now') - 2460000.5) * 86400.0);
END;
CREATE TABLE seen_intruders (generation_id TEXT, what TEXT);
CREATE TRIGGER see_checkpoint AFTER INSERT ON generation_checkpoints
WHEN NOT EXISTS (
  SELECT 1 FROM generations g JOIN instances i ON i.id = g.owner_id
  WHERE g.id = NEW.generation_id AND g.status = 'streaming'
)
BEGIN
  INSERT INTO seen_intruders VALUES (NEW.generation_id, 'a checkpoint of an owner without a lease, or after the end');
END;
"""


class Schema:
    """One database in memory, made anew for each world from a migrated one."""

    def __init__(self) -> None:
        self._template = _migrated()
        self.raw = sqlite3.connect(":memory:", isolation_level=None)
        self._template.backup(self.raw)
        self.raw.execute("PRAGMA foreign_keys=ON")
        engine = create_engine("sqlite://", creator=lambda: self.raw, poolclass=StaticPool)
        self.connection: Connection = engine.connect()

    def renew(self) -> None:
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")
        self._template.backup(self.raw)


class SimulatedStore:
    """A pool of connections to the server, of one process; it stands where a driver's pool would."""

    embedded = False

    def __init__(self, server: DatabaseServer, process: Process | None, size: int) -> None:
        self._server = server
        self._process = process
        self._free = asyncio.Semaphore(size)
        self.in_use = 0

    @asynccontextmanager
    async def unit(self, *, write: bool, durable: bool) -> AsyncIterator[Unit]:
        async with self._connected(writes=write) as session:
            unit = Unit(lambda work: self._server.submit(session, work))
            yield unit
            if write:
                await self._server.submit(session, unit.rest(), commits=True)

    async def settle(self) -> None:
        """Each commit is."""

    async def glance(self, look: Callable[[Connection], T]) -> T:
        async with self._connected(writes=False) as session:
            found: T = await self._server.submit(session, look)
            return found

    async def close(self) -> None:
        """Nothing is held between transactions."""

    @asynccontextmanager
    async def _connected(self, *, writes: bool) -> AsyncIterator[Session]:
        async with asyncio.timeout(_POOL_PATIENCE):
            await self._free.acquire()
        self.in_use += 1
        session = self._server.open(self._process, writes=writes)
        try:
            yield session
        finally:
            self._server.close(session)
            self.in_use -= 1
            self._free.release()


def _migrated() -> sqlite3.Connection:
    template = sqlite3.connect(":memory:")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "app.db"
        asyncio.run(migrations.migrate(database_url(f"sqlite:///{file}")))
        with closing(sqlite3.connect(file)) as migrated:
            migrated.backup(template)
    template.executescript(_OBSERVERS)
    return template
