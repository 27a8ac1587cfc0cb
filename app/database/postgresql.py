"""How PostgreSQL is spoken to in few round trips.

Each one is a turn of the event loop, which is what a busy instance has least of: an answer takes 18 to 21 of them where
SQLAlchemy's usual ways take 29.
"""

import math
import time
from typing import Literal, cast

import asyncpg
from asyncpg import InterfaceError, PostgresError
from sqlalchemy import AdaptedConnection, Connection, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.database.bounds import IDLE_TRANSACTION

ISOLATION: Literal["READ COMMITTED"] = "READ COMMITTED"
_TRUSTED = 0.005
"""Seconds for which a connection whose last use went well is believed to work: until the next who waits for one has it.
That it was closed is heard of at once; but where the server is frozen, who believes loses a statement's time."""
_BELIEVED_UNTIL = "believed until"


def is_spoken(url: URL) -> bool:
    return url.drivername == "postgresql+asyncpg"


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same connections for those who only read: each statement by itself, without BEGIN and COMMIT.

    At READ COMMITTED, which is what all transactions are set to have, it sees just what it would see between these.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def watch(engine: AsyncEngine) -> None:
    """Bound the transactions of each connection, and let nobody have one that is known, or found, to be broken.

    What SQLAlchemy does for the latter, `pool_pre_ping`, takes three round trips whenever a connection is taken.
    """
    event.listen(engine.sync_engine, "connect", _bound_transactions)
    event.listen(engine.sync_engine, "checkout", _try_out)
    event.listen(engine.sync_engine, "handle_error", _give_up_late)


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
    """Raises DisconnectionError, on which the pool makes a new one."""
    until = record.info.pop(_BELIEVED_UNTIL, 0.0)
    if until == math.inf:
        return
    driver = cast(AsyncAdapt_asyncpg_connection, connection).driver_connection
    if driver.is_closed():
        raise DisconnectionError
    if time.monotonic() > until:
        try:
            connection.run_async(_ping)
        except (PostgresError, InterfaceError) as error:
            raise DisconnectionError from error
    if driver.is_in_transaction():
        # A BEGIN whose answer came too late: whatever is written here would be part of it, and never committed.
        raise DisconnectionError


def _give_up_late(context: ExceptionContext) -> None:
    """A statement that had no answer in time, BEGIN and COMMIT among them, takes its connection along.

    Nobody knows what it will have done there. It is cancelled, where the server can hear of it, before that goes.
    """
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


async def _ping(driver: asyncpg.Connection) -> None:
    await driver.execute("SELECT 1")
