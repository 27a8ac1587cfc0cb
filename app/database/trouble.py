"""Which of a database's errors say that it is away, and not that a statement is wrong."""

from asyncpg import InterfaceError as DriverInterfaceError
from asyncpg import PostgresError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import DatabaseUnavailable

TROUBLE = (DBAPIError, PoolTimeout, OSError, TimeoutError, PostgresError, DriverInterfaceError)
"""All that work with a database may raise when it goes wrong; the driver's own errors while a connection is made."""

# Of servers' errors, which no dialect tells apart: no connection, no access, no such database (yet), no resources,
# shutting down or starting up, its disk failing, read-only, a transaction that was rolled back or refused a lock to end
# a conflict, a statement that took too long.
_AWAY_STATES = ("08", "28", "3D", "53", "57", "58", "25006", "25P03", "40", "55P03", "70100")
# The same of MariaDB and MySQL, where most have no state of their own.
_AWAY_NUMBERS = frozenset(
    number
    for of_one_kind in (
        (3, 1021, 1026, 1030, 1114),  # its disk is full or fails
        (1037, 1038, 1041, 1135),  # no memory
        (1040, 1129, 1130, 1203, 1226),  # no connection for this host or user, or no more of them
        (1044, 1045, 1049),  # no access, no such database
        (1290, 1836),  # read-only
        (1205, 1206, 1213, 3572),  # locks
        (1020, 1412),  # something has changed since the transaction began
        (1317, 1927, 1969, 3024, 4031),  # interrupted, or ended for saying nothing
    )
    for number in of_one_kind
)
_PACKET_TOO_LARGE = 1153
_OF_THE_CLIENT = range(2000, 3000)
"""The server cannot be reached, does not answer, or says what nobody understands."""


class TooMuchAtOnce(DatabaseUnavailable):
    """The database takes no statement that is so long: to try the same again is of no use until it is set up anew."""


def is_away(error: Exception) -> bool:
    """Whether `error`, one of TROUBLE, may be gone when the same is tried again later."""
    if isinstance(error, PostgresError):
        return (error.sqlstate or "").startswith(_AWAY_STATES)
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return True
    state: str = getattr(error.orig, "sqlstate", None) or ""
    number = error.orig.args[0] if error.orig and error.orig.args else None
    if isinstance(number, int):
        # MariaDB and MySQL, whose driver calls an OperationalError whatever it has no better name for.
        return state.startswith(_AWAY_STATES) or number in _AWAY_NUMBERS or number in _OF_THE_CLIENT
    return isinstance(error, OperationalError | InterfaceError) or state.startswith(_AWAY_STATES)


def is_too_much(error: Exception) -> bool:
    """Whether what was to be written is more than the server takes at once, as MariaDB and MySQL bound it."""
    orig = error.orig if isinstance(error, DBAPIError) else None
    return orig is not None and orig.args[:1] == (_PACKET_TOO_LARGE,)
