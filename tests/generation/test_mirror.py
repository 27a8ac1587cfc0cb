"""A mirror shows all that others know of a run, at once, and leaves no reader behind."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.database import Database
from app.domain.events import Kind, LogEvent
from app.generation import codec
from app.generation.mirror import Mirrors
from app.repositories.generations import Checkpoint
from app.stores.redis import RedisServer
from app.stores.redis_streams import RedisStreams
from app.stores.streams import Batch, Streams
from tests.generation.conftest import Post
from tests.redis_server import RedisServer as Server

LONG = 1000


@pytest.fixture
async def streams(redis_url: str) -> AsyncIterator[Streams]:
    server = RedisServer(redis_url, patience=10)
    yield RedisStreams(server)
    await server.aclose()


def packed(first: int, last: int) -> bytes:
    return codec.pack([LogEvent(seq, Kind.TEXT, b'"word "') for seq in range(first, last + 1)])


async def test_a_long_stream_is_there_to_its_last_word_when_a_mirror_begins(
    database: Database, streams: Streams, post: Post
) -> None:
    generation = await post()
    for seq in range(1, LONG + 1):
        await streams.append([Batch(generation.id, generation.fence, seq - 1, seq, packed(seq, seq))])
    mirrors = Mirrors(database, streams)

    log = await mirrors.live(generation)

    assert log.last_seq == LONG
    await mirrors.close()


async def test_who_comes_to_a_mirror_that_has_just_gone_is_sent_to_a_new_one(database: Database, post: Post) -> None:
    generation = await post("Hel")
    mirrors = Mirrors(database)
    log = await mirrors.live(generation)

    async with asyncio.timeout(10):
        while not log.parted:
            await asyncio.sleep(0.1)

    assert await mirrors.live(generation) is not log
    await mirrors.close()


async def test_the_database_goes_on_where_a_stream_stopped_in_the_middle_of_a_checkpoint(
    database: Database, streams: Streams, redis_server: Server, post: Post
) -> None:
    generation = await post()
    await streams.append([Batch(generation.id, generation.fence, 0, 5, packed(1, 5))])
    mirrors = Mirrors(database, streams)
    log = await mirrors.live(generation)
    assert log.last_seq == 5
    waiting = asyncio.create_task(log.wait_for(8))
    await asyncio.sleep(0)  # a log that nobody follows is parted with after a second
    redis_server.kill()
    async with database.transaction() as tx:
        tx.generations.add_checkpoints(
            [Checkpoint(generation.id, first, packed(first, last)) for first, last in ((1, 3), (4, 8))]
        )

    async with asyncio.timeout(10):
        await waiting

    assert [event.seq for event in log.after(0)] == list(range(1, 9))
    await mirrors.close()
