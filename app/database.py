"""The one way into the relational store: short transactions that hand out the repositories."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.core.config import StartRefused, StorageSettings
from app.core.errors import DatabaseUnavailable
from app.repositories.conversations import ConversationRepository
from app.repositories.generations import GenerationRepository
from app.repositories.idempotency import IdempotencyRepository
from app.repositories.instances import InstanceRepository
from app.repositories.messages import MessageRepository
from app.repositories.sessions import SessionRepository
from app.repositories.usage import UsageRepository
from app.repositories.users import UserRepository

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    "sqlite": "sqlite+aiosqlite",
}
# libpq's words that asyncpg does not know and that it would take for server settings.
_LIBPQ_ONLY = ("channel_binding", "gssencmode", "pgbouncer", "connect_timeout")
_AWAY = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
# Of PostgreSQL's errors, which asyncpg's dialect does not tell apart: no connection, no access, no such database (yet),
# no resources, shutting down or starting up, its disk failing, read-only, and a transaction that was rolled back or
# refused a lock to end a conflict.
_AWAY_STATES = ("08", "28", "3D", "53", "57", "58", "25006", "40", "55P03")


def database_url(value: str) -> URL:
    """The address as SQLAlchemy's async drivers want it, from any of the spellings that hosters set.

    Raises StartRefused for what is no such address.
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise StartRefused("DATABASE_URL is not an address like postgresql://user:password@host/name") from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.drivername != "postgresql+asyncpg":
        return url
    query = dict(url.query)
    if mode := query.pop("sslmode", None):
        query["ssl"] = mode
    if query.get("pgbouncer"):
        query["prepared_statement_cache_size"] = "0"
    return url.set(query={name: given for name, given in query.items() if name not in _LIBPQ_ONLY})


class Transaction:
    """The repositories on one connection; what they did is committed when the block ends, or nothing is."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @cached_property
    def users(self) -> UserRepository:
        return UserRepository(self._connection)

    @cached_property
    def sessions(self) -> SessionRepository:
        return SessionRepository(self._connection)

    @cached_property
    def conversations(self) -> ConversationRepository:
        return ConversationRepository(self._connection)

    @cached_property
    def messages(self) -> MessageRepository:
        return MessageRepository(self._connection)

    @cached_property
    def generations(self) -> GenerationRepository:
        return GenerationRepository(self._connection)

    @cached_property
    def instances(self) -> InstanceRepository:
        return InstanceRepository(self._connection)

    @cached_property
    def idempotency(self) -> IdempotencyRepository:
        return IdempotencyRepository(self._connection)

    @cached_property
    def usage(self) -> UsageRepository:
        return UsageRepository(self._connection)


class Database:
    """A pool of connections. Waiting for one, and each statement, is bounded; what is away is DatabaseUnavailable."""

    def __init__(self, settings: StorageSettings) -> None:
        self.url = database_url(settings.database_url.get_secret_value())
        self._statement_timeout = settings.database_statement_timeout
        self._connect_timeout = None if self.embedded else settings.database_pool_timeout
        try:
            self._engine = (_sqlite_engine if self.embedded else _server_engine)(self.url, settings)
        except (ImportError, TypeError, ArgumentError) as error:
            raise StartRefused(f"DATABASE_URL: no driver for {self.url.drivername} as it is written") from error
        # SQLite has one writer. Waiting here is fair and wakes at once; its busy handler is neither.
        self._writer = asyncio.Lock() if self.embedded else None

    @property
    def embedded(self) -> bool:
        """Whether this is a file that belongs to one process."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        return Path(self.url.database) if self.embedded and self.url.database else None

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that may write."""
        return self._unit(write=True)

    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that only reads."""
        return self._unit(write=False)

    async def revision(self) -> str | None:
        """The migration that the schema is at; None for an empty database."""
        async with self._connection(write=False) as connection:
            return await connection.run_sync(_read_revision)

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _unit(self, *, write: bool) -> AsyncIterator[Transaction]:
        turn = self._turn(self._writer) if write and self._writer else nullcontext()
        async with turn, self._connection(write=write) as connection:
            yield Transaction(connection)

    @asynccontextmanager
    async def _connection(self, *, write: bool) -> AsyncIterator[AsyncConnection]:
        try:
            async with AsyncExitStack() as stack:
                # A pooled connection is tried before use, which would have a statement's time on a frozen server.
                async with asyncio.timeout(self._connect_timeout):
                    connection = await stack.enter_async_context(self._engine.connect())
                await connection.execution_options(read_only=not write)
                async with connection.begin():
                    yield connection
        except _AWAY as error:
            raise DatabaseUnavailable(retry_after=2) from error
        except DBAPIError as error:
            if not _is_away(error):
                raise
            raise DatabaseUnavailable(retry_after=2) from error

    @asynccontextmanager
    async def _turn(self, writer: asyncio.Lock) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(writer.acquire(), self._statement_timeout)
        except TimeoutError as error:
            raise DatabaseUnavailable(retry_after=2) from error
        try:
            yield
        finally:
            writer.release()


def _server_engine(url: URL, settings: StorageSettings) -> AsyncEngine:
    connect_args: dict[str, object] = {}
    if url.drivername == "postgresql+asyncpg":
        connect_args = {
            "timeout": settings.database_pool_timeout,
            "command_timeout": settings.database_statement_timeout,
        }
    return create_async_engine(
        url,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout,
        pool_pre_ping=True,
        pool_use_lifo=True,
        hide_parameters=True,  # a statement's parameters are what users wrote; errors are logged
        connect_args=connect_args,
    )


def _sqlite_engine(url: URL, settings: StorageSettings) -> AsyncEngine:
    busy_ms = int(settings.database_statement_timeout * 1000)
    engine = create_async_engine(
        url,
        pool_size=4,  # each is a thread; one writes, the others read
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout,
        hide_parameters=True,
    )

    def on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver would begin by itself, and only at the first write
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={busy_ms}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        # A deferred transaction that turns into a write fails at once, whatever the busy timeout.
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)
    return engine


def _is_away(error: DBAPIError) -> bool:
    state: str = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(_AWAY_STATES)


def _read_revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
