"""Counting in a Redis that fails in every way it can: nobody waits, nobody gets a 500, and it heals by itself."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from limits import parse_many

from app.stores.memory import MemoryWindows
from app.stores.redis import PREFIX, RedisServer
from app.stores.redis_windows import RedisWindows
from app.stores.shared import SharedCounters
from app.stores.windows import FixedWindows
from tests.redis_server import RedisServer as Real
from tests.stores.slow_proxy import SlowProxy

LIMIT = parse_many("1000/minute")
THREE = parse_many("3/minute")
KEY = f"{PREFIX}:limits:LIMITER/it/ada/3/1/minute"

Counting = tuple[SharedCounters, RedisServer, Counter[str]]
Connect = Callable[..., Counting]
PATIENCE = 0.25
SLACK = 0.5
"""What a busy machine takes on top."""


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """With more patience than a busy machine takes, where a test is not about that."""
    servers = []

    def connect(url: str, patience: float = 10) -> Counting:
        servers.append(server := RedisServer(url, patience=patience))
        locally: Counter[str] = Counter()
        counters = SharedCounters(server, FixedWindows(MemoryWindows()), lambda reason: locally.update([reason]))
        return counters, server, locally

    yield connect
    for server in servers:
        await server.aclose()


async def took(work: Awaitable[object]) -> float:
    began = time.monotonic()
    await work
    return time.monotonic() - began


async def back(server: RedisServer) -> float:
    """How long until it is asked again."""
    began = time.monotonic()
    async with asyncio.timeout(15):
        while server.away:
            await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_two_processes_share_a_count(connect: Connect, redis_url: str) -> None:
    one, _, _ = connect(redis_url)
    other, _, _ = connect(redis_url)

    granted = [(await each.spend(THREE, "it", "ada")).granted for each in (one, other, one, other, one)]

    assert granted == [True, True, True, False, False]


async def test_a_redis_that_is_not_there_is_done_without(connect: Connect, redis_server: Real) -> None:
    redis_server.kill()
    counters, server, locally = connect(redis_server.url)

    granted = [(await counters.spend(THREE, "it", "ada")).granted for _ in range(5)]
    assert granted == [True, True, True, False, False]
    assert locally == {"away": 5}
    assert server.away

    redis_server.start()
    assert await back(server) < 6
    assert (await counters.spend(THREE, "it", "ada")).windows[0].used == 1


async def test_a_redis_that_dies_and_comes_back_is_used_again(connect: Connect, redis_server: Real) -> None:
    counters, server, locally = connect(redis_server.url, PATIENCE)
    await asyncio.gather(*(counters.spend(LIMIT, "it", "ada") for _ in range(50)))  # every connection is in use
    locally.clear()  # a busy machine may have had to count some here
    redis_server.kill()

    times = [await took(counters.spend(LIMIT, "it", "ada")) for _ in range(20)]
    assert sorted(times)[-2] < PATIENCE + SLACK  # one may meet a pause of the machine
    assert locally["away"] == 20

    redis_server.start()
    assert await back(server) < 6
    for _ in range(20):
        await counters.spend(LIMIT, "it", "ada")
    assert locally["away"] == 20


async def test_a_frozen_redis_costs_the_first_a_moment_and_the_others_nothing(
    connect: Connect, redis_server: Real
) -> None:
    counters, server, _ = connect(redis_server.url, PATIENCE)
    await counters.spend(LIMIT, "it", "ada")
    redis_server.freeze()

    first = [await took(counters.spend(LIMIT, "it", "ada")) for _ in range(5)]
    later = [await took(counters.spend(LIMIT, "it", "ada")) for _ in range(1000)]
    assert sorted(first)[-2] < PATIENCE + SLACK
    assert sum(later) < 5  # each would have waited a quarter of a second

    redis_server.thaw()
    assert await back(server) < 6
    assert (await counters.spend(LIMIT, "it", "ada")).granted


async def test_a_crowd_at_a_frozen_redis_waits_once(connect: Connect, redis_server: Real) -> None:
    counters, _, locally = connect(redis_server.url, PATIENCE)
    await counters.spend(LIMIT, "it", "ada")
    locally.clear()
    redis_server.freeze()

    times = await asyncio.gather(*(took(counters.spend(LIMIT, "it", "ada")) for _ in range(300)))

    assert max(times) < PATIENCE + 3
    assert locally["away"] == 300
    redis_server.thaw()


async def test_the_loop_goes_on_while_redis_is_frozen(connect: Connect, redis_server: Real) -> None:
    counters, _, _ = connect(redis_server.url, 1.0)
    redis_server.freeze()
    beats = 0

    async def heartbeat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beat = asyncio.create_task(heartbeat())
    await counters.spend(LIMIT, "it", "ada")
    beat.cancel()

    assert beats > 5
    redis_server.thaw()


async def test_a_slow_redis_is_waited_for_and_never_past_the_patience(connect: Connect, redis_server: Real) -> None:
    async with SlowProxy(redis_server.port, 0.1) as proxy:
        counters, _, locally = connect(f"redis://127.0.0.1:{proxy.port}", 1)
        await counters.spend(LIMIT, "it", "ada")  # which loads the script: three answers
        assert await took(counters.spend(LIMIT, "it", "ada")) > 0.1
        assert not locally

        proxy.delay = 30
        assert await took(counters.spend(LIMIT, "it", "ada")) < 1 + 4 * SLACK
        assert locally == {"away": 1}


async def test_a_redis_that_was_emptied_counts_from_the_beginning(connect: Connect, redis_server: Real) -> None:
    counters, _, locally = connect(redis_server.url)
    for _ in range(4):
        await counters.spend(THREE, "it", "ada")
    with redis_server.client() as redis:
        redis.flushall()
        redis.script_flush()

    assert (await counters.spend(THREE, "it", "ada")).windows[0].used == 1
    assert not locally


@pytest.mark.parametrize("kind", ["list", "text", "hash", "float", "negative", "huge"])
async def test_what_is_no_count_under_our_key_is_counted_here_and_logged_once(
    connect: Connect, redis_server: Real, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {"text": "garbage", "float": "1.5", "negative": "-100", "huge": "9" * 400}
    with redis_server.client() as redis:
        if kind == "list":
            redis.rpush(KEY, "a", "b")
        elif kind == "hash":
            redis.hset(KEY, "a", "b")
        else:
            redis.set(KEY, texts[kind])
    counters, server, locally = connect(redis_server.url)

    granted = [(await counters.spend(THREE, "it", "ada")).granted for _ in range(10)]

    assert granted == [True] * 3 + [False] * 7
    assert locally == {"unreadable": 10}
    assert len(caplog.records) == 1
    assert not server.away
    assert (await counters.spend(THREE, "it", "bob")).granted
    assert locally == {"unreadable": 10}
    await counters.forgive(THREE, "it", "ada")
    assert (await counters.spend(THREE, "it", "ada")).windows[0].used == 1


@pytest.mark.parametrize("expiry", [None, 10_000_000])
async def test_a_count_that_would_never_end_is_given_its_end(
    connect: Connect, redis_server: Real, expiry: int | None
) -> None:
    with redis_server.client() as redis:
        redis.set(KEY, "3", ex=expiry)
        counters, _, _ = connect(redis_server.url)

        assert not (await counters.spend(THREE, "it", "ada")).granted
        assert 0 < int(redis.ttl(KEY)) <= 60


async def test_a_redis_that_refuses_to_write_is_as_good_as_away(
    connect: Connect, redis_server: Real, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.kill()
    redis_server.start("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    counters, server, locally = connect(redis_server.url)

    for _ in range(20):
        assert (await counters.spend(LIMIT, "it", "ada")).granted
    await asyncio.sleep(1.5)  # it answers PING, and is not asked for more again

    assert server.away
    assert locally == {"away": 20}
    assert [record.message for record in caplog.records] == ["redis is away"]


async def test_an_answer_never_reaches_another_than_who_asked(redis_server: Real) -> None:
    """Whoever is cancelled leaves an answer that is still to come; the connection must go with it."""
    dice = random.Random(35)  # noqa: S311  # the same moments each time
    cancelled = 0
    async with SlowProxy(redis_server.port, 0.01) as proxy:
        server = RedisServer(f"redis://127.0.0.1:{proxy.port}", patience=10)

        async def echo(text: str) -> bool:
            return await server.client.echo(text) == text.encode()

        async def echo_or_leave(text: str) -> bool:
            nonlocal cancelled
            try:
                async with asyncio.timeout(dice.random() * 0.03):
                    return await echo(text)
            except TimeoutError:
                cancelled += 1
                return True

        for turn in range(20):
            assert all(await asyncio.gather(*(echo_or_leave(f"{turn} {number}") for number in range(15))))
        assert all(await asyncio.gather(*(echo(f"{number}") for number in range(20))))
        await server.aclose()
    assert cancelled > 50


async def test_cancelled_counts_lose_no_connection(redis_server: Real) -> None:
    async with SlowProxy(redis_server.port, 0.005) as proxy:
        server = RedisServer(f"redis://127.0.0.1:{proxy.port}", patience=10)
        counters = FixedWindows(RedisWindows(server))
        dice = random.Random(35)  # noqa: S311
        for _ in range(30):
            tasks = [asyncio.create_task(counters.spend(LIMIT, "it", "ada")) for _ in range(30)]
            await asyncio.sleep(dice.random() * 0.02)
            for task in tasks:
                task.cancel()
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        proxy.delay = 0
        counts = await asyncio.gather(*(counters.spend(LIMIT, "it", "bob") for _ in range(20)))
        assert sorted(count.windows[0].used for count in counts) == list(range(1, 21))
        with redis_server.client() as redis:
            async with asyncio.timeout(10):
                while len(redis.client_list()) > 21:
                    await asyncio.sleep(0.02)
        await server.aclose()
