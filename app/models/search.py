"""What full-text search looks through: our own terms of titles and messages, in code, a few thousand characters a row.

Each engine has an index of its own on them, made and kept by the migration: SQLite an FTS5 table that triggers fill,
PostgreSQL GIN, MariaDB and MySQL FULLTEXT. How each is asked stands here and nowhere else.
"""

from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    Table,
    TypeDecorator,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import Boolean, Text

from app.models.base import Id, LongText, metadata


class Terms(TypeDecorator[str]):
    """Coded terms, written with spaces between; PostgreSQL keeps them as the words of a document."""

    impl = LongText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(postgresql.TSVECTOR() if dialect.name == "postgresql" else LongText)

    def bind_expression(self, bindparam: BindParameter[str]) -> ColumnElement[str]:
        return _Kept(bindparam)


class _Kept(GenericFunction[str]):
    """The terms as a row has them."""

    type = Text()
    name = "kept_terms"
    inherit_cache = True


@compiles(_Kept)
def _kept(element: _Kept, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(_Kept, "postgresql")
def _kept_as_document(element: _Kept, compiler: SQLCompiler, **kw: Any) -> str:
    return f"array_to_tsvector(string_to_array(CAST({compiler.process(element.clauses, **kw)} AS TEXT), ' '))"


search_entries = Table(
    "search_entries",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # Null: the title.
    Column("message_id", Id),
    # Where in the message the piece begins, in characters.
    Column("start", Integer, nullable=False),
    # In SQLite the index takes them over, and this is empty.
    Column("terms", Terms, nullable=False),
    Index(None, "conversation_id", "message_id"),
)


class HoldsAll(GenericFunction[bool]):
    """Whether an entry holds all of some coded terms, which are given with spaces between."""

    type = Boolean()
    name = "holds_all"
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it is. Where there are no booleans, `= 1` would be written behind it, and no index be used."""
        return self


@compiles(HoldsAll, "sqlite")
def _by_fts5(element: HoldsAll, compiler: SQLCompiler, **kw: Any) -> str:
    asked = compiler.process(element.clauses, **kw)
    found = f"SELECT rowid FROM search_index WHERE search_index MATCH {asked}"  # noqa: S608  # a parameter's place
    return f"search_entries.number IN ({found})"


@compiles(HoldsAll, "postgresql")
def _by_gin(element: HoldsAll, compiler: SQLCompiler, **kw: Any) -> str:
    asked = compiler.process(element.clauses, **kw)
    return f"search_entries.terms @@ CAST(replace(CAST({asked} AS TEXT), ' ', ' & ') AS TSQUERY)"


@compiles(HoldsAll, "mysql")
@compiles(HoldsAll, "mariadb")
def _by_full_text(element: HoldsAll, compiler: SQLCompiler, **kw: Any) -> str:
    asked = compiler.process(element.clauses, **kw)
    return f"MATCH (search_entries.terms) AGAINST (CONCAT('+', REPLACE({asked}, ' ', ' +')) IN BOOLEAN MODE)"
