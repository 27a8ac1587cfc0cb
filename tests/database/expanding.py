"""What a migration does to a running older version, as the statements tell that it sends to PostgreSQL."""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url as parse_url

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "alembic"
_NAME = r'(?:public\.)?"?(\w+)"?'
_CREATED = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{_NAME}", re.IGNORECASE)
_ALTERED = re.compile(rf"(?:ALTER TABLE (?:ONLY )?|CREATE UNIQUE INDEX .*? ON ){_NAME}", re.IGNORECASE | re.DOTALL)
_REFERS = re.compile(rf"REFERENCES {_NAME}[^,]*", re.IGNORECASE)
_ADDED = re.compile(r"ADD COLUMN (.*)", re.IGNORECASE | re.DOTALL)

# What an older version would miss, cannot satisfy, or would wait for. Of a table that the same migration makes, none.
_ON_ALL_TABLES = {
    "something is dropped": r"\bDROP (TABLE|(MATERIALIZED )?VIEW|INDEX|SEQUENCE|FUNCTION|TRIGGER|TYPE|SCHEMA)\b",
    "a table is emptied": r"\bTRUNCATE\b",
    "another name": r"\bRENAME\b",
}
_ON_OLDER_TABLES = {
    "a part of a table is dropped": r"\bDROP (COLUMN|CONSTRAINT|DEFAULT|IDENTITY)\b",
    "another type": r"ALTER COLUMN \S+ (SET DATA )?TYPE\b",
    "NOT NULL": r"ALTER COLUMN \S+ SET NOT NULL",
    "a new constraint": r"\bADD (CONSTRAINT \S+ )?(UNIQUE|CHECK|PRIMARY KEY|EXCLUDE|FOREIGN KEY)\b",
    "a unique index": r"CREATE UNIQUE INDEX",
    "a trigger": r"CREATE (OR REPLACE )?(CONSTRAINT )?TRIGGER",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One migration, and what it sent."""

    revision: str
    contracts: str | None
    """The older revision whose version stopped using what this one takes away, where it says so."""
    earlier: frozenset[str]
    statements: Sequence[str]

    @property
    def breaking(self) -> list[str]:
        """What an older version would not live with, each as what it is and the statement."""
        made = {match[1] for statement in self.statements for match in _CREATED.finditer(statement)}
        return [f"{what}: {' '.join(each.split())}" for each in self.statements for what in _broken_by(each, made)]

    @property
    def refused(self) -> list[str]:
        """The same, less what may be: a migration that contracts what an earlier one stopped using."""
        if self.contracts is None:
            return self.breaking
        if self.contracts in self.earlier:
            return []
        return [f"contracts = {self.contracts!r} names no earlier migration"]


def _broken_by(statement: str, made: set[str]) -> Iterator[str]:
    altered = _ALTERED.search(statement)
    older = altered is None or altered[1] not in made
    for what, pattern in {**_ON_ALL_TABLES, **(_ON_OLDER_TABLES if older else {})}.items():
        if re.search(pattern, statement, re.IGNORECASE | re.DOTALL):
            yield what
    added = _ADDED.search(statement)
    if older and added and "NOT NULL" in added[1].upper() and not re.search(r"\bDEFAULT\b|\bGENERATED\b", added[1]):
        yield "a new column that has to be given"
    for refers in _REFERS.finditer(statement):
        if refers[1] not in made and not re.search(r"ON DELETE (CASCADE|SET NULL)", refers[0], re.IGNORECASE):
            yield "rows that an older version cannot delete any more"


def config(scripts: Path = SCRIPTS) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    return config


def plant(folder: Path, *bodies: str, after: str) -> Path:
    """A folder of all migrations with some more behind them, `r1`, `r2`, … `bodies` are what stands below the head."""
    scripts = folder / "alembic"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    for number, body in enumerate(bodies, start=1):
        revision = f"planted_{number}"
        head = f'"""Planted."""\nimport sqlalchemy as sa\nfrom alembic import op\nrevision = "{revision}"\n'
        head += f'down_revision = "{after}"\nbranch_labels = None\ndepends_on = None\n'
        (scripts / "versions" / f"29990101_{revision}.py").write_text(f"{head}{body}\n", encoding="utf-8")
        after = revision
    return scripts


async def upgrade(url: str, scripts: Path) -> None:
    """Bring a database to the newest of these migrations."""
    given = config(scripts)
    given.attributes["url"] = parse_url(url)
    await asyncio.to_thread(command.upgrade, given, "head")


async def steps(url: str, scripts: Path, since: str) -> list[Step]:
    """Run all migrations after that one, on a PostgreSQL that is there, and tell what each sent."""
    engine = create_async_engine(parse_url(url))
    try:
        async with engine.connect() as connection:
            return [await connection.run_sync(_step(scripts, script)) for script in _since(scripts, since)]
    finally:
        await engine.dispose()


def _since(scripts: Path, since: str) -> list[Script]:
    """The oldest first."""
    return list(reversed(list(ScriptDirectory.from_config(config(scripts)).iterate_revisions("heads", since))))


def _step(scripts: Path, script: Script) -> Callable[[Connection], Step]:
    def run(connection: Connection) -> Step:
        given = config(scripts)
        given.attributes["connection"] = connection
        with _listening(connection) as sent:
            command.upgrade(given, script.revision)
        # `contracts` or nothing: Alembic itself knows no such name.
        contracts = getattr(script.module, "contracts", None)
        older = ScriptDirectory.from_config(given).iterate_revisions(script.revision, "base")
        earlier = frozenset(each.revision for each in older) - {script.revision}
        return Step(script.revision, contracts, earlier, [each for each in sent if "alembic_version" not in each])

    return run


@contextmanager
def _listening(connection: Connection) -> Iterator[list[str]]:
    sent: list[str] = []

    def hear(_: Any, __: Any, statement: str, *more: Any) -> None:
        sent.append(statement)

    event.listen(connection, "before_cursor_execute", hear)
    yield sent
    event.remove(connection, "before_cursor_execute", hear)
