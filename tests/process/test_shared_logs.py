"""With Redis between them, what one instance showed is never lost, and every other goes on with it."""

import asyncio
import signal
import time

import pytest

from tests.backend import Process, User
from tests.chat.ledger import booked
from tests.follower import Follower
from tests.process.conftest import Launch
from tests.process.test_crash import assert_lost, begin, keys, kill, resumed
from tests.redis_server import RedisServer
from tests.upstream import Answer, Upstream

PACE = 0.02
COUNT = Answer(tuple(f"{number} " for number in range(1, 3001)), delay=PACE)
SHORT = Answer(tuple(f"{number} " for number in range(1, 151)), delay=PACE)
TAKEN_OVER_WITHIN = 30.0


pytestmark = pytest.mark.usefixtures("database_kind")


@pytest.fixture
def database_kind() -> str:
    return "postgresql"


async def pair(launch: Launch, redis: RedisServer, **settings: str) -> tuple[Process, Process]:
    return await asyncio.gather(
        launch(redis_url=redis.url, **settings),
        launch(redis_url=redis.url, **settings),
    )


async def generation_of(user: User, generation_id: str) -> list[tuple[str, str]]:
    """Its events, as anybody reads them after its end."""
    return keys((await resumed(user, generation_id, 0)).events)


async def test_what_a_killed_instance_showed_is_stored_to_the_last_word(
    launch: Launch, upstream: Upstream, redis_server: RedisServer, database_url: str
) -> None:
    upstream.script([COUNT, Answer(("Go", " on"))])
    killed, survivor = await pair(launch, redis_server)
    alice = await killed.user()
    elsewhere = await survivor.user()
    async with Follower.post(alice, "Count") as reader:
        await begin(reader, 60)
        generation_id = reader.stream.start["generation_id"]
        async with Follower.resume(elsewhere, generation_id, after=10) as other:
            await begin(other, 90)
            await kill(killed)
            seen = await reader.ended()
            told = await other.ended(within=TAKEN_OVER_WITHIN)

    answer = (await elsewhere.messages(seen.start["conversation_id"]))[-1]
    assert (answer["status"], answer["error"]["code"]) == ("failed", "instance_lost")
    assert answer["content"].startswith(seen.text)
    whole = await resumed(elsewhere, generation_id, 0)
    assert_lost(whole)
    assert whole.text == answer["content"]
    assert keys(whole.events)[: len(seen.events)] == keys(seen.events)
    assert keys(told.events) == keys(whole.events)[10:]
    (attempt,) = await booked(database_url, generation_id)
    assert (attempt.outcome, attempt.estimated) == ("instance_lost", True)
    assert (await elsewhere.chat("Go on", conversation_id=seen.start["conversation_id"])).text == "Go on"


async def test_another_instance_reads_along_with_hardly_any_delay(
    launch: Launch, upstream: Upstream, redis_server: RedisServer
) -> None:
    upstream.script(SHORT)
    # The database would not tell before the end.
    owner, other = await pair(launch, redis_server, checkpoint_seconds="30")
    alice, elsewhere = await owner.user(), await other.user()
    async with Follower.post(alice, "Count") as first:
        start = (await begin(first, 5)).start
        async with Follower.resume(elsewhere, start["generation_id"]) as second:
            await begin(second, 80)
            assert len(first.stream.events) - len(second.stream.events) < 50
            told, followed = await first.ended(), await second.ended()
    assert keys(followed.events) == keys(told.events)
    assert told.done["status"] == "complete"
    assert await generation_of(elsewhere, start["generation_id"]) == keys(told.events)


async def test_one_that_wakes_from_a_freeze_shows_nothing_that_is_not_stored(
    launch: Launch, upstream: Upstream, redis_server: RedisServer
) -> None:
    upstream.script([COUNT, Answer(("Awake",))])
    frozen, survivor = await pair(launch, redis_server)
    carol, elsewhere = await frozen.user("carol"), await survivor.user("carol")
    async with Follower.post(carol, "Count") as reader:
        await begin(reader, 60)
        start = reader.stream.start
        frozen.signal(signal.SIGSTOP)
        stopped_at = time.monotonic()
        async with Follower.resume(elsewhere, start["generation_id"]) as other:
            told = await other.ended(within=TAKEN_OVER_WITHIN)
        assert time.monotonic() - stopped_at < TAKEN_OVER_WITHIN
        frozen.signal(signal.SIGCONT)
        seen = await reader.ended()
    assert_lost(told)
    assert keys(seen.events) == keys(told.events), "also to the one who was there when it froze"
    assert (await elsewhere.messages(start["conversation_id"]))[-1]["content"] == seen.text
    await frozen.wait_ready()
    assert (await carol.chat("Are you there?")).text == "Awake"


@pytest.mark.parametrize("loss", ["flushed", "restarted", "frozen", "full", "overwritten"])
async def test_a_redis_that_goes_costs_no_reader_anything_and_is_written_anew(
    loss: str, launch: Launch, upstream: Upstream, redis_server: RedisServer
) -> None:
    upstream.script(COUNT)
    killed, survivor = await pair(launch, redis_server)
    alice, elsewhere = await killed.user(), await survivor.user()
    async with Follower.post(alice, "Count") as reader:
        start = (await begin(reader, 30)).start
        async with Follower.resume(elsewhere, start["generation_id"]) as other:
            await begin(other, 30)
            await lose(redis_server, loss, start["generation_id"])
            await begin(reader, 160)
            await begin(other, 160)
            await asyncio.sleep(4)  # by now it is back, and has all of it again
            await kill(killed)
            seen = await reader.ended()
            told = await other.ended(within=TAKEN_OVER_WITHIN)
    assert_lost(told)
    assert told.text.startswith(seen.text)
    assert keys(told.events)[: len(seen.events)] == keys(seen.events)
    assert told.seqs == list(range(1, len(told.events) + 1))


async def lose(redis: RedisServer, how: str, generation_id: str) -> None:
    if how == "restarted":
        redis.kill()
        await asyncio.sleep(1)
        redis.start()
    elif how == "frozen":
        redis.freeze()
        await asyncio.sleep(3)
        redis.thaw()
    elif how == "full":
        with redis.client() as client:
            client.config_set("maxmemory", "1")
            await asyncio.sleep(3)
            client.config_set("maxmemory", "0")
    else:
        with redis.client() as client:
            if how == "flushed":
                client.flushall()
            else:
                client.set(f"ai-backend:log:{generation_id}", "no stream at all")


async def test_a_drain_sends_readers_elsewhere_and_they_miss_nothing(
    launch: Launch, upstream: Upstream, redis_server: RedisServer
) -> None:
    upstream.script(COUNT)
    going, staying = await pair(launch, redis_server, drain_seconds="1.5")
    alice, elsewhere = await going.user(), await staying.user()
    async with Follower.post(alice, "Count") as first, Follower.post(elsewhere, "Count") as second:
        start, foreign = (await begin(first, 20)).start, (await begin(second, 20)).start
        async with Follower.resume(alice, foreign["generation_id"]) as visiting:
            await begin(visiting, 20)
            going.signal(signal.SIGTERM)
            for reader in (first, visiting):
                stream = await reader.ended()
                assert not reader.cut
                (goodbye,) = stream.named("goodbye")
                assert goodbye == {"reason": "draining", "seq": stream.seqs[-2]}
                assert b"retry: 500\n\n" in reader.body
            assert await going.exited() in (0, -signal.SIGTERM)
        seen, visited = first.stream.events[:-1], visiting.stream.events[:-1]
        rest = await resumed(elsewhere, start["generation_id"], len(seen))
        assert rest.failure["code"] == "instance_draining"
        assert keys(seen) + keys(rest.events) == await generation_of(elsewhere, start["generation_id"])
        async with Follower.resume(elsewhere, foreign["generation_id"], after=len(visited)) as on:
            await begin(on, 5)
            assert on.stream.seqs[0] == len(visited) + 1
