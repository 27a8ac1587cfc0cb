"""What readers see of a log that is shared, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from app.domain.events import Kind
from app.generation.leases import Lease
from app.generation.log import EventLog
from app.generation.shared_publishing import SharedPublisher
from app.stores.breaker import Away
from app.stores.redis import RedisServer
from app.stores.redis_streams import RedisStreams
from app.stores.streams import BEGINNING
from tests.generation.conftest import Post, written
from tests.redis_server import RedisServer as Server


@pytest.fixture
async def streams(redis_url: str) -> AsyncIterator[RedisStreams]:
    server = RedisServer(redis_url, patience=5)
    yield RedisStreams(server)
    await server.aclose()


async def look_on(streams: RedisStreams) -> None:
    """As the mirrors of other runs do."""
    while True:
        with suppress(Away):
            await streams.read({"another": BEGINNING})
        await asyncio.sleep(0.02)


async def test_readers_do_not_wait_for_a_redis_that_takes_nothing_although_it_answers(
    streams: RedisStreams, redis_server: Server, lease: Lease, post: Post
) -> None:
    publisher, generation = SharedPublisher(streams, lease), await post()
    tasks = [asyncio.create_task(publisher.run_forever()), asyncio.create_task(look_on(streams))]
    log = EventLog(written(generation).after(0))
    publication = publisher.open(generation, log, lambda: None)
    with redis_server.client() as client:
        client.config_set("maxmemory", "1")
        log.append(Kind.TEXT, b'"Hello"')
        publication.wrote(100)
        async with asyncio.timeout(10):
            await log.wait_for(2)
            client.config_set("maxmemory", "0")
            while streams.away or generation.id not in await streams.read({generation.id: BEGINNING}):
                await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_what_is_told_of_a_batch_changes_nothing_in_a_log_that_was_cut_off() -> None:
    log = EventLog()
    for _ in range(9):
        log.append(Kind.TEXT, b'"word "')
    log.publish(2)
    log.end_as(log.after(0))

    log.publish(9)

    assert (log.last_seq, len(log.after(0))) == (2, 2)
