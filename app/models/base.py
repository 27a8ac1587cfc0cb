"""The metadata, the column types and the clock that all tables share."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, LargeBinary, MetaData, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.compiler import DDLCompiler, SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import Float

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(36)
# SHA-256 in hexadecimal.
Hash = String(64)
Word = String(32)
Exact = String(255)
# MariaDB's TEXT and BLOB end at 64 KB.
LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
LongBytes = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
# By the database's clock, since 1970.
Seconds = Float(53).with_variant(mysql.DOUBLE(asdecimal=False), "mysql", "mariadb")


@compiles(CreateTable, "mysql")
@compiles(CreateTable, "mariadb")
def _mariadb_table(element: CreateTable, compiler: DDLCompiler, **kw: Any) -> str:
    """Text is compared character for character, as in the other databases.

    A server's defaults may be an encoding without Chinese, and fold case, accents and trailing spaces; the two spell
    differently what does not.
    """
    exact = "utf8mb4_nopad_bin" if compiler.dialect.is_mariadb else "utf8mb4_0900_bin"  # type: ignore[attr-defined]  # of MySQL's dialects
    created = str(compiler.visit_create_table(element, **kw)).rstrip()  # type: ignore[no-untyped-call]  # SQLAlchemy's
    return f"{created} ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={exact}\n"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC; SQLite and MariaDB keep no zone, so it is taken off and put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class Money(TypeDecorator[Decimal]):
    """US dollars as a whole number of picodollars: exact, and summed exactly by every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value.scaleb(12).to_integral_value())

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-12)


class DatabaseClock(GenericFunction[float]):
    """The database's own clock in seconds since 1970: leases are judged by one clock, whichever instance asks."""

    type = Float(53)
    name = "database_clock"
    inherit_cache = True


@compiles(DatabaseClock, "sqlite")
def _sqlite_clock(element: DatabaseClock, compiler: SQLCompiler, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DatabaseClock, "postgresql")
def _postgresql_clock(element: DatabaseClock, compiler: SQLCompiler, **kw: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


@compiles(DatabaseClock, "mysql")
@compiles(DatabaseClock, "mariadb")
def _mariadb_clock(element: DatabaseClock, compiler: SQLCompiler, **kw: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"


class UtcDay(GenericFunction[str]):
    """The day of a UtcDateTime column in UTC, as YYYY-MM-DD, whatever the server's or the connection's time zone."""

    type = String(10)
    name = "utc_day"
    inherit_cache = True


@compiles(UtcDay, "sqlite")
def _sqlite_day(element: UtcDay, compiler: SQLCompiler, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, 10)"


@compiles(UtcDay, "postgresql")
def _postgresql_day(element: UtcDay, compiler: SQLCompiler, **kw: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **kw)} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


@compiles(UtcDay, "mysql")
@compiles(UtcDay, "mariadb")
def _mariadb_day(element: UtcDay, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(DATE({compiler.process(element.clauses, **kw)}) AS CHAR(10))"
