"""Counters in this process: as many as fit, at a cost that does not grow with them."""

import asyncio
import time
import tracemalloc

import pytest
from limits import parse_many

from app.stores.memory import MemoryWindows
from app.stores.windows import FixedWindows

MINUTE = parse_many("1/minute")
HOUR = parse_many("1/hour")


async def test_there_are_never_more_than_so_many() -> None:
    storage = MemoryWindows(most_keys=100)
    counters = FixedWindows(storage)

    for number in range(1000):
        await counters.spend(MINUTE, "it", str(number))

    assert len(storage) == 100


async def test_those_that_end_soonest_are_forgotten_first() -> None:
    counters = FixedWindows(MemoryWindows(most_keys=100))
    await counters.spend(HOUR, "it", "ada")

    for number in range(1000):
        await counters.spend(MINUTE, "it", str(number))

    assert not (await counters.look(HOUR, "it", "ada")).granted


@pytest.mark.parametrize("now", [0.1, 255.7, 1023.3, 4095.99, 2**20 - 0.3, 2**31 - 59.9])
async def test_a_minute_is_sixty_seconds_at_any_time(now: float) -> None:
    counters = FixedWindows(MemoryWindows(clock=lambda: now))
    for second in range(60):
        now += second / 60
        assert (await counters.look(MINUTE, "it", "ada")).windows[0].resets_in == 60


async def test_what_has_ended_makes_room_by_itself() -> None:
    storage = MemoryWindows()
    counters = FixedWindows(storage)
    for number in range(1000):
        await counters.spend(parse_many("1/second"), "it", str(number))
    await asyncio.sleep(1.05)

    await counters.spend(MINUTE, "it", "ada")

    assert len(storage) == 1


async def test_counting_and_forgiving_for_ever_takes_no_memory() -> None:
    counters = FixedWindows(MemoryWindows())

    tracemalloc.start()
    for _ in range(20_000):
        await counters.spend(HOUR, "it", "ada")
        await counters.forgive(HOUR, "it", "ada")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 500_000


async def test_a_flood_of_addresses_costs_each_of_them_as_much_as_one() -> None:
    counters = FixedWindows(MemoryWindows())
    for number in range(50_000):
        await counters.spend(MINUTE, "it", str(number))

    began = time.process_time()
    for number in range(1000):
        await counters.spend(MINUTE, "it", f"another {number}")

    assert time.process_time() - began < 1  # limits' own storage takes 4.6 s
