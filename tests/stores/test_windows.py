"""What every storage of counters has to do, in this process and in Redis alike."""

import asyncio
import time

from limits import parse_many
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from app.stores.windows import Count, FixedWindows

SIXTY = parse_many("3/minute")
BOTH = parse_many("2/second;3/minute")


async def spend(counters: FixedWindows, times: int, items: object = SIXTY) -> list[bool]:
    return [(await counters.spend(items, "it", "ada")).granted for _ in range(times)]  # type: ignore[arg-type]


async def test_as_many_are_granted_as_there_is_room_for(counters: FixedWindows) -> None:
    assert await spend(counters, 5) == [True, True, True, False, False]


async def test_a_count_says_what_is_used_and_when_it_ends(counters: FixedWindows) -> None:
    await counters.spend(SIXTY, "it", "ada")

    granted, (window,) = await counters.spend(SIXTY, "it", "ada")

    assert granted
    assert window.used == 2
    assert 55 < window.resets_in <= 60


async def test_what_is_refused_is_not_counted(counters: FixedWindows) -> None:
    await spend(counters, 10)

    _, (window,) = await counters.look(SIXTY, "it", "ada")

    assert window.used == 3


async def test_looking_counts_nothing(counters: FixedWindows) -> None:
    fresh = await counters.look(SIXTY, "it", "ada")
    for _ in range(10):
        await counters.look(SIXTY, "it", "ada")

    assert fresh == Count(True, fresh.windows)
    assert (fresh.windows[0].used, fresh.windows[0].resets_in) == (0, 60)
    assert await spend(counters, 4) == [True, True, True, False]
    assert not (await counters.look(SIXTY, "it", "ada")).granted


async def test_each_is_counted_apart(counters: FixedWindows) -> None:
    await spend(counters, 4)

    assert (await counters.spend(SIXTY, "it", "bob")).granted
    assert (await counters.spend(SIXTY, "other", "ada")).granted


async def test_a_window_begins_with_the_first_and_is_not_put_off_by_more(counters: FixedWindows) -> None:
    once = parse_many("1/second")
    began = time.monotonic()
    while (count := await counters.spend(once, "it", "ada")).granted:
        pass
    assert 0 < count.windows[0].resets_in <= 1

    async with asyncio.timeout(5):
        while not (await counters.spend(once, "it", "ada")).granted:
            await asyncio.sleep(0.02)

    assert time.monotonic() - began >= 1


async def test_all_limits_hold_and_what_one_refuses_the_others_do_not_count(counters: FixedWindows) -> None:
    assert await spend(counters, 10, BOTH) == [True, True] + [False] * 8
    await asyncio.sleep(1.05)

    assert await spend(counters, 2, BOTH) == [True, False]
    _, windows = await counters.look(BOTH, "it", "ada")
    assert [window.used for window in windows] == [1, 3]


async def test_forgiving_begins_anew(counters: FixedWindows) -> None:
    await spend(counters, 5, BOTH)
    await counters.forgive(BOTH, "it", "ada")

    assert await spend(counters, 3, BOTH) == [True, True, False]


async def test_many_at_once_get_no_more_than_there_is(counters: FixedWindows) -> None:
    thirty = parse_many("30/minute")

    counts = await asyncio.gather(*(counters.spend(thirty, "it", "ada") for _ in range(100)))

    assert sum(count.granted for count in counts) == 30
    assert sorted(count.windows[0].used for count in counts if count.granted) == list(range(1, 31))


async def test_the_strategy_of_the_library_counts_on_it_too(storage: Storage) -> None:
    (item,) = SIXTY
    limiter = FixedWindowRateLimiter(storage)

    assert [await limiter.hit(item, "ada") for _ in range(4)] == [True, True, True, False]
    assert not await limiter.test(item, "ada")
    assert (await limiter.get_window_stats(item, "ada")).remaining == 0
    assert time.time() + 55 < (await limiter.get_window_stats(item, "ada")).reset_time <= time.time() + 61
    assert await storage.check()
