"""How MariaDB and MySQL are connected to: within bounds, in one dialect of SQL, and never again when in doubt.

The driver is an extra, so nothing but `app.database.server` and the migrations import this, and those when it is asked
for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asyncmy import errors
from asyncmy.connection import Connection
from asyncmy.constants import CR, ER

from app.database.bounds import IDLE_TRANSACTION

T = TypeVar("T")

# What servers are set up to do differs; our statements were written against this. Times are UTC; values that do not fit
# are refused, not cut; and a transaction sees what others commit, as in PostgreSQL. The comments with a number are
# executed by MariaDB alone and by MySQL alone.
_SESSION = (
    "SET SESSION time_zone='+00:00', sql_mode='TRADITIONAL'"
    " /*M!100101 , tx_isolation='READ-COMMITTED' */ /*!80000 , transaction_isolation='READ-COMMITTED' */"
    f" /*M!100301 , idle_transaction_timeout={IDLE_TRANSACTION} */"
)
_LIMITS = (
    ", innodb_lock_wait_timeout={lock}, lock_wait_timeout={lock}"
    " /*M!100101 , max_statement_time={seconds} */ /*!80000 , max_execution_time={milliseconds} */"
)


def connector(connect_timeout: float, statement_timeout: float | None) -> Callable[..., Awaitable[Connection]]:
    """Makes connections, for SQLAlchemy's `async_creator_fn`. Times are in seconds; None: a statement may take any."""

    async def connect(**options: Any) -> Connection:
        # As bytes: the driver would take it for Latin-1.
        password = (options.pop("password", None) or "").encode()
        connection = _Connection(password=password, init_command=_session(statement_timeout), **options)  # type: ignore[no-untyped-call]  # the driver's
        # The driver's own limit ends when the socket is open; the server may say nothing after that. And it is kept by
        # asyncio.wait_for, which in Python 3.11 loses a cancellation that comes just as the socket opens.
        connection._connect_timeout = None  # type: ignore[attr-defined]  # which the driver's types do not tell of
        async with asyncio.timeout(connect_timeout):
            await connection.connect()
            connection.longest = await _longest(connection)
        connection.statement_timeout = statement_timeout
        return connection

    return connect


def _session(statement_timeout: float | None) -> str:
    if statement_timeout is None:
        return _SESSION
    # The server gives up before we do, so that the connection stays whole: on a lock first, then on a statement.
    seconds = statement_timeout * 0.9
    lock = max(1, int(statement_timeout) - 1)
    return _SESSION + _LIMITS.format(lock=lock, seconds=f"{seconds:.3f}", milliseconds=int(seconds * 1000))


async def _longest(connection: Connection) -> int:
    cursor = connection.cursor()
    await cursor.execute("SELECT @@max_allowed_packet")
    return int((await cursor.fetchone())[0])


class _Connection(Connection):
    """One whose statements end in time. The driver's own `read_timeout` hangs when the server takes no bytes either."""

    statement_timeout: float | None = None
    longest = 2**30
    """Bytes of a statement that the server takes. It hangs up on whoever sends more, as if it were away."""

    async def query(self, sql: Any, unbuffered: bool = False) -> Any:
        # In UTF-8 a character has four bytes at most, and a packet one more than its statement.
        if len(sql) * 4 >= self.longest and len(sql.encode() if isinstance(sql, str) else sql) >= self.longest:
            raise errors.DataError(ER.NET_PACKET_TOO_LARGE, "The statement is longer than the server takes")
        return await self._within(super().query(sql, unbuffered))  # type: ignore[no-untyped-call]  # the driver's

    async def commit(self) -> None:
        await self._within(super().commit())

    async def rollback(self) -> None:
        await self._within(super().rollback())

    async def ping(self, reconnect: bool = False) -> None:
        await self._within(super().ping(reconnect))

    def literal(self, obj: Any) -> Any:
        # The driver's own way with bytes takes 120 ms of the event loop for a megabyte, this 3 ms (measured).
        return f"X'{obj.hex()}'" if isinstance(obj, bytes) else super().literal(obj)  # type: ignore[no-untyped-call]  # the driver's

    async def show_warnings(self) -> None:
        """Nothing. The driver would ask after each statement that has some, and log them with what users wrote."""

    async def _within(self, work: Awaitable[T]) -> T:
        transport = self._transport  # type: ignore[attr-defined]  # which the driver's types do not tell of
        try:
            async with asyncio.timeout(self.statement_timeout):
                return await work
        except TimeoutError as error:
            # Cancelled in the middle of a packet, which the driver answers by closing the connection.
            raise errors.OperationalError(CR.CR_SERVER_LOST, "No answer in time") from error
        finally:
            if transport is not None and not self.connected:
                # The driver would keep it, with all that is unsent, until a server takes it that may be frozen.
                transport.abort()
