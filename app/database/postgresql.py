"""How PostgreSQL is spoken to in few round trips.

Each one is a turn of the event loop, which is what a busy instance has least of: an answer takes 18 of them where
SQLAlchemy's usual ways take 29.
"""

import math
import time
from typing import cast

from sqlalchemy import AdaptedConnection, Connection, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.database.bounds import IDLE_TRANSACTION

_TRUSTED = 0.1
"""Seconds for which a connection whose last use went well is believed to work. That it was closed is heard of at once;
but where the server is frozen, whoever believes loses a statement's time. A busy instance takes it again sooner."""
_BELIEVED_UNTIL = "believed until"


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
    event.listen(engine.sync_engine, "checkout", _try_out)
    event.listen(engine.sync_engine, "handle_error", _drop_late)


def believe(connection: AsyncConnection) -> None:
    """What was done on it went well."""
    cast(Connection, connection.sync_connection).info[_BELIEVED_UNTIL] = time.monotonic() + _TRUSTED


def _bound_transactions(connection: AdaptedConnection, record: ConnectionPoolEntry) -> None:
    """By a statement: PgBouncer refuses connections that ask for it when they begin."""
    connection.run_async(
        lambda driver: driver.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION}s'")
    )
    record.info[_BELIEVED_UNTIL] = math.inf  # it is made for whoever takes it now


def _try_out(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
    """Raises DisconnectionError, on which the pool makes a new one, or InvalidatePoolError, for all that are as old."""
    until = record.info.pop(_BELIEVED_UNTIL, 0.0)
    if until == math.inf:
        return
    adapted = cast(AsyncAdapt_asyncpg_connection, connection)
    if adapted.driver_connection.is_closed():
        raise DisconnectionError
    if time.monotonic() > until:
        try:
            adapted.ping()  # type: ignore[no-untyped-call]  # SQLAlchemy's
        except adapted.dbapi.Error as error:
            raise InvalidatePoolError from error


def _drop_late(context: ExceptionContext) -> None:
    """A statement that had no answer in time ends its connection, at once.

    To roll back on it, and to part as is polite, would each be waited for again.
    """
    if isinstance(context.original_exception, TimeoutError) and context.connection is not None:
        cast(AsyncAdapt_asyncpg_connection, context.connection.connection).driver_connection.terminate()
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
