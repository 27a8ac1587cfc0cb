"""Brings the schema to what the code expects, and says whether it is there."""

import asyncio
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from app.core.config import StartRefused

_SCRIPTS = Path(__file__).parent.parent / "alembic"


class SchemaAhead(Exception):
    """The database is at a migration of a newer version, and stays there."""


async def migrate(url: URL) -> None:
    """Apply every migration that is missing, each in its transaction where the database can.

    Raises StartRefused for a database that is away or is none, and SchemaAhead where a newer version has migrated
    already: it keeps its schema fit for the version before it, so this one can work.
    """
    try:
        await asyncio.to_thread(command.upgrade, _config(url), "head")
    except CommandError as error:
        # Nothing else asks for a revision that may not be there: "head" always is.
        if isinstance(error.__cause__, ResolutionError):
            raise SchemaAhead from error
        raise StartRefused(f"DATABASE_URL: the database cannot be migrated ({error})") from error
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        raise StartRefused(
            f"DATABASE_URL: the database cannot be reached or migrated ({type(error).__name__})"
        ) from error


@dataclass(frozen=True, slots=True)
class Shipped:
    """The migrations that this code brings: their newest, and all that it knows."""

    head: str | None
    known: frozenset[str]

    def behind(self, revision: str | None) -> bool:
        """Whether a database at this migration lacks one of them.

        One that we do not know is ahead: a newer version has migrated already, and keeps its schema fit for us.
        """
        return revision is None or (revision in self.known and revision != self.head)


@cache
def shipped() -> Shipped:
    scripts = ScriptDirectory.from_config(_config(None))
    return Shipped(scripts.get_current_head(), frozenset(each.revision for each in scripts.walk_revisions()))


def _config(url: URL | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config
