"""How Alembic reaches the database: a connection that is open already, a given URL, or the application's settings.

A caller hands over `config.attributes["connection"]` or `["url"]`; the command line has neither. With a URL this runs
an event loop of its own, so an async caller wants `asyncio.to_thread`, or a connection and `run_sync`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core.config import StartRefused, StorageSettings
from app.database import database_url
from app.database.server import connect_args
from app.models import base, metadata

# Any number will do, as long as nothing else in the database takes it.
MIGRATION_LOCK = 7_402_113_900
LOCK_SECONDS = 3600
CONNECT_SECONDS = 10.0
SHARED_TYPES = {id(getattr(base, name)): name for name in ("Id", "Word", "Exact", "LongText", "LongBytes", "Seconds")}
# What each engine searches by is its own: tables of FTS5, indexes on terms.
UNLIKE_MODELS = ("search_index", "ix_search_entries_terms")
TYPE_CLASSES = {base.UtcDateTime: "UtcDateTime()", base.Money: "Money()"}


def migrate(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    with _foreign_keys_off(connection) if sqlite else nullcontext():
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=True,
            render_item=_render_item,
            compare_type=True,
            include_name=lambda name, *_: not (name or "").startswith(UNLIKE_MODELS),
            # All or nothing: a process killed halfway must find a database that it can migrate again. SQLite can do
            # that, though Alembic does not expect it to.
            transactional_ddl=True if sqlite else None,
        )
        with context.begin_transaction(), _alone(connection):
            context.run_migrations()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Two release machines at once: the second waits, and finds nothing left to do. A file has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        yield
    elif connection.dialect.name in ("mysql", "mariadb"):
        with _named_lock(connection):
            yield
    else:
        yield


@contextmanager
def _named_lock(connection: Connection) -> Iterator[None]:
    """MariaDB and MySQL commit at each change of a table, so the lock is the session's, under a name that holds for
    the whole server. A session that fails keeps it until it is closed.
    """
    name = connection.scalar(text("SELECT SHA1(CONCAT(:key, DATABASE()))"), {"key": MIGRATION_LOCK})
    taken = connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": LOCK_SECONDS})
    if not taken:
        raise StartRefused("DATABASE_URL: another migration of this database is under way, and does not end")
    try:
        yield
    except SQLAlchemyError as error:
        raise StartRefused(
            f"DATABASE_URL: a migration failed ({getattr(error, 'orig', None) or error}). MariaDB and MySQL take back "
            "no part of what it had done: restore the database from a copy of before, then migrate again."
        ) from error
    connection.scalar(text("SELECT RELEASE_LOCK(:name)"), {"name": name})


@contextmanager
def _foreign_keys_off(connection: Connection) -> Iterator[None]:
    """A batch operation drops the table that it has copied; with foreign keys on, that deletes what refers to it.

    The pragma does nothing inside a transaction, hence the plain cursor: SQLAlchemy would begin one.
    """
    if connection.in_transaction():
        raise RuntimeError("hand Alembic a SQLite connection before its transaction begins")
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA foreign_keys")
    were_on = cursor.fetchone() == (1,)
    cursor.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        if were_on:
            cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


def _render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Our own column types by their names in `app.models.base`; the rest is left to Alembic."""
    name = SHARED_TYPES.get(id(item)) or TYPE_CLASSES.get(type(item))
    if kind != "type" or name is None:
        return False
    autogen.imports.add("from app.models import base")
    return f"base.{name}"


async def _connect(url: URL) -> None:
    engine = create_async_engine(url, poolclass=NullPool, connect_args=connect_args(url, CONNECT_SECONDS, None))
    if url.get_backend_name() == "sqlite":
        # The driver would begin a transaction by itself, and not for DDL.
        event.listen(engine.sync_engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


attributes = context.config.attributes
if connection := attributes.get("connection"):
    migrate(connection)
else:
    asyncio.run(_connect(attributes.get("url") or database_url(StorageSettings().database_url.get_secret_value())))
