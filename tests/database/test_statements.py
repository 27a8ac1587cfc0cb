"""What the repositories say is said in each database's own words; of MySQL this is all that is tried."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import ClauseElement, Dialect, Executable
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.schema import CreateTable

from app import repositories
from app.models import metadata
from app.models.generations import generations
from app.repositories.users import _HOLD


def mysql_84() -> Dialect:
    """As it is once a connection has told the version."""
    dialect = mysql.dialect()
    dialect.supports_for_update_of = dialect.use_mysql_for_share = True
    return dialect


def statements() -> Iterator[tuple[str, ClauseElement]]:
    for module in pkgutil.iter_modules(repositories.__path__):
        for name, value in vars(importlib.import_module(f"app.repositories.{module.name}")).items():
            if isinstance(value, ClauseElement) and isinstance(value, Executable):
                yield f"{module.name}.{name}", value


DIALECTS: dict[str, Callable[[], Dialect]] = {
    "sqlite": sqlite.dialect,
    "postgresql": postgresql.dialect,
    "mysql": mysql_84,
    "mariadb": MariaDBDialect,
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_compiles(dialect: str) -> None:
    compiled = {name: str(each.compile(dialect=DIALECTS[dialect]())) for name, each in statements()}
    assert len(compiled) > 60
    assert not [name for name, said in compiled.items() if "RETURNING" in said]


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [("mysql", "FOR SHARE"), ("mariadb", "LOCK IN SHARE MODE"), ("postgresql", "FOR KEY SHARE")],
)
def test_a_lock_that_is_shared_is_spelled_as_each_has_it(dialect: str, expected: str) -> None:
    assert str(_HOLD.compile(dialect=DIALECTS[dialect]())).endswith(expected)


@pytest.mark.parametrize(("dialect", "expected"), [("mysql", "utf8mb4_0900_bin"), ("mariadb", "utf8mb4_nopad_bin")])
def test_every_table_compares_texts_exactly(dialect: str, expected: str) -> None:
    for table in metadata.sorted_tables:
        said = str(CreateTable(table).compile(dialect=DIALECTS[dialect]()))
        assert said.endswith(f"ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={expected}\n")
    assert "COLLATE" not in str(CreateTable(generations).compile(dialect=sqlite.dialect()))
