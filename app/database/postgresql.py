"""How PostgreSQL is spoken to in few round trips.

Each one is a turn of the event loop, which is what a busy instance has least of: an answer takes 18 of them where
SQLAlchemy's usual ways take 29.
"""

import time
from typing import cast

from sqlalchemy import AdaptedConnection, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.database.bounds import IDLE_TRANSACTION

_TRUSTED = 1.0
"""Seconds for which a connection that was just in use is believed to work. That it was closed is heard of at once."""
_USED = "used"


def is_spoken(url: URL) -> bool:
    return url.drivername == "postgresql+asyncpg"


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same connections for those who only read: each statement by itself, without BEGIN and COMMIT.

    At READ COMMITTED, which is what all our transactions have, it sees just what it would see between these.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def watch(engine: AsyncEngine) -> None:
    """Bound the transactions of each connection, and let nobody have one that is broken.

    What SQLAlchemy does for the latter, `pool_pre_ping`, takes three round trips whenever a connection is taken.
    """
    event.listen(engine.sync_engine, "connect", _bound_transactions)
    event.listen(engine.sync_engine, "checkin", _note_use)
    event.listen(engine.sync_engine, "checkout", _try_out)


def _bound_transactions(connection: AdaptedConnection, _: ConnectionPoolEntry) -> None:
    """By a statement: PgBouncer refuses connections that ask for it when they begin."""
    connection.run_async(
        lambda driver: driver.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION}s'")
    )


def _note_use(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()


def _try_out(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
    """Raises InvalidatePoolError, on which the pool makes new connections for all that are as old."""
    used = record.info.get(_USED)
    if used is None:
        return  # it was made just now, for whoever takes it
    adapted = cast(AsyncAdapt_asyncpg_connection, connection)
    if adapted.driver_connection.is_closed():
        raise InvalidatePoolError
    if time.monotonic() - used > _TRUSTED:
        try:
            adapted.ping()  # type: ignore[no-untyped-call]  # SQLAlchemy's
        except adapted.dbapi.Error as error:
            raise InvalidatePoolError from error
