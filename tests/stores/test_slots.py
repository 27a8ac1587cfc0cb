"""Places for answers that are written at one time: what every count of them has to do, and what several share."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from app.stores.redis import PREFIX, RedisServer
from app.stores.shared_slots import SharedSlots
from app.stores.slots import LocalSlots, Slots
from tests.redis_server import RedisServer as Real
from tests.stores.slow_proxy import SlowProxy

PATIENT = 10.0
"""More than a busy machine takes, where a test is not about that."""
PATIENCE = 0.25
SLACK = 0.75
GOOD_FOR = 3.0
"""Seconds that a slot is good for here, so that tests need not wait long."""


class Process:
    """What one process of the app has: slots, and the task that keeps them."""

    def __init__(self, url: str, patience: float, good_for: float) -> None:
        self.server = RedisServer(url, patience=patience)
        self.alone: Counter[str] = Counter()
        self.slots = SharedSlots(self.server, lambda reason: self.alone.update([reason]), good_for=good_for)
        self._keeping = asyncio.create_task(self.slots.keep_forever())

    async def die(self) -> None:
        """As kill -9: nothing is said any more."""
        self._keeping.cancel()
        await asyncio.wait({self._keeping})

    async def aclose(self) -> None:
        await self.die()
        await self.slots.aclose()
        await self.server.aclose()


Start = Callable[..., Process]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        def start(url: str, patience: float = PATIENT, good_for: float = GOOD_FOR) -> Process:
            process = Process(url, patience, good_for)
            stack.push_async_callback(process.aclose)
            return process

        yield start


@pytest.fixture(params=["memory", "redis"])
async def slots(request: pytest.FixtureRequest, start: Start) -> Slots:
    return LocalSlots() if request.param == "memory" else start(request.getfixturevalue("redis_url")).slots


async def take(slots: Slots, *names: str, whose: str = "ada", most: int = 3) -> list[bool]:
    return [await slots.take(whose, name, most) for name in names]


async def free_within(slots: Slots, seconds: float, *, most: int = 3) -> float:
    """How long until there is room."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await slots.take("ada", f"later {time.monotonic()}", most):
            await asyncio.sleep(0.02)
    return time.monotonic() - began


def key(real: Real) -> str:
    with real.client() as redis:
        (found,) = redis.keys(f"{PREFIX}:slots:*")
        return str(found)


# Every count of them


async def test_as_many_are_granted_as_there_may_be(slots: Slots) -> None:
    assert await take(slots, *"abcde") == [True, True, True, False, False]
    assert await slots.taken("ada") == 3


async def test_what_was_given_back_is_free_at_once(slots: Slots) -> None:
    for turn in range(20):
        await take(slots, *(f"{turn} {name}" for name in "abc"))
        assert await take(slots, f"{turn} d") == [False]
        for name in "abc":
            slots.release("ada", f"{turn} {name}")
    assert await slots.taken("ada") == 0


async def test_what_was_refused_holds_nothing_and_gives_nothing_back(slots: Slots) -> None:
    await take(slots, *"abcd")
    slots.release("ada", "d")
    assert await take(slots, "e") == [False]

    slots.release("ada", "b")
    assert await take(slots, "e", "f") == [True, False]


async def test_giving_back_twice_or_what_nobody_took_is_harmless(slots: Slots) -> None:
    await take(slots, *"abc")
    for _ in range(3):
        slots.release("ada", "a")
        slots.release("ada", "unknown")
        slots.release("bob", "a")

    assert await slots.taken("ada") == 2
    assert await take(slots, "d", "e") == [True, False]


async def test_each_user_is_counted_apart(slots: Slots) -> None:
    await take(slots, *"abc")

    assert await take(slots, *"abcd", whose="bob") == [True, True, True, False]


async def test_looking_takes_none(slots: Slots) -> None:
    for _ in range(10):
        assert await slots.taken("ada") == 0
    assert await take(slots, *"abcd") == [True, True, True, False]


async def test_many_at_once_get_no_more_than_there_are(slots: Slots) -> None:
    granted = await asyncio.gather(*(slots.take("ada", str(number), 8) for number in range(60)))

    assert sum(granted) == 8
    assert await slots.taken("ada") == 8


async def test_any_name_of_a_user_is_one(slots: Slots) -> None:
    for whose in ("", "埃达", "\x00", "a" * 10_000, "*", "ai-backend:slots:"):
        assert await take(slots, *"abcd", whose=whose) == [True, True, True, False]


# Shared by processes


async def test_two_processes_count_together(start: Start, redis_url: str) -> None:
    one, other = start(redis_url), start(redis_url)

    assert await take(one.slots, "a", "b") + await take(other.slots, "c", "d") == [True, True, True, False]
    assert await one.slots.taken("ada") == await other.slots.taken("ada") == 3

    one.slots.release("ada", "a")
    assert await free_within(other.slots, 10) < GOOD_FOR - 0.5
    assert await take(one.slots, "e") == [False]


async def test_of_many_at_once_in_two_processes_as_many_are_granted_as_there_may_be(
    start: Start, redis_url: str
) -> None:
    one, other = start(redis_url), start(redis_url)

    for turn in range(10):
        names = [f"{turn} {number}" for number in range(20)]
        granted = await asyncio.gather(
            *(
                process.slots.take("ada", f"{number} {name}", 8)
                for name in names
                for number, process in enumerate((one, other))
            )
        )
        assert sum(granted) == 8
        for name in names:
            one.slots.release("ada", f"0 {name}")
            other.slots.release("ada", f"1 {name}")
        async with asyncio.timeout(5):
            while await one.slots.taken("ada") or await other.slots.taken("ada"):
                await asyncio.sleep(0.01)


async def test_what_is_held_for_long_stays_taken_and_what_a_killed_process_held_comes_back(
    start: Start, redis_url: str
) -> None:
    living, killed = start(redis_url), start(redis_url)
    await take(living.slots, "mine")
    await take(killed.slots, "theirs", "theirs too")
    assert await take(living.slots, "more") == [False]
    await killed.die()

    assert await free_within(living.slots, 30) > GOOD_FOR / 2
    async with asyncio.timeout(10):
        while await living.slots.taken("ada") == 3:  # each comes back at a time of its own, some ms apart
            await asyncio.sleep(0.01)
    assert await living.slots.taken("ada") == 2, "its own is taken still"
    assert await take(living.slots, "another", "one too many") == [True, False]


async def test_a_process_that_leaves_in_order_leaves_nothing(start: Start, redis_url: str) -> None:
    one, other = start(redis_url), start(redis_url)
    await take(one.slots, *"abc")
    for name in "abc":
        one.slots.release("ada", name)
    await one.aclose()

    assert await other.slots.taken("ada") == 0


async def test_nobody_stands_in_redis_by_name_and_nothing_for_ever(start: Start, redis_server: Real) -> None:
    process = start(redis_server.url)
    await take(process.slots, "a", whose="ada@example.com")

    with redis_server.client() as redis:
        assert "ada" not in key(redis_server)
        assert 0 < redis.ttl(key(redis_server)) <= GOOD_FOR


# Redis in trouble


async def test_a_redis_that_is_not_there_is_done_without(start: Start, redis_server: Real) -> None:
    redis_server.kill()
    process = start(redis_server.url)

    assert await take(process.slots, *"abcd") == [True, True, True, False]
    assert await process.slots.taken("ada") == 3
    process.slots.release("ada", "a")
    assert await take(process.slots, "e", "f") == [True, False]
    assert process.alone["away"] >= 5


@pytest.mark.parametrize("fault", ["frozen", "dead"])
async def test_nobody_waits_long_and_what_was_taken_alone_is_shared_soon_after(
    start: Start, redis_server: Real, fault: str
) -> None:
    one, other = start(redis_server.url, PATIENCE), start(redis_server.url, PATIENCE)
    await take(one.slots, "before")
    redis_server.freeze() if fault == "frozen" else redis_server.kill()

    times = []
    for name in (f"{number}" for number in range(30)):
        began = time.monotonic()
        await take(one.slots, name)
        times.append(time.monotonic() - began)
    assert sorted(times)[-2] < PATIENCE + SLACK  # one may meet a pause of the machine
    assert await one.slots.taken("ada") == 3

    redis_server.thaw() if fault == "frozen" else redis_server.start()
    async with asyncio.timeout(6):
        while await other.slots.taken("ada") < 3:
            await asyncio.sleep(0.05)
    assert await take(other.slots, "one too many") == [False]

    one.slots.release("ada", "before")
    assert await free_within(other.slots, 5) < 5


async def test_what_was_given_back_during_an_outage_is_free_after_it(start: Start, redis_server: Real) -> None:
    one, other = start(redis_server.url, PATIENCE), start(redis_server.url, PATIENCE)
    await take(one.slots, *"abc")
    redis_server.freeze()
    for name in "abc":
        one.slots.release("ada", name)
    await asyncio.sleep(3)
    redis_server.thaw()

    assert await free_within(other.slots, 6) < 6, "not only when it would have run out"


async def test_what_is_held_is_back_when_redis_was_emptied(start: Start, redis_server: Real) -> None:
    one, other = start(redis_server.url), start(redis_server.url)
    await take(one.slots, *"abc")
    with redis_server.client() as redis:
        redis.flushall()
        redis.script_flush()

    assert await take(one.slots, "d") == [False], "this process knows what it holds"
    async with asyncio.timeout(10):
        while await other.slots.taken("ada") < 3:
            await asyncio.sleep(0.05)
    assert await take(other.slots, "d") == [False]


@pytest.mark.parametrize("kind", ["list", "text", "hash", "stream"])
async def test_what_is_no_slots_under_our_key_is_forgotten_and_logged_once(
    start: Start, redis_server: Real, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    process = start(redis_server.url)
    await take(process.slots, "a")
    place = key(redis_server)

    for turn in range(3):
        with redis_server.client() as redis:
            redis.delete(place)
            match kind:
                case "list":
                    redis.rpush(place, "a")
                case "text":
                    redis.set(place, "garbage")
                case "hash":
                    redis.hset(place, "a", "b")
                case "stream":
                    redis.xadd(place, {"a": "b"})
        assert await take(process.slots, f"b{turn}", most=100) == [True]

    assert len(caplog.records) == 1
    assert not process.alone
    assert not process.server.away


async def test_what_claims_never_to_run_out_locks_nobody_out(start: Start, redis_server: Real) -> None:
    process = start(redis_server.url)
    await take(process.slots, "mine")
    with redis_server.client() as redis:
        redis.zadd(key(redis_server), {f"forged {n}": 10**18 + n for n in range(50)} | {"\x00'": float("inf")})
        redis.persist(key(redis_server))

    assert await take(process.slots, "a", "b", "c") == [True, True, False]


@pytest.mark.parametrize("options", ["--replicaof 127.0.0.1 9", "--requirepass secret"])
async def test_a_redis_that_lets_us_do_nothing_is_as_good_as_away(
    start: Start, redis_server: Real, options: str, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.kill()
    redis_server.start(*options.split(" "))
    process = start(redis_server.url)

    for _ in range(20):
        assert await take(process.slots, *"abcd") == [True, True, True, False]
        for name in "abc":
            process.slots.release("ada", name)
    await asyncio.sleep(1.5)

    assert [record.message for record in caplog.records] == ["redis is away"]
    assert process.server.away


async def test_a_redis_that_is_full_changes_nothing(start: Start, redis_server: Real) -> None:
    redis_server.kill()
    redis_server.start("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    process = start(redis_server.url)

    for _ in range(20):
        assert await take(process.slots, *"abcd") == [True, True, True, False]
        for name in "abc":
            process.slots.release("ada", name)


async def test_who_is_cancelled_while_taking_holds_nothing(start: Start, redis_server: Real) -> None:
    async with SlowProxy(redis_server.port, 0.2) as proxy:
        process = start(f"redis://127.0.0.1:{proxy.port}")
        await process.slots.taken("ada")
        tasks = [asyncio.create_task(process.slots.take("ada", str(number), 3)) for number in range(3)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        proxy.delay = 0

        # They may stand in Redis for a moment, and are not prolonged.
        assert await free_within(process.slots, GOOD_FOR + 5) < GOOD_FOR + 5


async def test_holding_thousands_keeps_nobody_waiting(start: Start, redis_url: str) -> None:
    one, other = start(redis_url), start(redis_url)
    await asyncio.gather(*(one.slots.take(f"user {n % 50}", str(n), 1000) for n in range(2000)))

    times = []
    ends = time.monotonic() + 6
    while time.monotonic() < ends:
        began = time.monotonic()
        await other.slots.taken("user 1")
        times.append(time.monotonic() - began)
        await asyncio.sleep(0.01)

    assert await other.slots.taken("user 1") == 40
    assert sorted(times)[-3] < 1  # a pause of the machine may meet two
