"""The shared stream of a log has one writer at a time, and nothing in it is lost without being noticed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.stores.breaker import Away
from app.stores.redis import RedisServer
from app.stores.redis_streams import RedisStreams
from app.stores.streams import BEGINNING, Batch, Outcome, Streams
from tests.redis_server import RedisServer as Server

THERE, GAP, FENCED = Outcome.THERE, Outcome.GAP, Outcome.FENCED


@pytest.fixture
async def streams(redis_url: str) -> AsyncIterator[Streams]:
    server = RedisServer(redis_url, patience=10)
    yield RedisStreams(server)
    await server.aclose()


def batch(after: int, last: int, *, of: str = "one", fence: int = 1, ending: bool = False) -> Batch:
    events = f"{after + 1}..{last}".encode() if last > after else b""
    return Batch(of, fence, after, last, events, ending=ending)


async def write(streams: Streams, *batches: Batch) -> list[Outcome]:
    return list(await streams.append(batches))


async def entries(streams: Streams, of: str = "one", place: str = BEGINNING) -> list[tuple[str, bytes]]:
    return [(entry.place, entry.events) for entry in (await streams.read({of: place})).get(of, ())]


async def test_batches_stand_in_order_and_are_read_from_any_place(streams: Streams) -> None:
    assert await write(streams, batch(0, 3), batch(0, 2, of="two")) == [THERE, THERE]
    assert await write(streams, batch(3, 4)) == [THERE]

    assert await entries(streams) == [("1-3", b"1..3"), ("1-4", b"4..4")]
    assert await entries(streams, place="1-3") == [("1-4", b"4..4")]
    assert await entries(streams, place="1-4") == []
    assert await streams.read({"one": "1-3", "two": "1-2", "three": BEGINNING}) == {"one": [("1-4", b"4..4")]}


async def test_a_batch_of_which_nobody_heard_that_it_arrived_is_written_again(streams: Streams) -> None:
    await write(streams, batch(0, 3))

    assert await write(streams, batch(0, 3)) == [THERE]
    assert await entries(streams) == [("1-3", b"1..3")]
    assert await write(streams, batch(0, 5)) == [THERE]
    assert await entries(streams, place="1-3") == [("1-5", b"1..5")]


async def test_what_is_missing_is_told_and_can_be_written_anew(streams: Streams) -> None:
    assert await write(streams, batch(3, 4)) == [GAP]
    await write(streams, batch(0, 2))
    assert await write(streams, batch(3, 4)) == [GAP]
    assert await write(streams, batch(3, 3)) == [GAP], "also to one who only asks"

    assert await write(streams, batch(0, 4)) == [THERE]
    assert await write(streams, batch(4, 4)) == [THERE]


async def test_a_later_writer_is_the_only_one(streams: Streams) -> None:
    await write(streams, batch(0, 3))

    await streams.seize("one", 2)
    await streams.seize("one", 2)

    assert await write(streams, batch(3, 4)) == [FENCED]
    assert await entries(streams) == [("1-3", b"1..3"), ("2-0", b"")]
    assert await write(streams, batch(0, 5, fence=2, ending=True)) == [THERE]
    assert await write(streams, batch(3, 9)) == [FENCED]
    assert await entries(streams, place="1-3") == [("2-0", b""), ("2-5", b"1..5")]


async def test_a_stream_that_nobody_has_begun_can_be_seized(streams: Streams) -> None:
    await streams.seize("one", 2)

    assert await write(streams, batch(0, 1)) == [FENCED]


async def test_a_long_stream_is_read_in_parts(streams: Streams) -> None:
    for number in range(100):
        await write(streams, batch(number, number + 1))
    found: list[tuple[str, bytes]] = []
    while part := await entries(streams, place=found[-1][0] if found else BEGINNING):
        found += part
    assert [place for place, _ in found] == [f"1-{number}" for number in range(1, 101)]


async def test_that_all_was_lost_is_told(streams: Streams, redis_server: Server) -> None:
    before = await streams.era()
    assert await streams.era() == before
    with redis_server.client() as client:
        client.flushall()
    after = await streams.era()
    assert after != before
    assert await streams.era() == after


async def test_what_is_no_stream_gives_way_and_keeps_nobody_from_the_others(
    streams: Streams, redis_server: Server
) -> None:
    await write(streams, batch(0, 3), batch(0, 2, of="two"))
    with redis_server.client() as client:
        client.set("ai-backend:log:one", "foreign")

    assert await streams.read({"one": BEGINNING, "two": BEGINNING}) == {"two": [("1-2", b"1..2")]}
    assert await write(streams, batch(3, 4), batch(2, 3, of="two")) == [GAP, THERE]
    assert await write(streams, batch(0, 4)) == [THERE]


async def test_streams_go_by_themselves(streams: Streams, redis_server: Server) -> None:
    await write(streams, batch(0, 3), batch(0, 2, of="two", ending=True))
    with redis_server.client() as client:
        assert 3000 < client.ttl("ai-backend:log:one") <= 3600
        assert 30 < client.ttl("ai-backend:log:two") <= 60


async def test_one_that_only_lets_us_read_is_away_until_it_takes_something(redis_server: Server) -> None:
    server = RedisServer(redis_server.url, patience=5)
    streams = RedisStreams(server)
    await write(streams, batch(0, 3))
    with redis_server.client() as client:
        client.config_set("maxmemory", "1")
        async with asyncio.timeout(20):
            while not streams.away:
                with pytest.raises(Away):
                    await write(streams, batch(3, 4))
                assert await entries(streams) == [("1-3", b"1..3")]
                await asyncio.sleep(0.05)
        assert not server.away
        client.config_set("maxmemory", "0")

    assert await write(streams, batch(3, 4)) == [THERE]
    assert not streams.away
    await server.aclose()
