"""Brings the schema to what the code expects, and says whether it is there."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

_SCRIPTS = Path(__file__).parent.parent / "alembic"


async def migrate(url: URL) -> None:
    """Apply every migration that is missing, each in its transaction where the database can."""
    await asyncio.to_thread(command.upgrade, _config(url), "head")


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


def shipped() -> Shipped:
    scripts = ScriptDirectory.from_config(_config(None))
    return Shipped(scripts.get_current_head(), frozenset(each.revision for each in scripts.walk_revisions()))


def _config(url: URL | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config
