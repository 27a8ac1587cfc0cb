"""Brings the schema to what the code expects, and says whether it is there."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

_SCRIPTS = Path(__file__).parent.parent / "alembic"


async def migrate(url: URL) -> None:
    """Apply every migration that is missing, each in its transaction where the database can."""
    await asyncio.to_thread(command.upgrade, _config(url), "head")


def head() -> str | None:
    """The newest migration that this code ships."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(url: URL | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config
