"""Search entries that were left for later are made, once, and in parts that keep nobody waiting."""

import asyncio
from typing import Any

from app.core.config import StorageSettings
from app.database import Database
from app.services.reindexing import Reindexing
from tests.search_rows import fill, run

_ENTRIES = "SELECT conversation_id, message_id, start FROM search_entries"
_LATER = ("DELETE FROM search_entries", "UPDATE conversations SET terms_version = 0")


async def test_a_long_conversation_is_done_in_parts_and_completely(database_kind: str, database_url: str) -> None:
    await fill(database_url, count=900, people=2, each=450)
    before = await _entries(database_url)
    for statement in _LATER:
        await run(database_url, statement)
    await _catch_up(database_url)
    assert await _entries(database_url) == before
    assert await run(database_url, "SELECT DISTINCT terms_version FROM conversations") == [(1,)]
    await run(database_url, _LATER[1])
    await _catch_up(database_url)
    assert await _entries(database_url) == before, "what has entries already gets none twice"


async def test_what_was_deleted_and_what_is_done_are_left_alone(database_kind: str, database_url: str) -> None:
    await fill(database_url, count=40, people=2)
    await run(database_url, _LATER[0])
    await _catch_up(database_url)
    await run(database_url, "UPDATE conversations SET terms_version = 0, user_id = NULL")
    await _catch_up(database_url)
    assert await _entries(database_url) == []


async def test_it_waits_for_a_database_that_is_away() -> None:
    database = Database(StorageSettings(_env_file=None, database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    work = asyncio.create_task(Reindexing(database).run_forever())
    await asyncio.sleep(0.3)
    assert not work.done()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await database.close()


async def _catch_up(url: str) -> None:
    database = Database(StorageSettings(_env_file=None, database_url=url))
    await Reindexing(database).catch_up()
    await database.close()


async def _entries(url: str) -> list[Any]:
    return sorted(await run(url, _ENTRIES), key=str)
