"""Two instances on one database and one Redis: places and stops count everywhere, Redis in trouble costs little."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.backend import PLAIN, Backend, User
from tests.chat.reading import Reader, posting
from tests.conftest import Serve
from tests.process.conftest import Launch, launch
from tests.redis_server import RedisServer
from tests.scrape import Scrape
from tests.sse import Stream
from tests.upstream import Answer, Upstream

__all__ = ["launch"]

HELD = Answer(("One ", "two ", "three"), hold=True)
SECRET = "5f" * 20
MOST = 8

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"])


async def pair(serve: Serve, redis: RedisServer, **settings: Any) -> tuple[Backend, Backend]:
    values = {"redis_url": redis.url, "redis_timeout": 5, "secret_key": SECRET, **settings}
    return await serve(**values), await serve(**values)


async def hold(stack: AsyncExitStack, user: User, count: int = 1) -> list[Reader]:
    """So many answers that are being written, and stay so."""
    readers = [await stack.enter_async_context(posting(user, "Count")) for _ in range(count)]
    for reader in readers:
        await reader.event()
    return readers


async def post(user: User) -> httpx.Response:
    return await user.http.post("/ai/chat", json={"message": "Hello"})


def is_too_many(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json().get("code")) == (429, "too_many_generations")


async def room(user: User) -> int:
    quotas = (await user.http.get("/users/me/usage")).json()["quotas"]
    (remaining,) = [each["remaining"] for each in quotas if each["name"] == "concurrent_answers"]
    return int(remaining)


async def takes(user: User, *, within: float) -> float:
    """How long until a post is taken."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while is_too_many(answer := await post(user)):
            await asyncio.sleep(0.05)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began


async def test_eight_on_one_instance_leave_no_room_on_another(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream
) -> None:
    one, other = await pair(serve, redis_server)
    here, there = await one.user(), await other.user()
    bob = await other.user("bob")
    upstream.script([*[HELD] * MOST, Answer(("Fine",))])
    async with AsyncExitStack() as stack:
        readers = await hold(stack, here, MOST - 3) + await hold(stack, there, 3)
        await upstream.requested(MOST)

        for user in (here, there):
            assert is_too_many(await post(user))
            assert await room(user) == 0
        assert (await post(bob)).status_code == 200
        assert len(upstream.calls) == MOST + 1

        await upstream.finish(request=upstream.calls[0])
        await readers[0].rest()
        assert await takes(there, within=15) < 12


@pytest.mark.parametrize("fault", ["frozen", "dead"])
async def test_with_redis_away_each_counts_alone_at_once_and_together_again_soon_after(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream, fault: str
) -> None:
    one, other = await pair(serve, redis_server, redis_timeout=0.25, max_concurrent_generations_per_user=2)
    here, there = await one.user(), await other.user()
    upstream.script(HELD)
    async with AsyncExitStack() as stack:
        await hold(stack, here, 2)
        assert is_too_many(await post(there))
        redis_server.freeze() if fault == "frozen" else redis_server.kill()

        began = time.monotonic()
        await hold(stack, there, 2)
        for _ in range(10):
            assert is_too_many(await post(there))
            assert is_too_many(await post(here))
        assert time.monotonic() - began < 12, "each waits for Redis once at most, and soon none does"

        redis_server.thaw() if fault == "frozen" else redis_server.start()
        await hold(stack, await one.user("bob"), 2)
        bob = await other.user("bob")
        async with asyncio.timeout(20):
            while await room(bob):
                await asyncio.sleep(0.05)
        assert is_too_many(await post(bob))
        assert (await Scrape.of(one)).value("ai_redis_away") == 0


async def test_the_places_of_a_killed_instance_come_back(
    database_kind: str, serve: Serve, launch: Launch, redis_server: RedisServer, upstream: Upstream
) -> None:
    survivor = await serve(redis_url=redis_server.url, secret_key=SECRET, max_concurrent_generations_per_user=2)
    killed = await launch(redis_url=redis_server.url, secret_key=SECRET, max_concurrent_generations_per_user="2")
    alice, elsewhere = await survivor.user(), await killed.user()
    upstream.script([HELD, HELD, Answer(("Fine",))])
    async with AsyncExitStack() as stack:
        await hold(stack, elsewhere, 2)
        await upstream.requested(2)
        assert is_too_many(await post(alice))
        killed.signal(signal.SIGKILL)

        assert await takes(alice, within=40) < 35


async def begin(stack: AsyncExitStack, user: User, upstream: Upstream) -> tuple[Reader, str]:
    called = len(upstream.calls)
    reader = await stack.enter_async_context(posting(user, "Count"))
    start = (await reader.event()).json
    await upstream.requested(called + 1)
    return reader, start["generation_id"]


async def stopped(reader: Reader, *, within: float) -> float:
    """How long until its stream has ended, as stopped."""
    began = time.monotonic()
    ending = Stream(await reader.rest(within=within))
    assert ending.done["status"] == "stopped"
    return time.monotonic() - began


async def test_a_stop_on_another_instance_is_heard_at_once(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream
) -> None:
    one, other = await pair(serve, redis_server, checkpoint_seconds=60)
    here, there = await one.user(), await other.user()
    upstream.script(HELD)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            reader, generation_id = await begin(stack, here, upstream)
            answer = await there.http.post(f"/ai/generations/{generation_id}/stop")
            assert answer.status_code == 202
            await stopped(reader, within=20)


async def test_a_deleted_conversation_and_a_deactivated_user_stop_what_runs_elsewhere_at_once(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream
) -> None:
    one, other = await pair(serve, redis_server, checkpoint_seconds=60)
    here, there = await one.user(), await other.user()
    upstream.script(HELD)
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(posting(here, "Count"))
        conversation_id = (await reader.event()).json["conversation_id"]
        await upstream.requested()
        assert (await there.http.delete(f"/conversations/{conversation_id}")).status_code == 204
        await upstream.ended(within=20)

        reader, _ = await begin(stack, here, upstream)
        me = (await here.http.get("/users/me")).json()["id"]
        await other.house.generations.stop_all_of(me)
        await reader.rest(within=20)


@pytest.mark.parametrize("fault", ["none set", "dead", "came back"])
async def test_a_stop_that_is_not_heard_is_read_in_the_database(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream, fault: str
) -> None:
    settings = {"redis_timeout": 0.25, "checkpoint_seconds": 0.5}
    if fault == "none set":
        one, other = await serve(secret_key=SECRET, **settings), await serve(secret_key=SECRET, **settings)
    else:
        one, other = await pair(serve, redis_server, **settings)
    here, there = await one.user(), await other.user()
    upstream.script(HELD)
    async with AsyncExitStack() as stack:
        reader, generation_id = await begin(stack, here, upstream)
        if fault != "none set":
            redis_server.kill()
        if fault == "came back":
            redis_server.start()

        assert (await there.http.post(f"/ai/generations/{generation_id}/stop")).status_code == 202
        assert await stopped(reader, within=20) < 15


async def test_of_twenty_equal_posts_over_both_one_calls_the_model(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream
) -> None:
    users = [await each.user() for each in await pair(serve, redis_server, rate_limit_ai="1/minute")]
    upstream.script(Answer(("One ", "two"), delay=0.05))
    key = {"Idempotency-Key": "once"}

    async def posted(user: User) -> Stream:
        while True:
            began = time.monotonic()
            answer = await user.http.post("/ai/chat/stream", json={"message": "Count"}, headers=key)
            if answer.status_code == 200:
                return Stream.of(answer.content)
            # The other instance has counted it, and takes longer than usual to have it on record.
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            assert time.monotonic() - began > 0.2, "it was waited for"

    async with asyncio.timeout(30):
        streams = await asyncio.gather(*(posted(user) for user in users * 10))

    assert all(stream.events == streams[0].events for stream in streams)
    assert streams[0].text == "One two"
    assert len(upstream.calls) == 1
    assert await room(users[0]) == MOST


async def test_of_twenty_uses_of_a_ticket_over_both_one_opens(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream
) -> None:
    one, other = await pair(serve, redis_server, max_concurrent_generations_per_user=50)
    ticket = (await (await one.user()).http.post("/auth/ticket")).json()["ticket"]

    async def use(backend: Backend) -> int:
        async with httpx.AsyncClient(base_url=backend.url, timeout=20, trust_env=False, verify=PLAIN) as http:
            return (await http.get("/ai/chat/stream", params={"message": "Hello", "ticket": ticket})).status_code

    assert sorted(await asyncio.gather(*(use(each) for each in (one, other) * 10))) == [200] + [401] * 19
    assert len(upstream.calls) == 1


async def test_redis_in_any_trouble_costs_no_answer(
    database_kind: str, serve: Serve, redis_server: RedisServer, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage under every key, full, read-only, a password, empty: chat works, and each change is one line."""
    one, other = await pair(serve, redis_server, redis_timeout=1, rate_limit_ai="1000/minute")
    users = [await one.user(), await other.user()]

    async def works() -> None:
        for user in users:
            assert (await user.chat("Hello")).done["status"] == "complete"
            assert (await user.http.get("/users/me/usage")).status_code == 200

    await works()
    with redis_server.client() as redis:
        redis.config_set("maxmemory", 1)
        await works()
        redis.config_set("maxmemory", 0)
        redis.replicaof("127.0.0.1", "9")
        await works()
        redis.replicaof("no", "one")
        await works()
        for key in redis.keys("*"):
            redis.delete(key)
            redis.set(key, "garbage")
        await works()
        redis.flushall()
        redis.script_flush()
        await works()
    redis_server.kill()
    await works()
    redis_server.start("--requirepass", "secret")
    await works()

    lines = [record.message for record in caplog.records if "redis is" in record.message]
    assert len(lines) <= 16, "of two instances, each change once"
    assert not any(record.exc_info for record in caplog.records)
